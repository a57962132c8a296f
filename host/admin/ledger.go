package admin

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Ledger answers questions about requests.
type Ledger interface {
	Usage(context.Context, call.UsageQuery) (call.Usage, error)
	// Requests calls each with one row after the other, which is used again.
	Requests(ctx context.Context, q call.RequestsQuery, each func(*call.LedgerRow) error) error
}

// exportCSV and exportJSON are the forms of an export.
const (
	exportCSV  = "csv"
	exportJSON = "jsonl"
)

// exportLedger answers with a line for each request, in order of their ids,
// for as long as it takes. Whoever was cut off goes on after the last id that
// has arrived whole.
func (s *Server) exportLedger(w http.ResponseWriter, r *http.Request) {
	q, format, err := requestsQuery(r)
	if err != nil {
		s.fail(w, err)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	out := bufio.NewWriterSize(w, 64<<10)
	begun := false
	write := lineWriter(out, format)
	begin := func() {
		begun = true
		w.Header().Set("Content-Type", map[string]string{exportCSV: "text/csv; charset=utf-8", exportJSON: "application/x-ndjson"}[format])
		if format == exportCSV && q.After == 0 {
			c := csv.NewWriter(out)
			_ = c.Write(ledgerColumns) // Flush of out tells
			c.Flush()
		}
	}
	err = s.opt.Ledger.Requests(ctx, q, func(row *call.LedgerRow) error {
		if !begun {
			begin()
		}
		return write(row)
	})
	switch {
	case err == nil && !begun:
		begin()
	case err != nil && !begun:
		s.fail(w, gone(err))
		return
	case err != nil:
		s.opt.Log.Error("an export of the ledger broke off", "err", err)
		_ = errors.Join(out.Flush(), http.NewResponseController(w).Flush()) // what there is can be gone on from
		panic(http.ErrAbortHandler)                                         // the caller is not to take it for the end
	}
	_ = out.Flush() // who asked has left
}

func lineWriter(out *bufio.Writer, format string) func(*call.LedgerRow) error {
	if format == exportCSV {
		c, line := csv.NewWriter(out), []string(nil)
		return func(r *call.LedgerRow) error {
			line = ledgerLine(line[:0], r)
			if err := c.Write(line); err != nil {
				return err
			}
			c.Flush()
			return c.Error()
		}
	}
	enc := json.NewEncoder(out)
	return func(r *call.LedgerRow) error { return enc.Encode(rowOf(r)) }
}

func requestsQuery(r *http.Request) (q call.RequestsQuery, format string, err error) {
	format = exportJSON
	for name, values := range r.URL.Query() {
		v := values[len(values)-1]
		switch name {
		case "from":
			q.From, err = moment(v, time.UTC)
		case "to":
			q.To, err = moment(v, time.UTC)
		case "id":
			q.ID, err = idOf(name, v)
		case "after":
			q.After, err = idOf(name, v)
		case "before":
			q.Before, err = idOf(name, v)
		case "parent":
			q.Parent, err = idOf(name, v)
		case "order":
			q.Newest, err = v == "newest", oneOf("order", v, "oldest", "newest")
		case "limit":
			if q.Limit, err = strconv.Atoi(v); err != nil || q.Limit < 1 {
				err = invalid("limit=%q is no number from 1 on", v)
			}
		case "format":
			format, err = v, oneOf("format", v, exportJSON, exportCSV)
		default:
			err = filter(&q.Where, name, values, "from, to, id, after, before, parent, order, limit, format")
		}
		if err != nil {
			return q, "", err
		}
	}
	return q, format, nil
}

func idOf(name, v string) (call.ID, error) {
	id, ok := call.ParseID(v)
	if !ok {
		return 0, invalid("%s=%q is not the id of a request, such as %s", name, v, call.ID(1))
	}
	return id, nil
}

func (s *Server) showRequest(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, ok := call.ParseID(r.PathValue("id"))
	if !ok {
		return nil, invalid("%q is not the id of a request, such as %s", r.PathValue("id"), call.ID(1))
	}
	var found *ledgerRow
	err := s.opt.Ledger.Requests(r.Context(), call.RequestsQuery{ID: id}, func(row *call.LedgerRow) error {
		out := rowOf(row)
		found = &out
		return nil
	})
	if err == nil && found == nil {
		err = wire.Errorf(http.StatusNotFound, "request_unknown", "the ledger has no row of %s: rows are kept for as long as retention.requests says, and of a flood of callers without a valid key some are only counted", id)
	}
	return found, err
}
