package cache

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// body is the request of a property test, written in many ways.
type body struct {
	Model, System, Tools, User, Unknown string
	Temperature, Seed                   int
}

// write writes b with its members in a random order and white space between.
func (b *body) write(rng *rand.Rand) string {
	members := []string{`"model":"` + b.Model + `"`, fmt.Sprintf(`"temperature": %d`, b.Temperature), fmt.Sprintf(`"seed":%d`, b.Seed),
		`"messages" : [{"role":"system","content":"` + b.System + `"},{"content":"` + b.User + `", "role":"user"}]`, `"x_unknown":"` + b.Unknown + `"`,
		`"tools":[{"function":{"name":"` + b.Tools + `"},"type":"function"}]`}
	rng.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return "{" + strings.Join(members, []string{",", " , ", ",\n\t"}[rng.IntN(3)]) + "}"
}

// world is a request with all that it is told apart by.
type world struct {
	Asked
	text body
}

// choose returns one of few values, so that worlds are often the same but for one.
func choose(rng *rand.Rand, name string) string { return name + string(rune('a'+rng.IntN(2))) }

func newWorld(rng *rand.Rand) *world {
	pick := func(name string) string { return choose(rng, name) }
	return &world{Asked{Scope: pick("team/"), Op: wire.Op(1 + rng.IntN(2)), Dialect: wire.Dialect(1 + rng.IntN(2)), Method: pick("P"), Path: pick("/"),
		ContentType: pick("t"), Stream: rng.IntN(2) == 0, Strict: rng.IntN(2) == 0, Model: pick("m"), Revision: pick("r"),
		Targets: []string{pick("t"), pick("p")}[:1+rng.IntN(2)], Policy: pick("b"), MaxTokens: int64(rng.IntN(2)),
		Filters: []string{pick("f"), pick("g")}[:rng.IntN(3)], Headers: []string{pick("h"), pick("v")}[:2*rng.IntN(2)]},
		body{Model: pick("m"), System: pick("s"), Tools: pick("t"), User: pick("u"), Unknown: pick("x"), Temperature: rng.IntN(2), Seed: rng.IntN(2)}}
}

// near returns w with at most one thing changed.
func (w *world) near(rng *rand.Rand) *world {
	n := *w
	other := newWorld(rng)
	to := reflect.ValueOf(&n.Asked).Elem()
	if i := rng.IntN(to.NumField() + 7); i < to.NumField() {
		to.Field(i).Set(reflect.ValueOf(&other.Asked).Elem().Field(i))
	} else {
		i -= to.NumField()
		reflect.ValueOf(&n.text).Elem().Field(i).Set(reflect.ValueOf(&other.text).Elem().Field(i))
	}
	return &n
}

// same reports whether an answer to one is an answer to the other.
func (w *world) same(v *world) bool {
	a, b := w.Asked, v.Asked
	a.Body, b.Body = nil, nil
	norm := func(l *[]string) {
		if len(*l) == 0 {
			*l = nil
		}
	}
	for _, x := range []*Asked{&a, &b} {
		norm(&x.Targets)
		norm(&x.Filters)
		norm(&x.Headers)
	}
	return w.text == v.text && reflect.DeepEqual(a, b)
}

// crossings makes many pairs of requests that are the same or nearly, and counts
// those whose keys say otherwise.
func crossings(skip *part, pairs int) (crossed, missed int) {
	rng := rand.New(rand.NewPCG(7, 7))
	k := NewKeyer([]byte("secret"))
	var c Canon
	keyOf := func(w *world) Key {
		w.Body, _ = c.Append(nil, []byte(w.text.write(rng)), nil)
		return k.keyOf("exact", &w.Asked, skip)
	}
	for range pairs {
		w := newWorld(rng)
		v := w.near(rng)
		switch equal := keyOf(w) == keyOf(v); {
		case equal && !w.same(v):
			crossed++
		case !equal && w.same(v):
			missed++
		}
	}
	return crossed, missed
}

// TestNothingCrosses: no answer is another tenant's, or one to another system
// prompt, tool, parameter, model, policy or filter; and what is the same, however
// it is written, is found.
func TestNothingCrosses(t *testing.T) {
	if crossed, missed := crossings(nil, 30_000); crossed+missed > 0 {
		t.Errorf("%d crossed, %d were missed", crossed, missed)
	}
}

// TestNothingMayBeLeftOut: without any one part of the key, answers cross.
func TestNothingMayBeLeftOut(t *testing.T) {
	if n := reflect.TypeFor[Asked]().NumField(); n != len(parts) {
		t.Errorf("a key has %d parts of %d things that are asked", len(parts), n)
	}
	for i := range parts {
		if crossed, _ := crossings(&parts[i], 3000); crossed == 0 {
			t.Errorf("without the %s nothing crosses: the test does not see it", parts[i].name)
		}
	}
}

// TestListsAreNotRunTogether: what moves from one part to the next is another key.
func TestListsAreNotRunTogether(t *testing.T) {
	k := NewKeyer([]byte("secret"))
	keys := map[Key]int{}
	for i, a := range []Asked{
		{Targets: []string{"a", "b"}}, {Targets: []string{"ab"}}, {Targets: []string{"a"}, Filters: []string{"b"}}, {Filters: []string{"a", "b"}},
		{Headers: []string{"a", "b"}}, {Scope: "a", Model: "b"}, {Scope: "ab"}, {Model: "ab"}, {Body: []byte("ab")}, {Scope: "a", Body: []byte("b")}, {},
	} {
		if was, there := keys[k.KeyOf("exact", &a)]; there {
			t.Errorf("requests %d and %d have one key", was, i)
		}
		keys[k.KeyOf("exact", &a)] = i
	}
	if a := (&Asked{}); k.KeyOf("exact", a) == k.KeyOf("meaning", a) || k.KeyOf("exact", a) == NewKeyer([]byte("other")).KeyOf("exact", a) {
		t.Error("purposes or secrets do not tell keys apart")
	}
}

func TestParseKey(t *testing.T) {
	k := NewKeyer([]byte("secret")).KeyOf("exact", &Asked{})
	if got, err := ParseKey(k.String()); err != nil || got != k {
		t.Errorf("got %s, %v; want %s", got, err, k)
	}
	for _, text := range []string{"", "00", k.String() + "00", "x" + k.String()[1:]} {
		if _, err := ParseKey(text); err == nil {
			t.Errorf("%q is a key", text)
		}
	}
}
