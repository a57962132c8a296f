package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/signalbox-ai/signalbox/host/alert"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// receiverRows are the receivers without what is secret.
func (h *Host) receiverRows(ctx context.Context) any {
	cfg := h.gen.Load().cfg
	set, err := h.alertSettings(ctx, cfg)
	type row struct {
		Name   string   `json:"name"`
		Kind   string   `json:"kind"`
		Source string   `json:"source"`
		Kinds  []string `json:"kinds,omitempty"`
		Scopes []string `json:"scopes,omitempty"`
	}
	rows := []row{}
	for _, name := range slices.Sorted(maps.Keys(set.Receivers)) {
		r := set.Receivers[name]
		source := "store"
		if _, ok := cfg.Alerts.To[name]; ok {
			source = "config"
		}
		rows = append(rows, row{name, r.Kind(), source, r.Kinds, r.Scopes})
	}
	if err != nil {
		h.log.Error("cannot read the receivers of alerts", "err", err)
	}
	return rows
}

// PutReceiver implements admin.Alerts.
func (h *Host) PutReceiver(ctx context.Context, name string, body json.RawMessage) error {
	cfg := h.gen.Load().cfg
	if _, ok := cfg.Alerts.To[name]; ok {
		return wire.Errorf(http.StatusConflict, "receiver_of_config", "the receiver is written in the configuration: change it there")
	}
	var r alert.Receiver
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	err := dec.Decode(&r)
	if err == nil {
		err = r.Check()
	}
	if err != nil {
		return wire.Errorf(http.StatusBadRequest, "invalid_request", "this is no receiver: %v", err)
	}
	plain, err := json.Marshal(r)
	if err != nil {
		return err
	}
	d := call.Document{Kind: kindAlert, Name: name}
	docs, err := h.store.Documents(ctx, kindAlert)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(docs, func(d call.Document) bool { return d.Name == name }); i >= 0 {
		d.Revision = docs[i].Revision
	}
	err = h.putSealed(ctx, d, alertPlace(name), plain)
	if errors.Is(err, call.ErrRevision) {
		return wire.Errorf(http.StatusConflict, "changed_meanwhile", "somebody else has changed the receiver meanwhile: try again")
	}
	if err != nil {
		return err
	}
	return h.useAlerts(ctx, cfg)
}

// RemoveReceiver implements admin.Alerts.
func (h *Host) RemoveReceiver(ctx context.Context, name string) error {
	err := h.store.DeleteDocument(ctx, kindAlert, name, 0)
	if errors.Is(err, call.ErrNoDocument) {
		return errNoReceiver
	}
	if err != nil {
		return err
	}
	return h.useAlerts(ctx, h.gen.Load().cfg)
}

var errNoReceiver = wire.Errorf(http.StatusNotFound, "receiver_unknown", "the store has no receiver of this name: list them with signalbox alert list")

// TestReceiver implements admin.Alerts.
func (h *Host) TestReceiver(ctx context.Context, name string) error {
	err := h.alerts.Test(ctx, name)
	if errors.Is(err, alert.ErrNoReceiver) {
		return errNoReceiver
	}
	if err != nil {
		return wire.Errorf(http.StatusBadGateway, "not_delivered", "the message did not arrive: %v", err)
	}
	return nil
}
