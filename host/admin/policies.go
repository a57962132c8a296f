package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// Policies shows the bundles that decide, and keeps those that are pushed. All
// that is answered encodes as a JSON object.
type Policies struct {
	Show     func(context.Context) (any, error)
	Versions func(context.Context) (any, error)
	History  func(context.Context) (any, error)
	Push     func(ctx context.Context, tarball []byte, why string) (any, error)
	Rollback func(ctx context.Context, version int, why string) (any, error) // version 0: the one before
}

// policyPush is the body of POST /admin/policy/bundles.
type policyPush struct {
	Bundle []byte `json:"bundle"` // gzipped tarball, base64
	Why    string `json:"why"`
}

// policyRollback is the body of POST /admin/policy/rollback.
type policyRollback struct {
	Version int    `json:"version"`
	Why     string `json:"why"`
}

func (s *Server) policyRoutes(guarded map[string]route) {
	p := s.opt.Policies
	if p == nil {
		return
	}
	show := func(f func(context.Context) (any, error)) route {
		return viewers(func(_ http.ResponseWriter, r *http.Request) (any, error) { return f(r.Context()) })
	}
	guarded["GET /admin/policy"] = show(p.Show)
	guarded["GET /admin/policy/bundles"] = show(p.Versions)
	guarded["GET /admin/policy/history"] = show(p.History)
	guarded["POST /admin/policy/bundles"] = authors(s.pushPolicy)
	guarded["POST /admin/policy/rollback"] = authors(s.rollbackPolicy)
}

func (s *Server) pushPolicy(_ http.ResponseWriter, r *http.Request) (any, error) {
	var in policyPush
	if err := strict(r.Body, &in); err != nil {
		return nil, invalid("the body is not what a push takes: %v", err)
	}
	if len(in.Bundle) == 0 {
		return nil, invalid("bundle is missing: give a .tar.gz in base64")
	}
	return s.opt.Policies.Push(r.Context(), in.Bundle, in.Why)
}

func (s *Server) rollbackPolicy(_ http.ResponseWriter, r *http.Request) (any, error) {
	var in policyRollback
	if err := strict(r.Body, &in); err != nil && !errors.Is(err, io.EOF) {
		return nil, invalid("the body is not what a rollback takes: %v", err)
	}
	if in.Version < 0 {
		return nil, invalid("version is %d: give the number of a version, or none for the one before", in.Version)
	}
	return s.opt.Policies.Rollback(r.Context(), in.Version, in.Why)
}
