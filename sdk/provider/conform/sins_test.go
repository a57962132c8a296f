package conform

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSins has a sinner for every case: a check that cannot fail is none.
func TestSins(t *testing.T) {
	saint := filepath.Join(t.TempDir(), "badapter")
	build(t, saint, "./testdata/badapter")
	t.Run("none", func(t *testing.T) { Run(t, saint, Options{}) })
	caught := map[string]bool{}
	f := func(sin, id, says string) {
		caught[id[strings.LastIndexByte(id, '/')+1:]] = true
		t.Run(sin, func(t *testing.T) {
			t.Parallel()
			sinner := saint + "-" + sin
			if err := os.Link(saint, sinner); err != nil {
				t.Fatal(err)
			}
			r, err := Verify(t.Context(), sinner, Options{Patience: 2 * time.Second, only: id})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range r.Cases {
				if c.ID == id && c.Result == Failed && strings.Contains(c.Detail, says) && c.Fix != "" && c.Why != "" {
					return
				}
			}
			var b strings.Builder
			r.Print(&b)
			t.Errorf("%s was not caught saying %q: %s", id, says, b.String())
		})
	}
	f("handshake-version", "handshake", "the version of the contract")
	f("handshake-outside", "handshake", "outside of its folder")
	f("handshake-silent", "handshake", "no line")
	f("environment", "environment", "HOST_KEY")
	f("describe-version", "describe", "not semantic")
	f("describe-dialect", "describe", "klingon")
	f("describe-unstable", "describe", "something else")
	f("schema", "schema", "not JSON")
	f("accepts", "configure/refuses", "accepts")
	f("nameless", "configure/refuses", "does not name")
	f("configure", "configure", "Configure fails")
	f("health", "health", "no")
	f("endpoints-none", "endpoints", "no set of leases")
	f("endpoints-once", "endpoints", "after Configure")
	f("lease-host", "leases", "elsewhere.example")
	f("lease-header", "leases", "gateway's own")
	f("lease-class", "leases", `"slow" is none`)
	f("lease-socket", "leases", "not in the adapter's folder")
	f("token-expired", "token", "expired")
	f("token-empty", "token", "empty")
	f("lease-path", "direct", "404")
	f("lease-keyless", "direct", "no header carries the credential")
	chat := func(sin, id, says string) { f(sin, "chat/openai-chat/"+id, says) }
	chat("shapeless", "json", "choices")
	chat("deaf", "json", "the answer does not")
	chat("endless", "stream", "does not end with [DONE]")
	chat("usage-twice", "usage", "add up to 36")
	chat("usage-negative", "usage", "from 0 on")
	chat("cancel", "cancel", "still open")
	chat("unflushed", "cancel", "flush")
	chat("deadline", "deadline", "200 ms")
	chat("oversized", "oversized", "waits for it")
	chat("greasy", "grease", "400")
	chat("drops", "grease", "conformgrease")
	chat("malformed-500", "malformed", "status 500")
	chat("malformed-plain", "malformed", "no known form")
	chat("classless", "errors", "want auth")
	chat("impatient", "errors", "Retry-After")
	chat("flattens", "errors", "status is 500")
	chat("formless", "errors", "no known form")
	chat("fakes", "cut", "cleanly")
	chat("clean", "cut", "cleanly")
	f("live", "configure/live", "while Configure is called")
	f("forgets", "configure/keeps", "status")
	f("keeps", "credential", "credential of the first")
	f("describe-secrets", "describe/secrets", "credential")
	f("logs", "secrets", "standard error")
	f("prints", "secrets", "standard output")
	f("files", "secrets", "cache")
	f("drain-cuts", "drain", "a stream that ran")
	f("drain-early", "drain", "streams were running")
	f("drain-open", "drain", "")
	f("crash", "crash", "holds its output open")
	f("lifeline", "lifeline", "not ended")
	everyCaseHasASinner(t, caught)
}

func everyCaseHasASinner(t *testing.T, caught map[string]bool) {
	t.Helper()
	var ids []string
	for _, c := range append(append([]check{}, beginning...), ending...) {
		ids = append(ids, c.id)
	}
	for _, c := range perTarget {
		ids = append(ids, c.id)
	}
	for _, id := range ids {
		if !caught[id[strings.LastIndexByte(id, '/')+1:]] {
			t.Errorf("no sinner shows that the case %s can fail", id)
		}
	}
}

func build(t *testing.T, into, what string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", into, what).CombinedOutput(); err != nil {
		t.Fatalf("cannot build %s: %v\n%s", what, err, out)
	}
}
