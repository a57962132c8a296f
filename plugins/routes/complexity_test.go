package routes_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/feature"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

var update = flag.Bool("update", false, "fit the weights of complexity anew")

// prompt is a labelled one; complexity/README.md tells by what rubric.
type prompt struct {
	domain string
	text   string
	hard   bool
	held   bool // out of the fit
	long   bool // has a passage in it
	f      abi.Features
}

// prompts reads the labelled set. Which are held out follows from a hash of
// the text.
func prompts(t testing.TB) []prompt {
	t.Helper()
	lines := func(name string) [][2]string {
		b, err := os.ReadFile(filepath.Join("complexity", "testdata", name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		var out [][2]string
		for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
			key, text, ok := strings.Cut(line, "\t")
			if !ok {
				t.Fatalf("%s.txt has a line without a tab: %q", name, line)
			}
			out = append(out, [2]string{key, text})
		}
		return out
	}
	expand := []string{`\n`, "\n"}
	for _, p := range lines("passages") {
		expand = append(expand, "{"+p[0]+"}", p[1])
	}
	r := strings.NewReplacer(expand...)
	var all []prompt
	for _, kind := range []string{"hard", "easy"} {
		for _, line := range lines(kind) {
			text := r.Replace(line[1])
			h := fnv.New32a()
			h.Write([]byte(line[1]))
			all = append(all, prompt{domain: line[0], text: text, hard: kind == "hard", held: h.Sum32()>>8%10 >= 6, long: text != line[1] && len(text) > 400,
				f: feature.Of(chat(t, text))})
		}
	}
	return all
}

// chat is a request with one user message.
func chat(t testing.TB, text string) *call.Call {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	c := request(1, place{name: "p/small", in: 100, out: 400, quality: 0.3}, place{name: "p/big", in: 3000, out: 15_000, quality: 0.9})
	c.Dialect, c.Op = wire.OpenAIChat, wire.OpChat
	c.Body = fmt.Appendf(nil, `{"model":"smart","messages":[{"role":"user","content":%s}]}`, quoted)
	c.Facts.Size, c.Facts.Messages = len(c.Body), 1
	c.Wants.Features = feature.Of(c)
	return c
}

func split(all []prompt, held bool) (out []prompt) {
	for _, p := range all {
		if p.held == held {
			out = append(out, p)
		}
	}
	return out
}

// inputs are what complexity.rs multiplies by its weights.
func inputs(f *abi.Features) []float64 {
	log2 := func(n uint32) float64 {
		n++
		whole := bits.Len32(n) - 1
		return float64(whole) + float64(n)/float64(uint32(1)<<whole) - 1
	}
	is := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	words := float64(max(f.Words, 1))
	hard, easy := float64(min(f.Hard, 4)), float64(min(f.Easy, 4))
	return []float64{1, log2(f.Words), hard, easy, log2(f.Signs), log2(f.CodeLines), float64(min(f.Questions, 3)), float64(f.LongWords) / words,
		log2(f.Numbers), log2(f.Items), log2(f.Sentences), hard * 10 / (words + 10), easy * 10 / (words + 10),
		float64(f.Foreign) / float64(max(f.UserBytes, 1)), is(f.Hard > 0 && f.Easy == 0), is(f.Easy > 0 && f.Hard == 0)}
}

// fit is logistic regression with a small penalty, by gradient descent: the
// same data give the same weights.
func fit(train []prompt, steps int) []float64 {
	const penalty, rate = 0.01, 0.02
	w := make([]float64, len(inputs(&abi.Features{})))
	xs := make([][]float64, len(train))
	for i := range train {
		xs[i] = inputs(&train[i].f)
	}
	for range steps {
		g := make([]float64, len(w))
		for i, x := range xs {
			miss := 1 / (1 + math.Exp(-dot(w, x)))
			if train[i].hard {
				miss--
			}
			for k := range x {
				g[k] += miss * x[k] / float64(len(xs))
			}
		}
		for k := range w {
			if k > 0 {
				g[k] += penalty * w[k]
			}
			w[k] -= rate * g[k]
		}
	}
	return w
}

func dot(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// TestFit writes complexity/weights.rs with -update, and otherwise checks that
// it is what the training part gives.
func TestFit(t *testing.T) {
	w := fit(split(prompts(t), false), 40_000)
	var b strings.Builder
	b.WriteString("// Written by go test ./plugins/routes -run TestFit -update; do not edit.\n")
	fmt.Fprintf(&b, "const WEIGHTS: [f64; %d] = [\n", len(w))
	for _, v := range w {
		fmt.Fprintf(&b, "    %.3f,\n", v)
	}
	b.WriteString("];\n")
	path := filepath.Join("complexity", "weights.rs")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Errorf("%s is not what the training part gives: run with -update, then sdk/build.sh build plugins/routes/complexity\n%s", path, b.String())
	}
}

// auc is the chance that a hard prompt gets a higher score than an easy one.
func auc(set []prompt, score []float64) float64 {
	var wins, pairs float64
	for i := range set {
		for j := range set {
			if !set[i].hard || set[j].hard {
				continue
			}
			pairs++
			switch {
			case score[i] > score[j]:
				wins++
			case score[i] == score[j]:
				wins += 0.5
			}
		}
	}
	return wins / pairs
}

// accuracy sends the share of prompts that score highest to the big model, and
// returns the share that went where its label says.
func accuracy(set []prompt, score []float64, share float64) float64 {
	at := make([]int, len(set))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(a, b int) int { return cmp.Compare(score[b], score[a]) })
	right := 0
	for place, i := range at {
		if big := float64(place) < share*float64(len(set)); big == set[i].hard {
			right++
		}
	}
	return float64(right) / float64(len(set))
}

