package meter

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

func TestBoundOfEveryOperation(t *testing.T) {
	c := shipped(t, nil)
	f := func(op wire.Op, target string, facts scan.Facts, want int64) {
		t.Helper()
		got, err := Bound(c.Price(target), &Ask{Op: op, Facts: &facts})
		if err != nil || got != want {
			t.Errorf("%s of %s, %+v: got %d, %v; want %d", op, target, facts, got, err, want)
		}
	}
	const usd = 1_000_000_000
	f(wire.OpSpeech, "openai/tts-1", scan.Facts{Size: 500, Characters: 100}, 100*15_000)
	f(wire.OpSpeech, "openai/tts-1", scan.Facts{Size: 500}, 500*15_000)
	f(wire.OpSpeech, "openai/gpt-4o-mini-tts", scan.Facts{Size: 500, Characters: 100}, 500*600+100*speechTokens*12_000)
	// 1 MB is at most 1,000 s: at $0.36 an hour $0.10. By tokens it is the whole context.
	f(wire.OpTranscription, "openai/whisper-1", scan.Facts{Size: 1_000_000}, usd/10)
	f(wire.OpTranscription, "openai/gpt-4o-transcribe", scan.Facts{Size: 1_000_000}, 16_000*6000+2000*10_000)
	f(wire.OpTranslation, "openai/whisper-1", scan.Facts{Size: 3600}, 360_000)
	f(wire.OpImages, "openai/dall-e-3", scan.Facts{Size: 100, N: 2}, 2*usd*4/100)
	f(wire.OpImages, "openai/dall-e-3", scan.Facts{Size: 100, N: 1, Quality: []byte("hd"), ImageSize: []byte("1024x1792")}, usd*12/100)
	f(wire.OpImages, "openai/dall-e-3", scan.Facts{Size: 100, N: 1, ImageSize: []byte("7x7")}, usd*12/100)
	f(wire.OpImages, "openai/gpt-image-1", scan.Facts{Size: 100, N: 3, MaxTokens: 1}, 3*(100*5000+8192*40_000))
	f(wire.OpImageEdits, "openai/gpt-image-1", scan.Facts{Size: 100, N: 1}, 32_768*10_000+8192*40_000)
	// Up to 100 documents are a search; long ones are cut.
	f(wire.OpRerank, "cohere/rerank-v3.5", scan.Facts{Size: 240, Messages: 100}, 2_000_000)
	f(wire.OpRerank, "cohere/rerank-v3.5", scan.Facts{Size: 250, Messages: 100}, 2*2_000_000)
	f(wire.OpRerank, "cohere/rerank-v3.5", scan.Facts{Size: 297}, 2*2_000_000) // as many as fit
	f(wire.OpModeration, "openai/omni-moderation-latest", scan.Facts{Size: 500}, 0)
	f(wire.OpModeration, "mistral/mistral-moderation-latest", scan.Facts{Size: 500}, 500*100)
	f(wire.OpEmbeddings, "openai/text-embedding-3-small", scan.Facts{Size: 500, Messages: 3}, 500*20)
	f(wire.OpCountTokens, "anthropic/claude-opus-5", scan.Facts{Size: 500}, 0)
	f(wire.OpFiles, "openai/gpt-5", scan.Facts{Size: 500}, 0)
	f(wire.OpChat, "perplexity/sonar", scan.Facts{Size: 100, N: 1, MaxTokens: 10}, 110*1000+usd*12/1000)
	// Sound and pictures in a chat are taken at the dearest rate of theirs.
	f(wire.OpChat, "openai/gpt-audio", scan.Facts{Size: 100, N: 1, MaxTokens: 10, In: scan.Audio}, 100*32_000+10*64_000)
	f(wire.OpChat, "openai/gpt-audio", scan.Facts{Size: 100, N: 1, MaxTokens: 10, In: scan.Text}, 100*2500+10*64_000)
	// A tier may fall back to the standard one.
	f(wire.OpChat, "openai/gpt-5", scan.Facts{Size: 100, N: 1, MaxTokens: 10, ServiceTier: []byte("flex")}, 100*1250+10*10_000)
	f(wire.OpChat, "openai/gpt-5", scan.Facts{Size: 100, N: 1, MaxTokens: 10, ServiceTier: []byte("priority")}, 2*(100*1250+10*10_000))
	f(wire.OpSpeech, "demo/speech", scan.Facts{Size: 500, Characters: 10, ServiceTier: []byte("unheard-of")}, 2*10*15_000)
}

