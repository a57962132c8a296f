package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// BenchmarkToolCall tells what a call of a tool takes of the gateway's processor
// time, the tool server's own aside: without filters, with one that looks at
// arguments and results, and where the SDK has to read it since it says more than
// what to call, beside a plain request to the demo provider.
//
//	go test ./host/e2e -run '^$' -bench ToolCall -benchtime 400x
func BenchmarkToolCall(b *testing.B) {
	g := &gateway{t: b, dir: b.TempDir()}
	g.config = filepath.Join(g.dir, "signalbox.yaml")
	demo := filepath.Join(bin, "signalbox")
	g.write(fmt.Sprintf(`
listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}
admin: {token: "${env:SIGNALBOX_ADMIN_TOKEN}"}
store: {url: "sqlite:state/signalbox.db"}
providers: {demo: {adapter: demo}}
filters: {pii: {module: "builtin:pii"}}
mcp: {servers: {bare: {command: [%q, mcp, demo]}, looked: {command: [%q, mcp, demo], filters: [pii]}}}
keys: [{name: dev, value: "${env:SIGNALBOX_DEV_KEY}"}]
`, demo, demo))
	g.start()
	defer g.stop()
	post := func(path, body, want string) bool {
		r, err := http.NewRequest("POST", g.data+path, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		for name, v := range map[string]string{"Authorization": "Bearer " + callerKey, "Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": "2025-06-18"} {
			r.Header.Set(name, v)
		}
		resp, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return err == nil && resp.StatusCode == http.StatusOK && strings.Contains(string(text), want)
	}
	const each = 8
	tool := func(server, more string) func() bool {
		body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + server + `__echo","arguments":{"text":"over and out ` + strings.Repeat("and so on ", 50) + `"}` + more + `}}`
		return func() bool { return post("/mcp", body, "over and out") }
	}
	chat := `{"model": "demo/echo", "max_tokens": 200, "messages": [{"role": "user", "content": "over and out ` + strings.Repeat("and so on ", 50) + `"}]}`
	ways := []func() bool{tool("bare", ""), tool("looked", ""), tool("bare", `,"_meta":{}`), func() bool { return post("/v1/chat/completions", chat, "over and out") }}
	for deadline := time.Now().Add(time.Minute); !ways[0]() || !ways[1]() || !ways[2]() || !ways[3](); time.Sleep(10 * time.Millisecond) { // servers begin beside the gateway
		if time.Now().After(deadline) {
			b.Fatalf("tools cannot be called\n%s", g.log.String())
		}
	}
	var spent [4]int64
	for b.Loop() { // by turns: the machine is shared
		for i, way := range ways {
			before := cpuOf(b, g.cmd.Process.Pid)
			for range each {
				if !way() {
					b.Fatal("a call has failed")
				}
			}
			spent[i] += cpuOf(b, g.cmd.Process.Pid) - before
		}
	}
	for i, name := range []string{"tool", "tool-looked-at", "tool-by-sdk", "chat"} {
		b.ReportMetric(float64(spent[i])/float64(b.N*each*1000), name+"-cpu-µs/call")
	}
}
