package e2e_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/signalbox-ai/signalbox/host/openapi"
	"github.com/signalbox-ai/signalbox/host/openapi/inspect"
)

// client asks gateways, and whoever else there is. What passes between it and a
// gateway must be as the document of the gateway's address says.
var client = &http.Client{Transport: inspected{&http.Transport{MaxIdleConnsPerHost: 2000}}}

var (
	// inspectors go by the documents. All of the admin address is the gateway's
	// own, so that it has no members but those that are named.
	inspectors = sync.OnceValues(func() (both struct{ data, admin *inspect.Inspector }, err error) {
		if both.data, err = inspect.New(openapi.Data(), false); err == nil {
			both.admin, err = inspect.New(openapi.Admin(), true)
		}
		return both, err
	})

	watched sync.Map // from the address of a gateway to the *watch of what passes
)

// inspected is a transport of clients.
type inspected struct{ http.RoundTripper }

func (i inspected) RoundTrip(r *http.Request) (*http.Response, error) {
	if w, ok := watched.Load(r.URL.Host); ok {
		w := w.(*watch)
		return w.Through(i.RoundTripper, w.tell.fault).RoundTrip(r)
	}
	return i.RoundTripper.RoundTrip(r)
}

// watch is what looks at the traffic of an address, and whom it tells.
type watch struct {
	*inspect.Inspector
	tell *verdict
}

// watch has what clients exchange with g looked at until the test ends, which
// fails where that is not as the documents say.
func (g *gateway) watch() {
	g.t.Helper()
	both, err := inspectors()
	if err != nil {
		g.t.Fatal(err)
	}
	tell := &verdict{t: g.t, told: map[string]bool{}}
	for base, i := range map[string]*inspect.Inspector{g.data: both.data, g.admin: both.admin} {
		host, w := strings.TrimPrefix(base, "http://"), &watch{i, tell}
		watched.Store(host, w)
		g.t.Cleanup(func() { watched.CompareAndDelete(host, w) }) // another gateway may have the address by now
	}
	g.t.Cleanup(tell.end)
}

// verdict fails a test, as long as it runs, once for each that it is told of.
type verdict struct {
	mu   sync.Mutex
	t    testing.TB
	told map[string]bool
	over bool
}

// mostFaults of a gateway are told: under load all requests may have the same.
const mostFaults = 20

func (v *verdict) fault(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over || v.told[text] || len(v.told) == mostFaults {
		return
	}
	v.told[text] = true
	v.t.Errorf("not as the OpenAPI document says: %s", text)
}

func (v *verdict) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.over = true
}
