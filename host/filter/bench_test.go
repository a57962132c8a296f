package filter

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// guests are the same filter in each language; of Go it is built here.
func guests(t testing.TB, s *Set) map[string]Link {
	t.Helper()
	const folder = "../../examples/filters/mask"
	out := map[string]Link{}
	for _, language := range []string{"c", "rust", "as", "go"} {
		code, err := os.ReadFile(fmt.Sprintf("%s/%s/mask.wasm", folder, language))
		if language == "go" {
			code, err = wasmtest.BuildGo(t, folder), nil
		}
		if err != nil {
			t.Fatal(err)
		}
		name := "mask-" + language
		if err := s.Load(name, lane.Source{Code: code}, ""); err != nil {
			t.Fatal(err)
		}
		out[language] = Link{Handle: s.Handle(name), Request: true, Answer: true}
	}
	return out
}

// cpu reports what processor time an operation takes: the clock on the wall
// shows what else the machine does, too.
func cpu(b *testing.B) func() {
	runtime.LockOSThread()
	const thread = 1 // RUSAGE_THREAD
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(thread, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	return func() {
		b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op")
		runtime.UnlockOSThread()
	}
}

// BenchmarkWindow is a window of 100 bytes through one filter, all in.
func BenchmarkWindow(b *testing.B) {
	s := newSet(b)
	text := []byte("A hundred bytes of a text as models write them: plain words, a full stop now and then, and no names.")
	for language, link := range guests(b, s) {
		b.Run(language, func(b *testing.B) {
			x := s.Begin(newCall(wire.OpChat, wire.OpenAIChat, "{}"), []Link{link}, nil)
			defer x.Release()
			x.turn(true)
			ch := &channel{}
			b.ReportAllocs()
			defer cpu(b)()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				ch.reset(ch.key, 1)
				if err := x.feed(ch, 0, text, true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEvent is an event of a stream through a chain of one filter.
func BenchmarkEvent(b *testing.B) {
	s := newSet(b)
	event := []byte(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"content":"some words "},"finish_reason":null}]}` + "\n\n")
	for language, link := range guests(b, s) {
		b.Run(language, func(b *testing.B) {
			x := s.Begin(newCall(wire.OpChat, wire.OpenAIChat, "{}"), []Link{link}, nil)
			defer x.Release()
			_ = x.Expect()
			var dst []byte
			b.ReportAllocs()
			defer cpu(b)()
			for b.Loop() {
				dst, _ = x.Events(dst[:0], event)
			}
		})
	}
}

// BenchmarkPrompt is a prompt of 100 KB through one filter.
func BenchmarkPrompt(b *testing.B) {
	s := newSet(b)
	body := `{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("plain words of a long prompt ", 3500) + `"}]}`
	for language, link := range guests(b, s) {
		b.Run(language, func(b *testing.B) {
			c := newCall(wire.OpChat, wire.OpenAIChat, body)
			b.ReportAllocs()
			defer cpu(b)()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				x := s.Begin(c, []Link{link}, nil)
				if got, err := x.Request(); err != nil || !bytes.Equal(got, c.Body) {
					b.Fatal(err)
				}
				x.Release()
			}
		})
	}
}
