package upstream

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start serves a mock and returns it with its address.
func start(t *testing.T) (*Server, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Pace: time.Microsecond})
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Stop()
		s.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s, ln.Addr().String()
}

// The vendors' own clients read every answer.
func TestOpenAIClientReadsAnswers(t *testing.T) {
	s, addr := start(t)
	c := openai.NewClient(option.WithBaseURL("http://"+addr+"/v1"), option.WithAPIKey(GatewayCredential), option.WithMaxRetries(0))
	params := openai.ChatCompletionNewParams{Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hello")}}
	var want Usage
	for _, params.Model = range []string{Model1K, Model16K} {
		got, err := c.Chat.Completions.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(got.Choices[0].Message.Content, Marker) || got.Usage.TotalTokens != got.Usage.PromptTokens+got.Usage.CompletionTokens {
			t.Errorf("got %s", got.RawJSON())
		}
		want.Input += got.Usage.PromptTokens
		want.Cached += got.Usage.PromptTokensDetails.CachedTokens
		want.Output += got.Usage.CompletionTokens
	}
	params.StreamOptions.IncludeUsage = openai.Bool(true)
	for _, params.Model = range []string{ModelBurst, ModelPaced, ModelFirst} {
		stream := c.Chat.Completions.NewStreaming(t.Context(), params)
		var acc openai.ChatCompletionAccumulator
		n := 0
		for stream.Next() {
			n++
			acc.AddChunk(stream.Current())
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		if n != Events+1 || !strings.HasSuffix(acc.Choices[0].Message.Content, Marker) || acc.Choices[0].FinishReason != "stop" {
			t.Errorf("%s: %d events, %+v", params.Model, n, acc.Choices)
		}
		want.Input += acc.Usage.PromptTokens
		want.Output += acc.Usage.CompletionTokens
		want.Cached += 16
	}
	st := s.Statement()
	if st.Gateway.Usage != want || st.Gateway.Requests != 5 || st.Gateway.Unreported != 0 || st.Faults != 0 || st.Baseline != (Bill{}) {
		t.Errorf("statement %+v; want %+v", st, want)
	}
}

func TestAnthropicClientReadsAnswers(t *testing.T) {
	s, addr := start(t)
	c := anthropic.NewClient(anthropicoption.WithBaseURL("http://"+addr), anthropicoption.WithAPIKey(GatewayCredential), anthropicoption.WithMaxRetries(0))
	params := anthropic.MessageNewParams{MaxTokens: 10, Model: Model1K, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hello"))}}
	whole, err := c.Messages.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	params.Model = ModelBurst
	stream := c.Messages.NewStreaming(t.Context(), params)
	var got anthropic.Message
	for stream.Next() {
		if err := got.Accumulate(stream.Current()); err != nil {
			t.Error(err)
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	for _, m := range []anthropic.Message{*whole, got} {
		if !strings.HasSuffix(m.Content[0].Text, Marker) || m.StopReason != "end_turn" {
			t.Errorf("got %+v", m)
		}
	}
	st := s.Statement().Gateway
	if in := whole.Usage.InputTokens + whole.Usage.CacheReadInputTokens + got.Usage.InputTokens + got.Usage.CacheReadInputTokens; in != st.Input {
		t.Errorf("billed %d input tokens; the client read %d", st.Input, in)
	}
	if out := whole.Usage.OutputTokens + got.Usage.OutputTokens; out != st.Output {
		t.Errorf("billed %d output tokens; the client read %d", st.Output, out)
	}
}

func TestOpenAIClientReadsVectors(t *testing.T) {
	_, addr := start(t)
	c := openai.NewClient(option.WithBaseURL("http://"+addr+"/v1"), option.WithAPIKey(GatewayCredential), option.WithMaxRetries(0))
	got, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: ModelVector, Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("x")}})
	if err != nil || len(got.Data[0].Embedding) != dimensions {
		t.Errorf("got %v, %v", got, err)
	}
}

const question = `{"model":"chat-1k","messages":[]}`

// ask posts question with the given header lines and returns the status.
func ask(t *testing.T, addr, headers string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", headers, len(question), question)
	status := make([]byte, len("HTTP/1.1 200"))
	if _, err := io.ReadFull(c, status); err != nil {
		t.Fatal(err)
	}
	return string(status[9:])
}

// What the caller showed to the gateway must not arrive here, and the
// provider's credential must, once.
func TestCredentialsAreChecked(t *testing.T) {
	s, addr := start(t)
	own := "Authorization: Bearer " + GatewayCredential + "\r\n"
	f := func(headers, status string) {
		t.Helper()
		before := s.Statement().Faults
		if got := ask(t, addr, headers); got != status {
			t.Errorf("%q is answered %s; want %s", headers, got, status)
		}
		if fault := s.Statement().Faults > before; fault != (status != "200") {
			t.Errorf("%q: fault is %v", headers, fault)
		}
	}
	f(own, "200")
	f("x-api-key: "+BaselineCredential+"\r\n", "200")
	f("", "401")
	f("Authorization: Bearer sb-caller\r\n", "401")
	f(own+"X-Api-Key: sb-caller\r\n", "401")
	f(own+"x-api-key: "+GatewayCredential+"\r\n", "401")
	f(own+"x-goog-api-key: sb-caller\r\n", "401")
	f(own+"Cookie: a=b\r\n", "401")
	if st := s.Statement(); st.Gateway.Requests != 1 || st.Baseline.Requests != 1 || len(st.Seen) != 6 {
		t.Errorf("statement %+v", st)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("POST /v1/messages HTTP/1.1\r\nContent-Length: 2\r\nX-Api-Key: k\r\n\r\n{}"))
	f.Add([]byte("GET /bill HTTP/1.1\r\n\r\nGET /release HTTP/1.1\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.1\nContent-Length: -1\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newReader(strings.NewReader(string(b)))
		for {
			q, err := r.next()
			if err != nil {
				return
			}
			if len(q.body) > len(b) {
				t.Fatalf("a body of %d bytes out of %d", len(q.body), len(b))
			}
		}
	})
}
