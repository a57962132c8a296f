package mcp_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestPlainCallsAreAnsweredAsTheSDKWould: to the byte, whatever is called and how.
func TestPlainCallsAreAnsweredAsTheSDKWould(t *testing.T) {
	p := open(t, command(t, "one", "plain"), command(t, "old", "old"))
	p.ready("one", "old")
	p.gate.refuse["ann one__env"] = true
	ask := func(version, body string) string {
		t.Helper()
		r, err := http.NewRequest("POST", p.url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range map[string]string{"Authorization": "Bearer ann", "Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": version} {
			r.Header.Set(name, v)
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Status + " " + resp.Header.Get("Content-Type") + "\n" + string(b)
	}
	f := func(id, params, want string) {
		t.Helper()
		for _, v := range versions[1:] {
			plain := ask(v, `{"jsonrpc":"2.0","id":`+id+`,"method":"tools/call","params":{`+params+`}}`)
			whole := ask(v, `{"jsonrpc":"2.0","id":`+id+`,"method":"tools/call","params":{`+params+`,"_meta":{}}}`) // that is the SDK's
			if plain != whole || !strings.Contains(plain, want) {
				t.Errorf("%s of %s is answered\n%s\nand by the SDK\n%s\nwant %s in both", params, v, plain, whole, want)
			}
		}
	}
	f(`1`, `"name":"one__echo","arguments":{"text":"<&>\u2028 \"é"}`, `"id":1,`)
	f(`"a\"b"`, `"name":"old__echo","arguments":{"text":"x"}`, `"id":"a\"b"`)
	f(`-7`, `"arguments":{"text":"x"},"name":"one__fail"`, `out of paper`)
	f(`2`, `"name":"one__nothing","arguments":{}`, `unknown tool`)
	f(`3`, `"name":"one__env","arguments":{"text":""}`, `not for ann`)
	f(`4`, `"name":"one__echo"`, `text`)
	f(`5`, `"name":"one__echo","arguments":null`, ``)
	f(`6`, `"name":"one__echo","arguments":[]`, ``)
	f(`8`, `"Name":"one__echo","arguments":{}`, ``)
	f(`1.5`, `"name":"one__echo","arguments":{"text":"x"}`, ``)
	f(`null`, `"name":"one__echo","arguments":{"text":"x"}`, ``)
	f(`[1]`, `"name":"one__echo","arguments":{"text":"x"}`, ``)
	f(`9`, `"name":"one__echo","arguments":`+strings.Repeat(`{"a":`, 1100)+`1`+strings.Repeat(`}`, 1100), ``)
	f(`10`, `"name":"one__echo","arguments":{"text":"x"},"arguments":{"text":"y"}`, `"y"`)
}
