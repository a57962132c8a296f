package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// The documents of pushed policy: one a version, and one that says which decides.
const (
	policyKind   = "policy"
	policyActive = "active"
	policyPrefix = "bundle-"
	// policyKept is how many versions are there to go back to.
	policyKept = 10
)

// pushedBundle is one version of the bundle that is kept in the store.
type pushedBundle struct {
	Version  int       `json:"version"`
	Revision string    `json:"revision"`
	SHA256   string    `json:"sha256"`
	Size     int       `json:"size"`
	By       string    `json:"by"`
	Why      string    `json:"why,omitempty"`
	At       time.Time `json:"at"`
	Tarball  []byte    `json:"tarball,omitempty"`
	Active   bool      `json:"active,omitempty"`
}

// activeBundle says which version decides, and which did.
type activeBundle struct {
	Version int           `json:"version"`
	History []policyEvent `json:"history"` // newest first
}

// policyEvent is a step in the history of pushed policy.
type policyEvent struct {
	What    string    `json:"what"` // push, rollback
	Version int       `json:"version"`
	By      string    `json:"by"`
	Why     string    `json:"why,omitempty"`
	At      time.Time `json:"at"`
}

const policyHistory = 200

func policyName(version int) string { return fmt.Sprintf("%s%06d", policyPrefix, version) }

// pushed reads what has been pushed: the versions by number, and which decides.
func (h *Host) pushed(ctx context.Context) (versions []pushedBundle, active activeBundle, revision int64, err error) {
	docs, err := h.store.Documents(ctx, policyKind)
	if err != nil {
		return nil, active, 0, err
	}
	for _, d := range docs {
		var into any = &active
		switch {
		case d.Name == policyActive:
			revision = d.Revision
		case strings.HasPrefix(d.Name, policyPrefix):
			versions = append(versions, pushedBundle{})
			into = &versions[len(versions)-1]
		default:
			continue
		}
		if err := json.Unmarshal(d.Body, into); err != nil {
			return nil, active, 0, fmt.Errorf("cannot read stored policy %q: %w", d.Name, err)
		}
	}
	slices.SortFunc(versions, func(a, b pushedBundle) int { return a.Version - b.Version })
	return versions, active, revision, nil
}

// storedPolicy is the tarball that decides where policy.bundle is store:, nil
// if none has been pushed.
func (h *Host) storedPolicy(ctx context.Context) ([]byte, error) {
	versions, active, _, err := h.pushed(ctx)
	if err != nil || active.Version == 0 {
		return nil, err
	}
	v := findVersion(versions, active.Version)
	if v == nil {
		return nil, fmt.Errorf("version %d is not there", active.Version)
	}
	if sum := sha256.Sum256(v.Tarball); hex.EncodeToString(sum[:]) != v.SHA256 {
		return nil, fmt.Errorf("version %d is not what was pushed: its SHA-256 differs", active.Version)
	}
	return v.Tarball, nil
}

func findVersion(versions []pushedBundle, n int) *pushedBundle {
	for i := range versions {
		if versions[i].Version == n {
			return &versions[i]
		}
	}
	return nil
}

