package route

import (
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	manifest "github.com/signalbox-ai/signalbox/sdk/module"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// Layouts that offsets are taken from.
var (
	request abi.Request
	target  abi.Target
)

// recordSize is the size of c's record for a module that has needs.
func recordSize(c *call.Call, needs call.Needs) int {
	n := min(len(c.Candidates), call.MaxCandidates)
	size := abi.RequestSize + n*abi.TargetSize + len(modelName(c)) + len(tenant(c))
	if needs&call.NeedIdentity != 0 && c.Principal != nil {
		size += len(c.Principal.KeyID) + len(c.Principal.Team) + len(c.Principal.User)
	}
	if needs&call.NeedMetadata != 0 {
		size += len(c.Wants.Meta)
	}
	for i := range n {
		t := c.Candidates[i].Target
		size += len(t.Name) + len(t.Region)
	}
	return size
}

// needsOf are the needs that a manifest names.
func needsOf(m *manifest.Manifest) (needs call.Needs) {
	for _, name := range m.Needs {
		switch name {
		case manifest.Session:
			needs |= call.NeedSession
		case manifest.Budget:
			needs |= call.NeedBudget
		case manifest.Identity:
			needs |= call.NeedIdentity
		case manifest.Metadata:
			needs |= call.NeedMetadata
		case manifest.Features:
			needs |= call.NeedFeatures
		}
	}
	return needs
}

// encode writes c's record, for a module that has needs, over dst, which has
// recordSize bytes. Every byte is written: dst holds what an earlier call left.
// What is needed has been filled in.
func encode(dst []byte, c *call.Call, now int64, seed uint64, needs call.Needs) {
	n := min(len(c.Candidates), call.MaxCandidates)
	s := table{record.Strings{Record: dst, At: abi.RequestSize + n*abi.TargetSize}}
	b := (*[abi.RequestSize]byte)(dst)
	s.request(b, c, now, seed)
	clear(b[unsafe.Offsetof(request.Session):])
	if needs != 0 {
		s.needed(b, c, needs)
	}
	for i := range n {
		s.target((*[abi.TargetSize]byte)(dst[abi.RequestSize+i*abi.TargetSize:]), c.Candidates[i].Target, now)
	}
}

// table writes the parts of a record and the strings behind them.
type table struct{ record.Strings }

func (s *table) request(b *[abi.RequestSize]byte, c *call.Call, now int64, seed uint64) {
	le := binary.LittleEndian
	f := &c.Facts
	le.PutUint32(b[unsafe.Offsetof(request.Magic):], abi.MagicRequest)
	le.PutUint16(b[unsafe.Offsetof(request.Version):], abi.Minor)
	le.PutUint16(b[unsafe.Offsetof(request.HeaderSize):], uint16(abi.RequestSize))
	le.PutUint32(b[unsafe.Offsetof(request.Total):], uint32(len(s.Record)))
	le.PutUint32(b[unsafe.Offsetof(request.Flags):], flags(f))
	le.PutUint64(b[unsafe.Offsetof(request.ID):], uint64(c.ID))
	le.PutUint64(b[unsafe.Offsetof(request.NowMS):], uint64(now))
	le.PutUint64(b[unsafe.Offsetof(request.Rand):], seed)
	s.Put(b[unsafe.Offsetof(request.Model):], modelName(c))
	s.Put(b[unsafe.Offsetof(request.Tenant):], tenant(c))
	le.PutUint32(b[unsafe.Offsetof(request.Kind):], uint32(c.Op))
	le.PutUint32(b[unsafe.Offsetof(request.Priority):], c.Wants.Priority)
	le.PutUint32(b[unsafe.Offsetof(request.InTokens):], clip(c.InputTokens()))
	le.PutUint32(b[unsafe.Offsetof(request.OutTokens):], clip(f.MaxTokens))
	le.PutUint32(b[unsafe.Offsetof(request.DeadlineMS):], 0)
	le.PutUint32(b[unsafe.Offsetof(request.Attempt):], uint32(len(c.Attempts)))
	le.PutUint64(b[unsafe.Offsetof(request.Budget):], 0)
	le.PutUint64(b[unsafe.Offsetof(request.NeedTags):], c.Wants.NeedTags)
	le.PutUint64(b[unsafe.Offsetof(request.DenyTags):], c.Wants.DenyTags)
	le.PutUint32(b[unsafe.Offsetof(request.Targets):], uint32(min(len(c.Candidates), call.MaxCandidates)))
	le.PutUint32(b[unsafe.Offsetof(request.TargetOff):], uint32(abi.RequestSize))
	le.PutUint32(b[unsafe.Offsetof(request.TargetSize):], uint32(abi.TargetSize))
	le.PutUint32(b[unsafe.Offsetof(request.LastError):], lastError(c))
	le.PutUint32(b[unsafe.Offsetof(request.Objective):], abi.ObjectiveNone)
	le.PutUint32(b[unsafe.Offsetof(request.Size):], clip(int64(f.Size)))
}

// needed writes what modules ask for.
func (s *table) needed(b *[abi.RequestSize]byte, c *call.Call, needs call.Needs) {
	le, w := binary.LittleEndian, &c.Wants
	if needs&call.NeedSession != 0 {
		le.PutUint64(b[unsafe.Offsetof(request.Session):], w.Session)
		le.PutUint64(b[unsafe.Offsetof(request.Prefix):], w.Prefix)
		le.PutUint32(b[unsafe.Offsetof(request.Sticky):], sticky(c))
	}
	if needs&call.NeedBudget != 0 {
		le.PutUint64(b[unsafe.Offsetof(request.Budget):], uint64(w.Budget))
		le.PutUint64(b[unsafe.Offsetof(request.BudgetMax):], uint64(w.BudgetMax))
	}
	if p := c.Principal; needs&call.NeedIdentity != 0 && p != nil {
		s.Put(b[unsafe.Offsetof(request.Key):], p.KeyID)
		s.Put(b[unsafe.Offsetof(request.Team):], p.Team)
		s.Put(b[unsafe.Offsetof(request.User):], p.User)
	}
	if needs&call.NeedMetadata != 0 {
		s.PutBytes(b[unsafe.Offsetof(request.Meta):], w.Meta)
	}
	if needs&call.NeedFeatures != 0 {
		putFeatures(b[unsafe.Offsetof(request.Features):], &w.Features)
	}
}

// putFeatures writes the counts, which are all of four bytes.
func putFeatures(b []byte, f *abi.Features) {
	for i, n := range [...]uint32{f.Messages, f.SystemBytes, f.UserBytes, f.Words, f.LongWords, f.Sentences, f.Questions, f.Lines,
		f.CodeLines, f.Items, f.Numbers, f.Signs, f.Hard, f.Easy, f.Foreign, 0} {
		binary.LittleEndian.PutUint32(b[4*i:], n)
	}
}

// sticky is 1 + the index of the candidate that answered the session last, 0 if
// it is none of them.
func sticky(c *call.Call) uint32 {
	if c.Wants.Last == "" {
		return 0
	}
	for i := range min(len(c.Candidates), call.MaxCandidates) {
		if c.Candidates[i].Target.Name == c.Wants.Last {
			return uint32(i) + 1
		}
	}
	return 0
}

func (s *table) target(b *[abi.TargetSize]byte, t *call.Target, now int64) {
	le := binary.LittleEndian
	s.Put(b[unsafe.Offsetof(target.ID):], t.Name)
	s.Put(b[unsafe.Offsetof(target.Region):], t.Region)
	le.PutUint64(b[unsafe.Offsetof(target.Tags):], t.Tags)
	var in, out, context int64
	if t.Price != nil {
		in, out, context = t.Price.Input/1000, t.Price.Output/1000, t.Price.Context
	}
	le.PutUint64(b[unsafe.Offsetof(target.PriceIn):], uint64(in))
	le.PutUint64(b[unsafe.Offsetof(target.PriceOut):], uint64(out))
	le.PutUint32(b[unsafe.Offsetof(target.Context):], clip(context))
	s.live(b, t, now)
	le.PutUint32(b[unsafe.Offsetof(target.Circuit):], circuit(t, now))
	le.PutUint32(b[unsafe.Offsetof(target.RetryAfterMS):], clip(pause(t, now)))
	le.PutUint32(b[unsafe.Offsetof(target.Weight):], max(t.Weight, 1))
	le.PutUint64(b[unsafe.Offsetof(target.Quality):], math.Float64bits(t.Quality))
	le.PutUint32(b[unsafe.Offsetof(target.Priority):], t.Priority)
	le.PutUint32(b[unsafe.Offsetof(target.Capabilities):], 0)
}

// live writes what dispatch knows of a target.
func (s *table) live(b *[abi.TargetSize]byte, t *call.Target, now int64) {
	le := binary.LittleEndian
	var ttft, token, errors float64
	inFlight, requests, tokens := int32(0), int64(-1), int64(-1)
	if st := t.State; st != nil {
		ttft, token, errors = st.TTFT(), st.TokenMS(), st.ErrorRate()
		inFlight, requests, tokens = st.InFlight.Load(), st.RequestsLeft.Load(), st.TokensLeft.Load()
	}
	if t.Provider != nil && len(t.Provider.Credentials) > 0 {
		requests, tokens = t.Left(now)
	}
	le.PutUint64(b[unsafe.Offsetof(target.TTFTMS):], math.Float64bits(ttft))
	le.PutUint64(b[unsafe.Offsetof(target.TokenMS):], math.Float64bits(token))
	le.PutUint64(b[unsafe.Offsetof(target.ErrorRate):], math.Float64bits(errors))
	le.PutUint32(b[unsafe.Offsetof(target.InFlight):], uint32(max(inFlight, 0)))
	le.PutUint32(b[unsafe.Offsetof(target.MaxInFlight):], t.MaxInFlight)
	le.PutUint32(b[unsafe.Offsetof(target.RequestsLeft):], uint32(left(requests)))
	le.PutUint32(b[unsafe.Offsetof(target.TokensLeft):], uint32(left(tokens)))
}

func flags(f *scan.Facts) (flags uint32) {
	set := func(is bool, flag uint32) {
		if is {
			flags |= flag
		}
	}
	set(f.Stream, abi.FlagStream)
	set(len(f.Tools) > 0, abi.FlagTools)
	set(f.In&scan.Image != 0, abi.FlagImages)
	set(f.In&scan.Audio != 0, abi.FlagAudio)
	set(f.In&scan.File != 0, abi.FlagFiles)
	set(f.CacheControl, abi.FlagCacheControl)
	return flags
}

func modelName(c *call.Call) string {
	if c.Model == nil {
		return ""
	}
	return c.Model.Name
}

// tenant is the widest name that the caller's key belongs to.
func tenant(c *call.Call) string {
	switch p := c.Principal; {
	case p == nil:
		return ""
	case p.Org != "":
		return p.Org
	case p.Team != "":
		return p.Team
	default:
		return p.KeyID
	}
}

func lastError(c *call.Call) uint32 {
	if n := len(c.Attempts); n > 0 {
		return uint32(c.Attempts[n-1].Class)
	}
	return abi.ErrorNone
}

// clip brings n into the range of an unsigned 32-bit field.
func clip(n int64) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }

// left brings a count of what is left, -1 for unknown, into 32 bits.
func left(n int64) int32 { return int32(min(max(n, -1), math.MaxInt32)) }
