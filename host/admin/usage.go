package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// sums are the figures of a row, or of several.
type sums struct {
	Requests  int64  `json:"requests"`
	Errors    int64  `json:"errors"`
	Refused   int64  `json:"refused"`
	Tokens    tokens `json:"tokens"`
	Units     units  `json:"units,omitzero"`
	CostUSD   usd    `json:"cost_usd"`
	Reported  usd    `json:"reported_usd"`        // of the cost, what providers told
	Computed  usd    `json:"computed_usd"`        // reported usage × price
	Estimated usd    `json:"estimated_usd"`       // bounded from sizes
	Saved     usd    `json:"saved_usd,omitempty"` // by caches: it is not in the cost
}

type tokens struct {
	Input        int64 `json:"input"`
	CacheRead    int64 `json:"cache_read"`
	CacheWrite5m int64 `json:"cache_write_5m"`
	CacheWrite1h int64 `json:"cache_write_1h"`
	Output       int64 `json:"output"`
	Reasoning    int64 `json:"reasoning"`

	AudioInput     int64 `json:"audio_input,omitempty"`
	AudioOutput    int64 `json:"audio_output,omitempty"`
	ImageInput     int64 `json:"image_input,omitempty"`
	ImageOutput    int64 `json:"image_output,omitempty"`
	CacheReadAudio int64 `json:"cache_read_audio,omitempty"`
	CacheReadImage int64 `json:"cache_read_image,omitempty"`

	Total int64 `json:"total"`
}

// units are what is not counted in tokens.
type units struct {
	Characters   int64 `json:"characters,omitempty"`
	AudioMS      int64 `json:"audio_ms,omitempty"`
	Images       int64 `json:"images,omitempty"`
	Pages        int64 `json:"pages,omitempty"`
	Searches     int64 `json:"searches,omitempty"`
	ReportedCost usd   `json:"reported_cost_usd,omitempty"` // what providers told, whatever the cost is
}

func sumsOf(r *call.UsageRow) sums {
	t, u := tokensOf(&r.Usage)
	return sums{Requests: r.Requests, Errors: r.Errors, Refused: r.Refused, Tokens: t, Units: u,
		CostUSD: usd(r.Cost), Reported: usd(r.Reported), Computed: usd(r.Computed), Estimated: usd(r.Estimate), Saved: usd(r.Saved)}
}

func tokensOf(u *wire.Usage) (tokens, units) {
	return tokens{Input: u.Input, CacheRead: u.CacheRead, CacheWrite5m: u.CacheWrite5m, CacheWrite1h: u.CacheWrite1h, Output: u.Output, Reasoning: u.Reasoning,
			AudioInput: u.AudioInput, AudioOutput: u.AudioOutput, ImageInput: u.ImageInput, ImageOutput: u.ImageOutput,
			CacheReadAudio: u.CacheReadAudio, CacheReadImage: u.CacheReadImage, Total: u.Total()},
		units{Characters: u.Characters, AudioMS: u.Millis, Images: u.Images, Pages: u.Pages, Searches: u.Searches, ReportedCost: usd(u.Cost)}
}

// usageRow is written as one object: what it is of, then its figures.
type usageRow struct {
	by, keys []string
	sums
}

// MarshalJSON implements json.Marshaler.
func (r usageRow) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, name := range r.by {
		key, err := json.Marshal(r.keys[i])
		if err != nil {
			return nil, err
		}
		out = append(append(append(append(out, '"'), name...), `":`...), key...)
		out = append(out, ',')
	}
	figures, err := json.Marshal(r.sums)
	return append(out, figures[1:]...), err
}

// usageAnswer is the body of GET /admin/usage.
type usageAnswer struct {
	By     []string   `json:"by"`
	Source string     `json:"source"` // "sums", or "requests" where sums do not hold what is asked for
	Rows   []usageRow `json:"rows"`
	Total  sums       `json:"total"`
}

// usualBy is what usage is shown by when nothing is said.
var usualBy = []string{"day", "key", "model"}

