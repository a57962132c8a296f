package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const tenants = `
listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}
admin: {token: "${env:SIGNALBOX_ADMIN_TOKEN}"}
store: {url: "sqlite:state/signalbox.db"}
providers: {%s}
keys:
  - {name: ann, value: "sb-e2e-ann-key-0001", team: core}
  - {name: bob, value: "sb-e2e-bob-key-0002", team: core}
  - {name: eve, value: "sb-e2e-eve-key-0003", team: other}
  - {name: sol, value: "sb-e2e-sol-key-0004"}
  - {name: tim, value: "sb-e2e-tim-key-0005"}
`

// answered is what of an answer tells whose an object is.
type answered struct {
	status int
	text   string
	ID     string
	Output string `json:"output_file_id"`
	First  string `json:"first_id"`
	Last   string `json:"last_id"`
	More   bool   `json:"has_more"`
	Data   []struct{ ID string }
	Error  struct{ Code, Message string }
}

func (a *answered) ids() string {
	var ids []string
	for _, d := range a.Data {
		ids = append(ids, d.ID)
	}
	return strings.Join(ids, " ")
}

// as makes a request with the key of one of the tenants: "ann", or "ann@up"
// for what provider up keeps.
func (g *gateway) as(who, method, path, body string) *answered {
	g.t.Helper()
	who, provider, _ := strings.Cut(who, "@")
	keys := map[string]int{"ann": 1, "bob": 2, "eve": 3, "sol": 4, "tim": 5}
	req, err := http.NewRequest(method, g.data+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", fmt.Sprintf("Bearer sb-e2e-%s-key-%04d", who, keys[who]))
	if provider != "" {
		req.Header.Set("X-Signalbox-Provider", provider)
	}
	if strings.HasPrefix(body, "--b") {
		req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	} else if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Error(err)
	}
	a := &answered{status: resp.StatusCode, text: string(b)}
	_ = json.Unmarshal(b, a) // not all answers are JSON
	return a
}

func (g *gateway) want(a *answered, status int, code string) {
	g.t.Helper()
	if a.status != status || a.Error.Code != code {
		g.t.Errorf("%d %s, want %d %s", a.status, a.text, status, code)
	}
}

func file(content string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n" + content + "\r\n--b--\r\n"
}

const batchLine = `{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"echo","messages":[{"role":"user","content":"hi"}]}}`

// TestFilesAndBatchesAreTheTenants: a team shares what it has made, nobody
// else sees it or learns that it is there.
func TestFilesAndBatchesAreTheTenants(t *testing.T) {
	t.Parallel()
	g := newGateway(t, fmt.Sprintf(tenants, "demo: {adapter: demo}"))
	for name, at := range map[string]string{"of the gateway": "", "of a provider": "@demo"} {
		t.Run(name, func(t *testing.T) { tenantsApart(t, g, at) })
	}
}

