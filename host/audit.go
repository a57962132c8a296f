package host

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/audit"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// auditor keeps what is asked of the admin API, and what the gateway decides by
// itself, in the audit log.
type auditor struct {
	*audit.Log
	h   *Host
	key []byte
}

// openAudit opens the log and says in it that the gateway has started.
func (h *Host) openAudit(ctx context.Context, cfg *config.Config) error {
	key, err := h.secret(ctx, "audit-log", 32)
	if err != nil {
		return err
	}
	log := audit.Open(h.store, auditSettings(cfg.Audit), audit.Options{Node: h.store.Node().ID, Key: key, Log: h.log, Wait: filepath.Join(h.dir, "audit-waiting.jsonl")})
	h.audit = &auditor{Log: log, h: h, key: key}
	h.store = observe(h.store)
	_, err = log.Record(ctx, audit.Entry{Kind: audit.KindGateway, Action: "start", Outcome: audit.Done})
	if err != nil && !cfg.Audit.Required {
		h.log.Error("the audit log cannot be written", "err", err)
		err = nil
	}
	return err
}

func auditSettings(c config.Audit) audit.Settings {
	return audit.Settings{Denials: c.Denials, PerSecond: c.PerSecond, Every: c.Anchor.Every, File: c.Anchor.File, URL: c.Anchor.URL.Reveal(), Keep: c.Keep}
}

// observed is a store whose documents tell an admin request what it changes.
type observed struct{ store.Store }

func observe(s store.Store) store.Store {
	if f, ok := s.(store.Fencer); ok {
		return struct {
			observed
			store.Fencer
		}{observed{s}, f}
	}
	return observed{s}
}

// itself is the store that is observed, for what it can do beside what all can.
func (o observed) itself() store.Store { return o.Store }

// PutDocument implements store.Documents.
func (o observed) PutDocument(ctx context.Context, d call.Document) (int64, error) {
	before := o.before(ctx, d.Kind, d.Name)
	revision, err := o.Store.PutDocument(ctx, d)
	if err == nil {
		admin.Changed(ctx, admin.Change{What: d.Kind + "/" + d.Name, Before: before, After: d.Body})
	}
	return revision, err
}

// DeleteDocument implements store.Documents.
func (o observed) DeleteDocument(ctx context.Context, kind, name string, revision int64) error {
	before := o.before(ctx, kind, name)
	err := o.Store.DeleteDocument(ctx, kind, name, revision)
	if err == nil {
		admin.Changed(ctx, admin.Change{What: kind + "/" + name, Before: before})
	}
	return err
}

// before is what lies there; that nothing is found shows in the entry.
func (o observed) before(ctx context.Context, kind, name string) []byte {
	if !admin.Recorded(ctx) {
		return nil
	}
	docs, err := o.Documents(ctx, kind)
	if i := slices.IndexFunc(docs, func(d call.Document) bool { return d.Name == name }); err == nil && i >= 0 {
		return docs[i].Body
	}
	return nil
}

// Record implements admin.Recorder.
func (a *auditor) Record(ctx context.Context, act *admin.Act) (int64, error) {
	e := a.entry(act)
	seq, err := a.Log.Record(ctx, e)
	if err != nil && (!act.Begin || !a.h.gen.Load().cfg.Audit.Required) { // it has been done, or will be
		a.Log.Later(e)
	}
	if err != nil && !a.h.gen.Load().cfg.Audit.Required {
		a.h.log.Error("an admin request is not recorded", "action", act.Action, "who", act.Who.Name, "err", err)
		err = nil
	}
	return seq, err
}

// Note implements admin.Recorder.
func (a *auditor) Note(act *admin.Act) { a.Log.Note(a.entry(act)) }

// Reads implements admin.Recorder.
func (a *auditor) Reads() bool { return a.h.gen.Load().cfg.Audit.Reads }

func (a *auditor) entry(act *admin.Act) audit.Entry {
	e := audit.Entry{Kind: audit.KindAdmin, Action: act.Action, Who: act.Who.Name, Address: act.Address, On: act.On, Of: act.Of, Status: act.Status, Code: act.Code}
	if act.Who.Role != admin.Nobody {
		e.Role = act.Who.Role.String()
	}
	switch {
	case act.Begin:
		e.Outcome, e.Detail = audit.Begun, a.detail(map[string]any{"asked": audit.Show(a.key, act.Body)})
	case act.Status < 400:
		e.Outcome, e.Detail = audit.Done, a.done(act)
	case act.Status < 500:
		e.Outcome = audit.Refused
	default:
		e.Outcome = audit.Failed
	}
	return e
}

// done is what was changed and what was answered, without secrets.
func (a *auditor) done(act *admin.Act) json.RawMessage {
	if act.Of == 0 {
		return nil // it changes nothing
	}
	d := map[string]any{"answer": audit.Show(a.key, act.Answer)}
	for _, c := range act.Changes {
		d["change "+c.What] = audit.Diff(a.key, c.Before, c.After)
	}
	return a.detail(d)
}

func (a *auditor) detail(m map[string]any) json.RawMessage {
	for name, v := range m {
		if raw, ok := v.(json.RawMessage); ok && raw == nil {
			delete(m, name)
		}
	}
	if len(m) == 0 {
		return nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic("BUG: what is shown of a change does not encode: " + err.Error())
	}
	return b
}

// note writes down what the gateway did by itself.
func (h *Host) note(action, on, outcome string, detail map[string]any) {
	h.audit.Log.Note(audit.Entry{Kind: audit.KindGateway, Action: action, On: on, Outcome: outcome, Detail: h.audit.detail(detail)})
}

// noteReload writes down that the configuration was read again, and which parts
// of it are other than before.
func (h *Host) noteReload(old, cfg *config.Config, err error) {
	if err != nil {
		h.note("config.reload", old.File, audit.Failed, map[string]any{"error": firstLine(err)})
		return
	}
	h.note("config.reload", cfg.File, audit.Done, map[string]any{"sections": changedSections(old, cfg)})
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// changedSections names the parts of a configuration that differ.
func changedSections(old, cfg *config.Config) []string {
	list := []string{}
	was, is := reflect.ValueOf(old).Elem(), reflect.ValueOf(cfg).Elem()
	for i := range was.NumField() {
		name := was.Type().Field(i).Tag.Get("koanf")
		if name != "" && name != "-" && !reflect.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			list = append(list, name)
		}
	}
	return list
}

// noteDenial writes down that policy has refused f, for the share that is kept.
func (h *Host) noteDenial(f *flight, err *wire.Error) {
	if h.audit == nil || err.Class != wire.ClassPolicy || f.Decision == nil || f.Decision.Allow || !h.audit.Denied(uint64(f.ID)) {
		return
	}
	d := map[string]any{"request": f.ID.String(), "revision": f.Decision.Revision}
	e := audit.Entry{Kind: audit.KindDecision, Action: "policy.deny", Outcome: audit.Refused, Status: err.Status, Code: err.Code}
	if p := f.Principal; p != nil {
		e.Who, e.On = "key/"+p.KeyName, string(f.Facts.Model)
	}
	e.Detail = h.audit.detail(d)
	h.audit.Log.Note(e)
}

// Verify implements admin.AuditLog.
func (a *auditor) Verify(ctx context.Context) (any, error) {
	var outside []audit.Point
	if file := a.h.gen.Load().cfg.Audit.Anchor.File; file != "" {
		f, err := os.Open(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			defer f.Close()
			if outside, err = audit.ReadPoints(f); err != nil {
				return nil, err
			}
		}
	}
	return a.Log.Verify(ctx, outside)
}
