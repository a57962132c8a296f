package admin

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Live is what passes through this node, as it passes.
type Live struct {
	Since  func() time.Time // from when on there are figures
	Series func(minutes int) []call.Passed
	// Watch tells of the requests that keep holds to, nil: of all.
	Watch func(keep func(*call.Record) bool) (Feed, *wire.Error)
}

// Feed is what one watcher is told.
type Feed interface {
	Rows() <-chan *call.LedgerRow
	Seconds() <-chan call.Passed
	Ended() <-chan struct{}
	Lost() int64 // requests that the watcher was too slow for, since it was last asked
	Close()
}

const (
	keepAlive = 15 * time.Second // after which a silent stream says that it lives
	slowest   = 30 * time.Second // that a viewer may take to read what was written
	dayLong   = 24 * 60
)

func (s *Server) liveRoutes(guarded map[string]route) {
	if s.opt.Live != nil {
		guarded["GET /admin/live"] = route{need: Viewer, raw: s.live}
		guarded["GET /admin/series"] = viewers(s.series)
	}
}

// liveSecond is the data of an event "second".
type liveSecond struct {
	Time     time.Time `json:"time"`
	Requests int64     `json:"requests"`
	Errors   int64     `json:"errors"`
	Refused  int64     `json:"refused"`
	Cached   int64     `json:"cached"`
	Tokens   int64     `json:"tokens"`
	CostUSD  usd       `json:"cost_usd"`
	P50      millis    `json:"p50_ms"`
	P95      millis    `json:"p95_ms"`
	Running  int64     `json:"running"`
}

// liveMinute is one of GET /admin/series.
type liveMinute struct {
	Time     time.Time `json:"time"`
	Requests int64     `json:"requests"`
	Errors   int64     `json:"errors"`
	Refused  int64     `json:"refused"`
	Cached   int64     `json:"cached"`
	Input    int64     `json:"input_tokens"`
	Output   int64     `json:"output_tokens"`
	CostUSD  usd       `json:"cost_usd"`
	P50      millis    `json:"p50_ms"`
	P95      millis    `json:"p95_ms"`
	Overhead int64     `json:"overhead_p50_us"`
}

// millis is a time that is written in milliseconds.
type millis time.Duration

// MarshalJSON implements json.Marshaler.
func (m millis) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Duration(m).Microseconds())/1000, 'f', -1, 64), nil
}

// series answers with the figures of the last minutes of this node.
func (s *Server) series(_ http.ResponseWriter, r *http.Request) (any, error) {
	n := 60
	for name, values := range r.URL.Query() {
		v := values[len(values)-1]
		if name != "minutes" {
			return nil, invalid("unknown parameter %q: known is minutes", name)
		}
		var err error
		if n, err = strconv.Atoi(v); err != nil || n < 1 || n > dayLong {
			return nil, invalid("minutes=%q is no number from 1 to %d", v, dayLong)
		}
	}
	minutes := []liveMinute{}
	for _, p := range s.opt.Live.Series(n) {
		minutes = append(minutes, liveMinute{p.From, p.Requests, p.Errors, p.Refused, p.Cached, p.Input, p.Output, usd(p.Cost), millis(p.P50), millis(p.P95), p.Overhead.Microseconds()})
	}
	return map[string]any{"node": s.nodeName(), "since": s.opt.Live.Since().UTC(), "minutes": minutes}, nil
}

func (s *Server) nodeName() string {
	if s.opt.Nodes == nil {
		return ""
	}
	return s.opt.Nodes.Node().Name
}

// live answers with an event for each request that finishes, and one for each
// second, until the viewer leaves or the gateway ends.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	q, err := liveQueryOf(r)
	if err != nil {
		s.fail(w, err)
		return
	}
	feed, refused := s.opt.Live.Watch(q.keep())
	if refused != nil {
		s.fail(w, refused)
		return
	}
	defer feed.Close()
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // that of requests would end the stream
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // a proxy is not to collect events
	out := &events{w: w, control: http.NewResponseController(w)}
	out.comment("node " + s.nodeName())
	rows, seconds := feed.Rows(), feed.Seconds()
	if q.only == "request" {
		seconds = nil
	}
	if q.only == "second" {
		rows = nil
	}
	quiet := time.NewTicker(keepAlive)
	defer quiet.Stop()
	for out.err == nil {
		select {
		case row := <-rows:
			out.request(row, rows)
			out.lost(feed.Lost())
		case p := <-seconds:
			out.lost(feed.Lost())
			out.event("second", liveSecond{p.From.UTC(), p.Requests, p.Errors, p.Refused, p.Cached, p.Input + p.Output, usd(p.Cost), millis(p.P50), millis(p.P95), p.Running})
		case <-quiet.C:
			out.comment("alive")
			continue
		case <-feed.Ended():
			return
		case <-s.life.Done():
			return
		case <-r.Context().Done():
			return
		}
		quiet.Reset(keepAlive)
	}
}

