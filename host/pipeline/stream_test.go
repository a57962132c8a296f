package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/pipeline"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// parts writes what its calls stream, one after another, and fails after all but
// the last.
type parts struct {
	streams []string
	calls   int
}

// Call implements pipeline.Caller.
func (p *parts) Call(_ context.Context, r *pipeline.Request) (pipeline.Reply, *wire.Error) {
	p.calls++
	fmt.Fprint(r.Into, p.streams[p.calls-1])
	if p.calls == len(p.streams) {
		return pipeline.Reply{}, nil
	}
	return pipeline.Reply{}, wire.Errorf(502, "stream_interrupted", "cut")
}

// TestWhatACutStreamLeaves: what came of a stream that broke off is neither
// mixed into the next one, nor passed off as whole.
func TestWhatACutStreamLeaves(t *testing.T) {
	const whole = `data: {"choices": [{"delta": {"content": "all"}, "finish_reason": "stop"}]}` + "\n\n"
	f := func(more string, streams []string, want, code string) {
		t.Helper()
		var got strings.Builder
		c := &parts{streams: streams}
		rec, err := mustCompile(t, "steps: [{name: a, model: m, with: {prompt: x}, retry: {attempts: 1, backoff: 1ms}"+more+"}]").
			Run(context.Background(), "r", map[string]any{}, c, pipeline.Watch{Chunk: func(data []byte) error {
				if strings.Contains(string(data), `"error"`) {
					t.Errorf("an error is handed on as a chunk: %s", data)
				}
				got.WriteString(pipeline.ChunkText(data))
				return nil
			}})
		if is := ""; got.String() != want || err != nil && err.Code != code || err == nil && code != is || err == nil && rec.Output != want {
			t.Errorf("%s: %q, %v, %v; want %q, %q", more, got.String(), err, rec.Output, want, code)
		}
	}
	const half = `data: {"choices": [{"delta": {"content": "half"}}]}` + "\n\n"
	f("", []string{`data: {"choi`, whole}, "all", "")
	f("", []string{`data: {"error": {"message": "cut"}}` + "\n\n", whole}, "all", "")
	f("", []string{half + `data: {"error": {"message": "cut"}}` + "\n\n", whole}, "half", "stream_interrupted")
	f(", on_error: skip", []string{half, whole}, "half", "stream_interrupted")
	f(", on_error: default, default: none", []string{half, whole}, "half", "stream_interrupted")
}
