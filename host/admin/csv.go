package admin

import (
	"encoding/csv"
	"io"
	"strconv"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// counted are the buckets that are numbers of things, not money.
var counted = wire.BucketNames[:wire.NumBuckets-1]

// usageCSV writes one line for each row: what it is of, then its figures.
func usageCSV(w io.Writer, by []string, rows []call.UsageRow) error {
	out := csv.NewWriter(w)
	head := append(append([]string{}, by...), "requests", "errors", "refused")
	_ = out.Write(append(append(head, counted...), "cost_usd", "reported_usd", "computed_usd", "estimated_usd", "saved_usd")) // Flush tells
	for i := range rows {
		r := &rows[i]
		line := make([]string, 0, len(head)+len(counted)+5)
		for _, key := range r.Keys {
			line = append(line, harmless(key))
		}
		for _, n := range []int64{r.Requests, r.Errors, r.Refused} {
			line = append(line, strconv.FormatInt(n, 10))
		}
		line = appendBuckets(line, &r.Usage)
		for _, n := range []int64{r.Cost, r.Reported, r.Computed, r.Estimate, r.Saved} {
			line = append(line, dollars(n))
		}
		_ = out.Write(line)
	}
	out.Flush()
	return out.Error()
}

func appendBuckets(line []string, u *wire.Usage) []string {
	for i, v := range u.Buckets() {
		if i < len(counted) {
			line = append(line, strconv.FormatInt(*v, 10))
		}
	}
	return line
}

// harmless keeps spreadsheets from reading text as a formula.
func harmless(s string) string {
	if s == "" {
		return s
	}
	switch s[0] {
	case '=', '+', '-', '@', '\t', '\r', '\n':
		return "'" + s
	}
	return s
}

func dollars(nano int64) string { return string(call.AppendUSD(nil, nano)) }

// ledgerColumns head the lines of ledgerLine.
var ledgerColumns = append(append([]string{"id", "time", "count", "key_id", "key", "org", "project", "team", "user", "op", "dialect", "stream", "asked", "model",
	"route", "policy", "status", "class", "code", "provenance", "address", "duration_us", "overhead_us", "ttft_us"}, counted...),
	"cost_usd", "computed_usd", "reserved_usd", "attempts", "parent", "origin", "cached", "saved_usd")

func ledgerLine(line []string, r *call.LedgerRow) []string {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	line = append(line, r.ID.String(), r.ID.Time().UTC().Format(timeMS), n(r.Count))
	for _, s := range []string{r.KeyID, r.KeyName, r.Org, r.Project, r.Team, r.User, r.Op, r.Dialect, strconv.FormatBool(r.Stream), r.Asked, r.Target, r.Route, r.Policy} {
		line = append(line, harmless(s))
	}
	line = append(line, n(r.Status), r.Class, harmless(r.Code), r.Provenance, r.Address, n(r.DurationUS), n(r.OverheadUS), n(r.TTFTUS))
	line = appendBuckets(line, &r.Usage)
	return append(line, dollars(r.Cost), dollars(r.Computed), dollars(r.Reserved), string(r.Attempts), parentOf(r), harmless(r.Origin), r.Cached, dollars(r.Saved))
}

// parentOf is the id of the request that has made r, "" if a caller did.
func parentOf(r *call.LedgerRow) string {
	if r.Parent == 0 {
		return ""
	}
	return r.Parent.String()
}

const timeMS = "2006-01-02T15:04:05.000Z07:00"

// ledgerRow is a row as JSON.
type ledgerRow struct {
	ID         string   `json:"id"`
	Time       string   `json:"time"`
	Count      int64    `json:"count"`
	KeyID      string   `json:"key_id"`
	Key        string   `json:"key"`
	Org        string   `json:"org,omitempty"`
	Project    string   `json:"project,omitempty"`
	Team       string   `json:"team,omitempty"`
	User       string   `json:"user,omitempty"`
	Op         string   `json:"op"`
	Dialect    string   `json:"dialect"`
	Stream     bool     `json:"stream"`
	Asked      string   `json:"asked"`
	Model      string   `json:"model"`
	Route      string   `json:"route,omitempty"`
	Policy     string   `json:"policy,omitempty"`
	Status     int64    `json:"status"`
	Class      string   `json:"class,omitempty"`
	Code       string   `json:"code,omitempty"`
	Address    string   `json:"address,omitempty"`
	DurationUS int64    `json:"duration_us"`
	OverheadUS int64    `json:"overhead_us"`
	TTFTUS     int64    `json:"ttft_us"`
	Tokens     tokens   `json:"tokens"`
	Units      units    `json:"units,omitzero"`
	CostUSD    usd      `json:"cost_usd"`
	Provenance string   `json:"provenance"`
	Computed   usd      `json:"computed_usd,omitempty"`
	Reserved   usd      `json:"reserved_usd"`
	Attempts   attempts `json:"attempts,omitempty"`
	Parent     string   `json:"parent,omitempty"` // the request that has made this one
	Origin     string   `json:"origin,omitempty"` // what of it
	Cached     string   `json:"cached,omitempty"` // whose answer it was given
	SavedUSD   usd      `json:"saved_usd,omitempty"`
}

// attempts are JSON already.
type attempts []byte

// MarshalJSON implements json.Marshaler.
func (a attempts) MarshalJSON() ([]byte, error) { return a, nil }

func rowOf(r *call.LedgerRow) ledgerRow {
	out := ledgerRow{ID: r.ID.String(), Time: r.ID.Time().UTC().Format(timeMS), Count: r.Count, KeyID: r.KeyID, Key: r.KeyName, Org: r.Org, Project: r.Project,
		Team: r.Team, User: r.User, Op: r.Op, Dialect: r.Dialect, Stream: r.Stream, Asked: r.Asked, Model: r.Target, Route: r.Route, Policy: r.Policy,
		Status: r.Status, Class: r.Class, Code: r.Code, Address: r.Address, DurationUS: r.DurationUS, OverheadUS: r.OverheadUS, TTFTUS: r.TTFTUS,
		CostUSD: usd(r.Cost), Provenance: r.Provenance, Computed: usd(r.Computed), Reserved: usd(r.Reserved), Attempts: r.Attempts,
		Parent: parentOf(r), Origin: r.Origin, Cached: r.Cached, SavedUSD: usd(r.Saved)}
	out.Tokens, out.Units = tokensOf(&r.Usage)
	return out
}
