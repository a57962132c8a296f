package host

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/cache"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

const (
	// learners carry meanings to the database, learnQueue of which may wait.
	learners   = 2
	learnQueue = 256
	learnTime  = 5 * time.Second
	// originCache is where the embeddings of the cache come from.
	originCache = "cache"
)

// meaning is what the semantic cache knows of a request.
type meaning struct {
	part   cache.Key
	vector []float32
	tenant string
	ttl    time.Duration
}

// recallMeaning looks for an answer to a request that means the same as f: all
// but the words of its last message is equal, those words have the same signs,
// and their vectors are near.
func (h *Host) recallMeaning(f *flight, a *asked, rule *cacheRule, how *directive) {
	s := f.gen.caching.semantic
	said, ok := f.said(a)
	if !ok || f.Origin == originCache {
		return
	}
	signs, ok := cache.Signs(said)
	if !ok {
		return
	}
	m := &meaning{tenant: scopeOf(s.Scope, f.Principal), ttl: rule.meantTTL}
	a.Scope, a.Body = m.tenant, a.body
	m.part = h.cache.KeyOf("meaning "+f.gen.caching.embedder+"\x00"+strings.Join(signs, "\x00"), &a.Asked)
	age := how.age
	if how.ttl > 0 {
		m.ttl = min(how.ttl, rule.meantTTL)
		if age == 0 || m.ttl < age {
			age = m.ttl
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.Deadline)
	defer cancel()
	began := time.Now()
	m.vector = h.embed(ctx, f, said)
	defer func() { f.Upstream += time.Since(began) }()
	if m.vector == nil {
		h.cache.Late()
		return
	}
	if f.recall.meaning = m; how.refresh {
		return
	}
	e, _ := h.cache.Near(ctx, m.part, m.vector, rule.threshold, f.Received, age)
	if e == nil || e.Stream != f.Facts.Stream || !f.found(e, call.CacheSemantic) {
		return
	}
	f.recall.meaning = nil
}

// said finds the words of the last message, and leaves in a's body all but
// those; false: f is not one to be compared by meaning.
func (f *flight) said(a *asked) (string, bool) {
	if f.Op != wire.OpChat || f.Facts.In != scan.Text {
		return "", false
	}
	var ok bool
	if a.parts, ok = text.Request(a.parts[:0], f.Op, f.Dialect, f.Body); !ok {
		return "", false
	}
	last := -1
	for i := range a.parts {
		if a.parts[i].Channel != text.ChannelSystem {
			last = i
		}
	}
	if last < 0 {
		return "", false
	}
	p := &a.parts[last]
	if p.Channel != text.ChannelUser || p.Kind != text.KindText || p.From < 1 || f.Body[p.From-1] != '"' {
		return "", false
	}
	var words string
	if p.To >= len(f.Body) || json.Unmarshal(f.Body[p.From-1:p.To+1], &words) != nil {
		return "", false
	}
	a.body, ok = a.canon.Without(a.body[:0], f.Body, p.From-1)
	return words, ok
}

// embed makes a vector of words through the gateway itself, nil: it could not
// be had in time. What it costs is on the account of the caller, or of the
// gateway, in a record of its own.
func (h *Host) embed(ctx context.Context, f *flight, words string) []float32 {
	s := f.gen.caching.semantic
	body, err := json.Marshal(map[string]any{"model": s.Model, "input": words, "encoding_format": "base64"})
	if err != nil {
		return nil
	}
	in := innerCall{Principal: f.Principal, Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, Model: s.Model, Body: body,
		Parent: &f.Call, Origin: originCache, Once: true}
	if s.As == "gateway" {
		in.Principal, in.Decision = internal(originCache), permitted
	}
	ans, failed := h.inner(ctx, &in)
	if failed != nil {
		h.log.Debug("cannot embed what a request says", "request", f.ID, "err", failed)
		return nil
	}
	return vectorOf(ans.Body)
}

// vectorOf reads the one vector of an answer, nil: there is none.
func vectorOf(body []byte) (v []float32) {
	var said struct {
		Data []struct {
			Embedding json.RawMessage `json:"embedding"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &said) != nil || len(said.Data) != 1 {
		return nil
	}
	raw := said.Data[0].Embedding
	if len(raw) > 0 && raw[0] == '[' { // not all providers know base64
		if json.Unmarshal(raw, &v) != nil {
			return nil
		}
		return v
	}
	var coded string
	if json.Unmarshal(raw, &coded) != nil {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(coded)
	if err != nil || len(b)%4 != 0 {
		return nil
	}
	for ; len(b) > 0; b = b[4:] {
		v = append(v, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return v
}

// learner keeps meanings, beside the requests.
type learner struct {
	cache *cache.Cache
	jobs  chan learned
	stop  context.CancelFunc
	wg    sync.WaitGroup
}

type learned struct {
	part   cache.Key
	vector []float32
	entry  *cache.Entry
}

func newLearner(c *cache.Cache) *learner {
	ctx, stop := context.WithCancel(context.Background())
	l := &learner{cache: c, jobs: make(chan learned, learnQueue), stop: stop}
	for range learners {
		l.wg.Go(func() { l.work(ctx) })
	}
	return l
}

// Stop drops what waits. It may be called of none.
func (l *learner) Stop() {
	if l != nil {
		l.stop()
		l.wg.Wait()
	}
}

func (l *learner) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-l.jobs:
			within, cancel := context.WithTimeout(ctx, learnTime)
			l.cache.Learn(within, j.part, j.vector, j.entry)
			cancel()
			l.cache.Left(j.entry)
		}
	}
}

// rememberMeaning keeps an answer under what its request meant.
func (h *Host) rememberMeaning(f *flight, e *cache.Entry) {
	m := f.recall.meaning
	if m == nil || h.learner == nil {
		return
	}
	meant := *e
	meant.Tenant, meant.Expires = m.tenant, e.Made+m.ttl.Milliseconds()
	if !f.recall.keep {
		meant.Key = m.part
	}
	if !h.cache.Waits(&meant) {
		h.cache.Dropped()
		return
	}
	select {
	case h.learner.jobs <- learned{m.part, m.vector, &meant}:
	default:
		h.cache.Left(&meant)
		h.cache.Dropped()
	}
}