// TestComplexityHeldOut compares the module, as it is shipped, with a rule that
// goes by length and one that goes by chance, on prompts that the fit has not seen.
func TestComplexityHeldOut(t *testing.T) {
	held := split(prompts(t), true)
	h := load(t, "complexity", "")
	rng := rand.New(rand.NewPCG(1, 2))
	var module, length, chance []float64
	hard, big, right := 0.0, 0.0, 0.0
	for _, p := range held {
		c := chat(t, p.text)
		first := order(t, h, c)[0] == "p/big"
		var percent float64
		if _, err := fmt.Sscanf(string(c.Plan.Reason()[strings.Index(string(c.Plan.Reason()), "0."):]), "%f", &percent); err != nil {
			t.Fatalf("%q: %v", c.Plan.Reason(), err)
		}
		module, length, chance = append(module, percent), append(length, float64(len(p.text))), append(chance, rng.Float64())
		if p.hard {
			hard++
		}
		if first {
			big++
		}
		if first == p.hard {
			right++
		} else if testing.Verbose() {
			t.Logf("goes wrong (%s): %.90q", p.domain, p.text)
		}
	}
	n := float64(len(held))
	share := big / n
	a, al, ar := auc(held, module), auc(held, length), auc(held, chance)
	// At the share that the default threshold gives, the module's own is what it did.
	own, byLength, byChance := right/n, accuracy(held, length, share), share*hard/n+(1-share)*(1-hard/n)
	t.Logf("%.0f held out, %.0f %% hard; share to the big model %.0f %%", n, 100*hard/n, 100*share)
	t.Logf("AUC: module %.3f, length %.3f, random %.3f", a, al, ar)
	t.Logf("accuracy at that share: module %.3f, length %.3f, random %.3f", own, byLength, byChance)
	if a < al+0.15 || own < byLength+0.10 || own < byChance+0.20 {
		t.Errorf("the module does not beat both by the margin that its README states")
	}
}