func tenantsApart(t *testing.T, g *gateway, at string) {
	in := g.as("ann"+at, "POST", "/v1/files", file(batchLine))
	g.want(in, 200, "")
	other := g.as("eve"+at, "POST", "/v1/files", file(batchLine))
	batch := g.as("bob"+at, "POST", "/v1/batches", `{"input_file_id":"`+in.ID+`","endpoint":"/v1/chat/completions","completion_window":"24h"}`)
	g.want(batch, 200, "")
	done := g.as("ann"+at, "GET", "/v1/batches/"+batch.ID, "")
	for end := time.Now().Add(time.Minute); done.Output == "" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		done = g.as("ann"+at, "GET", "/v1/batches/"+batch.ID, "")
	}
	if g.want(done, 200, ""); done.Output == "" {
		t.Fatalf("the batch has no output: %s", done.text)
	}
	if out := g.as("bob"+at, "GET", "/v1/files/"+done.Output+"/content", ""); out.status != 200 || !strings.Contains(out.text, `"custom_id":"a"`) {
		t.Errorf("the output: %d %s", out.status, out.text)
	}
	for _, who := range []string{"eve", "sol"} {
		for _, id := range []string{in.ID, done.Output, "file-nobodys"} {
			for _, way := range []string{"GET /v1/files/%s", "GET /v1/files/%s/", "GET /v1/files/%s/content", "DELETE /v1/files/%s", "GET /v1/files?after=%s"} {
				method, path, _ := strings.Cut(fmt.Sprintf(way, id), " ")
				a := g.as(who+at, method, path, "")
				g.want(a, 404, "file_not_found")
				if want := fmt.Sprintf("there is no file %q: ", id); !strings.HasPrefix(a.Error.Message, want) {
					t.Errorf("%s of %s: %s", way, id, a.Error.Message)
				}
			}
			g.want(g.as(who+at, "POST", "/v1/batches", `{"input_file_id":"`+id+`","endpoint":"/v1/chat/completions","completion_window":"24h"}`), 404, "file_not_found")
			g.want(g.as(who, "POST", "/v1/chat/completions", `{"model":"demo/echo","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"`+id+`"}}]}]}`), 404, "file_not_found")
		}
		g.want(g.as(who+at, "GET", "/v1/batches/"+batch.ID, ""), 404, "batch_not_found")
		g.want(g.as(who+at, "POST", "/v1/batches/"+batch.ID+"/cancel", ""), 404, "batch_not_found")
	}
	list := func(who, path, want string) {
		t.Helper()
		if a := g.as(who+at, "GET", path, ""); a.status != 200 || a.ids() != want && a.ids() != backward(want) {
			t.Errorf("%s of %s: %d %s, want %s", path, who, a.status, a.text, want)
		}
	}
	list("bob", "/v1/files", in.ID+" "+done.Output) // in the provider's order
	list("eve", "/v1/files", other.ID)
	list("sol", "/v1/files", "")
	list("ann", "/v1/batches", batch.ID)
	list("eve", "/v1/batches", "")
	g.want(g.as("eve"+at, "GET", "/v1/files/", ""), 404, "unknown_path")

	g.want(g.as("bob"+at, "DELETE", "/v1/files/"+in.ID, ""), 200, "")
	g.want(g.as("ann"+at, "GET", "/v1/files/"+in.ID, ""), 404, "file_not_found")
	list("ann", "/v1/files", done.Output)
}

func backward(ids string) string {
	list := strings.Fields(ids)
	slices.Reverse(list)
	return strings.Join(list, " ")
}

// TestTenantsRace: uploads of two tenants at once stay apart.
func TestTenantsRace(t *testing.T) {
	g := newGateway(t, fmt.Sprintf(tenants, "demo: {adapter: demo}"))
	var wg sync.WaitGroup
	made := map[string][]string{}
	var mu sync.Mutex
	for i := range 40 {
		who := []string{"ann", "eve", "sol", "tim"}[i%4]
		wg.Go(func() {
			a := g.as(who, "POST", "/v1/files", file("x"))
			g.want(a, 200, "")
			g.want(g.as(who+"@demo", "POST", "/v1/files", file("x")), 200, "")
			mu.Lock()
			defer mu.Unlock()
			made[who] = append(made[who], a.ID)
		})
	}
	wg.Wait()
	for who, ids := range made {
		got := strings.Fields(g.as(who, "GET", "/v1/files", "").ids())
		if len(got) != len(ids) {
			t.Errorf("%s has made %v and sees %v", who, ids, got)
		}
		for _, id := range ids {
			for _, other := range []string{"ann", "eve", "sol", "tim"} {
				if a := g.as(other, "GET", "/v1/files/"+id, ""); (a.status == 200) != (other == who) {
					t.Errorf("%s of %s for %s: %d", id, who, other, a.status)
				}
			}
		}
	}
}

// keeping is an upstream that stores responses and files, in pages of two.
type keeping struct {
	*httptest.Server
	mu    sync.Mutex
	files []string
	n     int
}

func newKeeping(t *testing.T) *keeping {
	k := &keeping{}
	k.Server = httptest.NewServer(http.HandlerFunc(k.serve))
	t.Cleanup(func() { k.CloseClientConnections(); k.Close() })
	return k
}

func (k *keeping) serve(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	k.n++
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/responses") && strings.Contains(string(body), `"stream":true`):
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_%d\",\"object\":\"response\",\"store\":true,\"output\":[]}}\n\n", k.n)
		fmt.Fprintf(w, "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":1,\"response\":{\"id\":\"resp_%d\",\"object\":\"response\",\"store\":true,\"output\":[{\"id\":\"msg_%d\",\"type\":\"message\"}],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n", k.n, k.n)
	case strings.HasSuffix(r.URL.Path, "/responses"):
		fmt.Fprintf(w, `{"id":"resp_%d","object":"response","output":[{"id":"msg_%d","type":"message"}],"usage":{"input_tokens":1,"output_tokens":1}}`, k.n, k.n)
	case r.Method == "POST":
		k.files = append([]string{"file-" + strconv.Itoa(k.n)}, k.files...)
		fmt.Fprintf(w, `{"id":"file-%d","object":"file","bytes":1,"created_at":1,"filename":"a","purpose":"batch"}`, k.n)
	default:
		k.list(w, r.URL.Query().Get("after"))
	}
}

