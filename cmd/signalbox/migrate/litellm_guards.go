package migrate

import "fmt"

// guardFilters are the guardrails that a filter which comes with the gateway
// stands in for.
var guardFilters = map[string]string{"presidio": "pii", "hide-secrets": "secrets", "hide_secrets": "secrets", "litellm_content_filter": "words"}

// guards are the guardrails: the section of today, and the one before it.
func (c *conversion) guards(doc, lite *section) {
	for _, s := range doc.sections("guardrails") {
		params := s.section("litellm_params")
		c.guard(s, params.text("guardrail"), params.flag("default_on"))
		s.ignore("guardrail_name", "guardrail_info", "litellm_params")
	}
	for _, s := range lite.sections("guardrails") {
		for name := range s.m {
			one := s.section(name)
			for _, callback := range one.texts("callbacks") {
				c.guard(one, callback, one.flag("default_on"))
			}
		}
	}
}

func (c *conversion) guard(s *section, kind string, always bool) {
	name, ok := guardFilters[kind]
	if !ok || name == "words" {
		c.lost(s.path, fmt.Sprintf("guardrail %q has no like among the filters that come with this gateway", kind), "plugins/filters/README.md lists them; another is a module: docs/routing-authors.md, or a model that is asked as guard: docs/filters.md")
		return
	}
	if c.out.Filters == nil {
		c.out.Filters = map[string]any{}
	}
	c.out.Filters[name] = map[string]string{"module": "builtin:" + name}
	why := fmt.Sprintf("the filter %s stands in for %q, with rules of its own", name, kind)
	if !always {
		c.differs(s.path, why+"; nobody asks for it yet", fmt.Sprintf("require it by policy, obligations[\"filters\"] := [%q], or name it at models: docs/filters.md", name))
		return
	}
	for _, m := range c.out.Models {
		m.Filters = append(m.Filters, name)
	}
	c.differs(s.path, why, "compare what it finds: plugins/filters/README.md")
}
