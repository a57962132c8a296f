package batch

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// messagesID begins the ids of batches that were ordered in Anthropic's shape.
// They are batches as all others: their requests are an input file.
const messagesID = "msgbatch_"

// messagesPath is what the lines of those are for.
const messagesPath = "/v1/messages"

// messagesView is a batch as Anthropic shows it.
type messagesView struct {
	ID        string         `json:"id"`
	Type      string         `json:"type"`
	Status    string         `json:"processing_status"`
	Counts    messagesCounts `json:"request_counts"`
	Created   string         `json:"created_at"`
	Expires   string         `json:"expires_at"`
	Ended     *string        `json:"ended_at"`
	Archived  *string        `json:"archived_at"`
	Cancelled *string        `json:"cancel_initiated_at"`
	Results   *string        `json:"results_url"`
	Signalbox whoView        `json:"signalbox"` // Anthropic's has none
}

type messagesCounts struct {
	Processing int64 `json:"processing"`
	Succeeded  int64 `json:"succeeded"`
	Errored    int64 `json:"errored"`
	Canceled   int64 `json:"canceled"`
	Expired    int64 `json:"expired"`
}

// messagesPage is a page of them.
type messagesPage struct {
	Data  []messagesView `json:"data"`
	First *string        `json:"first_id"`
	Last  *string        `json:"last_id"`
	More  bool           `json:"has_more"`
}

func rfc3339(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format(time.RFC3339Nano)
	return &s
}

// showMessages is b as Anthropic shows it; base is where the caller has asked.
func showMessages(b *call.Batch, base string) messagesView {
	v := messagesView{ID: b.ID, Type: "message_batch", Status: "in_progress", Counts: messagesCounts{Processing: b.Lines},
		Created: *rfc3339(b.Created), Expires: *rfc3339(b.Expires), Cancelled: rfc3339(b.Cancelling), Signalbox: showWho(b)}
	if !b.Over() {
		if !b.Cancelling.IsZero() {
			v.Status = "canceling"
		}
		return v
	}
	v.Status, v.Counts = "ended", messagesCounts{Succeeded: b.Done}
	rest := &v.Counts.Errored
	switch b.State {
	case call.BatchCancelled:
		v.Counts.Canceled, *rest = b.Unsent, b.Lines-b.Done-b.Unsent
	case call.BatchExpired:
		v.Counts.Expired, *rest = b.Unsent, b.Lines-b.Done-b.Unsent
	default:
		*rest = b.Lines - b.Done
	}
	ended := b.Ended()
	v.Ended = rfc3339(ended)
	if gone := ended.Add(time.Duration(b.OutputLife) * time.Second); gone.Before(time.Now()) {
		v.Archived = rfc3339(gone)
		return v
	}
	at := base + messagesPath + "/batches/" + b.ID + "/results"
	v.Results = &at
	return v
}

// Messages serves /v1/messages/batches.
func (d *Desk) Messages(ctx context.Context, o Owner, q *Ask) (Result, *wire.Error) {
	a, err := parse(q.Path)
	switch {
	case err != nil:
		return Result{}, err
	case a.id == "" && q.Method == "":
		return d.createMessages(ctx, o, q)
	case a.id == "" && q.Method == http.MethodGet:
		return d.listMessages(ctx, o, q, &a)
	case a.id == "":
		return Result{}, unknown()
	}
	b, failed := d.ownedMessages(ctx, o, a.id)
	if failed != nil {
		return Result{}, noMessages(failed, a.id)
	}
	switch {
	case a.action == "" && q.Method == http.MethodGet:
	case a.action == "cancel" && q.Method == "":
		if b.Over() {
			return Result{}, wire.Errorf(400, "batch_ended", "the batch has ended and cannot be canceled any more")
		}
		b, failed = d.Cancel(ctx, a.id)
	case a.action == "results" && q.Method == http.MethodGet:
		return d.results(ctx, &b)
	case a.action == "" && q.Method == http.MethodDelete:
		if !b.Over() {
			return Result{}, wire.Errorf(400, "batch_not_ended", "the batch has not ended: cancel it first, and delete it once processing_status is ended")
		}
		return answer(map[string]string{"id": b.ID, "type": "message_batch_deleted"}, d.forget(ctx, &b), "batch", a.id)
	default:
		return Result{}, unknown()
	}
	return answer(showMessages(&b, q.Base), failed, "batch", a.id)
}

// ownedMessages is a batch of o's that was ordered in Anthropic's shape.
func (d *Desk) ownedMessages(ctx context.Context, o Owner, id string) (call.Batch, error) {
	if !strings.HasPrefix(id, messagesID) {
		return call.Batch{}, call.ErrNoBatch
	}
	return d.owned(ctx, o, id)
}

func noMessages(err error, id string) *wire.Error {
	e := named(err, "batch", id)
	if e.Status == http.StatusNotFound {
		e.Message = "there is no batch " + strconv.Quote(id) + " of messages: GET /v1/messages/batches lists those that there are"
	}
	return e
}

// maxMessages is how long a page may be, by Anthropic's API reference.
const maxMessages = 1000

func (d *Desk) listMessages(ctx context.Context, o Owner, q *Ask, a *address) (Result, *wire.Error) {
	page := call.FilesQuery{Tenant: o.Tenant, Prefix: messagesID, Most: 20, After: a.query.Get("after_id")}
	if before := a.query.Get("before_id"); before != "" {
		if page.After != "" {
			return Result{}, invalid("before_id", "give after_id or before_id, not both")
		}
		page.After, page.Ascending = before, true
	}
	if text := a.query.Get("limit"); text != "" {
		n, bad := strconv.Atoi(text)
		if bad != nil || n < 1 || n > maxMessages {
			return Result{}, invalid("limit", "limit must be a whole number from 1 to %d, not %q", maxMessages, text)
		}
		page.Most = n
	}
	if page.After != "" {
		if _, err := d.ownedMessages(ctx, o, page.After); err != nil {
			return Result{}, noMessages(err, page.After)
		}
	}
	page.Most++ // to know whether there is more
	rows, err := d.store.Batches(ctx, page)
	if err != nil {
		return Result{}, told(err)
	}
	v := messagesPage{Data: []messagesView{}, More: len(rows) == page.Most}
	rows = rows[:min(len(rows), page.Most-1)]
	if page.Ascending {
		slices.Reverse(rows)
	}
	for i := range rows {
		v.Data = append(v.Data, showMessages(&rows[i], q.Base))
	}
	if n := len(rows); n > 0 {
		v.First, v.Last = &rows[0].ID, &rows[n-1].ID
	}
	return answer(v, nil, "", "")
}

// forget deletes a batch that is over, with its files.
func (d *Desk) forget(ctx context.Context, b *call.Batch) error {
	if err := d.store.DeleteBatch(ctx, b.ID); err != nil {
		return err
	}
	for _, id := range [...]string{b.Output, b.Errors, b.Input} {
		if id == "" {
			continue
		}
		err := ignore(d.store.DeleteFile(ctx, b.Tenant, id), call.ErrNoFile)
		if err = ignore(err, call.ErrFileUsed); err != nil { // another batch was made of it
			d.log.Warn("a file of a batch that was deleted stays until it expires", "batch", b.ID, "file", id, "err", err)
		}
	}
	return nil
}
