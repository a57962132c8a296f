package wire

import (
	"encoding/json"
	"testing"

	"github.com/openai/openai-go/v3/responses"
)

// responsesRequest decodes the items of input one by one: the type of the
// request as a whole takes a list for a text.
func responsesRequest(body []byte) ([]byte, error) {
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(body, &whole); err != nil {
		return nil, err
	}
	var items []responses.ResponseInputItemUnionParam
	if err := json.Unmarshal(whole["input"], &items); err != nil {
		return nil, err
	}
	delete(whole, "input")
	rest, err := json.Marshal(whole)
	if err != nil {
		return nil, err
	}
	var p responses.ResponseNewParams
	if err := json.Unmarshal(rest, &p); err != nil {
		return nil, err
	}
	p.Input.OfInputItemList = items
	return json.Marshal(p)
}

func responsesAnswerOracle(t *testing.T, file string, body []byte) {
	var r responses.Response
	if err := json.Unmarshal(body, &r); err != nil {
		t.Errorf("%s: %v", file, err)
	}
	checkResponse(t, file, &r)
}

func checkResponse(t failer, file string, r *responses.Response) {
	t.Helper()
	for k := range r.JSON.ExtraFields {
		t.Fatalf("%s: the vendor's type does not know %q", file, k)
	}
	for k := range r.Usage.JSON.ExtraFields {
		t.Fatalf("%s: the vendor's usage does not know %q", file, k)
	}
	ids := map[string]bool{}
	for _, item := range r.Output {
		if item.AsAny() == nil || item.ID == "" || ids[item.ID] {
			t.Fatalf("%s: item of type %q with id %q", file, item.Type, item.ID)
		}
		ids[item.ID] = true
		if item.Type == "function_call" && (item.CallID == "" || item.Name == "" || !json.Valid([]byte(item.Arguments.OfString))) {
			t.Fatalf("%s: call %+v", file, item)
		}
	}
}

// accumulateResponse reads a stream of events as the vendor's clients do, and
// checks what they rely on: numbers that grow by one, items and parts that
// begin before their pieces come, pieces that add up to what the end repeats,
// and a last event that repeats all items in their order.
func accumulateResponse(t failer, sse string) responses.Response {
	t.Helper()
	list := events(sse)
	pieces, items := map[string]string{}, map[int64]string{}
	for i, e := range list {
		var ev responses.ResponseStreamEventUnion
		if err := json.Unmarshal([]byte(e.data), &ev); err != nil {
			t.Fatalf("%s: %v", e.data, err)
		}
		if e.name != ev.Type || ev.AsAny() == nil || ev.SequenceNumber != int64(i) {
			t.Fatalf("event %d %q has the type %q and the number %d", i, e.name, ev.Type, ev.SequenceNumber)
		}
		key := ev.ItemID
		switch ev := ev.AsAny().(type) {
		case responses.ResponseOutputItemAddedEvent:
			pieces[ev.Item.ID] = ""
		case responses.ResponseTextDeltaEvent:
			pieces[key] += ev.Delta
		case responses.ResponseRefusalDeltaEvent:
			pieces[key] += ev.Delta
		case responses.ResponseReasoningSummaryTextDeltaEvent:
			pieces[key] += ev.Delta
		case responses.ResponseFunctionCallArgumentsDeltaEvent:
			pieces[key] += ev.Delta
		case responses.ResponseTextDoneEvent:
			checkPieces(t, pieces, key, ev.Text)
		case responses.ResponseRefusalDoneEvent:
			checkPieces(t, pieces, key, ev.Refusal)
		case responses.ResponseReasoningSummaryTextDoneEvent:
			checkPieces(t, pieces, key, ev.Text)
		case responses.ResponseFunctionCallArgumentsDoneEvent:
			if pieces[key] != "" {
				checkPieces(t, pieces, key, ev.Arguments)
			}
		case responses.ResponseOutputItemDoneEvent:
			items[ev.OutputIndex] = ev.Item.RawJSON()
		case responses.ResponseCompletedEvent:
			return finished(t, &ev.Response, items, i == len(list)-1)
		case responses.ResponseIncompleteEvent:
			return finished(t, &ev.Response, items, i == len(list)-1)
		}
	}
	t.Fatal("no last event")
	return responses.Response{}
}

func checkPieces(t failer, pieces map[string]string, key, whole string) {
	t.Helper()
	if got, ok := pieces[key]; !ok || got != whole {
		t.Fatalf("item %q: pieces add up to %q; want %q", key, got, whole)
	}
	pieces[key] = ""
}

func finished(t failer, r *responses.Response, items map[int64]string, last bool) responses.Response {
	t.Helper()
	if !last || len(items) != len(r.Output) {
		t.Fatalf("last: %v; %d items ended, %d in the answer", last, len(items), len(r.Output))
	}
	for i, item := range r.Output {
		if !sameJSON([]byte(items[int64(i)]), []byte(item.RawJSON())) {
			t.Fatalf("item %d ended as %s, and is %s in the answer", i, items[int64(i)], item.RawJSON())
		}
	}
	checkResponse(t, "stream", r)
	return *r
}

func responsesStreamOracle(t *testing.T, file, sse string) {
	r := accumulateResponse(t, sse)
	if r.ID == "" || r.Model != "alias" || r.Status == "" {
		t.Errorf("%s: accumulates to %+v", file, r)
	}
}
