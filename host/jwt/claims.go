package jwt

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const (
	maxValue  = 256 // bytes of a claim that is used
	maxValues = 64
	farAway   = 1 << 40 // seconds: beyond every date
)

// claims are what a token says.
type claims struct{ all map[string]any }

// check holds the claims against time and audience, and says until when they
// count, in Unix seconds.
func (c *claims) check(o *Issuer, now time.Time) (until int64, err *wire.Error) {
	exp, ok := c.date("exp")
	if !ok {
		return 0, invalid("it has no exp: it would never end")
	}
	leeway := int64(o.Leeway / time.Second)
	until = exp + leeway
	if now.Unix() >= until {
		return 0, refuse(401, "token_expired", "the token has expired: get a new one from your issuer")
	}
	for _, name := range []string{"nbf", "iat"} {
		at, ok := c.date(name)
		if c.all[name] != nil && !ok {
			return 0, invalid("its %s is not a date", name)
		}
		if at > now.Unix()+leeway {
			return 0, refuse(401, "token_not_yet_valid", "the token does not count yet, by its %s: check the clocks of your issuer and of this gateway", name)
		}
	}
	if !slices.ContainsFunc(o.Audience, func(a string) bool { return holds(c.all["aud"], a) }) {
		return 0, refuse(401, "token_audience", "the token is not meant for this gateway: ask your issuer for one with the audience %s", strings.Join(o.Audience, " or "))
	}
	for name, value := range o.Require {
		if !holds(c.find(name), value) {
			return 0, refuse(403, "token_claim_required", "the token's claim %s is not what this gateway asks for: ask whoever grants it", name)
		}
	}
	return until, nil
}

// date is a NumericDate, in whole seconds.
func (c *claims) date(name string) (int64, bool) {
	f, ok := c.all[name].(float64)
	if !ok || math.IsNaN(f) {
		return 0, false
	}
	return int64(max(-farAway, min(f, farAway))), true
}

// find is the claim of that name, or what a path of names leads to:
// "realm_access.roles".
func (c *claims) find(path string) any {
	at := c.all
	for {
		if v, ok := at[path]; ok {
			return v
		}
		name, rest, ok := strings.Cut(path, ".")
		if !ok {
			return nil
		}
		if at, ok = at[name].(map[string]any); !ok {
			return nil
		}
		path = rest
	}
}

// holds reports whether v is the value, or a list that has it.
func holds(v any, value string) bool {
	switch v := v.(type) {
	case string:
		return v == value
	case bool:
		return v && value == "true" || !v && value == "false"
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { s, ok := e.(string); return ok && s == value })
	}
	return false
}

// texts are the values of a claim: a text, or a list of them.
func (c *claims) texts(path string) (list []string, err *wire.Error) {
	switch v := c.find(path).(type) {
	case nil:
		return nil, nil
	case string:
		list = []string{v}
	case []any:
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, invalid("its claim %s is not a text or a list of texts", path)
			}
			list = append(list, s)
		}
	default:
		return nil, invalid("its claim %s is not a text or a list of texts", path)
	}
	if len(list) > maxValues {
		return nil, invalid("its claim %s has more than %d values", path, maxValues)
	}
	for _, s := range list {
		if len(s) > maxValue || !legible(s) {
			return nil, invalid("its claim %s is longer than %d bytes, or holds what cannot be seen: control or zero-width characters, or space at an end", path, maxValue)
		}
	}
	return list, nil
}

// legible reports whether s is what it looks like: two names that are read as
// one would have two budgets.
func legible(s string) bool {
	return strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar })
}

func (c *claims) principal(o *Issuer) (*call.Principal, *wire.Error) {
	p := &call.Principal{Auth: "jwt"}
	for field, path := range o.Claims {
		list, err := c.texts(path)
		if err != nil {
			return nil, err
		}
		if field == "roles" {
			slices.Sort(list)
			p.Roles = slices.Compact(list)
			continue
		}
		if len(list) > 1 {
			return nil, invalid("its claim %s has several values where one %s is wanted", path, field)
		}
		if len(list) == 1 {
			set(p, field, list[0])
		}
	}
	if sub, _ := c.texts("sub"); o.Claims["user"] == "" && len(sub) == 1 { // else a sub could be chosen to be another's name
		p.User = sub[0]
	}
	if p.User == "" {
		return nil, invalid("it does not say whom it is for")
	}
	p.KeyID = "jwt/" + o.Name + "/" + loggable(p.User)
	p.KeyName = p.KeyID
	return p, nil
}

func set(p *call.Principal, field, value string) {
	if name, ok := strings.CutPrefix(field, "attrs."); ok {
		if p.Attrs == nil {
			p.Attrs = map[string]string{}
		}
		p.Attrs[name] = value
		return
	}
	switch field {
	case "user":
		p.User = value
	case "org":
		p.Org = value
	case "project":
		p.Project = value
	case "team":
		p.Team = value
	case "env":
		p.Env = value
	}
}

// hashPrefix begins the ids of subjects that stand there as a hash.
const hashPrefix = "sha256-"

// loggable is a subject as it stands in ids: as it is, if it is plain, short and
// does not look like another's hash.
func loggable(subject string) string {
	if len(subject) <= 128 && !strings.HasPrefix(subject, hashPrefix) && !strings.ContainsFunc(subject, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
		return subject
	}
	sum := sha256.Sum256([]byte(subject))
	return hashPrefix + hex.EncodeToString(sum[:16])
}