func TestBoundRefusesWhatHasNone(t *testing.T) {
	c := shipped(t, nil)
	f := func(op wire.Op, target string, unbounded int64, code string) {
		t.Helper()
		got, err := Bound(c.Price(target), &Ask{Op: op, Facts: &scan.Facts{Size: 1, MaxTokens: 1}, Unbounded: unbounded})
		switch {
		case code == "" && (err != nil || got != unbounded):
			t.Errorf("%s of %s: got %d, %v; want %d", op, target, got, err, unbounded)
		case code != "" && (err == nil || err.Code != code):
			t.Errorf("%s of %s: got %d, %v; want %s", op, target, got, err, code)
		}
	}
	for _, op := range []wire.Op{wire.OpRealtime, wire.OpBatches, wire.OpPass} {
		f(op, "openai/gpt-realtime", 0, "content_unbounded")
		f(op, "openai/gpt-realtime", 77, "")
	}
	// A price without a rate for what the operation is billed by is none.
	f(wire.OpSpeech, "openai/dall-e-3", 77, "model_unpriced")
	f(wire.OpTranscription, "openai/tts-1", 77, "model_unpriced")
	f(wire.OpImages, "cohere/rerank-v3.5", 77, "model_unpriced")
	f(wire.OpRerank, "openai/dall-e-3", 77, "model_unpriced")
	f(wire.OpChat, "openai/dall-e-3", 77, "model_unpriced")
}

func TestEstimateOfEveryOperation(t *testing.T) {
	c := shipped(t, nil)
	f := func(op wire.Op, target string, facts scan.Facts, bytes int64, want wire.Usage) {
		t.Helper()
		if got := Estimate(op, c.Price(target), &facts, bytes, 0); got != want {
			t.Errorf("%s of %s: got %+v; want %+v", op, target, got, want)
		}
	}
	f(wire.OpSpeech, "openai/tts-1", scan.Facts{Size: 90, Characters: 30}, 5000, wire.Usage{Characters: 30})
	f(wire.OpSpeech, "openai/gpt-4o-mini-tts", scan.Facts{Size: 90, Characters: 30}, 5000, wire.Usage{Characters: 30, Input: 11, AudioOutput: 60})
	f(wire.OpTranscription, "openai/whisper-1", scan.Facts{Size: 9000}, 30, wire.Usage{Millis: 3000})
	f(wire.OpTranscription, "openai/gpt-4o-transcribe", scan.Facts{Size: 9000}, 30, wire.Usage{Millis: 3000, AudioInput: 3000, Output: 10})
	f(wire.OpImages, "openai/dall-e-3", scan.Facts{Size: 90, N: 2}, 5000, wire.Usage{Images: 2})
	f(wire.OpImages, "openai/gpt-image-1", scan.Facts{Size: 90, N: 2}, 5000, wire.Usage{Images: 2, Input: 30, ImageOutput: 2 * 8192})
	f(wire.OpRerank, "cohere/rerank-v3.5", scan.Facts{Size: 90, Messages: 101}, 5000, wire.Usage{Searches: 2, Input: 30})
	for _, op := range []wire.Op{wire.OpCountTokens, wire.OpFiles, wire.OpBatches} {
		f(op, "openai/gpt-5", scan.Facts{Size: 90}, 5000, wire.Usage{})
	}
	f(wire.OpCompletions, "openai/gpt-3.5-turbo-instruct", scan.Facts{Size: 90}, 30, wire.Usage{Input: 30, Output: 10})
}

// FuzzBoundOfUnits holds the promise for what is not text.
func FuzzBoundOfUnits(f *testing.F) {
	f.Add(uint16(500), uint16(30), uint8(2), uint8(3), uint16(1), uint16(7))
	f.Fuzz(func(t *testing.T, size, chars uint16, n, docs uint8, audio, image uint16) {
		p := call.Price{Input: 1e9, Output: 2e9, CacheRead: 1e8, AudioInput: int64(audio) * 1e6, AudioOutput: int64(image) * 1e6, ImageInput: int64(image) * 1e6,
			ImageOutput: int64(audio) * 1e6, Characters: 15e9, Hour: 36e7, Image: 4e7, Searches: 2e9, Request: 5e6, Context: 1 << 20, MaxOutput: 4096}.Filled()
		facts := scan.Facts{Size: int(size) + 1, Characters: int64(min(chars, size)), N: int64(n%4) + 1, Messages: int(docs), In: scan.Audio | scan.Image}
		in, images := int64(facts.Size), facts.N
		speech := characters(&facts)
		for op, u := range map[wire.Op]wire.Usage{
			wire.OpChat:          {Input: in / 3, AudioInput: in / 3, ImageInput: in / 3, AudioOutput: facts.N * 2048, ImageOutput: facts.N * 1024, Output: facts.N * 1024},
			wire.OpSpeech:        {Characters: speech, AudioOutput: speech * 5, Millis: speech * 200},
			wire.OpTranscription: {Millis: in * 1000 / bytesPerSecond, AudioInput: in, Output: 4096},
			wire.OpImages:        {Images: images, ImageOutput: images * 4096, Input: in},
			wire.OpRerank:        {Searches: (documents(&facts) + unitDocuments - 1) / unitDocuments, Input: in},
		} {
			bound, err := Bound(p, &Ask{Op: op, Facts: &facts})
			if err != nil {
				t.Fatal(op, err)
			}
			if cost := p.CostOf(&u, p.Image); cost > bound {
				t.Fatalf("%s: %+v costs %d, above the bound %d", op, u, cost, bound)
			}
		}
	})
}