// PushPolicy implements admin.Bundles.
func (h *Host) PushPolicy(ctx context.Context, tarball []byte, why string) (any, error) {
	g := h.gen.Load()
	trial, err := g.policy.Try(tarball)
	if err != nil {
		return nil, wire.Errorf(422, "policy_refused", "%v", err)
	}
	versions, active, revision, err := h.pushed(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(tarball)
	v := pushedBundle{Version: 1, Revision: trial.Revision(), SHA256: hex.EncodeToString(sum[:]), Size: len(tarball),
		By: admin.Who(ctx).Name, Why: why, At: time.Now().UTC(), Tarball: tarball}
	if n := len(versions); n > 0 {
		v.Version = versions[n-1].Version + 1
		if now := findVersion(versions, active.Version); now != nil && bytes.Equal(now.Tarball, tarball) {
			return nil, wire.Errorf(409, "policy_unchanged", "version %d, which decides, is the same bundle", now.Version)
		}
	}
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if _, err := h.store.PutDocument(ctx, call.Document{Kind: policyKind, Name: policyName(v.Version), Body: body}); err != nil {
		return nil, conflict(err)
	}
	if err := h.activatePolicy(ctx, active, revision, policyEvent{"push", v.Version, v.By, why, v.At}); err != nil {
		return nil, errors.Join(err, h.store.DeleteDocument(context.WithoutCancel(ctx), policyKind, policyName(v.Version), 0))
	}
	h.prunePolicy(ctx, versions, v.Version)
	v.Tarball, v.Active = nil, true
	return h.pushedAnswer(v), nil
}

// RollbackPolicy implements admin.Bundles: version 0 is the one that decided before.
func (h *Host) RollbackPolicy(ctx context.Context, version int, why string) (any, error) {
	versions, active, revision, err := h.pushed(ctx)
	if err != nil {
		return nil, err
	}
	for i := 0; version == 0 && i < len(active.History); i++ {
		if n := active.History[i].Version; n != active.Version && findVersion(versions, n) != nil {
			version = n
		}
	}
	v := findVersion(versions, version)
	switch {
	case version == 0:
		return nil, wire.Errorf(404, "policy_version_unknown", "there is no version to go back to: see signalbox policy list")
	case v == nil:
		return nil, wire.Errorf(404, "policy_version_unknown", "there is no version %d to go back to: see signalbox policy list", version)
	case version == active.Version:
		return nil, wire.Errorf(409, "policy_unchanged", "version %d decides already", version)
	}
	if _, err := h.gen.Load().policy.Try(v.Tarball); err != nil {
		return nil, wire.Errorf(422, "policy_refused", "%v", err)
	}
	err = h.activatePolicy(ctx, active, revision, policyEvent{"rollback", version, admin.Who(ctx).Name, why, time.Now().UTC()})
	if err != nil {
		return nil, err
	}
	v.Tarball, v.Active = nil, true
	return h.pushedAnswer(*v), nil
}

// pushedAnswer says whether what was pushed decides here.
func (h *Host) pushedAnswer(v pushedBundle) any {
	g := h.gen.Load()
	return struct {
		pushedBundle
		Serving bool `json:"serving"` // policy.bundle is store:
	}{v, g.policy.Revision() == v.Revision}
}

func (h *Host) activatePolicy(ctx context.Context, active activeBundle, revision int64, e policyEvent) error {
	active.Version = e.Version
	active.History = append([]policyEvent{e}, active.History[:min(len(active.History), policyHistory)]...)
	body, err := json.Marshal(active)
	if err != nil {
		return err
	}
	if _, err := h.store.PutDocument(ctx, call.Document{Kind: policyKind, Name: policyActive, Revision: revision, Body: body}); err != nil {
		return conflict(err)
	}
	return h.policyChanged(ctx, store.TopicDocuments+policyKind)
}

func conflict(err error) error {
	if errors.Is(err, call.ErrRevision) {
		return wire.Errorf(409, "policy_changed", "somebody else has pushed or rolled back meanwhile: look at signalbox policy list and try again")
	}
	return err
}

// prunePolicy forgets the oldest versions. That it fails is no failure of the push.
func (h *Host) prunePolicy(ctx context.Context, versions []pushedBundle, active int) {
	for len(versions) >= policyKept {
		if versions[0].Version != active {
			if err := h.store.DeleteDocument(ctx, policyKind, policyName(versions[0].Version), 0); err != nil && !errors.Is(err, call.ErrNoDocument) {
				h.log.Warn("policy: an old version is not removed", "version", versions[0].Version, "error", err)
			}
		}
		versions = versions[1:]
	}
}

// policyChanged takes what was pushed into use, on this node or another, where
// topic is about that.
func (h *Host) policyChanged(_ context.Context, topic string) error {
	if topic != "" && topic != store.TopicDocuments+policyKind {
		return nil
	}
	h.reload.Lock()
	defer h.reload.Unlock()
	g := h.gen.Load()
	if h.closed || g == nil || g.cfg.Policy.Bundle != "store:" || g.cfg.Policy.Served() {
		return nil
	}
	return g.policy.Reload()
}

// PolicyVersions implements admin.Bundles.
func (h *Host) PolicyVersions(ctx context.Context) (any, error) {
	versions, active, _, err := h.pushed(ctx)
	if err != nil {
		return nil, err
	}
	for i := range versions {
		versions[i].Tarball, versions[i].Active = nil, versions[i].Version == active.Version
	}
	if versions == nil {
		versions = []pushedBundle{}
	}
	return map[string]any{"versions": versions}, nil
}

// PolicyHistory implements admin.Bundles.
func (h *Host) PolicyHistory(ctx context.Context) (any, error) {
	_, active, _, err := h.pushed(ctx)
	if active.History == nil {
		active.History = []policyEvent{}
	}
	return map[string]any{"history": active.History}, err
}
