package clients

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

// TestAnthropicBatches: one batch has messages of every provider.
func TestAnthropicBatches(t *testing.T) {
	c := newAnthropic()
	batches := &c.Messages.Batches
	var p anthropic.MessageBatchNewParams
	for _, way := range ways {
		m := anthropicParams(way, prompt)
		p.Requests = append(p.Requests, anthropic.MessageBatchNewParamsRequest{CustomID: way, Params: anthropic.MessageBatchNewParamsRequestParams{
			Model: m.Model, MaxTokens: m.MaxTokens, System: m.System, Messages: m.Messages}})
	}
	b, err := batches.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if b.Type != "message_batch" || b.RequestCounts.Processing != int64(len(ways)) || b.ExpiresAt.Sub(b.CreatedAt) != 24*time.Hour {
		t.Errorf("%s", b.RawJSON())
	}
	for end := time.Now().Add(patience); b.ProcessingStatus != anthropic.MessageBatchProcessingStatusEnded; time.Sleep(20 * time.Millisecond) {
		if b, err = batches.Get(t.Context(), b.ID, anthropic.MessageBatchGetParams{}); err != nil || time.Now().After(end) {
			t.Fatalf("%v: %+v", err, b)
		}
	}
	if b.RequestCounts.Succeeded != int64(len(ways)) || b.EndedAt.IsZero() || !strings.HasSuffix(b.ResultsURL, "/v1/messages/batches/"+b.ID+"/results") {
		t.Errorf("%s", b.RawJSON())
	}
	got := map[string]string{}
	results := batches.ResultsStreaming(t.Context(), b.ID, anthropic.MessageBatchResultsParams{})
	for results.Next() {
		r := results.Current()
		switch v := r.Result.AsAny().(type) {
		case anthropic.MessageBatchSucceededResult:
			got[r.CustomID] = v.Message.Content[0].Text
		default:
			t.Errorf("%s", r.RawJSON())
		}
	}
	if err := errors.Join(results.Err(), results.Close()); err != nil {
		t.Fatal(err)
	}
	for _, way := range ways {
		if got[way] != prompt {
			t.Errorf("%s said %q", way, got[way])
		}
	}
	pages := batches.ListAutoPaging(t.Context(), anthropic.MessageBatchListParams{Limit: anthropic.Int(1)})
	found := false
	for pages.Next() {
		found = found || pages.Current().ID == b.ID
	}
	if pages.Err() != nil || !found {
		t.Errorf("it is not in the list: %v", pages.Err())
	}
	fails := func(err error, status int, kind string) {
		t.Helper()
		var e *anthropic.Error
		if !errors.As(err, &e) || e.StatusCode != status || string(e.Type()) != kind {
			t.Errorf("%v; want %d %s", err, status, kind)
		}
	}
	_, err = batches.Cancel(t.Context(), b.ID, anthropic.MessageBatchCancelParams{})
	fails(err, 400, "invalid_request_error") // it is over
	if gone, err := batches.Delete(t.Context(), b.ID, anthropic.MessageBatchDeleteParams{}); err != nil || gone.ID != b.ID || gone.Type != "message_batch_deleted" {
		t.Errorf("%v: %+v", err, gone)
	}
	_, err = batches.Get(t.Context(), b.ID, anthropic.MessageBatchGetParams{})
	fails(err, 404, "not_found_error")
	p.Requests = append(p.Requests, p.Requests[0])
	_, err = batches.New(t.Context(), p)
	fails(err, 400, "invalid_request_error") // an id twice
	_, err = batches.New(t.Context(), p, option.WithHeader("X-Signalbox-Provider", "anthropic"))
	fails(err, 400, "invalid_request_error")
	_, err = batches.New(t.Context(), p, option.WithAPIKey("sb-nobody"))
	fails(err, 401, "authentication_error")
}
