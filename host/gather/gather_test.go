package gather_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/gather"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func read(t *testing.T, body string) *gather.Request {
	t.Helper()
	r, ok := gather.Read([]byte(body))
	if !ok {
		t.Fatalf("%s cannot be taken apart", body)
	}
	return r
}

func TestRead(t *testing.T) {
	f := func(body string, inputs int, kind byte, rest string) {
		t.Helper()
		r, ok := gather.Read([]byte(body))
		if !ok || r.Inputs() != inputs || r.Kind != kind || string(r.Rest) != rest {
			t.Errorf("%s: %+v, %v", body, r, ok)
		}
	}
	f(`{"model":"m","input":"a"}`, 1, 's', `{"model":"m"}`)
	f(`{"input":["a","b"], "dimensions": 8}`, 2, 's', `{"dimensions":8}`)
	f(`{"input":[1,2,3],"model":"m"}`, 1, 't', `{"model":"m"}`)
	f(`{"input":[[1,2],[3]]}`, 2, 't', `{}`)
	g := func(body string) {
		t.Helper()
		if r, ok := gather.Read([]byte(body)); ok {
			t.Errorf("%s: %+v", body, r)
		}
	}
	g(`{"model":"m"}`)
	g(`{"input":[]}`)
	g(`{"input":["a",[1]]}`)
	g(`{"input":["a",1]}`)
	g(`{"input":[1,"a"]}`)
	g(`{"input":[{"image":"x"}]}`)
	g(`{"input":null}`)
	g(`{"input":"a","input":"b"}`)
	g(`{"input":[1.5]}`)
	g(`[]`)
	g(`{"input":"a"`)
}

// answerOf is what a provider answers: a row for each input, which says what it
// was, in any order.
func answerOf(rnd *rand.Rand, body []byte, tokens int64) []byte {
	var req struct {
		Input json.RawMessage
		Model string
	}
	if err := json.Unmarshal(body, &req); err != nil {
		panic(err)
	}
	r, _ := gather.Read(body)
	var inputs []json.RawMessage
	if json.Unmarshal(req.Input, &inputs) != nil || len(inputs) != r.Inputs() {
		inputs = []json.RawMessage{req.Input}
	}
	rows := make([]string, len(inputs))
	for i, in := range inputs {
		rows[i] = fmt.Sprintf(`{"object":"embedding","extra":{"a":[1,2]},"index":%d,"embedding":%s}`, i, in)
	}
	if rnd != nil {
		rnd.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	}
	return fmt.Appendf(nil, `{"object":"list","data":[%s],"model":%q,"usage":{"prompt_tokens":%d,"total_tokens":%d,"more":1}}`, strings.Join(rows, ","), req.Model, tokens, tokens)
}

// TestSplitOfJoin: what each is given is what it would have been given alone.
func TestSplitOfJoin(t *testing.T) {
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(3, seed))
		texts := rnd.IntN(2) == 0
		one := func() string {
			if texts {
				b, _ := json.Marshal(strings.Repeat("ü<\"\\\n", rnd.IntN(4)) + fmt.Sprint(rnd.Uint32()))
				return string(b)
			}
			return fmt.Sprintf("[%d,%d]", rnd.IntN(1e6), rnd.IntN(1e6))
		}
		all := make([]*gather.Request, 1+rnd.IntN(8))
		bodies := make([]string, len(all))
		var weights []int64
		for i := range all {
			input := one()
			if n := rnd.IntN(4); n > 0 {
				list := make([]string, n)
				for j := range list {
					list[j] = one()
				}
				input = "[" + strings.Join(list, ", ") + "]"
			}
			bodies[i] = fmt.Sprintf(`{"model":"m", "input": %s ,"encoding_format":"base64"}`, input)
			all[i] = read(t, bodies[i])
			weights = append(weights, all[i].Bytes())
		}
		joint := gather.Join(all)
		if !json.Valid(joint) || !strings.Contains(string(joint), `"encoding_format":"base64"`) {
			t.Fatalf("%s", joint)
		}
		total := int64(rnd.IntN(1000))
		tokens := gather.Portion(total, weights)
		parts, err := gather.Split(answerOf(rnd, joint, total), all, tokens)
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range parts {
			if want := answerOf(nil, []byte(bodies[i]), tokens[i]); !equal(part, want) {
				t.Errorf("seed %d: %s\nwant %s", seed, part, want)
			}
		}
	}
}

