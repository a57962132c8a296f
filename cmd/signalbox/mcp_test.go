package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestToolsPage(t *testing.T) { open(t, "../../docs/mcp.md").play(t, 1) }

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestToolResultsArePrinted(t *testing.T) {
	res := &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "one\ntwo"}}}
	var out bytes.Buffer
	if err := printResult(&out, "t", res, false); err != nil || out.String() != "one\ntwo\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if err := printResult(full{}, "t", res, false); err == nil {
		t.Error("what could not be written counts as said")
	}
	list := &toolServers{}
	if err := json.Unmarshal([]byte(`{"servers":[{"name":"s","state":"down","failure":"\u001b[2Jgone","tools":[{"name":"s__a","description":"\u001b]0;x\u0007 adds"}]}]}`), list); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := errors.Join(list.print(&out), list.printTools(&out)); err != nil || strings.ContainsRune(out.String(), 0x1b) || !strings.Contains(out.String(), "adds") {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// TestRefusedToolCallsSayWhy: the protocol's SDK would say "Unauthorized".
func TestRefusedToolCallsSayWhy(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":{"message":"the API key is not known here","code":"invalid_api_key"}}`))
	}))
	defer s.Close()
	var out, errs bytes.Buffer
	err := run(t.Context(), []string{"mcp", "call", "a__b", "--url", s.URL, "--key", "sb-wrong"}, &out, &errs)
	if err == nil || !strings.Contains(err.Error(), "the API key is not known here (invalid_api_key") {
		t.Errorf("%v", err)
	}
}
