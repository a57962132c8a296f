package guests

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

func golden(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "sdk", "abi", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// probes are testdata/probe in each language, configured by the golden record.
func probes(t *testing.T, kind module.Kind) map[string]*Guest {
	t.Helper()
	all := map[string]*Guest{}
	for _, lang := range Languages {
		g, err := TryLoad(t, kind, Sample(t, filepath.Join("testdata", "probe"), lang), golden(t, "config.sbc1"))
		if err != nil {
			t.Fatalf("%s: %v", lang, err)
		}
		all[lang] = g
	}
	return all
}

// agree asks all and returns what they all answer.
func agree(t *testing.T, all map[string]*Guest, what string, record []byte) []byte {
	t.Helper()
	want, err := all["go"].Call(nil, record)
	if err != nil {
		t.Fatalf("%s: go: %v", what, err)
	}
	for lang, g := range all {
		if got, err := g.Call(nil, record); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %s answers %x, %v\nwant %x", what, lang, got, err, want)
		}
	}
	return want
}

// shorter is a request as a host of minor version 0 would have written it:
// headers of 128 bytes, and targets of so many.
func shorter(full []byte, stride int) []byte {
	le := binary.LittleEndian
	const header = 128
	n := int(le.Uint32(full[104:]))
	b := slices.Clone(full[:header])
	for i := range n {
		b = append(b, full[abi.RequestSize+i*abi.TargetSize:][:stride]...)
	}
	le.PutUint16(b[6:], header)
	le.PutUint32(b[108:], header)
	le.PutUint32(b[112:], uint32(stride))
	moved := abi.RequestSize + n*abi.TargetSize - len(b)
	for _, at := range []int{40, 48} { // model and tenant
		le.PutUint32(b[at:], le.Uint32(b[at:])-uint32(moved))
	}
	return append(b, full[abi.RequestSize+n*abi.TargetSize:]...)
}

// longer is a request of a later minor version: more at the end of each part.
func longer(full []byte) []byte {
	le := binary.LittleEndian
	more := bytes.Repeat([]byte{0xee}, 8)
	n := int(le.Uint32(full[104:]))
	b := slices.Concat(full[:abi.RequestSize], more)
	for i := range n {
		b = slices.Concat(b, full[abi.RequestSize+i*abi.TargetSize:][:abi.TargetSize], more)
	}
	le.PutUint16(b[4:], abi.Minor+1)
	le.PutUint16(b[6:], uint16(abi.RequestSize+8))
	le.PutUint32(b[108:], uint32(abi.RequestSize+8))
	le.PutUint32(b[112:], uint32(abi.TargetSize+8))
	return append(b, full[abi.RequestSize+n*abi.TargetSize:]...)
}

// TestSDKsReadRequests: the SDKs of all languages read the same from golden
// records, from those of older and newer hosts, and from a corpus.
func TestSDKsReadRequests(t *testing.T) {
	all := probes(t, module.Route)
	answers := map[string]string{}
	f := func(what string, record []byte) {
		t.Helper()
		b := agree(t, all, what, record)
		for other, answer := range answers {
			if answer == string(b) {
				t.Errorf("%s reads as %s does", what, other)
			}
		}
		answers[what] = string(b)
	}
	f("request", golden(t, "request.sbr1"))
	whole := golden(t, "request_all.sbr1")
	f("all fields", whole)
	for at := range abi.RequestSize { // one that no field covers would be read by nobody
		if b := slices.Clone(whole); at >= 128 && at < 156 || at >= 16 && at < 40 {
			b[at] ^= 0x10
			f("all fields but one", b)
			delete(answers, "all fields but one")
		}
	}
	f("of an older host", shorter(whole, abi.TargetSize))
	f("with targets of an older host", shorter(whole, 104))
	f("of a newer host", longer(whole))
	for _, r := range Requests(5, 300) {
		agree(t, all, "corpus", r)
	}
	b := agree(t, all, "plan", whole)
	plan := golden(t, "plan.sbp1") // differs by the order's targets, the check and the reason alone
	if !bytes.Equal(b[:24], plan[:24]) || !bytes.Equal(b[32:56], plan[32:56]) || !bytes.Equal(b[64:96], plan[64:96]) {
		t.Errorf("got plan %x\nwant %x", b, plan)
	}
	for _, bad := range [][]byte{nil, whole[:7], whole[:200], golden(t, "window.sbw1")} {
		if b := agree(t, all, "no request", bad); len(b) != 0 {
			t.Errorf("%d bytes that are no request are answered by %x", len(bad), b)
		}
	}
}

// TestSDKsJudgeWindows: the SDKs of all languages read the same from windows,
// and write the same verdicts.
func TestSDKsJudgeWindows(t *testing.T) {
	all := probes(t, module.Filter)
	w := record.Window{ID: 7, NowMS: 8, Seed: 9, Model: "fast", Tenant: "acme", Kind: abi.KindChat, Channel: abi.ChannelUser, Choice: 3, Start: 1 << 40,
		Text: []byte("naïve: a@example.org and more"), State: []byte("seen"), Label: "send", Seen: 5}
	f := func(index uint32, name string) {
		t.Helper()
		w.Index = index
		got, err := record.ReadVerdict(agree(t, all, name, Window(w)), &w)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want, err := record.ReadVerdict(golden(t, name), &w)
		if err != nil {
			t.Fatal(err)
		}
		if got.Action != want.Action || got.Consumed != want.Consumed || got.Code != want.Code || got.Findings != want.Findings ||
			!bytes.Equal(got.Output, want.Output) || !bytes.Equal(got.State, want.State) || len(got.Reason) == 0 {
			t.Errorf("%s: got %+v\nwant %+v", name, got, want)
		}
	}
	f(1, "verdict_pass.sbv1")
	f(2, "verdict_replace.sbv1")
	f(3, "verdict_block.sbv1")
	f(4, "verdict_more.sbv1")
	f(5, "verdict_escalate.sbv1")
	agree(t, all, "window", golden(t, "window.sbw1"))
	if b := agree(t, all, "block", Window(w)); len(b) < abi.VerdictSize {
		t.Errorf("got %x", b)
	}
	if b := agree(t, all, "no window", golden(t, "request.sbr1")); len(b) != 0 {
		t.Errorf("a request is judged: %x", b)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		w.Text, w.State = []byte("ïß漢😀 some words and more of them"[:14+rng.IntN(20)]), bytes.Repeat([]byte{byte(rng.Uint32())}, rng.IntN(abi.MaxState+1))
		w.ID, w.Index, w.Flags = rng.Uint64(), rng.Uint32N(6), rng.Uint32N(4)
		agree(t, all, "corpus", Window(w))
	}
}

// TestSDKsLearn: the SDKs of all languages read the same from observations, and
// tell it to the host.
func TestSDKsLearn(t *testing.T) {
	var counter int64
	for lang, g := range probes(t, module.Route) {
		if err := g.Observe(golden(t, "observation.sbo1")); err != nil {
			t.Fatalf("%s: %v", lang, err)
		}
		if counter == 0 {
			counter = g.State.Counter(5)
		}
		if got := g.State.Counter(5); got != counter || got == 0 || g.State.Metric(6) != 0.25 {
			t.Errorf("%s learned %d and %v; another language %d", lang, got, g.State.Metric(6), counter)
		}
	}
}
