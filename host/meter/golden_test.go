package meter

import (
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// asked is what of a request the price depends on.
type asked struct {
	tier, size, quality, region string
	at                          time.Time // zero: on the list's day
}

// TestGoldenCosts holds the shipped prices and the arithmetic against bills
// made by hand: in nano-dollars, so that a dollar per million tokens is 1000 a
// token. The prices are those of the pages named in the lists, read in
// September 2026.
func TestGoldenCosts(t *testing.T) {
	c := shipped(t, nil)
	f := func(target string, a asked, u wire.Usage, want int64) {
		t.Helper()
		m := c.Model(target)
		if m == nil {
			t.Errorf("%s has no price", target)
			return
		}
		if a.at.IsZero() {
			a.at = m.AsOf
		}
		p := c.PriceIn(target, a.region).At(a.at)
		if p == nil {
			t.Errorf("%s has no price at %s", target, a.at)
			return
		}
		p, times := p.Tier([]byte(a.tier))
		if got := p.CostOf(&u, p.PerImage([]byte(a.size), []byte(a.quality))) * times; got != want {
			t.Errorf("%s %+v: %+v costs %d; want %d", target, a, u, got, want)
		}
	}
	const usd = 1_000_000_000
	plain := asked{}

	// Cached prompts: $0.15, cached $0.075, out $0.60.
	f("openai/gpt-4o-mini", plain, wire.Usage{Input: 1000, CacheRead: 2000, Output: 500}, 1000*150+2000*75+500*600)
	// Reasoning is output: $1.25, cached $0.125, out $10.
	f("openai/gpt-5", plain, wire.Usage{Input: 1000, CacheRead: 3000, Output: 200, Reasoning: 800}, 1000*1250+3000*125+(200+800)*10_000)
	// Batch and flex are half of it, priority is twice as much: $2.50 and $20.
	f("openai/gpt-5", asked{tier: "batch"}, wire.Usage{Input: 1000, Output: 1000}, 1000*625+1000*5000)
	f("openai/gpt-5", asked{tier: "flex"}, wire.Usage{Input: 1000, Output: 1000}, 1000*625+1000*5000)
	f("openai/gpt-5", asked{tier: "priority"}, wire.Usage{Input: 1000, Output: 1000}, 1000*2500+1000*20_000)
	f("openai/gpt-4o", asked{tier: "priority"}, wire.Usage{Input: 1000, CacheRead: 1000, Output: 1000}, 1000*4250+1000*2125+1000*17_000)
	f("openai/o4-mini", asked{tier: "priority"}, wire.Usage{Input: 1000, CacheRead: 1000, Output: 1000}, 1000*2000+1000*500+1000*8000)
	// Priority without a price of its own is taken for twice the standard one.
	f("openai/o3-mini", asked{tier: "priority"}, wire.Usage{Input: 1000, Output: 1000}, 2*(1000*1100+1000*4400))
	f("openai/o3-mini", asked{tier: "auto"}, wire.Usage{Input: 1000, Output: 1000}, 1000*1100+1000*4400)
	// Above 272,000 tokens: $5, cached $0.50, out $22.50 instead of $2.50, $0.25, $15.
	f("openai/gpt-5.4", plain, wire.Usage{Input: 272_000, Output: 10}, 272_000*2500+10*15_000)
	f("openai/gpt-5.4", plain, wire.Usage{Input: 72_001, CacheRead: 200_000, Output: 10}, 72_001*5000+200_000*500+10*22_500)
	// Web searches are $10 a thousand, also with long prompts.
	f("openai/gpt-5.4", plain, wire.Usage{Input: 300_000, Searches: 2}, 300_000*5000+2*usd/100)
	// Sound in a chat: text $2.50 and $10, audio $32 and $64.
	f("openai/gpt-audio", plain, wire.Usage{Input: 119, AudioInput: 13, Output: 30, AudioOutput: 91}, 119*2500+13*32_000+30*10_000+91*64_000)
	// Realtime: $4, cached $0.40 (audio too), images $5 and cached $0.50, audio $32 and $64, text out $16.
	f("openai/gpt-realtime", plain, wire.Usage{Input: 59, CacheRead: 60, AudioInput: 9, CacheReadAudio: 4, ImageInput: 7, CacheReadImage: 8, Output: 30, AudioOutput: 91},
		59*4000+60*400+9*32_000+4*400+7*5000+8*500+30*16_000+91*64_000)
	// Transcription by tokens: text $2.50, audio $6, out $10. By the hour: $0.36, so 9 s are $0.0009.
	f("openai/gpt-4o-transcribe", plain, wire.Usage{AudioInput: 14, Output: 45}, 14*6000+45*10_000)
	f("openai/whisper-1", plain, wire.Usage{Millis: 9000}, 9*usd*36/100/3600)
	f("openai/whisper-1", plain, wire.Usage{Millis: 8471}, 847_100) // 8.471 s at $0.0001
	// Speech: $15 a million characters; by tokens $0.60 in and $12 out.
	f("openai/tts-1", plain, wire.Usage{Characters: 1234}, 1234*15_000)
	f("openai/tts-1-hd", plain, wire.Usage{Characters: 1234}, 1234*30_000)
	f("openai/gpt-4o-mini-tts", plain, wire.Usage{Input: 14, AudioOutput: 101}, 14*600+101*12_000)
	// Pictures by tokens: text $5, image $10, out $40; gpt-image-1.5 $5, $8, $32, text out $10.
	f("openai/gpt-image-1", plain, wire.Usage{Input: 10, ImageInput: 40, ImageOutput: 4160, Images: 1}, 10*5000+40*10_000+4160*40_000)
	f("openai/gpt-image-1.5", plain, wire.Usage{Input: 10, ImageInput: 40, ImageOutput: 45, Output: 5, Images: 1}, 10*5000+40*8000+45*32_000+5*10_000)
	// Pictures by size and quality: $0.04, $0.08 and $0.12.
	f("openai/dall-e-3", plain, wire.Usage{Images: 2}, 2*usd*4/100)
	f("openai/dall-e-3", asked{size: "1024x1792"}, wire.Usage{Images: 1}, usd*8/100)
	f("openai/dall-e-3", asked{size: "1024x1024", quality: "hd"}, wire.Usage{Images: 1}, usd*8/100)
	f("openai/dall-e-3", asked{size: "1792x1024", quality: "hd"}, wire.Usage{Images: 1}, usd*12/100)
	f("openai/dall-e-3", asked{size: "1x1", quality: "hd"}, wire.Usage{Images: 1}, usd*12/100) // unheard of: the dearest
	f("openai/dall-e-2", asked{size: "256x256"}, wire.Usage{Images: 3}, 3*usd*16/1000)
	f("openai/text-embedding-3-small", asked{tier: "batch"}, wire.Usage{Input: 1000}, 1000*10)
	f("openai/omni-moderation-latest", plain, wire.Usage{Input: 1000}, 0)

	// Anthropic: $5, read $0.50, written for 5 min $6.25 and an hour $10, out $25; a search is $0.01.
	f("anthropic/claude-opus-5", plain, wire.Usage{Input: 105, CacheRead: 7123, CacheWrite5m: 7345, CacheWrite1h: 100, Output: 6039, Searches: 1},
		105*5000+7123*500+7345*6250+100*10_000+6039*25_000+usd/100)
	f("anthropic/claude-opus-5", asked{tier: "batch"}, wire.Usage{Input: 1000, CacheWrite5m: 1000, Output: 1000}, 1000*2500+1000*3125+1000*12_500)
	f("anthropic/claude-opus-5", asked{region: "us"}, wire.Usage{Input: 1000, Output: 1000}, 1000*5500+1000*27_500) // inference in the US: 1.1 times
	// Above 200,000 tokens: $6, read $0.60, written $7.50, out $22.50.
	f("anthropic/claude-sonnet-4-5", plain, wire.Usage{Input: 1, CacheRead: 200_000, CacheWrite5m: 10, Output: 10}, 1*6000+200_000*600+10*7500+10*22_500)

	// Gemini: audio in $1 and cached $0.10 beside $0.30 and $0.03; thoughts are output, $2.50.
	f("gemini/gemini-2.5-flash", plain, wire.Usage{Input: 420, CacheRead: 200, AudioInput: 50, CacheReadAudio: 100, ImageInput: 250, Output: 50, Reasoning: 30},
		(420+250)*300+200*30+50*1000+100*100+(50+30)*2500)
	// Above 200,000 tokens: $2.50, cached $0.25, out $15.
	f("gemini/gemini-2.5-pro", plain, wire.Usage{Input: 200_001, Output: 1000}, 200_001*2500+1000*15_000)
	f("gemini/gemini-2.5-pro", asked{tier: "batch"}, wire.Usage{Input: 200_001, Output: 1000}, 200_001*1250+1000*7500)
	// An image of 1,290 tokens at $30 a million is $0.0387.
	f("gemini/gemini-2.5-flash-image", plain, wire.Usage{Input: 8, ImageOutput: 1290}, 8*300+usd*387/10_000)
	f("gemini/gemini-2.5-flash-preview-tts", plain, wire.Usage{Input: 20, AudioOutput: 250}, 20*500+250*10_000)
	f("gemini/imagen-4.0-fast-generate-001", plain, wire.Usage{Images: 4}, 4*usd*2/100)
	// At half the price until the year ends.
	f("gemini/gemini-3.8-flash", asked{at: time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC)}, wire.Usage{Input: 1000, Output: 100}, 1000*750+100*3750)
	f("gemini/gemini-3.8-flash", asked{at: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}, wire.Usage{Input: 1000, Output: 100}, 1000*1500+100*7500)

	// Bedrock: across all regions $3, read $0.30, written $3.75, out $15; within one of them a tenth more.
	sonnet := wire.Usage{Input: 30, CacheRead: 300, CacheWrite5m: 100, Output: 628}
	f("bedrock/global.anthropic.claude-sonnet-4-5-20250929-v1:0", plain, sonnet, 30*3000+300*300+100*3750+628*15_000)
	f("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", plain, sonnet, 30*3300+300*330+100*4125+628*16_500)
	f("bedrock/amazon.nova-lite-v1:0", plain, wire.Usage{Input: 1000, CacheRead: 1000, Output: 1000}, 1000*60+1000*15+1000*240)
	f("bedrock/amazon.nova-micro-v1:0", asked{tier: "batch"}, wire.Usage{Input: 2000, Output: 2000}, 2000*35/2+2000*70)
	f("bedrock/us.meta.llama3-3-70b-instruct-v1:0", plain, wire.Usage{Input: 10, Output: 10}, 10*720+10*720)

	// Cohere: a search unit is $0.002, an image token of an embedding $0.47 a million.
	f("cohere/rerank-v3.5", plain, wire.Usage{Searches: 3}, 3*usd*2/1000)
	f("cohere/embed-v4.0", plain, wire.Usage{Input: 100, ImageInput: 200}, 100*120+200*470)
	f("cohere/command-a-03-2025", plain, wire.Usage{Input: 5, Output: 418}, 5*2500+418*10_000)

	f("mistral/voxtral-mini-latest", plain, wire.Usage{Millis: 203_000, AudioInput: 2625}, 10_150_000) // 203 s at $0.003 a minute
	f("mistral/mistral-ocr-latest", plain, wire.Usage{Pages: 7}, 7*usd*4/1000)
	f("mistral/mistral-large-2512", plain, wire.Usage{Input: 1000, CacheRead: 1000, Output: 1000}, 1000*500+1000*50+1000*1500)
	f("deepseek/deepseek-v4-flash", plain, wire.Usage{Input: 1000, CacheRead: 1000, Output: 1000}, 1000*440+1000*14+1000*1320)
	f("groq/whisper-large-v3-turbo", plain, wire.Usage{Millis: 90_000}, usd*4/100/40) // $0.04 an hour
	f("groq/llama-3.3-70b-versatile", asked{tier: "flex"}, wire.Usage{Input: 1000, Output: 1000}, 1000*590+1000*790)
	f("xai/grok-4.5", plain, wire.Usage{Input: 200_001, Output: 10}, 200_001*4000+10*12_000)
	f("xai/grok-2-image", plain, wire.Usage{Images: 2}, 2*usd*7/100)
	f("perplexity/sonar-pro", plain, wire.Usage{Input: 100, Output: 100}, 100*3000+100*15_000+usd*14/1000)
	f("together/meta-llama/Llama-3.3-70B-Instruct-Turbo", plain, wire.Usage{Input: 100, Output: 100}, 200*880)
	f("cerebras/gpt-oss-120b", plain, wire.Usage{Input: 100, Output: 100}, 100*350+100*750)
	f("elevenlabs/eleven_flash_v2_5", plain, wire.Usage{Characters: 1000}, usd*5/100)
	f("elevenlabs/eleven_multilingual_v2", plain, wire.Usage{Characters: 1000}, usd*10/100)
	f("elevenlabs/scribe_v2", plain, wire.Usage{Millis: 1_800_000}, usd*11/100)
	f("deepgram/nova-3", plain, wire.Usage{Millis: 60_000}, usd*43/10_000)
	f("deepgram/aura-2-thalia-en", plain, wire.Usage{Characters: 1000}, usd*3/100)
	f("stability/sd3.5-large", plain, wire.Usage{Images: 1}, usd*65/1000)
}
