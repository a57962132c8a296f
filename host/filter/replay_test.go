package filter

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
)

// TestReplay: the same texts to two versions, of which neither serves, and what
// becomes of them.
func TestReplay(t *testing.T) {
	s := newSet(t)
	mask := lane.Source{Code: wasmtest.BuildGo(t, "testdata/mask")}
	greedy := lane.Source{Code: wasmtest.BuildGo(t, "testdata/greedy")}
	texts := []Text{{"user", "nothing to see"}, {"answer", "write to a@b.org"}, {"tool_result", strings.Repeat("long ", 4000)}, {"user", "(trap)"}, {"user", ""}}
	r, err := s.Replay(t.Context(), "f", mask, &greedy, texts)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", raw)
	if r.Texts != len(texts) || r.Passed || r.Now.Verdicts["failed"] != 1 || r.Now.Faults["trap"] != 1 || r.Now.Verdicts["replace"] != 1 || r.Now.FuelMax == 0 || r.Before.FuelTotal == 0 {
		t.Errorf("got %s", raw)
	}
	if len(r.Differences) != r.Texts-r.Same || len(r.Differences) == 0 {
		t.Errorf("%d differ, %d are shown", r.Texts-r.Same, len(r.Differences))
	}
	if strings.Contains(string(raw), "b.org") || strings.Contains(string(raw), "long") {
		t.Errorf("the report holds what was shown: %s", raw)
	}
	same, err := s.Replay(t.Context(), "f", mask, &mask, texts[:3])
	if err != nil || same.Same != 3 || !same.Passed || len(same.Differences) > 0 {
		t.Errorf("a version against itself: %+v, %v", same, err)
	}
	if alone, err := s.Replay(t.Context(), "f", mask, nil, texts[:1]); err != nil || alone.Before != nil || alone.Against != "" || !alone.Passed {
		t.Errorf("where none is active: %+v, %v", alone, err)
	}
	if _, err := s.Replay(t.Context(), "f", mask, nil, []Text{{"prompt", "x"}}); err == nil || !strings.Contains(err.Error(), "give one of system, user") {
		t.Errorf("a channel that there is not: %v", err)
	}
	if s.Handle("f") != nil {
		t.Error("a replay leaves the filter behind")
	}
}
