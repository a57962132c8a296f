package upstream

import (
	"bytes"
	"fmt"
	"strings"
)

// The models that are served, each one shape of answer. Chat models answer in
// the dialect of the path; those with Stream in their name only as streams.
const (
	Model1K     = "chat-1k"
	Model16K    = "chat-16k"
	ModelBurst  = "stream-burst" // no pause between two events
	ModelPaced  = "stream-paced"
	ModelFirst  = "stream-first" // a pause after the first event, then a burst
	ModelHeld   = "stream-held"  // one event, then nothing until Release
	ModelVector = "vector"
)

// Events is the number of events of a stream that carry the answer, the one
// that opens it and the one that gives the reason of its end included.
const Events = 50

// Marker ends the text of every answer, so that a reader knows it has it all.
const Marker = "-- end of the answer"

const dimensions = 256

// shape is a prepared answer.
type shape struct {
	usage Usage
	plain []byte // what a caller who does not ask for usage reads, without framing
	body  []byte // head and body of a JSON answer; nil: a stream

	events  [][]byte // chunks, the first with the head before it
	report  []byte   // the event that reports usage when asked for
	end     []byte   // the terminal event and the terminal chunk
	reports bool     // usage is within the events in any case
	paced   bool
	hold    bool // after the first event, until Release
	pause   bool // after the first event
}

// shapes are the answers by path and model.
type shapes struct{ byPath map[string]map[string]*shape }

func prepare() *shapes {
	s := &shapes{byPath: map[string]map[string]*shape{}}
	s.byPath["/v1/chat/completions"] = map[string]*shape{
		Model1K: openAIAnswer(Model1K, 600), Model16K: openAIAnswer(Model16K, 15_600),
		ModelBurst: openAIStream(ModelBurst), ModelPaced: openAIStream(ModelPaced), ModelHeld: openAIStream(ModelHeld),
		ModelFirst: openAIStream(ModelFirst),
	}
	s.byPath["/v1/messages"] = map[string]*shape{
		Model1K: anthropicAnswer(Model1K, 600), Model16K: anthropicAnswer(Model16K, 15_600),
		ModelBurst: anthropicStream(ModelBurst), ModelPaced: anthropicStream(ModelPaced), ModelHeld: anthropicStream(ModelHeld),
		ModelFirst: anthropicStream(ModelFirst),
	}
	s.byPath["/v1/embeddings"] = map[string]*shape{ModelVector: vector()}
	for _, models := range s.byPath {
		for name, sh := range models {
			sh.paced, sh.hold, sh.pause = name == ModelPaced, name == ModelHeld, name == ModelFirst
		}
	}
	return s
}

func (s *shapes) find(q *request) *shape {
	sh := s.byPath[q.path][string(q.model)]
	if sh == nil || (sh.body == nil) != q.stream {
		return nil
	}
	return sh
}

// Plain is the body that a caller reads who asks for model at path and does
// not ask for usage, when nobody in between changes a byte.
func Plain(path, model string) []byte {
	sh := prepare().byPath[path][model]
	if sh == nil {
		panic(fmt.Sprintf("BUG: no answer for model; got %s %q", path, model))
	}
	return sh.plain
}

// text is n bytes that read like words and end with Marker.
func text(n int) string {
	const words = "the quick brown fox jumps over the lazy dog while ten signal lamps glow "
	return strings.Repeat(words, n/len(words)+1)[:n-len(Marker)] + Marker
}

// usageOf is the usage that an answer of size bytes reports.
func usageOf(size int) Usage {
	return Usage{Input: int64(size/4 + 20), Cached: 16, Output: int64(size/5 + 1)}
}

func openAIAnswer(model string, size int) *shape {
	u := usageOf(size)
	body := fmt.Sprintf(`{"id":"chatcmpl-BenchBenchBenchBench","object":"chat.completion","created":1790000000,"model":%q,`+
		`"choices":[{"index":0,"message":{"role":"assistant","content":%q,"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],`+
		`"usage":%s,"service_tier":"default","system_fingerprint":"fp_bench"}`, model, text(size), openAIUsage(u))
	return &shape{usage: u, plain: []byte(body), body: whole(200, []byte(body))}
}

