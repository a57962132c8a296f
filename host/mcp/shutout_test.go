package mcp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/mcp"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// shutOut lets the owner of key stay no longer.
func (p *place) shutOut(key string) {
	p.server.Recheck(func(who *call.Principal) *wire.Error {
		if who.KeyID != key {
			return nil
		}
		return wire.Errorf(401, "key_revoked", "ask for a new one")
	})
}

// TestCallerWhoMayNotStayIsToldWhy: what a call is answered says why, its server
// hears that it is given up, and the calls of others go on.
func TestCallerWhoMayNotStayIsToldWhy(t *testing.T) {
	for _, v := range versions {
		mark := filepath.Join(t.TempDir(), "cancelled")
		p := open(t, command(t, "one", "plain", "CANCELLED="+mark), command(t, "two", "plain"))
		p.ready("one", "two")
		begin := func(ctx context.Context, who, tool string) <-chan error {
			streams, over := make(chan struct{}, 1), make(chan error, 1)
			opt := &sdk.ClientOptions{ProgressNotificationHandler: func(context.Context, *sdk.ProgressNotificationClientRequest) { streams <- struct{}{} }}
			s := p.with(who, v, opt, &sdk.StreamableClientTransport{DisableStandaloneSSE: true})
			go func() {
				params := &sdk.CallToolParams{Name: tool, Arguments: text{}}
				params.SetProgressToken("mine")
				_, err := s.CallTool(ctx, params)
				over <- err
			}()
			<-streams
			return over
		}
		ctx, leave := context.WithCancel(t.Context())
		ann, bob := begin(t.Context(), "ann", "one__wait"), begin(ctx, "bob", "two__wait")
		p.shutOut("ann")
		var told *jsonrpc.Error
		if err := <-ann; !errors.As(err, &told) || told.Code != -32010 || !strings.Contains(string(told.Data), `"code":"key_revoked"`) || told.Message != "ask for a new one" {
			t.Errorf("of %q: the call ends with %v", v, err)
		}
		p.until("the server hears of it", func() bool { _, err := os.Stat(mark); return err == nil })
		if n := p.status("two").Running; n != 1 {
			t.Errorf("of %q: %d calls of another's run; want 1", v, n)
		}
		leave()
		<-bob
	}
}

// TestEachRequestOfOneWhoMayNotStayIsAnswered: also of a batch, and one that
// listens for changes.
func TestEachRequestOfOneWhoMayNotStayIsAnswered(t *testing.T) {
	p := open(t, command(t, "one", "plain", "CANCELLED="+filepath.Join(t.TempDir(), "cancelled")))
	p.ready("one")
	f := func(version, body string, want ...string) {
		t.Helper()
		r, err := http.NewRequest("POST", p.url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range map[string]string{"Authorization": "Bearer ann", "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
			"Mcp-Protocol-Version": version, "Mcp-Method": "subscriptions/listen"} {
			r.Header.Set(name, v)
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var told []string
		events, first := bufio.NewScanner(resp.Body), true
		for events.Scan() {
			data, is := strings.CutPrefix(events.Text(), "data: ")
			if !is {
				continue
			}
			if first { // it streams
				first = false
				p.until("all run", func() bool { return p.status("one").Running == strings.Count(body, "tools/call") })
				p.shutOut("ann")
			}
			var e struct {
				ID    any
				Error *jsonrpc.Error
			}
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				t.Fatal(err)
			}
			if e.Error != nil {
				told = append(told, fmt.Sprintf("%v: %d %s", e.ID, e.Error.Code, e.Error.Message))
			}
		}
		if slices.Sort(told); !slices.Equal(told, want) || events.Err() != nil {
			t.Errorf("%s is told %q, then %v", body, told, events.Err())
		}
	}
	wait := `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"one__wait","arguments":{"text":""},"_meta":{"progressToken":%[1]d}}}`
	f("2025-03-26", "["+fmt.Sprintf(wait, 1)+","+fmt.Sprintf(wait, 2)+"]", "1: -32010 ask for a new one", "2: -32010 ask for a new one")
	f("2026-07-28", `{"jsonrpc":"2.0","id":"x","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"x","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`,
		"x: -32010 ask for a new one")
}

// TestAPanicWithinAStreamIsAnswered: who waits for an answer gets one.
func TestAPanicWithinAStreamIsAnswered(t *testing.T) {
	var c call.Call
	streams := make(chan struct{})
	ans := mcp.Answered(&c, `"7"`, slog.New(slog.DiscardHandler), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, ": here\n\n")
		w.(http.Flusher).Flush()
		<-streams
		panic("broken")
	}))
	close(streams)
	var got strings.Builder
	if _, err := ans.Stream.WriteTo(&got); err != nil {
		t.Error(err)
	}
	if err := ans.Stream.Close(); err != nil {
		t.Error(err)
	}
	if want := ": here\n\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"7\",\"error\":{\"code\":-32603,\"message\":\"the gateway failed at this request\"}}\n\n"; got.String() != want {
		t.Errorf("the caller gets %q", got.String())
	}
}
