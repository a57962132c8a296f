package host

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/alert"
	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/telemetry"
)

// kindAlert is that of the documents that hold receivers of alerts, and the
// class under which they are sealed.
const kindAlert = "alert"

func alertPlace(name string) string { return "document/alert/" + name }

// openAlerts readies what looks and sends.
func (h *Host) openAlerts(ctx context.Context, cfg *config.Config) error {
	set, err := h.alertSettings(ctx, cfg)
	if err == nil {
		h.lookout = newLookout(h)
		h.alerts = alert.New(h.store, h, set, alert.Options{Node: h.store.Node().ID, Log: h.log, Every: cfg.Alerts.Every})
	}
	return err
}

// CheckReceivers says what is wrong with the receivers of cfg.
func CheckReceivers(cfg config.Alerts) error {
	for _, name := range sortedNames(cfg.To) {
		r := receiverOf(cfg.To[name])
		if err := r.Check(); err != nil {
			return fmt.Errorf("alerts.to.%s: %w", name, err)
		}
	}
	return nil
}

func receiverOf(r config.AlertReceiver) alert.Receiver {
	return alert.Receiver{Webhook: r.Webhook.Reveal(), Secret: r.Secret.Reveal(), Slack: r.Slack.Reveal(), SMTP: r.SMTP, From: r.From, To: r.To,
		TLS: r.TLS, User: r.User, Password: r.Password.Reveal(), Kinds: r.Kinds, Scopes: r.Scopes}
}

// alertSettings are those of cfg with the receivers that the store holds; of
// two of one name that of cfg is served.
func (h *Host) alertSettings(ctx context.Context, cfg *config.Config) (alert.Settings, error) {
	a := cfg.Alerts
	set := alert.Settings{Thresholds: a.Thresholds, Forecast: a.Forecast, Scopes: a.Scopes, Repeat: a.Repeat, Receivers: map[string]alert.Receiver{}}
	docs, err := h.store.Documents(ctx, kindAlert)
	if err != nil {
		return set, err
	}
	for _, d := range docs {
		r, err := h.openReceiver(ctx, d)
		if err != nil {
			return set, err
		}
		r.Fenced, r.Allow = true, a.Allow
		set.Receivers[d.Name] = r
	}
	for name, r := range a.To {
		set.Receivers[name] = receiverOf(r)
	}
	return set, CheckReceivers(a)
}

func (h *Host) openReceiver(ctx context.Context, d call.Document) (r alert.Receiver, err error) {
	plain, err := h.openSealed(ctx, d, alertPlace(d.Name))
	if err == nil {
		err = json.Unmarshal(plain, &r)
	}
	return r, err
}

// useAlerts takes what the configuration and the store say now into use.
func (h *Host) useAlerts(ctx context.Context, cfg *config.Config) error {
	set, err := h.alertSettings(ctx, cfg)
	if err == nil && h.alerts != nil {
		h.alerts.Set(set)
	}
	return err
}

// Conditions implements alert.Source. Receivers that another node has changed
// come into use here.
func (h *Host) Conditions(ctx context.Context) []alert.Condition {
	if err := h.useAlerts(ctx, h.gen.Load().cfg); err != nil && ctx.Err() == nil {
		h.log.Error("cannot read the receivers of alerts, those of before stay", "err", err)
	}
	return h.lookout.conditions()
}

// Spending implements alert.Source: what the bank has given out and no node
// holds any more, this one as of now, others as they told last.
func (h *Host) Spending(ctx context.Context) ([]alert.Spent, error) {
	accounts, err := h.store.Bank().Accounts(ctx)
	if err != nil {
		return nil, err
	}
	h.live(accounts)
	now := time.Now().Unix()
	sums := map[[2]string]*alert.Spent{}
	for i := range accounts {
		a := &accounts[i]
		if a.Start.Unix() > now || a.End.Unix() <= now && !a.End.IsZero() {
			continue
		}
		key := [2]string{a.Scope, a.Window}
		s := sums[key]
		if s == nil {
			s = accountWindow(a, now)
			sums[key] = s
		}
		s.Max = max(s.Max, a.Max)
		s.Settled += settled(a)
	}
	list := make([]alert.Spent, 0, len(sums))
	for _, s := range sums {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b alert.Spent) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Window, b.Window))
	})
	h.softMax(list)
	return list, nil
}

