package clients

import (
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/signalbox-ai/signalbox/host/openapi/inspect"
)

// inspector goes by the document that the gateway at base serves.
func inspector(base string) (*inspect.Inspector, error) {
	resp, err := http.Get(base + "/openapi.json")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return inspect.New(text, false)
}

// inspected are operations that the official clients' tests must have seen
// answered well: or the comparison says nothing of them.
var inspected = []string{"POST /v1/chat/completions", "POST /v1/responses", "POST /v1/messages", "POST /v1/messages/count_tokens", "POST /v1beta/models/{model}",
	"POST /v1/completions", "POST /v1/embeddings", "POST /v1/moderations", "POST /v2/rerank", "POST /v1/images/generations", "POST /v1/images/edits",
	"POST /v1/audio/speech", "POST /v1/audio/transcriptions", "POST /v1/audio/translations", "GET /v1/models", "POST /v1/files",
	"GET /v1/files/{file}/content", "DELETE /v1/files/{file}", "POST /v1/messages/batches", "DELETE /v1/messages/batches/{batch}",
	"GET /v1/messages/batches/{batch}/results", "POST /v1/batches", "GET /v1/batches/{batch}", "GET /v1/realtime"}

// wrong lists what is wrong; whole: all tests have run.
func wrong(i *inspect.Inspector, whole bool) []string {
	faults := i.Faults()
	for _, op := range i.Unseen() {
		if whole && slices.Contains(inspected, op) {
			faults = append(faults, fmt.Sprintf("%s: no test has had it answered well", op))
		}
	}
	return faults
}
