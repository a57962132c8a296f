package dashboard_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
)

// batch has the gateway work on so many chats with model, and returns its id.
func (g *gateway) batch(model string, lines int) string {
	g.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("purpose", "batch") // into memory
	file, err := form.CreateFormFile("file", "requests.jsonl")
	if err != nil {
		g.t.Fatal(err)
	}
	for i := range lines {
		fmt.Fprintf(file, `{"custom_id":"line-%d","method":"POST","url":"/v1/chat/completions","body":{"model":%q,"max_tokens":16,"messages":[{"role":"user","content":"hello"}]}}`+"\n", i, model)
	}
	_ = form.Close()
	req, err := http.NewRequest("POST", g.data+"/v1/files", &body)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+callerKey)
	req.Header.Set("Content-Type", form.FormDataContentType())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	var made struct{ ID string }
	if err := json.Unmarshal(text, &made); err != nil || resp.StatusCode != 200 {
		g.t.Fatalf("the file is answered with %d %s", resp.StatusCode, text)
	}
	status, answer := send(g.t, "POST", g.data+"/v1/batches", callerKey, `{"input_file_id":"`+made.ID+`","endpoint":"/v1/chat/completions","completion_window":"24h"}`)
	if err := json.Unmarshal([]byte(answer), &made); err != nil || status != 200 {
		g.t.Fatalf("the batch is answered with %d %s", status, answer)
	}
	return made.ID
}

// TestBatchesAreSeen at work, to their end, and are cancelled at a click.
func TestBatchesAreSeen(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	done := g.batch("smart", 20)
	b := openTab(t, g)
	b.signIn(operatorToken)
	b.visit("#/batches")
	b.until(`[...document.querySelectorAll('tbody tr')].some((r) => r.innerText.includes('` + done + `') && r.innerText.includes('completed') && r.innerText.includes('20 of 20'))`)
	b.shot("batches")
	b.click("tbody a", done)
	b.settled()
	b.until(`document.querySelector('.tile .figure').textContent === '20'`)
	if eval[int](b, `[...document.querySelectorAll('main button')].filter((e) => e.textContent.includes('Cancel')).length`) != 0 {
		t.Error("a batch that is done can be cancelled")
	}
	slow := g.batch("demo/echo?latency_ms=3000", 400)
	b.visit("#/batches/" + slow)
	b.click("button", "Cancel…")
	b.click("dialog button", "Cancel the batch")
	b.sees("The batch is being cancelled")
	b.until(`/cancell/.test(document.querySelector('.head .badge').textContent)`)
	b.shot("batch-cancelled")
	b.visit("#/batches?x=" + strings.Repeat("y", 3))
	b.sees(slow)
}
