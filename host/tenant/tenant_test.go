package tenant_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/tenant"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// memory is a store that counts its commits and can hold one up.
type memory struct {
	mu      sync.Mutex
	owner   map[string]string // provider/id → tenant
	commits int
	fail    error
	hold    chan struct{}
}

func newMemory() *memory { return &memory{owner: map[string]string{}} }

func (m *memory) Keep(_ context.Context, list []call.Kept) error {
	if m.hold != nil {
		<-m.hold
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.commits++; m.fail != nil {
		return m.fail
	}
	for _, k := range list {
		m.owner[k.Provider+"/"+k.ID] = k.Tenant
	}
	return nil
}

func (m *memory) Owns(_ context.Context, provider, tenant string, ids []string) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	owned := make([]bool, len(ids))
	for i, id := range ids {
		owned[i] = m.owner[provider+"/"+id] == tenant
	}
	return owned, nil
}

func (m *memory) Forget(_ context.Context, provider, tenant, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.owner[provider+"/"+id] == tenant {
		delete(m.owner, provider+"/"+id)
	}
	return nil
}

func (m *memory) all() string { return strings.Join(slices.Sorted(maps.Keys(m.owner)), " ") }

func TestTenantOfAPrincipal(t *testing.T) {
	seen := map[string]string{}
	for _, p := range []call.Principal{
		{KeyID: "k"}, {KeyID: "a"}, {Team: "a"}, {Project: "a"}, {Org: "a"},
		{Org: "a", Team: "b"}, {Org: "a/", Project: "b"}, {Org: "a", Project: "/b"}, {Org: "a", Project: "b"},
	} {
		of := tenant.Of(&p)
		if other, ok := seen[of]; ok {
			t.Errorf("%+v and %s are one tenant: %s", p, other, of)
		}
		seen[of] = fmt.Sprintf("%+v", p)
	}
	if a, b := (call.Principal{KeyID: "1", User: "u", Team: "t"}), (call.Principal{KeyID: "2", Team: "t"}); tenant.Of(&a) != tenant.Of(&b) {
		t.Error("keys of a team are not one tenant")
	}
}

func request(op wire.Op, method, path string) *call.Call {
	return &call.Call{Op: op, Method: method, Path: path}
}

func TestWhatARequestNames(t *testing.T) {
	f := func(c *call.Call, want string) {
		t.Helper()
		refs, err := tenant.Named(c)
		var got []string
		for _, r := range refs {
			got = append(got, r.Kind+" "+r.ID)
		}
		if err != nil {
			got = append(got, err.Code)
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%v %s %q names %s, want %s", c.Op, c.Method, c.Path, s, want)
		}
	}
	f(request(wire.OpFiles, "", ""), "")
	f(request(wire.OpFiles, "GET", "?limit=1"), "")
	f(request(wire.OpFiles, "GET", "?after=a&after=b"), "file a, file b")
	f(request(wire.OpFiles, "GET", "?after=%zz"), "invalid_query")
	f(request(wire.OpFiles, "GET", "/"), "unknown_path")
	f(request(wire.OpFiles, "DELETE", ""), "unknown_path")
	f(request(wire.OpFiles, "GET", "/?x=/file-1"), "unknown_path")
	f(request(wire.OpFiles, "GET", "/file-1/content?x=y"), "file file-1")
	f(request(wire.OpFiles, "GET", "/file%2D1/"), "file file-1")
	f(request(wire.OpBatches, "", "/b/cancel"), "batch b")
	f(request(wire.OpPass, "GET", "/v1/files/x"), "")
	c := request(wire.OpChat, "", "")
	c.Facts.Refs = []scan.Ref{{Kind: scan.RefFile, ID: []byte("f")}, {Kind: scan.RefFile, ID: []byte("f")}, {Kind: scan.RefResponse, ID: []byte("r")}}
	f(c, "file f, response r")
	c.Facts.Refs = make([]scan.Ref, 1001)
	f(c, "too_many_references")
}

// TestReads: results, which may be long, are not held to be looked into.
func TestReads(t *testing.T) {
	for _, c := range []struct {
		op   wire.Op
		path string
		want bool
	}{{wire.OpBatches, "/b", true}, {wire.OpBatches, "", true}, {wire.OpBatches, "/b/results", false}, {wire.OpFiles, "/f", true}, {wire.OpFiles, "/f/content", false}, {wire.OpChat, "", false}} {
		if got := tenant.Reads(request(c.op, "GET", c.path)); got != c.want {
			t.Errorf("%s %q: %t", c.op, c.path, got)
		}
	}
}

