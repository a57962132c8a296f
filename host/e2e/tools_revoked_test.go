package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

const waitingConfig = `
listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}
admin: {token: "${env:SIGNALBOX_ADMIN_TOKEN}"}
store: {url: "sqlite:state/signalbox.db"}
providers: {demo: {adapter: demo}}
mcp: {servers: {slow: {url: %q, price_usd: 0.01}}}
keys: [{name: dev, value: "${env:SIGNALBOX_DEV_KEY}"}]
`

// TestRevokedKeyEndsItsToolCalls: the caller is answered why, the tool server
// hears that nobody waits any more, and the record says the same.
func TestRevokedKeyEndsItsToolCalls(t *testing.T) {
	left := make(chan struct{}, 1)
	tools := sdk.NewServer(&sdk.Implementation{Name: "slow", Version: "1"}, nil)
	sdk.AddTool(tools, &sdk.Tool{Name: "wait"}, func(ctx context.Context, r *sdk.CallToolRequest, _ struct{}) (*sdk.CallToolResult, any, error) {
		_ = r.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: 1})
		<-ctx.Done()
		left <- struct{}{}
		return nil, nil, ctx.Err()
	})
	up := httptest.NewServer(sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return tools }, nil))
	defer up.Close()
	defer up.CloseClientConnections()
	g := newGateway(t, fmt.Sprintf(waitingConfig, up.URL))
	var made struct{ Token string }
	g.admins("/admin/keys", map[string]any{"name": "short"}, &made)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	streams := make(chan struct{}, 1)
	s, err := sdk.NewClient(&sdk.Implementation{Name: "e2e", Version: "1"}, &sdk.ClientOptions{
		ProgressNotificationHandler: func(context.Context, *sdk.ProgressNotificationClientRequest) { streams <- struct{}{} }}).
		Connect(ctx, &sdk.StreamableClientTransport{Endpoint: g.data + "/mcp", HTTPClient: &http.Client{Transport: withKey(made.Token)}, MaxRetries: -1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	g.awaitTools(s, "slow__wait")
	over := make(chan error, 1)
	go func() {
		p := &sdk.CallToolParams{Name: "slow__wait", Arguments: struct{}{}}
		p.SetProgressToken("mine")
		_, err := s.CallTool(ctx, p)
		over <- err
	}()
	select {
	case <-streams:
	case err := <-over:
		t.Fatalf("the call ended before it began: %v", err)
	}
	if status, body := g.adminDo("DELETE", "/admin/keys/short", ""); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	var told *jsonrpc.Error
	if err := <-over; !errors.As(err, &told) || !strings.Contains(string(told.Data), `"code":"key_revoked"`) {
		t.Errorf("the call ends with %v", err)
	}
	select {
	case <-left:
	case <-ctx.Done():
		t.Error("the tool server has not heard of it")
	}
	eventually(t, "the call is recorded", func() bool { return len(g.ledger("?op=tool")) == 1 })
	if row := g.ledger("?op=tool")[0]; row["code"] != "key_revoked" || fmt.Sprint(row["cost_usd"]) != "0.01" {
		t.Errorf("row %v", row)
	}
}
