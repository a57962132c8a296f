package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Trials is what can be found out about policy bundles that do not decide. All
// that is answered encodes as a JSON object.
type Trials struct {
	Impact  func(ctx context.Context, q ImpactQuery) (any, error)
	Explain func(ctx context.Context, q ExplainQuery) (any, error)
	Shadow  func() any
	Set     func(tarball []byte, share float64) error // an empty tarball: none any more
}

// ImpactQuery asks what a bundle would have made of requests.
type ImpactQuery struct {
	Bundle []byte    `json:"bundle,omitempty"` // gzipped tarball, base64; none: the shadow, or what decides
	Since  time.Time `json:"since,omitzero"`   // zero: a day ago
}

// ExplainQuery asks how a bundle decides on one request.
type ExplainQuery struct {
	Request string `json:"-"`
	Bundle  []byte `json:"bundle,omitempty"` // gzipped tarball, base64; none: what decides
	Trace   string `json:"trace,omitempty"`  // off, fails, full; "": fails
}

// ShadowRequest is the body of PUT /admin/policy/shadow.
type shadowRequest struct {
	Bundle []byte   `json:"bundle"`
	Share  *float64 `json:"share"`
}

// maxBundle is room for a bundle of 16 MiB in base64, and what comes with it.
const maxBundle = 24 << 20

var traceDetails = []string{"off", "fails", "full"}

func (s *Server) trialRoutes(guarded map[string]route) {
	if s.opt.Trials == nil {
		return
	}
	guarded["POST /admin/policy/impact"] = viewers(s.policyImpact)
	guarded["POST /admin/policy/explain/{id}"] = viewers(s.policyExplain)
	guarded["GET /admin/policy/shadow"] = viewers(func(http.ResponseWriter, *http.Request) (any, error) { return s.opt.Trials.Shadow(), nil })
	guarded["PUT /admin/policy/shadow"] = authors(s.setShadow)
	guarded["DELETE /admin/policy/shadow"] = authors(func(http.ResponseWriter, *http.Request) (any, error) {
		return map[string]bool{"ended": true}, s.opt.Trials.Set(nil, 0)
	})
}

func (s *Server) policyImpact(_ http.ResponseWriter, r *http.Request) (any, error) {
	var q ImpactQuery
	if err := strict(r.Body, &q); err != nil {
		return nil, invalid("the body is not what an impact takes: %v", err)
	}
	if err := mayTry(r, q.Bundle); err != nil {
		return nil, err
	}
	if q.Since.IsZero() {
		q.Since = time.Now().Add(-24 * time.Hour)
	}
	if q.Since.After(time.Now()) {
		return nil, invalid("since is in the future: %s", q.Since.Format(time.RFC3339))
	}
	return s.opt.Trials.Impact(r.Context(), q)
}

// mayTry refuses a bundle of those who may not push one: to try it is to run it,
// tests and all.
func mayTry(r *http.Request, bundle []byte) error {
	who := Who(r.Context())
	if len(bundle) == 0 || who.Role.may(PolicyAuthor) {
		return nil
	}
	return wire.Errorf(http.StatusForbidden, "role_required", "%s is %s: to try a bundle takes the role %s; without one the shadow, or what decides, is asked", who.Name, who.Role, PolicyAuthor)
}

func (s *Server) policyExplain(_ http.ResponseWriter, r *http.Request) (any, error) {
	q := ExplainQuery{Trace: "fails"}
	if err := strict(r.Body, &q); err != nil {
		return nil, invalid("the body is not what an explanation takes: %v", err)
	}
	if err := mayTry(r, q.Bundle); err != nil {
		return nil, err
	}
	if !slices.Contains(traceDetails, q.Trace) {
		return nil, invalid("trace is %q: give one of %s", q.Trace, strings.Join(traceDetails, ", "))
	}
	q.Request = r.PathValue("id")
	return s.opt.Trials.Explain(r.Context(), q)
}

func (s *Server) setShadow(_ http.ResponseWriter, r *http.Request) (any, error) {
	var q shadowRequest
	if err := strict(r.Body, &q); err != nil {
		return nil, invalid("the body is not what a shadow takes: %v", err)
	}
	share := 1.0
	if q.Share != nil {
		share = *q.Share
	}
	switch {
	case len(q.Bundle) == 0:
		return nil, invalid("bundle is missing: give a gzipped tarball in base64")
	case !(share >= 0 && share <= 1):
		return nil, invalid("share is %v: give a number from 0 to 1", share)
	}
	if err := s.opt.Trials.Set(q.Bundle, share); err != nil {
		return nil, wire.Errorf(http.StatusUnprocessableEntity, "policy_refused", "%v", err)
	}
	return s.opt.Trials.Shadow(), nil
}
