package admin

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// fakeBooks remembers what it was asked.
type fakeBooks struct {
	usage    call.UsageQuery
	requests call.RequestsQuery
	rows     []call.LedgerRow
	err      error // after rows
}

func (f *fakeBooks) Usage(_ context.Context, q call.UsageQuery) (call.Usage, error) {
	f.usage = q
	u := call.Usage{Source: "sums"}
	for i, model := range []string{"demo/echo", "=HYPERLINK(1)"} {
		keys := make([]string, len(q.By))
		for k := range keys {
			keys[k] = model
		}
		u.Rows = append(u.Rows, call.UsageRow{Keys: keys, Requests: 2, Errors: int64(i), Usage: wire.Usage{Input: 10, Output: 5}, Cost: 1_500_000 + int64(i), Computed: 1_500_000})
	}
	return u, f.err
}

func (f *fakeBooks) Requests(_ context.Context, q call.RequestsQuery, each func(*call.LedgerRow) error) error {
	f.requests = q
	for i := range f.rows {
		if q.ID != 0 && q.ID != f.rows[i].ID {
			continue
		}
		if err := each(&f.rows[i]); err != nil {
			return err
		}
	}
	return f.err
}

func TestUsage(t *testing.T) {
	r := newRig(t)
	f := func(query, want string) {
		t.Helper()
		if w := r.do("GET", "/admin/usage"+query, "Bearer "+token, ""); w.Code != 200 || w.Body.String() != want+"\n" {
			t.Errorf("%s: %d\n got %s\nwant %s", query, w.Code, w.Body, want)
		}
	}
	tokens := `"tokens":{"input":10,"cache_read":0,"cache_write_5m":0,"cache_write_1h":0,"output":5,"reasoning":0,"total":15},`
	first := `"requests":2,"errors":0,"refused":0,` + tokens + `"cost_usd":0.0015,"reported_usd":0,"computed_usd":0.0015,"estimated_usd":0}`
	second := `"requests":2,"errors":1,"refused":0,` + tokens + `"cost_usd":0.001500001,"reported_usd":0,"computed_usd":0.0015,"estimated_usd":0}`
	total := `"requests":4,"errors":1,"refused":0,` + strings.NewReplacer("10", "20", ":5", ":10", "15", "30").Replace(tokens) +
		`"cost_usd":0.003000001,"reported_usd":0,"computed_usd":0.003,"estimated_usd":0}`
	f("?by=model", `{"by":["model"],"source":"sums","rows":[{"model":"demo/echo",`+first+`,{"model":"=HYPERLINK(1)",`+second+`],"total":{`+total+`}`)
	f("?by=total", `{"by":[],"source":"sums","rows":[{`+first+`,{`+second+`],"total":{`+total+`}`)

	r.do("GET", "/admin/usage?by=day,team&key=dev&key=ci&status!=200&from=2026-05-01&to=2026-06-01T00:00:00Z&tz=Europe/Berlin", "Bearer "+token, "")
	q := r.books.usage
	where := map[string]call.UsageFilter{}
	for _, f := range q.Where {
		where[f.By] = f
	}
	want := map[string]call.UsageFilter{"key": {By: "key", Values: []string{"dev", "ci"}}, "status": {By: "status", Not: true, Values: []string{"200"}}}
	if !reflect.DeepEqual(where, want) || !reflect.DeepEqual(q.By, []string{"day", "team"}) || q.Zone.String() != "Europe/Berlin" ||
		!q.From.Equal(time.Date(2026, 4, 30, 22, 0, 0, 0, time.UTC)) || !q.To.Equal(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the query was %+v", q)
	}
}