func TestNothingNamedAllocatesNothing(t *testing.T) {
	c := request(wire.OpChat, "", "")
	if n := testing.AllocsPerRun(100, func() {
		if refs, err := tenant.Named(c); refs != nil || err != nil || tenant.Reads(c) || tenant.Lists(c) {
			t.Fatal("a chat names something")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

var ours = tenant.Owner{Provider: "p", Tenant: "us"}

func TestWhatAnAnswerTells(t *testing.T) {
	f := func(c *call.Call, body, want string) {
		t.Helper()
		m := newMemory()
		m.owner["p/old"], m.owner["p/theirs"] = "us", "them"
		if err := tenant.New(m).Learn(t.Context(), ours, c, []byte(body)); err != nil {
			t.Error(err)
		}
		if got := strings.TrimSpace(strings.ReplaceAll(m.all(), "p/theirs", "")); got != want {
			t.Errorf("after %s %q answered %s there are %s, want %s", c.Method, c.Path, body, got, want)
		}
	}
	f(request(wire.OpFiles, "", ""), `{"id":"new","output_file_id":"no"}`, "p/new p/old")
	f(request(wire.OpFiles, "", ""), `not JSON`, "p/old")
	f(request(wire.OpFiles, "", ""), `{"id":7}`, "p/old")
	f(request(wire.OpFiles, "GET", "/old"), `{"id":"other"}`, "p/old")
	f(request(wire.OpFiles, "GET", "/old/content"), `{"id":"other"}`, "p/old")
	f(request(wire.OpFiles, "GET", ""), `{"id":"other"}`, "p/old")
	f(request(wire.OpFiles, "DELETE", "/old"), `{"id":"old","deleted":true}`, "")
	f(request(wire.OpFiles, "DELETE", "/old"), ``, "")
	f(request(wire.OpFiles, "DELETE", "/old"), `{"id":"old","deleted":false}`, "p/old")
	f(request(wire.OpFiles, "DELETE", "/theirs"), `{"deleted":true}`, "p/old")
	f(request(wire.OpBatches, "", ""), `{"id":"b","input_file_id":"in"}`, "p/b p/old")
	f(request(wire.OpBatches, "GET", "/b"), `{"id":"b","output_file_id":"o","error_file_id":"e"}`, "p/e p/o p/old")
	f(request(wire.OpBatches, "", "/b/cancel"), `{"id":"b","output_file_id":null}`, "p/old")
	f(request(wire.OpChat, "", ""), `{"id":"c"}`, "p/old")
}

func TestWhatAResponseTells(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		m := newMemory()
		if err := tenant.New(m).Responded(t.Context(), ours, []byte(body)); err != nil {
			t.Error(err)
		}
		if got := m.all(); got != want {
			t.Errorf("after %s there are %s, want %s", body, got, want)
		}
	}
	f(`{"id":"r","output":[{"id":"m"},{"id":"c","container_id":"k"},{}]}`, "p/c p/k p/m p/r")
	f(`{"type":"response.completed","response":{"id":"r","store":true}}`, "p/r")
	f(`{"id":"r","store":false}`, "")
	f(`{"output":[{"id":"m"}]}`, "")
	f(`[]`, "")
}

func TestAPageShowsTheTenantsOwn(t *testing.T) {
	f := func(op wire.Op, body, want, next string) {
		t.Helper()
		m := newMemory()
		m.owner["p/a"], m.owner["p/b"], m.owner["p/x"], m.owner["q/y"] = "us", "us", "them", "us"
		p, err := tenant.New(m).Filter(t.Context(), ours, request(op, "GET", ""), []byte(body))
		got := string(p.Body)
		if err != nil {
			got = "refused"
		}
		if got != want || p.Next != next {
			t.Errorf("%s\n became %s, next %q\n   want %s, next %q", body, got, p.Next, want, next)
		}
		if op == wire.OpBatches && m.owner["p/o"] != "us" {
			t.Error("a batch's output is not its tenant's")
		}
	}
	f(wire.OpFiles, `{"object":"list","data":[{"id":"x"},{"id":"a","n":1},{"id":"y"},{"id":"b"},{"id":"x"}],"first_id":"x","last_id":"x","has_more":true,"total":5}`,
		`{"object":"list","data":[{"id":"a","n":1},{"id":"b"}],"first_id":"a","last_id":"b","has_more":true}`, "x")
	f(wire.OpFiles, `{"data":[{"id":"x"}],"first_id":"x","last_id":"x","has_more":false}`, `{"data":[],"has_more":false}`, "")
	f(wire.OpFiles, `{"data":null}`, `{"data":[]}`, "")
	f(wire.OpFiles, `{"data":["x"]}`, "refused", "")
	f(wire.OpFiles, `[{"id":"a"}]`, "refused", "")
	f(wire.OpFiles, `nothing`, "refused", "")
	f(wire.OpBatches, `{"data":[{"id":"a","output_file_id":"o"},{"id":"x","output_file_id":"z"}]}`, `{"data":[{"id":"a","output_file_id":"o"}]}`, "")
	if got := tenant.After("?limit=2&after=a", "b c"); got != "?after=b+c&limit=2" {
		t.Errorf("the next page is at %s", got)
	}
}

// TestWaitersShareACommit: while one commit runs, all others gather in the next.
func TestWaitersShareACommit(t *testing.T) {
	m := newMemory()
	m.hold = make(chan struct{})
	k := tenant.New(m)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if err := k.Add(t.Context(), ours, []tenant.Ref{{Kind: tenant.File, ID: fmt.Sprint(i)}}); err != nil {
				t.Error(err)
			}
		})
	}
	close(m.hold)
	wg.Wait()
	if len(m.owner) != 50 || m.commits > 50 {
		t.Errorf("%d objects after %d commits", len(m.owner), m.commits)
	}
	before := m.commits
	if err := k.Add(t.Context(), ours, []tenant.Ref{{Kind: tenant.File, ID: "1"}}); err != nil || m.commits != before {
		t.Errorf("what is known is written again: %v", err)
	}
	m.fail = errors.New("the disk is full")
	if err := k.Add(t.Context(), ours, []tenant.Ref{{Kind: tenant.File, ID: "new"}}); !errors.Is(err, m.fail) {
		t.Errorf("got %v, want %v", err, m.fail)
	}
}