// TestComplexityAgainstLength looks at the held-out prompts that mislead whoever
// goes by length: short ones that are hard, and long ones that are easy.
func TestComplexityAgainstLength(t *testing.T) {
	h := load(t, "complexity", "")
	f := func(what string, least float64, in func(prompt) bool) {
		t.Helper()
		var n, right float64
		for _, p := range split(prompts(t), true) {
			if in(p) {
				n++
				if (order(t, h, chat(t, p.text))[0] == "p/big") == p.hard {
					right++
				}
			}
		}
		if t.Logf("%s: %.0f of %.0f", what, right, n); n < 10 || right/n < least {
			t.Errorf("%s: %.0f of %.0f are right; want %.0f %% at least", what, right, n, 100*least)
		}
	}
	f("short and hard", 0.5, func(p prompt) bool { return p.hard && len(p.text) < 90 })
	f("long and easy", 0.8, func(p prompt) bool { return !p.hard && p.long })
}

func TestComplexity(t *testing.T) {
	h := load(t, "complexity", "")
	f := func(text, first string) {
		t.Helper()
		c := chat(t, text)
		if got := order(t, h, c); got[0] != first {
			t.Errorf("%.60q goes to %v, %q; want %s first", text, got, c.Plan.Reason(), first)
		}
	}
	f("Prove that sqrt(2) is irrational.", "p/big")
	f("Find the deadlock and fix it: A locks x, then y; B locks y, then x.", "p/big")
	f("Hello!", "p/small")
	f("Translate the following text into German.\n\n"+strings.Repeat("The ferry leaves at nine, and the shop opens at ten. ", 60), "p/small")
	f("Summarise this in one sentence: "+strings.Repeat("We walked along the river and talked about the summer. ", 100), "p/small")

	c := chat(t, "")
	c.Wants.Features = abi.Features{Messages: 3}
	goes(t, h, c, "hard prompt: best first, no text to go by", "p/big", "p/small")
	goes(t, load(t, "complexity", `{"unknown": "easy"}`), c, "simple prompt: cheapest first, no text to go by", "p/small", "p/big")
	if got := order(t, load(t, "complexity", `{"threshold": 0}`), chat(t, "Hello!")); got[0] != "p/big" {
		t.Errorf("with a threshold of 0 a greeting goes to %v", got)
	}
	if got := order(t, load(t, "complexity", `{"threshold": 1}`), chat(t, "Prove it.")); got[0] != "p/small" {
		t.Errorf("with a threshold of 1 a proof goes to %v", got)
	}
	for i := range 2 { // without qualities the dearest counts as the best
		c = chat(t, "Prove that sqrt(2) is irrational.")
		c.Candidates[0].Target.Quality, c.Candidates[1].Target.Quality = 0, 0
		c.Candidates[i].Target.State.CooldownUntil.Store(noon.UnixMilli() + 1000)
		if got, want := order(t, h, c)[0], []string{"p/big", "p/small"}[i]; got != want {
			t.Errorf("goes to %s; want %s", got, want)
		}
	}
}

// TestComplexityOnOtherDomains fits on some domains and judges on the others:
// that it beats length is not for knowing the subjects.
func TestComplexityOnOtherDomains(t *testing.T) {
	const folds = 4
	foldOf := func(p *prompt) uint32 {
		h := fnv.New32a()
		h.Write([]byte(p.domain))
		return h.Sum32() >> 8 % folds
	}
	f := func(all []prompt) float64 {
		score := make([]float64, len(all))
		for fold := range uint32(folds) {
			var train []prompt
			for _, p := range all {
				if foldOf(&p) != fold {
					train = append(train, p)
				}
			}
			w := fit(train, 5000)
			for i := range all {
				if foldOf(&all[i]) == fold {
					score[i] = dot(w, inputs(&all[i].f))
				}
			}
		}
		return auc(all, score)
	}
	all := prompts(t)
	var length []float64
	for _, p := range all {
		length = append(length, float64(len(p.text)))
	}
	full, byLength := f(all), auc(all, length)
	for i := range all {
		all[i].f.Hard, all[i].f.Easy = 0, 0
	}
	t.Logf("AUC %.3f, without the words that ask for much or little %.3f; length %.3f", full, f(all), byLength)
	if full < byLength+0.08 {
		t.Errorf("AUC is %.3f on domains that the fit has not seen; want %.3f", full, byLength+0.08)
	}
}
