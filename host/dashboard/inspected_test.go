package dashboard_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"sync"
	"testing"

	"github.com/signalbox-ai/signalbox/host/openapi"
	"github.com/signalbox-ai/signalbox/host/openapi/inspect"
)

// admins sees what passes between browsers and the admin addresses of gateways.
var admins = sync.OnceValues(func() (*inspect.Inspector, error) { return inspect.New(openapi.Admin(), true) })

// mostFaults are told: events may all have the same.
const mostFaults = 20

// inspected is the code that tests with this one end with: not 0 if something has
// passed that is not as the admin document says.
func inspected(code int) int {
	i, err := admins()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	faults := i.Faults()
	for _, fault := range faults[:min(len(faults), mostFaults)] {
		fmt.Fprintf(os.Stderr, "not as the OpenAPI document says: %s\n", fault)
		code = 1
	}
	return code
}

// front stands before the admin address of a gateway, also while it is away.
type front struct {
	srv    *httptest.Server
	behind string
}

// before is the address that stands before the gateway at base: the same for the
// same, which pages are still open at.
func (f *front) before(t testing.TB, base string) string {
	t.Helper()
	if f.behind == base {
		return f.srv.URL
	}
	f.close()
	i, err := admins()
	if err != nil {
		t.Fatal(err)
	}
	if f.srv, err = i.Before(base); err != nil {
		t.Fatal(err)
	}
	// Who is away does not answer.
	f.srv.Config.Handler.(*httputil.ReverseProxy).ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	f.behind = base
	return f.srv.URL
}

func (f *front) close() {
	if f.srv != nil {
		f.srv.CloseClientConnections()
		f.srv.Close()
	}
}