func (k *keeping) list(w io.Writer, after string) {
	from := 0
	for i, id := range k.files {
		if id == after {
			from = i + 1
		}
	}
	to := min(from+2, len(k.files))
	var data []string
	for _, id := range k.files[from:to] {
		data = append(data, fmt.Sprintf(`{"id":%q,"object":"file","bytes":1,"created_at":1,"filename":"a","purpose":"batch"}`, id))
	}
	// In chunks, and so long that it would be passed on as it comes.
	fmt.Fprintf(w, `{"object":"list","data":[%s],"has_more":%t,"total":%d,"first_id":"x","last_id":"y"%s}`,
		strings.Join(data, ","), to < len(k.files), len(k.files), strings.Repeat(" ", 2<<20))
}

// TestStoredResponsesAreTheTenants: what a response call may refer to, and that
// a restart forgets nothing.
func TestStoredResponsesAreTheTenants(t *testing.T) {
	up := newKeeping(t)
	g := newGateway(t, fmt.Sprintf(tenants, fmt.Sprintf(`up: {adapter: openai, config: {base_url: %q}, hosts: [%q], credentials: [{name: main, value: "${env:PROVIDER_KEY}"}]}`,
		up.URL+"/v1", strings.TrimPrefix(up.URL, "http://"))))
	ask := func(who, more string) *answered {
		t.Helper()
		return g.as(who, "POST", "/v1/responses", `{"model":"up/gpt-4o","input":"hi"`+more+`}`)
	}
	whole := ask("ann", "")
	g.want(whole, 200, "")
	streamed := "resp_2"
	if a := ask("ann", `,"stream":true`); a.status != 200 || !strings.Contains(a.text, streamed) {
		t.Fatalf("%d %s", a.status, a.text)
	}
	unstored := ask("ann", `,"store":false`)
	f := func() {
		t.Helper()
		for _, id := range []string{whole.ID, streamed} {
			item := `,"input":[{"id":"` + strings.Replace(id, "resp", "msg", 1) + `"%s}]`
			for _, more := range []string{"", `,"type":"item_reference"`} {
				body := `{"model":"up/gpt-4o"` + fmt.Sprintf(item, more) + `}`
				g.want(g.as("bob", "POST", "/v1/responses", body), 200, "")
				g.want(g.as("eve", "POST", "/v1/responses", body), 404, "item_not_found")
			}
			g.want(ask("bob", `,"previous_response_id":"`+id+`"`), 200, "")
			g.want(ask("eve", `,"previous_response_id":"`+id+`"`), 404, "response_not_found")
			g.want(ask("sol", `,"previous_response_id":"`+id+`","stream":true`), 404, "response_not_found")
		}
		g.want(ask("ann", `,"previous_response_id":"`+unstored.ID+`"`), 404, "response_not_found")
		g.want(ask("ann", `,"conversation":{"id":"conv_1"}`), 404, "conversation_not_found")
	}
	f()
	var mine []string
	for _, who := range []string{"ann", "sol", "sol", "sol", "sol", "sol", "sol", "bob"} {
		a := g.as(who+"@up", "POST", "/v1/files", file("x"))
		if g.want(a, 200, ""); who != "sol" {
			mine = append([]string{a.ID}, mine...)
		}
	}
	g.stop()
	g.start()
	f()
	first := g.as("ann@up", "GET", "/v1/files?limit=2", "")
	second := g.as("ann@up", "GET", "/v1/files?limit=2&after="+first.Last, "")
	if got := first.ids() + " " + second.ids(); got != strings.Join(mine, " ") || !first.More || second.More {
		t.Errorf("the pages hold %s (more: %t, %t), want %v", got, first.More, second.More, mine)
	}
	if first.First != mine[0] || first.Last != mine[0] || strings.Contains(first.text, "total") {
		t.Errorf("a page tells of others: %s", first.text)
	}
	if none := g.as("eve@up", "GET", "/v1/files", ""); none.status != 200 || none.ids() != "" || none.More || none.Last != "" {
		t.Errorf("a list without entries: %s", none.text)
	}
}
