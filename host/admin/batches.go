package admin

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Batches are the files of requests that the gateways work on.
type Batches interface {
	// ListBatches returns up to most, newest first, from behind the one with the id after.
	ListBatches(ctx context.Context, after string, most int) ([]BatchRow, error)
	// ShowBatch is one with its parts; ErrBatchUnknown: there is none.
	ShowBatch(ctx context.Context, id string) (BatchRow, error)
	CancelBatch(ctx context.Context, id string) (BatchRow, error)
}

// BatchRow is what there is to say of a batch.
type BatchRow struct {
	ID       string `json:"id"`
	Tenant   string `json:"tenant"`
	Key      string `json:"key"`
	KeyName  string `json:"key_name"`
	Endpoint string `json:"endpoint"`
	Status   string `json:"status"`
	// Mode is who carries it out: auto until that is decided, gateway or native.
	// Why says why no provider does, where one was looked for.
	Mode           string    `json:"mode"`
	Why            string    `json:"why,omitempty"`
	Provider       string    `json:"provider,omitempty"`        // that carries it out
	ProviderBatch  string    `json:"provider_batch,omitempty"`  // as the provider calls it
	ProviderStatus string    `json:"provider_status,omitempty"` // in its words, or how far it is before that
	Total          int64     `json:"total"`
	Completed      int64     `json:"completed"`
	Failed         int64     `json:"failed"`
	Cost           int64     `json:"-"` // nano-dollars
	CostUSD        usd       `json:"cost_usd"`
	Created        time.Time `json:"created"`
	Expires        time.Time `json:"expires"`
	Ended          time.Time `json:"ended,omitzero"`
	// PerSecond is how many requests were finished in a second so far, Left when
	// the rest will be at that pace, in seconds; 0: it cannot be told.
	PerSecond float64     `json:"per_second"`
	Left      float64     `json:"seconds_left"`
	Parts     []BatchPart `json:"parts,omitempty"` // that somebody is at
}

// BatchPart is a part of a batch that a node works on.
type BatchPart struct {
	Number int    `json:"number"` // -1: what goes before and after all requests
	First  int    `json:"first_line"`
	Lines  int    `json:"lines"`
	Node   string `json:"node"`
}

// ErrBatchUnknown says that there is no such batch.
var ErrBatchUnknown = wire.Errorf(http.StatusNotFound, "batch_unknown", "there is no such batch: GET /admin/batches lists them")

func (s *Server) batchRoutes(guarded map[string]route) {
	b := s.opt.Batches
	if b == nil {
		return
	}
	guarded["GET /admin/batches"] = viewers(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		most := 100
		if text := r.URL.Query().Get("limit"); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 || n > 1000 {
				return nil, invalid("limit must be a whole number from 1 to 1000, not %q", text)
			}
			most = n
		}
		rows, err := b.ListBatches(r.Context(), r.URL.Query().Get("after"), most)
		for i := range rows {
			rows[i].CostUSD = usd(rows[i].Cost)
		}
		return map[string]any{"batches": rows}, err
	})
	one := func(do func(context.Context, string) (BatchRow, error)) func(http.ResponseWriter, *http.Request) (any, error) {
		return func(_ http.ResponseWriter, r *http.Request) (any, error) {
			row, err := do(r.Context(), r.PathValue("id"))
			row.CostUSD = usd(row.Cost)
			return row, err
		}
	}
	guarded["GET /admin/batches/{id}"] = viewers(one(b.ShowBatch))
	guarded["POST /admin/batches/{id}/cancel"] = operators(one(b.CancelBatch))
}
