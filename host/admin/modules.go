package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// Modules is what can be done with the versions of one kind of module. All
// that is answered encodes as a JSON object.
type Modules struct {
	List    func(name string) (any, error) // "": all
	History func(name string) (any, error)
	Push    func(ctx context.Context, name string, up ModuleUpload) (any, error)
	// Step takes a version a step on: replay, shadow, canary, promote, rollback.
	Step func(ctx context.Context, name, step string, s ModuleStep) (any, error)
}

// ModuleUpload is a version to be pushed.
type ModuleUpload struct {
	Code      []byte          `json:"code"` // base64
	Manifest  []byte          `json:"manifest,omitempty"`
	Signature []byte          `json:"signature,omitempty"` // a .minisig text over the manifest
	Config    json.RawMessage `json:"config,omitempty"`    // an object; left out: that of the active version
	Why       string          `json:"why,omitempty"`
}

// ModuleStep is what a step is told.
type ModuleStep struct {
	Version string          `json:"version,omitempty"` // "": the one that the step is next for
	Why     string          `json:"why,omitempty"`
	Force   bool            `json:"force,omitempty"` // without the proof that the step asks for
	Off     bool            `json:"off,omitempty"`   // of a shadow: end it
	Most    int             `json:"most,omitempty"`  // of a replay: the latest so many decisions
	Texts   json.RawMessage `json:"texts,omitempty"` // of a filter's replay: [{"channel": "user", "text": "…"}]
	Share   float64         `json:"share,omitempty"` // of a canary
	By      string          `json:"by,omitempty"`    // key, request or session
	Guard   *Guard          `json:"guard,omitempty"` // nil: the usual one
}

// Guard says how much worse than the active version a canary may do.
type Guard struct {
	Min    int64   `json:"min_requests"`
	Faults float64 `json:"faults"`
	Errors float64 `json:"errors"`
	Cost   float64 `json:"cost"`
	TTFT   float64 `json:"ttft"`
}

// maxModule is room for a module of 8 MiB in base64, and what comes with it.
const maxModule = 12 << 20

// showing reports whether r brings texts that a filter is to be shown: people's
// own, which are not written down.
func showing(r *http.Request) bool {
	path := strings.TrimSuffix(r.URL.Path, "/")
	return strings.HasPrefix(path, "/admin/filters/") && strings.HasSuffix(path, "/replay")
}

// moduleSteps are what may follow a name in a POST.
var moduleSteps = []string{"replay", "shadow", "canary", "promote", "rollback"}

// moduleRoutes are the handlers of m under /admin/<kind>s.
func (s *Server) moduleRoutes(guarded map[string]route, kind string, m *Modules) {
	if m == nil {
		return
	}
	base := "/admin/" + kind + "s"
	guarded["GET "+base] = viewers(func(_ http.ResponseWriter, _ *http.Request) (any, error) { return m.List("") })
	guarded["GET "+base+"/{name}"] = viewers(func(_ http.ResponseWriter, r *http.Request) (any, error) { return m.List(r.PathValue("name")) })
	guarded["GET "+base+"/{name}/history"] = viewers(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return m.History(r.PathValue("name"))
	})
	guarded["POST "+base+"/{name}/versions"] = operators(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		var up ModuleUpload
		if err := strict(r.Body, &up); err != nil {
			return nil, invalid("the body is not what a push takes: %v", err)
		}
		return m.Push(r.Context(), r.PathValue("name"), up)
	})
	for _, step := range moduleSteps {
		guarded["POST "+base+"/{name}/"+step] = operators(func(_ http.ResponseWriter, r *http.Request) (any, error) {
			var in ModuleStep
			if err := strict(r.Body, &in); err != nil && !errors.Is(err, io.EOF) {
				return nil, invalid("the body is not what a step takes: %v", err)
			}
			return m.Step(r.Context(), r.PathValue("name"), step, in)
		})
	}
}