// events writes server-sent events.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buf     bytes.Buffer
	err     error
}

// request writes row, and what waits behind it, in one go.
func (e *events) request(row *call.LedgerRow, rows <-chan *call.LedgerRow) {
	e.add("request", rowOf(row))
	for range 255 {
		select {
		case row = <-rows:
			e.add("request", rowOf(row))
			continue
		default:
		}
		break
	}
	e.flush()
}

func (e *events) lost(n int64) {
	if n > 0 {
		e.event("lost", map[string]int64{"requests": n})
	}
}

func (e *events) event(name string, data any) {
	e.add(name, data)
	e.flush()
}

func (e *events) comment(text string) {
	e.buf.WriteString(": " + text + "\n\n")
	e.flush()
}

func (e *events) add(name string, data any) {
	body, err := json.Marshal(data)
	if err != nil {
		e.err = err
		return
	}
	e.buf.WriteString("event: " + name + "\ndata: ")
	e.buf.Write(body)
	e.buf.WriteString("\n\n")
}

// flush gives what was written to the viewer, who leaves where that takes too long.
func (e *events) flush() {
	if e.err != nil {
		return
	}
	_ = e.control.SetWriteDeadline(time.Now().Add(slowest)) // without it the viewer may stay for longer
	if _, e.err = e.w.Write(e.buf.Bytes()); e.err == nil {
		e.err = e.control.Flush()
	}
	e.buf.Reset()
}

// liveQuery says what a viewer wants to see.
type liveQuery struct {
	keys, models []string
	statuses     []string // "429", "4xx"
	errors       bool
	only         string // "request" or "second", "": both
}

func liveQueryOf(r *http.Request) (q liveQuery, err error) {
	for name, values := range r.URL.Query() {
		v := values[len(values)-1]
		switch name {
		case "key":
			q.keys = values
		case "model":
			q.models = values
		case "status":
			for _, v := range values {
				if !statusPattern(v) {
					return q, invalid("status=%q is no status: give one such as 429, or a class such as 4xx", v)
				}
			}
			q.statuses = values
		case "errors":
			if q.errors, err = strconv.ParseBool(v); err != nil {
				return q, invalid("errors=%q is neither true nor false", v)
			}
		case "events":
			q.only = v
			if err = oneOf("events", v, "request", "second"); err != nil {
				return q, err
			}
		default:
			return q, invalid("unknown parameter %q: known are key, model, status, errors, events", name)
		}
	}
	return q, nil
}

func statusPattern(s string) bool {
	if len(s) != 3 || s[0] < '1' || s[0] > '5' {
		return false
	}
	return s[1:] == "xx" || strings.Trim(s[1:], "0123456789") == ""
}

// keep is the filter, nil: there is none.
func (q *liveQuery) keep() func(*call.Record) bool {
	if q.only == "second" {
		return func(*call.Record) bool { return false }
	}
	if q.keys == nil && q.models == nil && q.statuses == nil && !q.errors {
		return nil
	}
	return func(r *call.Record) bool {
		status := strconv.Itoa(r.Status)
		return (q.keys == nil || slices.Contains(q.keys, r.KeyName) || slices.Contains(q.keys, r.KeyID)) &&
			(q.models == nil || slices.Contains(q.models, r.Target) || slices.Contains(q.models, r.Asked)) &&
			(q.statuses == nil || slices.Contains(q.statuses, status) || slices.Contains(q.statuses, status[:1]+"xx")) &&
			(!q.errors || r.Status >= 400 || r.Class != wire.ClassNone)
	}
}
