package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// chatServer answers as a gateway would: with what was said last, in words, and
// without end where that is "go on".
func chatServer(t *testing.T) (url string, left <-chan bool) {
	t.Helper()
	gone := make(chan bool, 8)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/models" {
			fmt.Fprint(w, `{"data":[{"id":"fast"},{"id":"demo/echo"}]}`)
			return
		}
		var q question
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.Header.Get("Authorization") != "Bearer sesame" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":{"message":"no","code":"invalid_api_key"}}`)
			return
		}
		last := fmt.Sprint(q.Messages[len(q.Messages)-1].Content)
		w.Header().Set("X-Signalbox-Provider", "demo")
		w.Header().Set("X-Signalbox-Model", "echo")
		w.Header().Set("X-Signalbox-Request-Id", "req_1")
		piece := func(text string) {
			b, _ := json.Marshal(text) // a string always encodes
			fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":%s}}]}\n\n", b)
			w.(http.Flusher).Flush()
		}
		if last == "go on" {
			piece("on and on ")
			<-r.Context().Done()
			gone <- true
			return
		}
		piece(fmt.Sprintf("%d:%s\x1b[31m", len(q.Messages), last))
		fmt.Fprint(w, ": signalbox {\"cost_usd\":0.25,\"input_tokens\":3,\"output_tokens\":4}\n\ndata: [DONE]\n\n")
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL, gone
}

// chatting is a conversation in a terminal.
type chatting struct{ *pty }

// say types text once it is asked for: before, keys are not the program's yet.
func (c chatting) say(text string) {
	c.t.Helper()
	c.await("a prompt", func(screen []string) bool {
		last := ""
		for _, line := range screen {
			if line != "" {
				last = line
			}
		}
		return last == ">"
	})
	c.keys(text)
}

func TestChatInATerminal(t *testing.T) {
	url, left := chatServer(t)
	saved := filepath.Join(t.TempDir(), "talk.json")
	p := chatting{inTerminal(t, 100, 40, "signalbox", "chat", "fast", "--url", url, "--key", "sesame", "--system", "be brief")}
	p.awaitText("fast at " + url)
	p.say("hello\r")
	p.awaitText("2:hello?[31m")
	p.awaitText("demo/echo · 3 tokens in, 4 out · $0.2500")
	p.say("go on\r")
	p.awaitText("on and on")
	p.keys("\x03") // stops the answer
	<-left
	p.awaitText("stopped")
	p.say("this is not sent\x03still here\r") // clears the line
	p.awaitText("6:still here")
	p.say("/cost\r")
	p.awaitText("3 answers · 6 tokens in, 8 out · $0.5000")
	p.say("/model\r")
	p.awaitText("* fast")
	p.say("/model demo/echo\r")
	p.awaitText("now asking demo/echo")
	p.say("/save " + saved + "\r")
	p.awaitText("saved as")
	p.say("/reset\r")
	p.awaitText("begun anew")
	p.say("/nothing\r")
	p.awaitText("there is no /nothing")
	p.say("again\r")
	p.awaitText("2:again")
	p.say("\x04")
	p.end()
	var talk struct {
		Model    string
		Messages []turn
		CostUSD  float64 `json:"cost_usd"`
	}
	raw, err := os.ReadFile(saved)
	if err == nil {
		err = json.Unmarshal(raw, &talk)
	}
	if err != nil || len(talk.Messages) != 6 || talk.CostUSD != 0.5 || talk.Model != "demo/echo" {
		t.Errorf("saved is %s: %v", raw, err)
	}
}

func TestChatMarkdown(t *testing.T) {
	tl := &talk{model: "fast", system: "be brief", cost: 0.5, said: []turn{{"user", []part{{Type: "text", Text: "look"}, {Type: "image_url"}}}, {"assistant", "a dot"}}}
	got := tl.markdown()
	for _, want := range []string{"# fast\n", "$0.5000", "**system:** be brief", "**user:** look *(and 1 attached)*", "**assistant:** a dot"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func FuzzReply(f *testing.F) {
	f.Add("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n: signalbox {\"cost_usd\":1}\n\ndata: [DONE]\n\n")
	f.Add("data: {\"error\":{\"message\":\"x\"}}\n\n")
	f.Add(": signalbox {\ndata:\n\ndata: [1]\n")
	f.Fuzz(func(t *testing.T, text string) {
		var r reply
		written := ""
		err := r.read(strings.NewReader(text), func(s string, reasoning bool) {
			if !reasoning {
				written += s
			}
		})
		if err == nil && written != r.Text {
			t.Errorf("%q was written of %q", written, r.Text)
		}
	})
}