func openAIUsage(u Usage) string {
	return fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d,"audio_tokens":0},`+
		`"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`,
		u.Input, u.Output, u.Input+u.Output, u.Cached)
}

func openAIStream(model string) *shape {
	sh := &shape{usage: usageOf(800)}
	chunk := func(choices, usage string) string {
		return fmt.Sprintf(`data: {"id":"chatcmpl-BenchBenchBenchBench","object":"chat.completion.chunk","created":1790000000,"model":%q,`+
			`"service_tier":"default","system_fingerprint":"fp_bench","choices":[%s]%s}`+"\n\n", model, choices, usage)
	}
	delta := func(d, reason string) string {
		return chunk(fmt.Sprintf(`{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}`, d, reason), "")
	}
	sh.add(delta(`{"role":"assistant","content":"","refusal":null}`, "null"))
	for i := 1; i < Events-2; i++ {
		sh.add(delta(fmt.Sprintf(`{"content":" word%d"}`, i), "null"))
	}
	sh.add(delta(fmt.Sprintf(`{"content":%q}`, Marker), "null"))
	sh.add(delta("{}", `"stop"`))
	sh.report = chunked(chunk("", `,"usage":`+openAIUsage(sh.usage)))
	sh.finish("data: [DONE]\n\n")
	return sh
}

func anthropicAnswer(model string, size int) *shape {
	u := usageOf(size)
	body := fmt.Sprintf(`{"id":"msg_BenchBenchBenchBench","type":"message","role":"assistant","model":%q,"content":[{"type":"text","text":%q}],`+
		`"stop_reason":"end_turn","stop_sequence":null,"usage":%s}`, model, text(size), anthropicUsage(u, u.Output))
	return &shape{usage: u, plain: []byte(body), body: whole(200, []byte(body))}
}

// anthropicUsage gives cached tokens beside the input, as Anthropic does.
func anthropicUsage(u Usage, output int64) string {
	return fmt.Sprintf(`{"input_tokens":%d,"cache_creation_input_tokens":0,"cache_read_input_tokens":%d,"output_tokens":%d,"service_tier":"standard"}`,
		u.Input-u.Cached, u.Cached, output)
}

func anthropicStream(model string) *shape {
	sh := &shape{usage: usageOf(800), reports: true}
	event := func(typ, rest string) string {
		return fmt.Sprintf("event: %s\ndata: {\"type\":%q,%s}\n\n", typ, typ, rest)
	}
	sh.add(event("message_start", fmt.Sprintf(`"message":{"id":"msg_BenchBenchBenchBench","type":"message","role":"assistant","model":%q,`+
		`"content":[],"stop_reason":null,"stop_sequence":null,"usage":%s}`, model, anthropicUsage(sh.usage, 1))))
	sh.add(event("content_block_start", `"index":0,"content_block":{"type":"text","text":""}`))
	for i := 2; i < Events-3; i++ {
		sh.add(event("content_block_delta", fmt.Sprintf(`"index":0,"delta":{"type":"text_delta","text":" word%d"}`, i)))
	}
	sh.add(event("content_block_delta", fmt.Sprintf(`"index":0,"delta":{"type":"text_delta","text":%q}`, Marker)))
	sh.add(event("content_block_stop", `"index":0`))
	sh.add(event("message_delta", `"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":`+anthropicUsage(sh.usage, sh.usage.Output)))
	sh.finish("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
	return sh
}

func vector() *shape {
	u := Usage{Input: 12}
	v := strings.TrimSuffix(strings.Repeat("0.0625,", dimensions), ",")
	body := fmt.Sprintf(`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[%s]}],"model":%q,"usage":{"prompt_tokens":%d,"total_tokens":%d}}`,
		v, ModelVector, u.Input, u.Input)
	return &shape{usage: u, plain: []byte(body), body: whole(200, []byte(body))}
}

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"

func (sh *shape) add(event string) {
	sh.plain = append(sh.plain, event...)
	c := chunked(event)
	if len(sh.events) == 0 {
		c = append([]byte(streamHead), c...)
	}
	sh.events = append(sh.events, c)
}

func (sh *shape) finish(event string) {
	sh.plain = append(sh.plain, event...)
	sh.end = append(chunked(event), "0\r\n\r\n"...)
}

func chunked(event string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%x\r\n%s\r\n", len(event), event)
	return b.Bytes()
}