// settled is what of an account is spent: neither held by a node nor reserved by
// a running request.
func settled(a *store.Account) int64 {
	n := a.Granted
	for _, l := range a.Leases {
		n -= l.Held + l.Reserved
	}
	return max(0, n)
}

// accountWindow is an account's window, without amounts. A window that rolls has no
// start: one is taken each time that its length has passed.
func accountWindow(a *store.Account, now int64) *alert.Spent {
	unit, window := budget.SplitName(a.Window)
	s := &alert.Spent{Scope: a.Scope, Unit: unit, Window: a.Window, Start: a.Start.Unix(), End: math.MaxInt64}
	if !a.End.IsZero() {
		s.End = a.End.Unix()
	}
	if length := rollingLength(window); length > 0 {
		s.Start = now - now%length
		s.End = s.Start + length
	}
	return s
}

// rollingLength is that of "7 day rolling" in seconds, 0 for what does not roll.
func rollingLength(window string) int64 {
	f := strings.Fields(window)
	seconds := map[string]int64{"minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400, "month": 30 * 86400}
	if len(f) != 3 || f[2] != "rolling" {
		return 0
	}
	n, _ := strconv.ParseInt(f[0], 10, 64) // the bank's own text
	return n * seconds[f[1]]
}

// softMax finds what limits come to that only warn: to the bank there is none.
func (h *Host) softMax(list []alert.Spent) {
	const unlimited = math.MaxInt64 / 4
	soft := map[[3]string]int64{}
	for _, l := range h.budget.Lines(time.Now(), math.MaxInt) {
		if l.Soft != nil {
			soft[[3]string{l.Scope, l.Unit.String(), l.Window}] = l.Soft.Max
		}
	}
	for i := range list {
		if s := &list[i]; s.Max >= unlimited {
			_, window := budget.SplitName(s.Window)
			s.Max = soft[[3]string{s.Scope, s.Unit.String(), window}] // 0: this node has not met it yet
		}
	}
}

// ListAlerts implements admin.Alerts.
func (h *Host) ListAlerts(ctx context.Context, most int) (any, error) {
	list, err := h.store.Alerts(ctx, most)
	if err != nil {
		return nil, err
	}
	type delivery struct {
		To    string    `json:"to"`
		Tries int       `json:"tries"`
		Done  time.Time `json:"delivered,omitzero"`
		Next  time.Time `json:"next_try,omitzero"`
		Err   string    `json:"error,omitempty"`
	}
	type row struct {
		Event      json.RawMessage `json:"event"`
		Time       time.Time       `json:"time"`
		Deliveries []delivery      `json:"deliveries"`
	}
	rows := []row{}
	for _, a := range list {
		r := row{Event: a.Body, Time: a.Time, Deliveries: []delivery{}}
		for _, d := range a.Deliveries {
			r.Deliveries = append(r.Deliveries, delivery{d.To, d.Tries, d.Done, d.Next, d.Err})
		}
		rows = append(rows, r)
	}
	return map[string]any{"alerts": rows, "receivers": h.receiverRows(ctx)}, nil
}

func (h *Host) alertFamilies() []telemetry.Family {
	return []telemetry.Family{{Name: "alerts_total", Help: "Tries to deliver alerts, by how they ended: sent, failed and to be tried again, lost.", Labels: []string{"result"},
		Collect: func(emit telemetry.Emit) {
			s := h.alerts.Stats()
			emit(float64(s.Sent), "sent")
			emit(float64(s.Failed), "failed")
			emit(float64(s.Lost), "lost")
		}}}
}
