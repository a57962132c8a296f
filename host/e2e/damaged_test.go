package e2e_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/store/pgtest"
)

// TestDamagedEntriesRefuseThemselves: what cannot be read of one key, or of the
// limits of one team or model, keeps nothing that is said of others from holding,
// whether it comes while a gateway runs or was there before it.
func TestDamagedEntriesRefuseThemselves(t *testing.T) {
	t.Parallel()
	up, url := newUpstream(t), pgtest.New(t)
	nodes := []*gateway{newGateway(t, nodeConfig(up.URL, url))}
	a := nodes[0]
	tokens := map[string]string{}
	for name, team := range map[string]string{"good": "", "other": "", "broken": "", "of-team": "core"} {
		var made struct{ Token string }
		if team != "" && a.call("POST", "/admin/teams", map[string]any{"name": team}, nil) != 200 {
			t.Fatal("no team")
		}
		if a.call("POST", "/admin/keys", map[string]any{"name": name, "team": team}, &made) != 200 {
			t.Fatal("no key")
		}
		tokens[name] = made.Token
		becomes(t, nodes, made.Token, "own", 200)
	}
	becomes(t, nodes, tokens["good"], "fast", 200)
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	for _, query := range []string{
		`UPDATE key SET budgets = '[{"max_parsecs": 3}' WHERE name = 'broken'`,
		`INSERT INTO document VALUES ('limit', 'team/core', 1, '{"limits": [{"unit": "parsecs"}]}', 0), ('limit', 'model/up/m', 2, 'not JSON', 0)`,
		`INSERT INTO document_revision VALUES ('limit', 2)`,
		`INSERT INTO change VALUES ('keys', 1000), ('documents/limit', 1000) ON CONFLICT (topic) DO UPDATE SET version = change.version + 1000`,
	} {
		if _, err := c.Exec(t.Context(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	check := func() {
		t.Helper()
		becomes(t, nodes, tokens["broken"], "own", 403)
		becomes(t, nodes, tokens["of-team"], "own", 403)
		becomes(t, nodes, tokens["good"], "own", 200)
		becomes(t, nodes, tokens["good"], "fast", 429)
	}
	check()
	nodes = append(nodes, newGateway(t, nodeConfig(up.URL, url)))
	check()
	if nodes[1].call("DELETE", "/admin/keys/other", nil, nil) != 200 {
		t.Fatal("not revoked")
	}
	becomes(t, nodes, tokens["other"], "own", 401)

	// Both can be put right: the limits by new ones, the key by its end.
	if a.call("PUT", "/admin/limits/team/core", map[string]any{"limits": []any{map[string]any{"requests": 100, "window": "day"}}}, nil) != 200 {
		t.Error("limits that cannot be read cannot be replaced")
	}
	becomes(t, nodes, tokens["of-team"], "own", 200)
	if a.call("DELETE", "/admin/keys/broken", nil, nil) != 200 {
		t.Error("a key that cannot be read cannot be revoked")
	}
	becomes(t, nodes, tokens["broken"], "own", 401)
}
