package host

import (
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

// TestWordsWithoutSecrets: what a provider quotes of a credential is not shown,
// be it a part, or written as in a URL.
func TestWordsWithoutSecrets(t *testing.T) {
	f := func(secret, token, says, want string) {
		t.Helper()
		c := &call.Credential{Value: secret}
		if token != "" {
			c.SetToken(&call.Token{Value: token})
		}
		if got := brief(withoutSecrets(says, c)); got != want {
			t.Errorf("%q becomes %q; want %q", says, got, want)
		}
	}
	f("sk-0123456789abcdef", "", "no such key sk-0123456789abcdef, go away", "no such key [secret], go away")
	f("sk-0123456789abcdef", "", "no such key …56789abcdef.", "no such key …[secret].")
	f("sk-0123456789abcdef", "", "key sk-0***def is\n not good", "key sk-0***def is not good")
	f("short", "", "short is not good", "[secret] is not good")
	f("AKIA0123456789:hush/hush+hush", "", "hush%2Fhush%2Bhush of AKIA0123456789", "[secret] of [secret]")
	f("a-service-account", "ya29.0123456789", "the token ya29.0123456789 has ended", "the token [secret] has ended")
	f("sk-0123456789abcdef", "", strings.Repeat("ä", 300), strings.Repeat("ä", maxSaid)+"…")
	f("sk-0123456789abcdef", "", strings.Repeat("-", maxHeard-8)+"sk-0123456789abcdef", strings.Repeat("-", maxSaid)+"…")
}
