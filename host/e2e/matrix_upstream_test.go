package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// matrixUpstream plays all providers: a request's path tells whose API it is,
// its model which case is played.
type matrixUpstream struct {
	*httptest.Server
	answers map[string]map[string]string // dialect → case
	mu      sync.Mutex
	sent    map[string][]byte // by provider: what came last
}

// api is one provider's.
type api struct {
	path    *regexp.Regexp // what it is called at; a group holds the model
	dialect string
	model   string // member of the body that holds it, "": the path does
}

var apis = []api{
	{regexp.MustCompile(`^/(openai|cerebras)(?:/v1)?/chat/completions$`), "openai-chat", "model"},
	{regexp.MustCompile(`^/(openai)/v1/responses$`), "openai-responses", "model"},
	{regexp.MustCompile(`^/(anthropic)/v1/messages$`), "anthropic-messages", "model"},
	{regexp.MustCompile(`^/(gemini)/v1beta/models/([a-z_]+):(?:generateContent|streamGenerateContent)$`), "gemini-generate", ""},
	{regexp.MustCompile(`^/(bedrock)/model/([a-z_]+)/converse(?:-stream)?$`), "bedrock-converse", ""},
	{regexp.MustCompile(`^/(cohere)/v2/chat$`), "cohere-chat", "model"},
}

func newMatrixUpstream(t *testing.T) *matrixUpstream {
	t.Helper()
	u := &matrixUpstream{answers: map[string]map[string]string{}, sent: map[string][]byte{}}
	for _, a := range apis {
		u.answers[a.dialect] = sections(t, filepath.Join("testdata", "matrix", "answer", a.dialect+".txtar"))
	}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("cannot read a request: %v", err)
		}
		for _, a := range apis {
			if m := a.path.FindStringSubmatch(r.URL.Path); m != nil {
				u.keep(m[1], r, body)
				model := ""
				if a.model == "" {
					model = m[2]
				} else {
					model = parse(t, body).at(a.model).str()
				}
				u.answer(t, w, a.dialect, model)
				return
			}
		}
		t.Errorf("a request came to %s", r.URL)
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(u.Close)
	return u
}

// volatile are headers whose values differ from run to run, or go without saying.
var volatile = map[string]string{"X-Amz-Date": "DATE", "Authorization": "", "Content-Length": "-", "Accept-Encoding": "-", "User-Agent": "-"}

var signature = regexp.MustCompile(`(Credential=[^/]+/)[0-9]+|(Signature=)[0-9a-f]+`)

func (u *matrixUpstream) keep(provider string, r *http.Request, body []byte) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL.RequestURI())
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		value := r.Header.Get(name)
		switch stand := volatile[name]; {
		case stand == "-":
			continue
		case stand != "":
			value = stand
		}
		fmt.Fprintf(&b, "%s: %s\n", name, signature.ReplaceAllString(value, "$1$2…"))
	}
	fmt.Fprintf(&b, "\n%s\n", indented(body))
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sent[provider] = b.Bytes()
}

// take returns what came last, and forgets it.
func (u *matrixUpstream) take(t *testing.T, provider string) []byte {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	sent := u.sent[provider]
	if sent == nil {
		sent = []byte("nothing\n")
	}
	delete(u.sent, provider)
	return sent
}

func (u *matrixUpstream) answer(t *testing.T, w http.ResponseWriter, dialect, kase string) {
	text, ok := u.answers[dialect][kase]
	if !ok {
		t.Errorf("there is no answer %q in %s", kase, dialect)
	}
	if kase == "error" {
		w.Header().Set("Content-Type", "application/json")
		if dialect != "gemini-generate" { // which tells it in the body
			w.Header().Set("Retry-After", "7")
		}
		if dialect == "bedrock-converse" {
			w.Header().Set("X-Amzn-Errortype", "ThrottlingException")
		}
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, text)
		return
	}
	if !streams(kase) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, text)
		return
	}
	if dialect == "bedrock-converse" {
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	} else {
		w.Header().Set("Content-Type", "text/event-stream")
	}
	w.WriteHeader(http.StatusOK)
	for line := range strings.Lines(text) {
		if dialect == "bedrock-converse" {
			encodeAWS(t, w, strings.TrimSpace(line))
			continue
		}
		_, _ = io.WriteString(w, line)
		if strings.HasPrefix(line, "data:") {
			_, _ = io.WriteString(w, "\n")
			_ = http.NewResponseController(w).Flush()
		}
	}
	if kase == "cut" {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// encodeAWS writes one message of AWS's event stream.
func encodeAWS(t *testing.T, w io.Writer, line string) {
	kind, payload, _ := strings.Cut(line, " ")
	var headers eventstream.Headers
	headers.Set(":event-type", eventstream.StringValue(kind))
	headers.Set(":content-type", eventstream.StringValue("application/json"))
	headers.Set(":message-type", eventstream.StringValue("event"))
	if err := eventstream.NewEncoder().Encode(w, eventstream.Message{Headers: headers, Payload: []byte(payload)}); err != nil {
		t.Errorf("cannot encode %s: %v", kind, err)
	}
}
