package filter

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/trust"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/module"
	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

// worst are texts, repeated, that make detectors look twice.
var worst = []string{
	"-", "- ", "_", "--- ", "@", "a@", "a@b", "a.b@", "x@y.z-", "(", "((5", "(555) ", "(555) 123-", "(555) 123-4567x", "+", "+1", "+1 ", "+1()", "++1 ", "00", "00 ", "00-", "001 ", "0 0 ",
	"1", "1 ", "1-", "1.", "4 ", "4-", "44 ", "4444 ", "40 ", "4000 0000 0000 000", "4 0 ", "5 ", "2 ", "6 ", "555-", "555-123-", "555-123-4567a", "123 456 ", "3 00 ", "00 4 ", "400 ", "4()", "5-", "_J", "_z",
	"DE89", "DE89 ", "DE89-", "LC32", "LC32 ", " LC32", "-LC32", "-LC89370400440532013000370400440532", "ZZ99", "-ZZ99", "-ZZ9", ".AA0", "DE8 9", "MT31 ",
	"sk-", "sk-sk-", "sb-", "-sk-abcdefghijklmno ", "hf_", "npm_", "eyJ", "-eyJ", "eyJ ", "AKIA", "-AKIA", "ASIA", "AIza", "K", "S", "J", "z", "KSJz", "sk_live_", "sk_test_", " sk_", "github_pat_", " github_pat", "xoxb-", " xoxp", "gh_", "ghp_", "xox",
	" sk-aaaaaaaaaaaaaaa", "-sk-aaaaaaaaaaaaaaa", "sk-aaaaaaaaaaaaaaa!", "-AKIAaaaaaaaaaaaaaaa!", "eyJeyJeyJ!",
	"-----BEGIN ", "-----BEGIN", "-----BEGIN A PRIVATE KE ", "x-----BEGIN PRIVATE PRIVATE PRIVATE K", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY----------END ", "-----END", "-x",
	"<", "[", "#", "<|", "[/INST", "<|im_start|", "<|assistant|", "<<", "### ", "### Instruction", "</system", "<start_of_turn", "'", "a", "a ", "ignore ", "all ", "ignore all ", "all previous ", "instructions ", "previous instructions ", "rules ", "me ", "system ", "a.", "dan ", "you dan ", ".", "ä", "\u200b", "😀",
	"a b c d e f g ", "a\n", "a, ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ", "unheard of a b c ", "unheard ", "unheard-", "_a ", "\x00", " ",
}

// TestNoTextSpendsAFiltersFuel: whoever can say how a prompt or an answer reads
// could have it blocked else.
func TestNoTextSpendsAFiltersFuel(t *testing.T) {
	files, err := filepath.Glob("../../plugins/filters/*/*.wasm")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are none: %v", err)
	}
	s := newSet(t)
	configs := map[string]string{"words": `{"words":["unheard of a b c d","q w e r t z","unheard"],"action":"redact"}`, "injection": `{"threshold":20,"action":"escalate"}`, "secrets": `{"action":"redact"}`}
	for _, file := range files {
		code, m, err := wasm.Open(file, module.Filter, trust.Keys{})
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".wasm")
		if err := s.Load(name, lane.Source{Code: code, Manifest: m, Config: []byte(configs[name])}, ""); err != nil {
			t.Fatal(err)
		}
		h := s.Handle(name)
		x := s.Begin(newCall(0, 0, ""), []Link{{Handle: h, Request: true}}, nil)
		x.turn(false)
		for _, unit := range worst {
			for _, lead := range []string{"", " "} {
				said := (lead + strings.Repeat(unit, abi.MaxWindow))[:abi.MaxWindow]
				before := h.Stats().Fuel
				_, failed := x.run(&text.Part{Channel: text.ChannelUser}, valid([]byte(said)))
				if spent := h.Stats().Fuel - before; spent > module.MaxFuel*9/10 {
					t.Errorf("%s spends %d on %q…: %v", name, spent, said[:32], failed)
				}
			}
		}
		x.Release()
	}
}
