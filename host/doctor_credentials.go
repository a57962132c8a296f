package host

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/host/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// What can come of trying a credential.
const (
	CredentialOK          = "ok"
	CredentialRefused     = "refused"
	CredentialLimited     = "limited" // it is taken, and has nothing left for now
	CredentialUnreachable = "unreachable"
	CredentialUntried     = "cannot be tried without a paid call"
)

// TriedCredential is what came of trying a credential of the configuration.
type TriedCredential struct {
	Name   string
	Field  string // of the configuration
	Answer string // Credential…
	Says   string // why, without what is secret; "" where it is taken
}

// tryCredentials asks a provider with each of its credentials, free of charge.
func tryCredentials(ctx context.Context, set *provider.Set, name string) []TriedCredential {
	p := set.Provider(name)
	list := make([]TriedCredential, len(p.Credentials))
	var wg sync.WaitGroup
	for i, c := range p.Credentials {
		wg.Go(func() {
			answer, says := tryCredential(ctx, set, name, c)
			list[i] = TriedCredential{c.Name, fmt.Sprintf("providers.%s.credentials[%d].value", name, i), answer, brief(withoutSecrets(says, c))}
		})
	}
	wg.Wait()
	if !slices.ContainsFunc(list, func(t TriedCredential) bool { return t.Answer == CredentialOK }) {
		return list
	}
	// Where anything is taken, that a credential is taken says nothing.
	if tried, ok := dispatch.Try(ctx, p, &call.Credential{Value: "signalbox-doctor"}); !ok || tried.Class != wire.ClassNone {
		return list
	}
	for i := range list {
		if t := &list[i]; t.Answer == CredentialOK {
			t.Answer, t.Says = CredentialUntried, "what costs nothing is answered there whatever the credential"
		}
	}
	return list
}

func tryCredential(ctx context.Context, set *provider.Set, name string, c *call.Credential) (answer, says string) {
	if !c.Ready(time.Now().UnixMilli()) {
		switch err := set.Unminted(name, c); {
		case err == nil:
			return CredentialUnreachable, "no token was made of it in time"
		case err.Refused:
			return CredentialRefused, err.Says
		default:
			return CredentialUnreachable, err.Says
		}
	}
	tried, ok := dispatch.Try(ctx, set.Provider(name), c)
	if !ok {
		return CredentialUntried, "its adapter knows of nothing that costs nothing"
	}
	if says = tried.Says; tried.Status > 0 {
		says = fmt.Sprintf("%d %s", tried.Status, says)
	}
	switch tried.Class {
	case wire.ClassNone:
		return CredentialOK, ""
	case wire.ClassAuth:
		return CredentialRefused, says
	case wire.ClassRateLimit, wire.ClassQuota:
		return CredentialLimited, says
	case wire.ClassOverloaded, wire.ClassServer, wire.ClassTimeout, wire.ClassNetwork:
		return CredentialUnreachable, says
	}
	return CredentialUntried, says
}

// maxSaid is how much of a provider's words is shown, maxHeard how much of them
// is looked into, which is more than secrets are long.
const (
	maxSaid  = 200
	maxHeard = 4 << 10
)

// brief is a text in one line.
func brief(text string) string {
	line := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(text, "�")), " "))
	if len(line) > maxSaid {
		return string(line[:maxSaid]) + "…"
	}
	return string(line)
}

// tellingBytes is how many bytes of a secret in a row tell something of it.
const tellingBytes = 8

// withoutSecrets hides what a text has of a credential or of its token: a
// provider may quote a part of what it refuses.
func withoutSecrets(text string, c *call.Credential) string {
	text = text[:min(len(text), maxHeard)]
	for _, secret := range []string{c.Value, c.Secret(), url.QueryEscape(c.Value)} {
		text = strings.ReplaceAll(text, secret, "[secret]")
		for from := 0; from+tellingBytes <= len(text); from++ {
			to := from + tellingBytes
			if !strings.Contains(secret, text[from:to]) {
				continue
			}
			for to < len(text) && strings.Contains(secret, text[from:to+1]) {
				to++
			}
			text = text[:from] + "[secret]" + text[to:]
		}
	}
	return text
}
