package host

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/release"
	"github.com/signalbox-ai/signalbox/host/wasm"
)

// byAdmin is who acts through the admin API: there is one token.
const byAdmin = "admin"

// vouched reports whether the configuration lets run what a key has signed.
func (h *Host) vouched(signer string) bool { return h.signers.Load().Vouched(signer) }

// versionsOf is what the admin API does with a register of versions; show adds
// to the list what the register does not know, nil for nothing.
func versionsOf(r *release.Registry, log *slog.Logger, show func(*release.Module)) *admin.Modules {
	v := &versions{r, log, show}
	return &admin.Modules{List: v.list, History: v.history, Push: v.push, Step: v.step}
}

type versions struct {
	registry *release.Registry
	log      *slog.Logger
	show     func(*release.Module)
}

func (v *versions) list(name string) (any, error) {
	list, err := v.registry.List(name)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if v.show != nil {
			v.show(&list[i])
		}
	}
	return map[string]any{"modules": list}, nil
}

func (v *versions) history(name string) (any, error) {
	events, err := v.registry.History(name)
	if err != nil {
		return nil, err
	}
	return map[string]any{"events": events}, nil
}

func (v *versions) push(ctx context.Context, name string, up admin.ModuleUpload) (any, error) {
	got, err := v.registry.Push(ctx, name, release.Upload{
		Source: wasm.Source{Code: up.Code, Manifest: up.Manifest, Signature: up.Signature}, Config: up.Config,
	}, release.Act{Who: byAdmin, Why: up.Why})
	if err != nil {
		return nil, err
	}
	v.log.Info("module pushed", "version", got.Label, "known", got.Known, "signed_by", got.SignedBy)
	return got, nil
}

func (v *versions) step(ctx context.Context, name, step string, in admin.ModuleStep) (any, error) {
	act := release.Act{Who: byAdmin, Why: in.Why, Force: in.Force}
	got, err := v.take(ctx, name, step, in, act)
	if err != nil {
		return nil, err
	}
	if now, ok := got.(release.Version); ok {
		v.log.Info("module stepped", "step", step, "name", name, "version", now.Label, "state", now.State)
	}
	return got, nil
}

func (v *versions) take(ctx context.Context, name, step string, in admin.ModuleStep, act release.Act) (any, error) {
	switch step {
	case "replay":
		return v.registry.Replay(ctx, name, in.Version, release.Query{Most: in.Most, Texts: in.Texts}, act)
	case "shadow":
		if in.Off {
			return v.registry.EndShadow(ctx, name, act)
		}
		return v.registry.Shadow(ctx, name, in.Version, act)
	case "canary":
		by, err := lane.ParseBy(cmp.Or(in.By, lane.ByRequest.String()))
		if err != nil {
			return nil, refused("invalid_request", err)
		}
		guard := lane.DefaultGuard
		if in.Guard != nil {
			guard = lane.Guard(*in.Guard)
		}
		return v.registry.Canary(ctx, name, in.Version, release.Split{Share: in.Share, By: by, Guard: guard}, act)
	case "promote":
		return v.registry.Promote(ctx, name, in.Version, act)
	case "rollback":
		return v.registry.Rollback(ctx, name, in.Version, act)
	}
	return nil, fmt.Errorf("BUG: step %q of a module; want one that the admin API has", step)
}
