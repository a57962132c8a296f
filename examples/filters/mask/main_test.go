package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/wasm/guests"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/filter"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// someText is words, numbers and characters of several bytes.
func someText(rng *rand.Rand, n int) []byte {
	var b []byte
	for len(b) < n {
		switch rng.IntN(6) {
		case 0:
			b = fmt.Append(b, rng.Uint64N(1<<rng.IntN(64)))
		case 1:
			b = append(b, "ïß漢😀"...)
		case 2:
			b = append(b, strings.Repeat("7", rng.IntN(300))...)
		default:
			b = append(b, "some words, "[rng.IntN(5):]...)
		}
	}
	return bytes.ToValidUTF8(b[:n], nil)
}

// windows are the records of a corpus.
func windows(n int) [][]byte {
	rng := rand.New(rand.NewPCG(7, 2))
	out := make([][]byte, n)
	for i := range out {
		size := [...]int{0, rng.IntN(8), rng.IntN(200), rng.IntN(abi.MaxWindow)}[rng.IntN(4)]
		w := record.Window{Flags: rng.Uint32N(4), ID: rng.Uint64(), Text: someText(rng, size), Channel: abi.ChannelAnswer, Model: "fast"}
		if i%100 == 0 {
			w.Text = bytes.Repeat([]byte("9"), abi.MaxWindow)
		}
		out[i] = guests.Window(w)
	}
	return out
}

// TestLanguagesAgree: the same filter in each language, and in the test's own
// process, gives the same bytes for every window of a corpus.
func TestLanguagesAgree(t *testing.T) {
	records := windows(2500)
	want := make([][]byte, len(records))
	for i, r := range records {
		want[i] = bytes.Clone(filter.Run(guests.Aligned(r)))
	}
	for _, lang := range guests.Languages {
		t.Run(lang, func(t *testing.T) {
			g := guests.Load(t, module.Filter, guests.Sample(t, ".", lang))
			for i, r := range records {
				got, err := g.Call(nil, r)
				if err != nil || !bytes.Equal(got, want[i]) {
					t.Fatalf("window %d: got  %x, %v\nwant %x", i, got, err, want[i])
				}
			}
		})
	}
}

// masked is the text of a channel as it goes on when it comes in pieces.
func masked(t *testing.T, pieces [][]byte) (out []byte, findings uint32) {
	t.Helper()
	var text []byte
	for i, piece := range pieces {
		text = append(text, piece...)
		w := &record.Window{Text: text}
		if i == len(pieces)-1 {
			w.Flags = abi.WindowFinal
		}
		v, err := record.ReadVerdict(filter.Run(guests.Aligned(guests.Window(*w))), w)
		if err != nil {
			t.Fatal(err)
		}
		findings += v.Findings
		switch v.Action {
		case abi.ActionPass:
			out = append(out, text[:v.Consumed]...)
		case abi.ActionReplace:
			out = append(out, v.Output...)
		}
		if text = text[v.Consumed:]; len(text) > 4 {
			t.Fatalf("%d bytes are held back", len(text))
		}
	}
	return out, findings
}

// TestPieces: a text in pieces of any size comes out as in one.
func TestPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	number := regexp.MustCompile(`[0-9]{5,}`)
	for range 500 {
		text := someText(rng, rng.IntN(2000))
		want := number.ReplaceAllFunc(text, func(b []byte) []byte {
			return append(bytes.Repeat([]byte("*"), len(b)-4), b[len(b)-4:]...)
		})
		var pieces [][]byte
		for rest := string(text); ; {
			n := 0
			for _, c := range rest { // characters stay whole
				if n += len(string(c)); rng.IntN(40) == 0 {
					break
				}
			}
			pieces = append(pieces, []byte(rest[:n]))
			if rest = rest[n:]; rest == "" {
				break
			}
		}
		got, findings := masked(t, pieces)
		if !bytes.Equal(got, want) || int(findings) != bytes.Count(want, []byte("*")) {
			t.Fatalf("got %q with %d findings\nwant %q", got, findings, want)
		}
	}
}

// BenchmarkMask looks at windows of 100 bytes and of 8 KB, in a module of each
// language with all that the gateway's call of it takes, against the same in the
// test's own process.
func BenchmarkMask(b *testing.B) {
	text := []byte(strings.Repeat("some words about nothing, and one number in some hundred bytes: 4111111111111111. And on it goes. ", 90))
	for _, lang := range guests.Languages {
		for _, n := range []int{100, abi.MaxWindow} {
			b.Run(fmt.Sprintf("%s/%d", lang, n), func(b *testing.B) {
				r := guests.Aligned(guests.Window(record.Window{Text: text[:n], Channel: abi.ChannelAnswer, Model: "fast", Tenant: "acme"}))
				g := guests.Load(b, module.Filter, guests.Sample(b, ".", lang))
				var answer []byte
				var err error
				b.ReportAllocs()
				guests.Compare(b, func() { filter.Run(r) }, func() {
					if answer, err = g.Call(answer[:0], r); err != nil {
						b.Fatal(err)
					}
				})
				b.ReportMetric(float64(g.Spent(b, r)), "fuel")
			})
		}
	}
}