func equal(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

func TestAnswersOfOtherLengths(t *testing.T) {
	all := []*gather.Request{read(t, `{"input":"a"}`), read(t, `{"input":["b","c"]}`)}
	f := func(answer string) {
		t.Helper()
		if parts, err := gather.Split([]byte(answer), all, []int64{1, 2}); err == nil {
			t.Errorf("%s: %s", answer, parts)
		}
	}
	f(`{"data":[{"index":0},{"index":1}]}`)
	f(`{"data":[{"index":0},{"index":1},{"index":1}]}`)
	f(`{"data":[{"index":0},{"index":1},{"index":3}]}`)
	f(`{"data":[{"index":0},{"index":1},{"index":-1}]}`)
	f(`{"data":[{"index":0},{"index":1},{}]}`)
	f(`{"data":{}}`)
	f(`{"data":[1,2,3]}`)
	f(`{}`)
	f(`null`)
}

func TestPortion(t *testing.T) {
	f := func(sum int64, weights, want []int64) {
		t.Helper()
		if got := gather.Portion(sum, weights); !slices.Equal(got, want) {
			t.Errorf("%d by %v: %v; want %v", sum, weights, got, want)
		}
	}
	f(10, []int64{1, 1, 1}, []int64{4, 3, 3})
	f(10, []int64{1, 2, 7}, []int64{1, 2, 7})
	f(0, []int64{5, 5}, []int64{0, 0})
	f(1, []int64{1, 100}, []int64{0, 1})
	f(7, []int64{0, 0}, []int64{4, 3})
	f(1<<62, []int64{1 << 40, 1 << 40}, []int64{1 << 61, 1 << 61})
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		weights := make([]int64, 1+rnd.IntN(50))
		for i := range weights {
			weights[i] = rnd.Int64N(1 << 30)
		}
		sum, got := rnd.Int64N(1<<50), int64(0)
		for _, part := range gather.Portion(sum, weights) {
			got += part
		}
		if got != sum {
			t.Fatalf("the parts of %d are %d", sum, got)
		}
	}
}

func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := gather.New[string](gather.Limits{Window: 5 * time.Millisecond, Inputs: 4, Bytes: 100})
		add := func(k byte, body, member string, wantCarries bool) *gather.Batch[string] {
			t.Helper()
			b, carries := tab.Add(gather.Key{k}, read(t, body), member)
			if carries != wantCarries {
				t.Errorf("%s carries: %v", member, carries)
			}
			return b
		}
		one := add(1, `{"input":"a"}`, "a", true)
		add(1, `{"input":["b","c"]}`, "b", false)
		other := add(2, `{"input":"x"}`, "x", true)
		next := add(1, `{"input":["d","e"]}`, "d", true) // which there is no room for
		began := time.Now()
		tab.Close(gather.Key{1}, one)
		if !slices.Equal(one.Members, []string{"a", "b"}) || time.Since(began) != 0 {
			t.Errorf("%q after %s", one.Members, time.Since(began))
		}
		add(1, `{"input":["f","g"]}`, "f", false)
		tab.Close(gather.Key{1}, next)
		if !slices.Equal(next.Members, []string{"d", "f"}) || time.Since(began) != 0 {
			t.Errorf("%q after %s, though it is full", next.Members, time.Since(began))
		}
		tab.Close(gather.Key{2}, other)
		if !slices.Equal(other.Members, []string{"x"}) || time.Since(began) != 5*time.Millisecond {
			t.Errorf("%q after %s", other.Members, time.Since(began))
		}
		add(3, `{"input":"`+strings.Repeat("x", 80)+`"}`, "long", true)
		add(3, `{"input":"`+strings.Repeat("x", 80)+`"}`, "longer", true)
		if s := tab.Stats(); s.Calls != 2 || s.Requests != 4 || s.Alone != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{`{"model":"m","input":"a"}`, `{"input":["a","b"]}`, `{"input":[1,2]}`, `{"input":[[1],[2]],"x":{"y":[]}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, ok := gather.Read(body)
		if !ok {
			return
		}
		joint := gather.Join([]*gather.Request{r, r})
		if !json.Valid(joint) {
			t.Fatalf("%s: %s", body, joint)
		}
		if again, ok := gather.Read(joint); !ok || again.Inputs() != 2*r.Inputs() || !bytes.Equal(again.Rest, r.Rest) {
			t.Fatalf("%s: %s", body, joint)
		}
	})
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte(`{"data":[{"index":1,"embedding":"x"},{"index":0}],"usage":{"prompt_tokens":3}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		one, _ := gather.Read([]byte(`{"input":"a"}`))
		parts, err := gather.Split(answer, []*gather.Request{one, one}, []int64{1, 2})
		if err != nil {
			return
		}
		for _, p := range parts {
			if !json.Valid(p) {
				t.Fatalf("%q: %q", answer, p)
			}
		}
	})
}
