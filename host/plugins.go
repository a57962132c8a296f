package host

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/provider"
	"github.com/signalbox-ai/signalbox/host/provider/depot"
	"github.com/signalbox-ai/signalbox/host/trust"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// plugins is what the admin API does with adapters.
func (h *Host) plugins() *admin.Plugins {
	return &admin.Plugins{List: h.listPlugins, Install: h.installPlugin, Upgrade: h.upgradePlugin, Restart: h.restartPlugin, Logs: h.pluginLogs}
}

// pluginList is what GET /admin/plugins shows.
type pluginList struct {
	Running   []provider.Stat `json:"running"`
	Installed []depot.Adapter `json:"installed"`
}

func (h *Host) listPlugins() any {
	return pluginList{h.supervisor.Stats(), h.depot.List()}
}

func (h *Host) installPlugin(ctx context.Context, up admin.PluginUpload) (any, error) {
	a, err := h.supervisor.Install(ctx, &provider.Upload{Body: up.Body, Folder: up.Folder, Entry: up.Entry, Name: up.Name, SHA256: up.SHA256, Signature: up.Signature})
	if err != nil {
		return nil, refused("install_failed", err)
	}
	h.log.Info("adapter installed", "adapter", a.Name, "version", a.Version, "sha256", a.SHA256, "signed_by", a.SignedBy)
	return a, nil
}

// upgradePlugin puts a version of an adapter to use, the one installed last if
// none is named. It lasts only if all its providers come up with it.
func (h *Host) upgradePlugin(ctx context.Context, name, version string) (any, error) {
	h.reload.Lock()
	defer h.reload.Unlock()
	a, ok := h.depot.Newest(name)
	if version != "" {
		a, ok = h.depot.Find(name, version)
	}
	if !ok {
		return nil, wire.Errorf(http.StatusNotFound, "not_found", "adapter %s@%s is not installed: see signalbox plugin list", name, version)
	}
	before := h.depot.Select(name, a.Version)
	h.supervisor.Renew(h.providersOf(name)...) // one that was rejected is asked for on purpose
	if err := h.replace(ctx, h.gen.Load().cfg); err != nil {
		h.depot.Select(name, before)
		h.supervisor.Keep()
		return nil, refused("upgrade_failed", err)
	}
	h.depot.Accept(name, a.Version)
	a.Current, a.Rejected = true, ""
	return a, h.depot.Save()
}

// providersOf are the providers that run the adapter's version in use.
func (h *Host) providersOf(adapter string) (names []string) {
	for name, p := range h.gen.Load().cfg.Providers {
		if p.Adapter.Name == adapter && p.Adapter.Version == "" {
			names = append(names, name)
		}
	}
	return names
}

func (h *Host) restartPlugin(ctx context.Context, name string) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	if _, ok := h.gen.Load().cfg.Providers[name]; !ok {
		return wire.Errorf(http.StatusNotFound, "not_found", "there is no provider %q", name)
	}
	h.supervisor.Renew(name)
	if err := h.replace(ctx, h.gen.Load().cfg); err != nil {
		h.supervisor.Keep()
		return refused("restart_failed", err)
	}
	return nil
}

func (h *Host) pluginLogs(ctx context.Context, name string, lines int, follow bool, each func([]byte) error) error {
	ok, err := h.supervisor.Logs(ctx, name, lines, follow, func(r provider.Record) error {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		return each(line)
	})
	if !ok {
		return wire.Errorf(http.StatusNotFound, "not_found", "there is no provider %q", name)
	}
	return err
}

func refused(code string, err error) error {
	return wire.Errorf(http.StatusUnprocessableEntity, code, "%v", err)
}

// trust lets the configuration's keys vouch for adapters and modules.
func (h *Host) trust(cfg *config.Config) error {
	t, err := trust.Parse(cfg.Plugins.TrustedKeys, cfg.Plugins.RequireSignature)
	if err == nil {
		h.supervisor.SetTrust(t)
		h.signers.Store(&t)
	}
	return err
}
