package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/config"
)

// toolCall are the words of mcp call.
type toolCall struct {
	src      *sources
	at       string // data address
	key      string
	wait     time.Duration
	tool     string
	argument json.RawMessage
}

func mcpCallCommand(src *sources) *cobra.Command {
	t := &toolCall{src: src}
	c := shown(&cobra.Command{
		Use: "call TOOL [ARGUMENTS]", Short: "Call a tool as a caller does, with a key",
		Long:    "Call a tool as a caller does, with a key: policy, rates and budgets hold as for any. The arguments are a JSON object.",
		Example: `  signalbox mcp call clock__now '{"zone": "Europe/Vienna"}'`,
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			t.tool, t.argument = args[0], json.RawMessage("{}")
			if len(args) > 1 {
				t.argument = json.RawMessage(args[1])
			}
			if !json.Valid(t.argument) || !strings.HasPrefix(strings.TrimSpace(string(t.argument)), "{") {
				return hint(errors.New("the arguments are no JSON object"), `write them as '{"name": "value"}'`)
			}
			return t.run(c)
		},
	})
	f := c.Flags()
	f.StringVar(&t.at, "url", "", "data address of the gateway, as http://127.0.0.1:8080 (default: that of the configuration)")
	f.StringVar(&t.key, "key", "", keyUsage+"the one for development beside the store)")
	f.DurationVar(&t.wait, "timeout", time.Minute, "how long to wait")
	return c
}

func (t *toolCall) run(c *cobra.Command) error {
	s, err := t.src.resolve()
	if err != nil {
		return err
	}
	if t.key == "" {
		t.key = os.Getenv(config.KeyVar)
	}
	if t.at == "" || t.key == "" {
		cfg, err := config.LoadAdmin(s)
		if err != nil {
			return err
		}
		t.complete(cfg)
	}
	if t.key == "" {
		return errNoKey
	}
	ctx, cancel := context.WithTimeout(c.Context(), t.wait)
	defer cancel()
	client := mcp.NewClient(&mcp.Implementation{Name: "signalbox", Version: c.Root().Version}, &mcp.ClientOptions{Capabilities: &mcp.ClientCapabilities{}})
	way := &keyed{key: t.key}
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: strings.TrimSuffix(t.at, "/") + "/mcp",
		HTTPClient: &http.Client{Transport: way}, DisableStandaloneSSE: true, MaxRetries: -1}, nil)
	if err != nil {
		if told := way.refusal.Load(); told != nil {
			return *told
		}
		return fmt.Errorf("cannot speak with %s/mcp: %w", t.at, err)
	}
	defer session.Close()
	res, err := session.CallTool(ctx, &mcp.CallToolParams{Name: t.tool, Arguments: t.argument})
	var refused *jsonrpc.Error
	if errors.As(err, &refused) {
		return hint(fmt.Errorf("cannot call %s: %s", t.tool, harmless(refused.Message)), "see signalbox mcp tools, and what the key may do")
	}
	if err != nil {
		return fmt.Errorf("cannot call %s: %w", t.tool, err)
	}
	asJSON, _ := c.Flags().GetBool("json")
	return printResult(c.OutOrStdout(), t.tool, res, asJSON)
}

// complete takes what was not given from the configuration.
func (t *toolCall) complete(cfg *config.Config) {
	if t.key == "" {
		t.key = developmentKey(cfg.Store.Dir()).Reveal()
	}
	if t.at != "" {
		return
	}
	t.at = "http://" + reachable(cfg.Listen.Data)
	if cfg.Listen.TLS.Cert != "" {
		t.at = "https://" + reachable(cfg.Listen.Data)
	}
}

// printResult prints what a tool has answered.
func printResult(w io.Writer, tool string, res *mcp.CallToolResult, asJSON bool) error {
	if asJSON {
		b, err := json.Marshal(res)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", b)
		return err
	}
	for _, c := range res.Content {
		text := ""
		if t, ok := c.(*mcp.TextContent); ok {
			text = t.Text
		} else {
			b, err := json.Marshal(c)
			if err != nil {
				return err
			}
			text = string(b)
		}
		if f, ok := w.(*os.File); ok && terminal(f) {
			text = printable(text) // a tool's words are not for the terminal to act on
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	if res.IsError {
		return fmt.Errorf("%s says that it failed", tool)
	}
	return nil
}

// keyed sends a key along, and keeps what the gateway says where it refuses
// that: the SDK would not tell.
type keyed struct {
	key     string
	refusal atomic.Pointer[error]
}

// RoundTrip implements http.RoundTripper.
func (k *keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+k.key)
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
		return resp, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if err != nil {
		return nil, err
	}
	err = refused(resp, raw)
	k.refusal.Store(&err)
	return nil, err
}

// maxRefusal is above every refusal of a gateway's.
const maxRefusal = 64 << 10
