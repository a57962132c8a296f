package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/store/pgtest"
)

// nodeConfig is config with its state in the database at url.
func nodeConfig(up, url string) string {
	return strings.Replace(config(up, "1000"), `store: {url: "sqlite:state/signalbox.db"}`,
		fmt.Sprintf("store: {url: %q, dir: state, poll: 1s}\nsecrets: {key: \"0123456789abcdef0123456789abcdef\"}", url), 1)
}

// call asks the admin API.
func (g *gateway) call(method, path string, body, answer any) int {
	g.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		g.t.Fatal(err)
	}
	req, err := http.NewRequest(method, g.admin+path, bytes.NewReader(b))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && answer != nil && resp.StatusCode == 200 {
		err = json.Unmarshal(raw, answer)
	}
	if err != nil {
		g.t.Fatalf("%s %s: %v\n%s", method, path, err, raw)
	}
	if resp.StatusCode != 200 {
		g.t.Logf("%s %s: %d %s", method, path, resp.StatusCode, raw)
	}
	return resp.StatusCode
}

// try is the status of a request with a key for a model.
func (g *gateway) try(key, model string) int {
	g.t.Helper()
	req, err := http.NewRequest("POST", g.data+"/v1/chat/completions", strings.NewReader(request(model, "hello", false)))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// becomes waits until all gateways answer a key with status, and tells how long it took.
func becomes(t *testing.T, nodes []*gateway, key, model string, status int) time.Duration {
	t.Helper()
	start := time.Now()
	for _, g := range nodes {
		for got := 0; got != status; {
			if got = g.try(key, model); got != status && time.Since(start) > time.Minute {
				t.Fatalf("a gateway answers %d for 20 s; want %d", got, status)
			}
		}
	}
	return time.Since(start)
}

// TestNodesAreInStep has what is done at one gateway hold at the others.
func TestNodesAreInStep(t *testing.T) {
	t.Parallel()
	up, url := newUpstream(t), pgtest.New(t)
	var nodes []*gateway
	for range 3 {
		nodes = append(nodes, newGateway(t, nodeConfig(up.URL, url)))
	}
	a, b, c := nodes[0], nodes[1], nodes[2]
	var list struct{ Nodes []struct{ Number int } }
	if a.call("GET", "/admin/nodes", nil, &list); fmt.Sprint(list.Nodes) != "[{0} {1} {2}]" {
		t.Errorf("nodes are %v", list.Nodes)
	}
	var made struct{ ID, Token string }
	create := func(g *gateway, name string) {
		t.Helper()
		if g.call("POST", "/admin/keys", map[string]any{"name": name, "team": "core"}, &made) != 200 {
			t.Fatal("no key")
		}
	}
	if b.call("POST", "/admin/teams", map[string]any{"name": "core"}, nil) != 200 {
		t.Error("no team")
	}
	var slowest [3]time.Duration
	for i := range 5 {
		create(a, fmt.Sprint("k", i))
		slowest[0] = max(slowest[0], becomes(t, nodes, made.Token, "own", 200))
		old := made.Token
		if b.call("POST", "/admin/keys/"+made.ID+"/rotate", map[string]any{}, &made) != 200 {
			t.Fatal("not rotated")
		}
		slowest[1] = max(slowest[1], becomes(t, nodes, made.Token, "own", 200))
		if old == made.Token {
			t.Error("the same secret")
		}
		if c.call("DELETE", "/admin/keys/"+made.ID, nil, nil) != 200 {
			t.Fatal("not revoked")
		}
		slowest[2] = max(slowest[2], becomes(t, nodes, made.Token, "own", 401))
	}
	t.Logf("the slowest of 5 held on all of 3 gateways after: made %v, rotated %v, revoked %v", slowest[0], slowest[1], slowest[2])

	// Watchers are cut off, all at once: nothing is missed.
	create(b, "cut")
	becomes(t, nodes, made.Token, "own", 200)
	cutWatchers(t, url)
	if c.call("DELETE", "/admin/keys/"+made.ID, nil, nil) != 200 {
		t.Fatal("not revoked")
	}
	t.Logf("revoked while no gateway listened: held after %v", becomes(t, nodes, made.Token, "own", 401))
	modulesInStep(t, nodes)
}

// cutWatchers ends the connections that listen.
func cutWatchers(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var n int
	err = conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
		AND query IN ('LISTEN signalbox', 'SELECT topic, version FROM change') AND pg_terminate_backend(pid)`).Scan(&n)
	if err != nil || n != 3 {
		t.Fatalf("%d of 3 watchers were cut off, %v", n, err)
	}
}

// modulesInStep pushes at one gateway, promotes at the next and rolls back at the last.
func modulesInStep(t *testing.T, nodes []*gateway) {
	t.Helper()
	module, err := os.ReadFile(filepath.Join(bin, "plugins", "routes", "priority.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	r := &releases{gateway: nodes[0]}
	r.push(module, 2)
	first, _ := nodes[1].listed("priority")
	want := r.labels[1]
	if nodes[1].call("POST", "/admin/routes/priority/promote", map[string]any{"version": want[len("priority@"):], "force": true}, nil) != 200 {
		t.Fatal("not promoted")
	}
	active := func(want string) {
		t.Helper()
		start := time.Now()
		for _, g := range nodes {
			for got := ""; got != want; {
				if got, _ = g.listed("priority"); got != want && time.Since(start) > time.Minute {
					t.Fatalf("a gateway has %q active; want %q\n%s", got, want, g.output())
				}
			}
		}
	}
	active(want)
	if nodes[2].call("POST", "/admin/routes/priority/rollback", map[string]any{}, nil) != 200 {
		t.Fatal("not rolled back")
	}
	active(first)
}

// TestOneProcessPerFolder starts a second gateway in the folder of the first.
func TestOneProcessPerFolder(t *testing.T) {
	up, url := newUpstream(t), pgtest.New(t)
	g := newGateway(t, nodeConfig(up.URL, url))
	cmd := exec.Command(filepath.Join(bin, "signalbox"), "serve", "--config", g.config)
	cmd.Dir, cmd.Env = g.dir, g.cmd.Env
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), fmt.Sprintf("process %d uses", g.cmd.Process.Pid)) {
		t.Errorf("got %v: %s", err, out)
	}
	if g.try(callerKey, "own") != 200 {
		t.Error("the first does not serve any more")
	}
}
