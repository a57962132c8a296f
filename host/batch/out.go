package batch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
)

// outcome is a line of an output or error file.
type outcome struct {
	ID       string       `json:"id"`
	Custom   string       `json:"custom_id"`
	Response *outResponse `json:"response"`
	Error    *outError    `json:"error"`
}

type outResponse struct {
	Status  int             `json:"status_code"`
	Request string          `json:"request_id"`
	Body    json.RawMessage `json:"body"`
}

type outError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// The codes of lines that nobody has carried out, as OpenAI has them.
const (
	codeCancelled = "batch_cancelled"
	codeExpired   = "batch_expired"
)

// json is o on a line of its own.
func (o *outcome) json() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b) // ends with a line break
	e.SetEscapeHTML(false)
	if err := e.Encode(o); err != nil { // the body is not JSON: it is told as text
		o.Response.Body, _ = json.Marshal(string(o.Response.Body))
		b.Reset()
		_ = e.Encode(o) // which strings cannot fail
	}
	return b.Bytes()
}

// derived is an id that is always the same for what it is made of.
func derived(prefix string, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return prefix + hex.EncodeToString(h.Sum(nil)[:12])
}

func lineID(batch string, n int) string { return derived("batch_req_", batch, strconv.Itoa(n)) }
