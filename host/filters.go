package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/filter"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/release"
	"github.com/signalbox-ai/signalbox/host/telemetry"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/module"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// openFilters makes the set of filters, which lasts as long as the host, and
// opens the register of their modules' versions.
func (h *Host) openFilters(ctx context.Context, cfg *config.Config) (err error) {
	h.filters, err = filter.New(filter.Options{Log: h.log, CacheDir: filepath.Join(h.dir, "wasm-cache"), Notify: h.filterNotices.Add,
		AllowUnmetered: cfg.Modules.AllowUnmetered})
	if err != nil {
		return err
	}
	h.filterMods, err = release.Open(ctx, release.Options{Kind: module.Filter, Fleet: h.filters, Store: h.store, Notices: &h.filterNotices,
		Check: func(s wasm.Source) (*module.Manifest, string, error) {
			return s.Check(module.Filter, *h.signers.Load())
		},
		Vouched: h.vouched, Replay: h.replayFilter, Unproven: true, Log: h.log})
	return err
}

// closeFilters ends what openFilters has made.
func (h *Host) closeFilters() error {
	if h.filterMods != nil {
		h.filterMods.Close()
	}
	if h.filters != nil {
		return h.filters.Close()
	}
	return nil
}

// filterPlan is what a configuration says of filters, readied.
type filterPlan struct {
	modules *release.Prepared
	natives map[string]filter.Native
	links   map[string]filter.Link
}

// prepareFilters readies the filters that g's configuration brings, beside
// those that run.
func (h *Host) prepareFilters(ctx context.Context, g *generation) (err error) {
	g.filters = filterPlan{natives: map[string]filter.Native{}, links: map[string]filter.Link{}}
	seeds := map[string]release.Seed{}
	for name, f := range g.cfg.Filters {
		if builtin, is := nativeName(f); is {
			g.filters.natives[name], err = nativeFilter(builtin, f)
		} else {
			seeds[name], err = readFilter(f)
		}
		if err != nil {
			return fmt.Errorf("cannot load filter %q: %w", name, err)
		}
		g.filters.links[name] = filter.Link{Guard: f.Guard,
			Request: len(f.On) == 0 || slices.Contains(f.On, "request"), Answer: len(f.On) == 0 || slices.Contains(f.On, "answer")}
	}
	g.filters.modules, err = h.filterMods.Prepare(ctx, seeds, strings.Join(g.tags, "\n"))
	return err
}

func nativeFilter(builtin string, f config.Filter) (filter.Native, error) {
	if f.SHA256 != "" {
		return filter.Native{}, errors.New("sha256 pins a module, and this filter is part of the gateway: leave it out")
	}
	var settings []byte
	if len(f.Config) > 0 {
		var err error
		if settings, err = json.Marshal(map[string]any(f.Config)); err != nil {
			return filter.Native{}, err
		}
	}
	return filter.NewNative(builtin, settings)
}

func readFilter(f config.Filter) (release.Seed, error) {
	seed, err := readSeed(f.File, f.SHA256, f.Config)
	seed.OnError = f.OnError
	return seed, err
}

// use takes a configuration's filters into use, once its modules are.
func (p *filterPlan) use(set *filter.Set) {
	for name, n := range p.natives {
		set.PutNative(name, n)
	}
	for name, l := range p.links {
		l.Handle = set.Handle(name)
		p.links[name] = l
	}
}

// chainOf are the filters that look at a request: those that policy requires,
// then the model's own.
func (f *flight) chainOf() ([]filter.Link, *wire.Error) { return f.linked(f.Model.Filters) }

// linked are those that policy requires, then own.
func (f *flight) linked(own []string) (links []filter.Link, err *wire.Error) {
	f.links = f.links[:0]
	lacks := ""
	add := func(names []string) bool {
		for _, name := range names {
			link, ok := f.gen.filters.links[name]
			if !ok {
				lacks = name
				return false
			}
			if !slices.ContainsFunc(f.links, func(l filter.Link) bool { return l.Handle == link.Handle }) {
				f.links = append(f.links, link)
			}
		}
		return true
	}
	if !add(f.Decision.Filters) || !add(own) {
		e := wire.Errorf(403, "policy_error", "filter %q has to look at the request, and there is none: tell the operator request %s", lacks, f.ID)
		e.Class = wire.ClassPolicy
		return nil, e
	}
	return f.links, nil
}

// filter has the filters look at the request, which they may rewrite, and
// readies them for the answer. What the gateway asks for itself they have seen,
// or is theirs.
func (h *Host) filter(f *flight) *wire.Error {
	if f.internal() || len(f.Decision.Filters) == 0 && len(f.Model.Filters) == 0 {
		return nil
	}
	if err := h.solvent(f); err != nil {
		return err
	}
	chain, err := f.chainOf()
	if err != nil {
		return err
	}
	f.screen = h.filters.Begin(&f.Call, chain, h)
	body, err := f.screen.Request()
	if err != nil {
		return err
	}
	if len(body) > 0 && &body[0] != &f.Body[0] {
		if err := f.rewritten(body); err != nil {
			return err
		}
	}
	return f.screen.Expect()
}

// rewritten makes body the request's. What its path says of it stays.
func (f *flight) rewritten(body []byte) *wire.Error {
	model, stream := f.Facts.Model, f.Facts.Stream
	f.Body = body
	err := scan.Operation(&f.Facts, f.Op, f.Dialect, body)
	if err != nil {
		return err
	}
	if f.Facts.Stream = stream; !bytes.Equal(f.Facts.Model, model) {
		f.Facts.Model = model
	}
	return nil
}

