package config

import "path/filepath"

// PolicyShadow is a bundle that is asked about requests beside the one that
// decides, and changes nothing: GET /admin/policy/shadow tells how the two differ.
type PolicyShadow struct {
	Bundle string   `koanf:"bundle"` // a folder or .tar.gz, "": there is none
	Share  *float64 `koanf:"share"`  // of requests, 0 to 1; nil: all

	Path string `koanf:"-"` // where Bundle lies
}

// Of is the share of requests that it is asked about.
func (s *PolicyShadow) Of() float64 {
	if s.Share == nil {
		return 1
	}
	return *s.Share
}

func (s *PolicyShadow) locate(home string) {
	if s.Path = s.Bundle; s.Bundle == builtinDefault {
		s.Path = filepath.Join(home, "policies")
	} else if s.Bundle != "" && !filepath.IsAbs(s.Bundle) && !exists(s.Bundle) && exists(filepath.Join(home, s.Bundle)) {
		s.Path = filepath.Join(home, s.Bundle)
	}
}

// checkTrial checks what is tried out and does not decide.
func (c *Policy) checkTrial(p *problems) {
	if s := c.Shadow.Share; s != nil && !(*s >= 0 && *s <= 1) {
		p.addf("policy.shadow.share", "is %v: give a share from 0 to 1", *s)
	}
	if c.Shadow.Share != nil && c.Shadow.Bundle == "" {
		p.addf("policy.shadow.bundle", "is missing: name the folder or .tar.gz to be asked beside the one that decides")
	}
	seen := map[string]bool{}
	for _, name := range c.DryRun {
		if name == "" || seen[name] {
			p.addf("policy.dry_run", `names %q: give each unit once, or "*" for all`, name)
		}
		seen[name] = true
	}
}
