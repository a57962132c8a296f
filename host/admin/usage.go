package admin

import (
	"net/http"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// UsageQuery selects usage. Empty fields select all.
type UsageQuery struct {
	Key   string // id or name
	Team  string
	Model string // provider/model
	// From and To bound the time: From ≤ t < To. Zero is unbounded.
	From, To time.Time
}

// UsageRow is what one key used of one model on one day (UTC).
type UsageRow struct {
	Day      string // 2026-05-20
	KeyID    string
	KeyName  string
	Team     string
	Model    string // provider/model, "" for requests that reached none
	Requests int64
	Errors   int64
	Usage    wire.Usage
	Cost     int64 // nano-dollars
}

// sums are the figures of a row, or of several.
type sums struct {
	Requests int64  `json:"requests"`
	Errors   int64  `json:"errors"`
	Tokens   tokens `json:"tokens"`
	Units    units  `json:"units,omitzero"`
	CostUSD  usd    `json:"cost_usd"`
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
	ReportedCost usd   `json:"reported_cost_usd,omitempty"` // the part of the cost that providers told
}

func (s *sums) add(r *UsageRow) {
	s.Requests += r.Requests
	s.Errors += r.Errors
	s.CostUSD += usd(r.Cost)
	t, u := &s.Tokens, &r.Usage
	t.Input += u.Input
	t.CacheRead += u.CacheRead
	t.CacheWrite5m += u.CacheWrite5m
	t.CacheWrite1h += u.CacheWrite1h
	t.Output += u.Output
	t.Reasoning += u.Reasoning
	t.AudioInput += u.AudioInput
	t.AudioOutput += u.AudioOutput
	t.ImageInput += u.ImageInput
	t.ImageOutput += u.ImageOutput
	t.CacheReadAudio += u.CacheReadAudio
	t.CacheReadImage += u.CacheReadImage
	t.Total += u.Total()
	n := &s.Units
	n.Characters += u.Characters
	n.AudioMS += u.Millis
	n.Images += u.Images
	n.Pages += u.Pages
	n.Searches += u.Searches
	n.ReportedCost += usd(u.Cost)
}

type usageRow struct {
	Day   string `json:"day"`
	Key   string `json:"key"`
	KeyID string `json:"key_id"`
	Team  string `json:"team,omitempty"`
	Model string `json:"model"`
	sums
}

type group struct {
	Name string `json:"name"`
	sums
}

// usageAnswer is the body of GET /admin/usage.
type usageAnswer struct {
	Rows    []usageRow `json:"rows"`
	ByKey   []group    `json:"by_key"`
	ByModel []group    `json:"by_model"`
	ByDay   []group    `json:"by_day"`
	Total   sums       `json:"total"`
}

func (s *Server) usage(_ http.ResponseWriter, r *http.Request) (any, error) {
	if s.opt.Usage == nil {
		return nil, notFound("there is no usage here")
	}
	q, err := usageQuery(r)
	if err != nil {
		return nil, err
	}
	rows, err := s.opt.Usage(r.Context(), q)
	if err != nil {
		return nil, err
	}
	a := usageAnswer{Rows: make([]usageRow, 0, len(rows))}
	for i := range rows {
		row := &rows[i]
		out := usageRow{Day: row.Day, Key: row.KeyName, KeyID: row.KeyID, Team: row.Team, Model: row.Model}
		out.add(row)
		a.Rows = append(a.Rows, out)
		a.Total.add(row)
	}
	a.ByKey = grouped(rows, func(r *UsageRow) string { return r.KeyName })
	a.ByModel = grouped(rows, func(r *UsageRow) string { return r.Model })
	a.ByDay = grouped(rows, func(r *UsageRow) string { return r.Day })
	return a, nil
}

func usageQuery(r *http.Request) (q UsageQuery, err error) {
	for name, values := range r.URL.Query() {
		v := values[len(values)-1]
		switch name {
		case "key":
			q.Key = v
		case "team":
			q.Team = v
		case "model":
			q.Model = v
		case "from":
			q.From, err = moment(v)
		case "to":
			q.To, err = moment(v)
		default:
			err = invalid("unknown parameter %q: known are key, team, model, from, to", name)
		}
		if err != nil {
			return q, err
		}
	}
	return q, nil
}

func moment(s string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, invalid("%q is not a time: write 2026-05-20 or 2026-05-20T15:04:05Z", s)
}

// grouped sums rows up by name, in order of the name.
func grouped(rows []UsageRow, name func(*UsageRow) string) []group {
	at, out := map[string]int{}, []group{}
	for i := range rows {
		n := name(&rows[i])
		j, ok := at[n]
		if !ok {
			j = len(out)
			at[n] = j
			out = append(out, group{Name: n})
		}
		out[j].add(&rows[i])
	}
	slices.SortFunc(out, func(a, b group) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}
