package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// topPoll is what top asks for from time to time.
type topPoll struct {
	Providers []topProvider `json:"providers"` // those in trouble first
	Budgets   []topBudget   `json:"budgets"`   // nearest to their limit first
}

// topProvider is how a provider fares.
type topProvider struct {
	Name     string `json:"name"`
	State    string `json:"state"` // of its adapter
	Breaker  string `json:"breaker"`
	InFlight int64  `json:"in_flight"`
	Restarts int    `json:"restarts"`
	Left     string `json:"left,omitempty"` // what the provider says it takes
}

// topBudget is how a budget stands.
type topBudget struct {
	Scope  string  `json:"scope"`
	Window string  `json:"window"`
	Used   float64 `json:"used"` // share of the limit, what runs included
	Spent  string  `json:"spent"`
	Limit  string  `json:"limit"`
}

// trouble is 0 of a provider that serves, 2 of one that does not.
func (p *topProvider) trouble() int {
	switch {
	case p.State != "running" || p.Breaker == breakerNames[2]:
		return 2
	case p.Breaker != breakerNames[0]:
		return 1
	}
	return 0
}

var breakerNames = []string{"closed", "half-open", "open"}

// poll asks for what does not come by itself. What fails is left out: the
// gateway may be older, or end.
func (c *client) poll(ctx context.Context) (p topPoll, err error) {
	var status struct {
		Providers []struct {
			Provider, State string
			InFlight        int64 `json:"in_flight"`
			Restarts        int
		}
	}
	if err := c.do(ctx, http.MethodGet, "/admin/status", nil, &status); err != nil {
		return p, err
	}
	var credentials struct{ Credentials []credentialRow }
	var budgets struct{ Budgets []budgetRow }
	if err := c.do(ctx, http.MethodGet, "/admin/credentials", nil, &credentials); err != nil {
		return p, err
	}
	if err := c.do(ctx, http.MethodGet, "/admin/budgets", nil, &budgets); err != nil {
		return p, err
	}
	var metrics bytes.Buffer
	if err := c.stream(ctx, "/metrics", &metrics); err != nil {
		return p, err
	}
	breakers := breakersIn(&metrics)
	for _, s := range status.Providers {
		at := slices.IndexFunc(p.Providers, func(q topProvider) bool { return q.Name == s.Provider })
		if at < 0 {
			p.Providers = append(p.Providers, topProvider{Name: s.Provider, State: s.State, Breaker: breakerNames[breakers[s.Provider]], Left: leftOf(credentials.Credentials, s.Provider)})
			at = len(p.Providers) - 1
		}
		q := &p.Providers[at]
		q.InFlight += s.InFlight
		q.Restarts += s.Restarts
		if s.State == "running" {
			q.State = s.State
		}
	}
	slices.SortFunc(p.Providers, func(a, b topProvider) int { return cmp.Or(b.trouble()-a.trouble(), strings.Compare(a.Name, b.Name)) })
	p.Budgets = nearest(budgets.Budgets)
	return p, nil
}

// breakersIn reads the worst state of a breaker of each provider's targets.
func breakersIn(metrics *bytes.Buffer) map[string]int {
	worst := map[string]int{}
	for lines := bufio.NewScanner(metrics); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), `signalbox_breaker_state{target="`)
		if !ok {
			continue
		}
		target, value, _ := strings.Cut(rest, `"} `)
		provider, _, _ := strings.Cut(target, "/")
		n, err := strconv.Atoi(value)
		if err == nil && n >= 0 && n < len(breakerNames) {
			worst[provider] = max(worst[provider], n)
		}
	}
	return worst
}

// leftOf is what the credential with the least left has.
func leftOf(all []credentialRow, provider string) string {
	least, text := 2.0, ""
	for _, c := range all {
		if c.Provider != provider {
			continue
		}
		for what, q := range map[string]*struct{ Left, Limit int64 }{"req": c.Requests, "tok": c.Tokens} {
			if q == nil || q.Limit <= 0 {
				continue
			}
			if share := float64(q.Left) / float64(q.Limit); share < least {
				least, text = share, short(float64(q.Left))+" "+what+" ("+strconv.Itoa(int(share*100))+"%)"
			}
		}
		if c.State != "usable" {
			return harmless(c.State)
		}
	}
	return text
}

// nearest are the budgets that have used the most of their limit.
func nearest(rows []budgetRow) []topBudget {
	var list []topBudget
	for _, b := range rows {
		limit := b.Max
		if limit <= 0 {
			limit = b.Warns
		}
		if limit <= 0 {
			continue
		}
		amount := func(n int64) string {
			if strings.HasPrefix(b.Unit, "usd") {
				return "$" + string(call.AppendUSD(nil, n))
			}
			return short(float64(n)) + " " + b.Unit
		}
		list = append(list, topBudget{Scope: b.Scope, Window: b.Window, Used: float64(b.Spent+b.Reserved) / float64(limit), Spent: amount(b.Spent + b.Reserved), Limit: amount(limit)})
	}
	slices.SortStableFunc(list, func(a, b topBudget) int { return cmp.Compare(b.Used, a.Used) })
	return list
}

// recent are the requests of the last minute that this node has served, from
// its ledger: a table is not to begin empty.
func (c *client) recent(ctx context.Context, now time.Time) (node string, rows []passedRow, err error) {
	var nodes struct {
		Nodes []struct {
			Name   string
			Number int
			Self   bool
		}
	}
	if err := c.do(ctx, http.MethodGet, "/admin/nodes", nil, &nodes); err != nil {
		return "", nil, err
	}
	number := -1
	for _, n := range nodes.Nodes {
		if n.Self {
			node, number = n.Name, n.Number
		}
	}
	var lines bytes.Buffer
	from := now.Add(-topWindow).UTC().Format(time.RFC3339)
	if err := c.stream(ctx, "/admin/ledger?limit=10000&from="+from, &lines); err != nil {
		return node, nil, err
	}
	for dec := json.NewDecoder(&lines); dec.More(); {
		var r passedRow
		if err := dec.Decode(&r); err != nil {
			return node, rows, err
		}
		if id, ok := call.ParseID(r.ID); ok && int(id>>12&1023) == number {
			rows = append(rows, r)
		}
	}
	return node, rows, nil
}