// filterAnswer has the filters look at an answer that is whole.
func (f *flight) filterAnswer(ans call.Answer) (call.Answer, *wire.Error) {
	if f.screen != nil {
		body, err := f.screen.Answer(ans)
		if err != nil {
			return call.Answer{}, err
		}
		ans.Body = body
	}
	f.answeredWith(ans.Body)
	return ans, nil
}

// Judge implements filter.Guard.
func (h *Host) Judge(ctx context.Context, _ *call.Call, model string, text []byte) (flagged bool, _ error) {
	body, err := json.Marshal(map[string]string{"model": model, "input": string(text)})
	if err != nil {
		return false, err
	}
	ans, failed := h.inner(ctx, &innerCall{Principal: internal("guard"), Op: wire.OpModeration, Dialect: wire.OpenAIModeration, Model: model,
		Body: body, Decision: permitted})
	if failed != nil {
		return false, failed
	}
	var said struct {
		Results []struct {
			Flagged *bool `json:"flagged"`
		} `json:"results"`
	}
	if err := json.Unmarshal(ans.Body, &said); err != nil {
		return false, fmt.Errorf("cannot read what guard %q says: %w", model, err)
	}
	for _, r := range said.Results {
		if r.Flagged == nil {
			return false, fmt.Errorf("guard %q does not say whether it flags the text", model)
		}
		flagged = flagged || *r.Flagged
	}
	if len(said.Results) == 0 {
		return false, fmt.Errorf("guard %q says nothing", model)
	}
	return flagged, nil
}

// replayFilter shows a version, and the one that is active, the texts that an
// operator brings.
func (h *Host) replayFilter(ctx context.Context, name string, now lane.Source, q release.Query) (*release.Proof, error) {
	var texts []filter.Text
	if len(q.Texts) > 0 {
		if err := json.Unmarshal(q.Texts, &texts); err != nil {
			return nil, wire.Errorf(400, "invalid_request", "texts cannot be read, want [{\"channel\": \"user\", \"text\": \"…\"}]: %v", err)
		}
	}
	if len(texts) == 0 {
		return nil, wire.Errorf(400, "invalid_request", "there are no texts to show filter %q, and the gateway keeps none: give some, with signalbox filter replay %s --texts FILE", name, name)
	}
	var before *lane.Source
	if active := h.filters.Lanes(name).Active; active != "" {
		src, err := h.filterMods.Source(ctx, name, active)
		if err != nil {
			return nil, err
		}
		before = &src
	}
	report, err := h.filters.Replay(ctx, name, now, before, texts)
	if err != nil {
		return nil, refused("replay_failed", err)
	}
	text, err := json.Marshal(report)
	return &release.Proof{Report: text, Passed: report.Passed, Summary: report.Summary()}, err
}

// filterModules is what the admin API does with filters' modules.
func (h *Host) filterModules() *admin.Modules {
	return versionsOf(h.filterMods, h.log, func(m *release.Module) {
		if s := h.filters.Handle(m.Name); s != nil && s.Stats().Shadow != nil {
			m.Compared = s.Stats().Shadow
		}
	})
}

// filterFamilies are the counters of filters.
func (h *Host) filterFamilies() []telemetry.Family {
	each := func(name, help string, labels []string, collect func(*filter.Stats, telemetry.Emit)) telemetry.Family {
		return telemetry.Family{Name: name, Help: help, Labels: append([]string{"filter"}, labels...), Collect: func(emit telemetry.Emit) {
			for _, s := range h.filters.Stats() {
				collect(&s, emit)
			}
		}}
	}
	return []telemetry.Family{
		each("filter_calls_total", "Windows of text that a filter was shown.", nil, func(s *filter.Stats, emit telemetry.Emit) { emit(float64(s.Calls), s.Name) }),
		each("filter_verdicts_total", "What a filter said of windows.", []string{"action"}, func(s *filter.Stats, emit telemetry.Emit) {
			for action, n := range s.Actions {
				emit(float64(n), s.Name, action)
			}
		}),
		each("filter_codes_total", "Blocks and escalations by the filter's own code.", []string{"code"}, func(s *filter.Stats, emit telemetry.Emit) {
			for code, n := range s.Codes {
				emit(float64(n), s.Name, strconv.FormatUint(uint64(code), 10))
			}
		}),
		each("filter_findings_total", "What a filter found in the text.", nil, func(s *filter.Stats, emit telemetry.Emit) { emit(float64(s.Findings), s.Name) }),
		each("filter_faults_total", "Windows that a filter failed at.", []string{"kind"}, func(s *filter.Stats, emit telemetry.Emit) {
			for kind, n := range s.Faults {
				emit(float64(n), s.Name, kind)
			}
		}),
		each("filter_opened_total", "Windows that passed though the filter could not judge them, as its on_error says.", nil,
			func(s *filter.Stats, emit telemetry.Emit) { emit(float64(s.Opened), s.Name) }),
		each("filter_fuel_total", "Fuel that a filter has spent.", nil, func(s *filter.Stats, emit telemetry.Emit) { emit(float64(s.Fuel), s.Name) }),
		each("filter_bytes_total", "Bytes of text that a filter has settled.", nil, func(s *filter.Stats, emit telemetry.Emit) { emit(float64(s.Bytes), s.Name) }),
	}
}