func TestUsageOfOtherUnits(t *testing.T) {
	s := sumsOf(&call.UsageRow{Usage: wire.Usage{Input: 1, AudioInput: 2, CacheReadImage: 3, Millis: 1500, Images: 4, Cost: 7}, Cost: 7})
	got, err := json.Marshal(s)
	want := `{"requests":0,"errors":0,"refused":0,"tokens":{"input":1,"cache_read":0,"cache_write_5m":0,"cache_write_1h":0,"output":0,"reasoning":0,"audio_input":2,"cache_read_image":3,"total":6},` +
		`"units":{"audio_ms":1500,"images":4,"reported_cost_usd":0.000000007},"cost_usd":0.000000007,"reported_usd":0,"computed_usd":0,"estimated_usd":0}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func TestUsageCSV(t *testing.T) {
	r := newRig(t)
	w := r.do("GET", "/admin/usage?by=model&format=csv", "Bearer "+token, "")
	lines, err := csv.NewReader(w.Body).ReadAll()
	if err != nil || len(lines) != 3 || w.Header().Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	at := map[string]int{}
	for i, name := range lines[0] {
		at[name] = i
	}
	if got := lines[2]; got[at["model"]] != "'=HYPERLINK(1)" || got[at["cost_usd"]] != "0.001500001" || got[at["input"]] != "10" || got[at["errors"]] != "1" {
		t.Errorf("the line is %q under %q", got, lines[0])
	}
}

func TestHarmless(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := harmless(in); got != want {
			t.Errorf("harmless(%q) is %q; want %q", in, got, want)
		}
	}
	f("", "")
	f("dev", "dev")
	f("a=b", "a=b")
	for _, c := range "=+-@\t\r\n" {
		f(string(c)+"cmd", "'"+string(c)+"cmd")
	}
}

func TestExport(t *testing.T) {
	r := newRig(t)
	first := call.FirstID(time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC))
	for i := range 3 {
		r.books.rows = append(r.books.rows, call.LedgerRow{ID: first + call.ID(i), Count: 1, KeyName: "@dev", Target: "demo/echo", Status: 200, Cost: 1,
			Provenance: "computed", Usage: wire.Usage{Input: 7}, Attempts: []byte(`[{"target":"a"}]`)})
	}
	get := func(query string) *httptest.ResponseRecorder {
		t.Helper()
		w := r.do("GET", "/admin/ledger"+query, "Bearer "+token, "")
		if w.Code != 200 {
			t.Fatalf("%s: %d %s", query, w.Code, w.Body)
		}
		return w
	}
	lines := strings.Split(strings.TrimSpace(get("").Body.String()), "\n")
	var row struct {
		ID, Time, Key, Model, Provenance string
		Tokens                           struct{ Input int64 }
		Cost                             json.Number `json:"cost_usd"`
		Attempts                         []struct{ Target string }
	}
	if err := json.Unmarshal([]byte(lines[0]), &row); err != nil || len(lines) != 3 || row.ID != first.String() || row.Time != "2026-05-20T12:00:00.000Z" ||
		row.Key != "@dev" || row.Cost != "0.000000001" || row.Tokens.Input != 7 || len(row.Attempts) != 1 {
		t.Errorf("%d lines, the first is %s, %v", len(lines), lines[0], err)
	}
	all, err := csv.NewReader(get("?format=csv").Body).ReadAll()
	if err != nil || len(all) != 4 || all[0][0] != "id" || all[1][4] != "'@dev" || len(all[1]) != len(ledgerColumns) {
		t.Errorf("CSV is %q, %v", all, err)
	}
	all, err = csv.NewReader(get(fmt.Sprintf("?format=csv&after=%s&limit=9&team!=x", first)).Body).ReadAll()
	if err != nil || len(all) != 3 || r.books.requests.After != first || r.books.requests.Limit != 9 || !r.books.requests.Where[0].Not {
		t.Errorf("going on after %s gives %d lines, %v; the query was %+v", first, len(all), err, r.books.requests)
	}
	w := r.do("GET", "/admin/ledger/"+first.String(), "Bearer "+token, "")
	if w.Code != 200 || !strings.HasPrefix(w.Body.String(), `{"id":"`+first.String()) {
		t.Errorf("one row: %d %s", w.Code, w.Body)
	}
}

// TestExportBreaksOff is of an export that fails half way: it must not look whole.
func TestExportBreaksOff(t *testing.T) {
	r := newRig(t)
	r.books.rows, r.books.err = []call.LedgerRow{{ID: 1}}, errors.New("the store is gone")
	srv := httptest.NewServer(r.Handler())
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/admin/ledger", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	var row map[string]any
	if err := dec.Decode(&row); err != nil || row["id"] == "" {
		t.Errorf("the first row: %v, %v", row, err)
	}
	if err := dec.Decode(&row); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got %v; want an error that is no end", err)
	}
}

func TestLedgerErrors(t *testing.T) {
	r := newRig(t)
	f := func(path string, status int, want string) {
		t.Helper()
		w := r.do("GET", path, "Bearer "+token, "")
		if w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s; want %d with %s", path, w.Code, w.Body, status, want)
		}
	}
	f("/admin/usage?kye=dev", 400, `unknown parameter \"kye\"`)
	f("/admin/usage?from=yesterday", 400, "is not a time")
	f("/admin/usage?by=colour", 400, "known are key, key_id")
	f("/admin/usage?by=key,key", 400, "twice")
	f("/admin/usage?day=2026-05-20", 400, "from and to")
	f("/admin/usage?tz=Mars", 400, "IANA")
	f("/admin/usage?tz=Local", 400, "IANA")
	f("/admin/usage?format=xml", 400, "json, csv")
	f("/admin/ledger?after=5", 400, "not the id of a request")
	f("/admin/ledger?limit=0", 400, "from 1 on")
	f("/admin/ledger?by=key", 400, `unknown parameter \"by\"`)
	f("/admin/ledger/5", 400, "not the id of a request")
	f("/admin/ledger/"+call.ID(5).String(), 404, "request_unknown")
	r.books.err = fmt.Errorf("the sum of an hour before x %w", call.ErrUsageGone)
	f("/admin/usage", 422, "no_longer_kept")
	f("/admin/ledger", 422, "no_longer_kept")
	r.books.err = call.ErrUsageGroups
	f("/admin/usage", 422, "too_many_groups")
	r.books.err = errors.New("secret detail")
	f("/admin/usage", 500, "log says why")
}