// TestForeignAndUnknownAreOne: nothing is learned of what others have.
func TestForeignAndUnknownAreOne(t *testing.T) {
	m := newMemory()
	m.owner["p/theirs"], m.owner["q/elsewhere"], m.owner["p/mine"] = "them", "us", "us"
	k := tenant.New(m)
	for _, id := range []string{"theirs", "elsewhere", "nobodys"} {
		r, err := k.Missing(t.Context(), ours, []tenant.Ref{{Kind: tenant.File, ID: "mine"}, {Kind: tenant.File, ID: id}})
		if err != nil || r == nil || r.ID != id {
			t.Fatalf("%v %v, want %s to be missing", r, err, id)
		}
		e := tenant.NotFound(r)
		if got, want := strings.ReplaceAll(e.Message, id, "…"), "there is no file \"…\": use one that was made through this gateway, with a key of the same team"; e.Status != 404 || e.Code != "file_not_found" || got != want {
			t.Errorf("%s: %d %s %s", id, e.Status, e.Code, got)
		}
	}
	if r, err := k.Missing(t.Context(), ours, []tenant.Ref{{Kind: tenant.File, ID: "mine"}}); r != nil || err != nil {
		t.Errorf("%v %v, want nothing to be missing", r, err)
	}
}

// FuzzAnswers: whatever a provider answers, entries of others stay out.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"object":"list","data":[{"id":"x"},{"id":"a"}],"first_id":"x","last_id":"x","has_more":true}`), "?after=a")
	f.Add([]byte(`{"data":[{"ID":"x","id":"a"}]}`), "/a/content?x")
	f.Fuzz(func(t *testing.T, body []byte, path string) {
		m := newMemory()
		m.owner["p/a"] = "us"
		k := tenant.New(m)
		c := request(wire.OpBatches, "GET", path)
		_, _ = tenant.Named(c) // must not panic
		if err := k.Learn(t.Context(), ours, c, body); err != nil {
			t.Error(err)
		}
		if err := k.Responded(t.Context(), ours, body); err != nil {
			t.Error(err)
		}
		m.owner = map[string]string{"p/a": "us"}
		p, err := k.Filter(t.Context(), ours, c, body)
		if err != nil {
			return
		}
		again, err := k.Filter(t.Context(), ours, c, p.Body)
		if err != nil || again.Own != p.Own {
			t.Errorf("%q became %q, of which %d of %d are left: %v", body, p.Body, again.Own, p.Own, err)
		}
	})
}