func (s *Server) usage(w http.ResponseWriter, r *http.Request) {
	q, format, err := usageQuery(r)
	if err != nil {
		s.fail(w, err)
		return
	}
	got, err := s.opt.Ledger.Usage(r.Context(), q)
	if err != nil {
		s.fail(w, gone(err))
		return
	}
	if format == "csv" {
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		_ = usageCSV(w, q.By, got.Rows) // who asked has left
		return
	}
	a := usageAnswer{By: q.By, Source: got.Source, Rows: make([]usageRow, 0, len(got.Rows))}
	var total call.UsageRow
	for i := range got.Rows {
		row := &got.Rows[i]
		a.Rows = append(a.Rows, usageRow{by: q.By, keys: row.Keys, sums: sumsOf(row)})
		total.Add(row)
	}
	a.Total = sumsOf(&total)
	s.run(func(http.ResponseWriter, *http.Request) (any, error) { return a, nil })(w, r)
}

// gone shows callers what the ledger cannot tell them.
func gone(err error) error {
	switch {
	case errors.Is(err, call.ErrUsageGone):
		return wire.Errorf(http.StatusUnprocessableEntity, "no_longer_kept", "%v", err)
	case errors.Is(err, call.ErrUsageGroups):
		return wire.Errorf(http.StatusUnprocessableEntity, "too_many_groups", "%v", err)
	}
	return err
}

// usageQuery reads by, from, to, tz and format; all other parameters are
// dimensions with a value that they are to have, or with "!" at the end of
// their name, not to have.
func usageQuery(r *http.Request) (q call.UsageQuery, format string, err error) {
	query := r.URL.Query()
	q.Zone = time.UTC
	if tz := query.Get("tz"); tz != "" {
		if q.Zone, err = time.LoadLocation(tz); err != nil || tz == "Local" {
			return q, "", invalid("tz=%q is no time zone: give an IANA name such as Europe/Berlin", tz)
		}
	}
	for name, values := range query {
		v := values[len(values)-1]
		switch name {
		case "tz":
		case "by":
			q.By, err = dimensions(strings.Split(strings.Join(values, ","), ","))
		case "from":
			q.From, err = moment(v, q.Zone)
		case "to":
			q.To, err = moment(v, q.Zone)
		case "format":
			format, err = v, oneOf("format", v, "json", "csv")
		default:
			err = filter(&q.Where, name, values, "by, from, to, tz, format")
		}
		if err != nil {
			return q, "", err
		}
	}
	if q.By == nil {
		q.By = usualBy
	}
	return q, format, nil
}

func dimensions(names []string) (by []string, err error) {
	by = []string{}
	for _, name := range names {
		switch {
		case name == "" || name == "total":
		case !slices.Contains(call.Dimensions, name):
			return nil, invalid("by=%q: known are %s, or total for one sum", name, strings.Join(call.Dimensions, ", "))
		case slices.Contains(by, name):
			return nil, invalid("by has %q twice", name)
		default:
			by = append(by, name)
		}
	}
	return by, nil
}

// filter adds the parameter called name to where; also: what may be given beside
// dimensions.
func filter(where *[]call.UsageFilter, name string, values []string, also string) error {
	f := call.UsageFilter{Values: values}
	f.By, f.Not = strings.CutSuffix(name, "!")
	switch {
	case !slices.Contains(call.Dimensions, f.By):
		return invalid("unknown parameter %q: known are %s, and as filters %s", name, also, strings.Join(call.Dimensions, ", "))
	case slices.Contains([]string{"minute", "hour", "day", "week", "month"}, f.By):
		return invalid("%s=%s: bound the time with from and to", name, values[0])
	}
	*where = append(*where, f)
	return nil
}

func oneOf(name, v string, known ...string) error {
	if slices.Contains(known, v) {
		return nil
	}
	return invalid("%s=%q: known are %s", name, v, strings.Join(known, ", "))
}

func moment(s string, zone *time.Location) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, invalid("%q is not a time: write 2026-05-20, 2026-05-20T15:04 or 2026-05-20T15:04:05Z", s)
}

// usd is an amount in nano-dollars that is written as a number of dollars.
type usd int64

// MarshalJSON writes all digits.
func (u usd) MarshalJSON() ([]byte, error) { return call.AppendUSD(nil, int64(u)), nil }
