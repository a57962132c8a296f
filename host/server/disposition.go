package server

import (
	"strings"
)

// disposition is what the head of a part says of it.
type disposition struct {
	name string
	file bool
}

const maxPartHeaders = 16

// partHead reads the head of a part.
func (f *formReader) partHead() (d disposition, err error) {
	seen := false
	for range maxPartHeaders {
		line, err := f.line()
		if err != nil {
			return d, err
		}
		if line == "" {
			if !seen {
				return d, formFault("", "a part of the form has no Content-Disposition")
			}
			return d, nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) {
			return d, formFault("", "a part of the form has a malformed header")
		}
		switch strings.ToLower(name) {
		case "content-disposition":
			if d, ok = parseDisposition(value); !ok || seen {
				return d, formFault("", "a part of the form has a Content-Disposition that parsers read differently: write form-data; name=\"…\"; filename=\"…\"")
			}
			seen = true
		case "content-transfer-encoding":
			switch strings.ToLower(strings.TrimSpace(value)) {
			case "7bit", "8bit", "binary":
			default:
				return d, formFault("", "a part of the form has a Content-Transfer-Encoding: send its bytes as they are")
			}
		}
	}
	return d, formFault("", "a part of the form has too many headers")
}

// parseDisposition reads form-data; name="…"; filename="…"; filename*=….
func parseDisposition(s string) (d disposition, ok bool) {
	kind, rest, _ := strings.Cut(s, ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "form-data") {
		return d, false
	}
	seen := map[string]bool{}
	for rest = strings.TrimLeft(rest, " \t"); rest != ""; {
		name, value, more, ok := parameter(rest)
		name = strings.ToLower(name)
		if !ok || seen[name] {
			return d, false
		}
		seen[name] = true
		switch name {
		case "name":
			if strings.ContainsAny(value, "\\%") {
				return d, false
			}
			d.name = value
		case "filename", "filename*":
			d.file = true
		default:
			return d, false
		}
		rest = more
	}
	return d, seen["name"]
}

// parameter reads one name=value, quoted or not, and what follows it.
func parameter(s string) (name, value, rest string, ok bool) {
	name, s, ok = strings.Cut(s, "=")
	if !ok || !isToken(name) {
		return "", "", "", false
	}
	if strings.HasPrefix(s, `"`) {
		value, s, ok = strings.Cut(s[1:], `"`)
		if !ok || strings.HasSuffix(value, `\`) { // some end here, others do not
			return "", "", "", false
		}
	} else {
		end := strings.IndexAny(s, "; \t")
		if end < 0 {
			end = len(s)
		}
		if value, s = s[:end], s[end:]; !isToken(value) {
			return "", "", "", false
		}
	}
	if s = strings.TrimLeft(s, " \t"); s == "" {
		return name, value, "", true
	}
	if s[0] != ';' {
		return "", "", "", false
	}
	if s = strings.TrimLeft(s[1:], " \t"); s == "" {
		return "", "", "", false
	}
	return name, value, s, true
}

// boundaryOf reads the boundary of multipart/form-data.
func boundaryOf(contentType string) (string, bool) {
	kind, rest, ok := strings.Cut(contentType, ";")
	if !ok || !strings.EqualFold(strings.TrimSpace(kind), "multipart/form-data") {
		return "", false
	}
	name, value, more, ok := parameter(strings.TrimLeft(rest, " \t"))
	if !ok || more != "" || !strings.EqualFold(name, "boundary") || value == "" || len(value) > 70 {
		return "", false
	}
	for i := range len(value) {
		if c := value[i]; !isAlnum(c) && strings.IndexByte("'()+_,-./:=? ", c) < 0 || c == ' ' && i == len(value)-1 {
			return "", false
		}
	}
	return value, true
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// isToken reports whether s is a token by RFC 9110.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func dropSpaces(s string) string { return strings.ReplaceAll(s, " ", "") }
