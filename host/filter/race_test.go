package filter

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// TestManyAtOnce: calls of all kinds share filters while versions change.
func TestManyAtOnce(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "mask", ""), native1(t, s, "length", `{"max_prompt_chars":1000,"max_answer_chars":100000}`)}
	code := wasmtest.BuildGo(t, "testdata/mask")
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 3))
			for range 20 {
				c := newCall(wire.OpChat, wire.OpenAIChat, `{"messages":[{"role":"user","content":"to jo@example.com"}]}`)
				x := s.Begin(c, chain, nil)
				if got, err := x.Request(); err != nil || !bytes.Contains(got, []byte("to [MAIL]")) {
					t.Errorf("got %s, %v", got, err)
				}
				_ = x.Expect()
				say := someTexts(r)
				out, err := x.Events(nil, []byte(strings.Join(chatEvents(r, say, 20), "")))
				if got, _ := gather(t, wire.OpenAIChat, string(out)); err != nil || got.answer != hidden(say.answer) {
					t.Errorf("got %q, %v", got.answer, err)
				}
				x.Release()
			}
		})
	}
	wg.Go(func() {
		for i := range 4 {
			custom := append(append([]byte(nil), code...), fmt.Sprintf("\x00\x02\x01%d", i)...) // another section makes another version
			if err := s.Load("mask", lane.Source{Code: custom}, ""); err != nil {
				t.Error(err)
			}
			s.Stats()
		}
	})
	wg.Wait()
}
