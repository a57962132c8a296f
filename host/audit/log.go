package audit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Store keeps rows and anchors; they are one chain for all nodes.
type Store interface {
	AppendAudit(ctx context.Context, add func(call.AuditHead) ([]call.AuditRow, call.AuditHead, error)) error
	AnchorAudit(ctx context.Context, a call.AuditAnchor) error
	AuditBack(ctx context.Context, before int64, q call.AuditQuery) ([]call.AuditRow, error)
	Reader
}

// Reader reads what is kept.
type Reader interface {
	AuditRows(ctx context.Context, q call.AuditQuery) ([]call.AuditRow, error)
	AuditMarks(ctx context.Context) (call.AuditHead, []call.AuditAnchor, error)
}

// Settings may change while the log is open.
type Settings struct {
	Denials   float64       // share of refusals by policy that is kept
	PerSecond int           // entries of one action that nobody waits for, at most
	Every     time.Duration // between anchors
	File, URL string        // where anchors go beside the store; "": nowhere
	Keep      time.Duration // age at which entries go; 0: never
}

// Options of a Log.
type Options struct {
	Node string // who writes
	Key  []byte // signs the end and the anchors
	Log  *slog.Logger
	Now  func() time.Time
	Wait string // file for entries while the store does not take them; "": they are lost
}

// Log writes the chain.
type Log struct {
	opt   Options
	store Store

	mu       sync.Mutex
	settings Settings
	rates    map[string]*rate // by action
	closed   bool

	headMu sync.Mutex
	head   call.AuditHead // the last one seen

	troubleMu sync.Mutex
	tampered  string // what was found, once it was
	unwritten string // the last error, if the last write failed

	queue chan Entry
	waits *waiting
	tick  *time.Timer
	quit  chan struct{}
	done  sync.WaitGroup
}

const (
	queued   = 1024 // entries that nobody waits for
	batch    = 256  // of one commit
	patience = 10 * time.Second
)

// Open starts a log over what store holds.
func Open(store Store, set Settings, opt Options) *Log {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	l := &Log{opt: opt, store: store, settings: set, rates: map[string]*rate{}, queue: make(chan Entry, queued), waits: newWaiting(opt.Wait),
		tick: time.NewTimer(cmp.Or(set.Every, time.Hour)), quit: make(chan struct{})}
	l.done.Go(l.run)
	return l
}

// Set takes other settings into use.
func (l *Log) Set(set Settings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if set.Every != l.settings.Every {
		l.tick.Reset(cmp.Or(set.Every, time.Hour))
	}
	l.settings = set
}

func (l *Log) now() Settings {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.settings
}

// Record adds e and returns its number once it is durable.
func (l *Log) Record(ctx context.Context, e Entry) (seq int64, err error) {
	list := []Entry{e}
	err = l.append(ctx, list)
	return list[0].Seq, err
}

// append adds all entries of list in one commit and numbers them.
func (l *Log) append(ctx context.Context, list []Entry) error {
	l.headMu.Lock()
	defer l.headMu.Unlock()
	var head call.AuditHead
	err := l.store.AppendAudit(ctx, func(at call.AuditHead) (rows []call.AuditRow, _ call.AuditHead, err error) {
		head = at
		add := func(e *Entry) error {
			r, err := e.row(head)
			if err != nil {
				return err
			}
			rows, head = append(rows, r), call.AuditHead{Seq: r.Seq, Hash: r.Hash}
			return nil
		}
		if why := l.suspect(at); why != "" {
			err = add(&Entry{Time: l.opt.Now(), Node: l.opt.Node, Kind: KindGateway, Action: ActionBroken, Outcome: Failed,
				Detail: text("why", why), On: fmt.Sprintf("entry %d", at.Seq)})
			l.troubleMu.Lock()
			l.tampered = why
			l.troubleMu.Unlock()
			l.opt.Log.Error("the audit log has been tampered with: run signalbox audit verify", "why", why)
		}
		for i := range list {
			e := &list[i]
			e.Node = l.opt.Node
			if e.Time.IsZero() {
				e.Time = l.opt.Now()
			}
			err = errors.Join(err, add(e))
		}
		head.MAC = headMAC(l.opt.Key, head)
		return rows, head, err
	})
	l.troubleMu.Lock()
	defer l.troubleMu.Unlock()
	l.unwritten = ""
	if err == nil {
		l.head = head
	} else {
		l.unwritten = err.Error()
	}
	return err
}

// Trouble says what is wrong with the log as far as writing to it tells: that it
// has been tampered with, and that it cannot be written. "" is nothing.
func (l *Log) Trouble() (tampered, unwritten string) {
	l.troubleMu.Lock()
	defer l.troubleMu.Unlock()
	return l.tampered, l.unwritten
}

// ActionBroken is the entry that says that the end before it was not genuine:
// what is appended must not make it so.
const ActionBroken = "audit.broken"

// suspect says what is wrong with the end that the store shows.
func (l *Log) suspect(at call.AuditHead) string {
	switch {
	case !genuine(l.opt.Key, at):
		return "the end of the log is not signed by the gateway"
	case at.Seq < l.head.Seq:
		return fmt.Sprintf("the log ended at entry %d before and ends at %d now", l.head.Seq, at.Seq)
	case at.Seq == l.head.Seq && !bytes.Equal(at.Hash, l.head.Hash):
		return fmt.Sprintf("entry %d is not the one that was written", at.Seq)
	}
	return ""
}

// text is a detail of one text.
func text(name, value string) json.RawMessage {
	b, err := json.Marshal(map[string]string{name: value})
	if err != nil {
		panic("BUG: text does not encode: " + err.Error())
	}
	return b
}

// run writes what was noted, and anchors from time to time.
func (l *Log) run() {
	defer l.tick.Stop()
	again := time.NewTicker(retryEvery)
	defer again.Stop()
	l.catchUp()
	for {
		select {
		case e := <-l.queue:
			l.write(e)
		case <-again.C:
			l.catchUp()
		case <-l.tick.C:
			l.upkeep()
			l.mu.Lock()
			l.tick.Reset(cmp.Or(l.settings.Every, time.Hour))
			l.mu.Unlock()
		case <-l.quit:
			for {
				select {
				case e := <-l.queue:
					l.write(e)
					continue
				default:
				}
				l.catchUp()
				l.upkeep()
				return
			}
		}
	}
}

// write adds e and what else waits.
func (l *Log) write(e Entry) {
	list := []Entry{e}
	for len(list) < batch {
		select {
		case e := <-l.queue:
			list = append(list, e)
			continue
		default:
		}
		break
	}
	if l.waits.any() { // those go first, and the store is not waited for again
		l.later(list)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.append(ctx, list); err != nil {
		l.opt.Log.Warn("entries of the audit log wait", "entries", len(list), "first", list[0].Action, "err", err)
		l.later(list)
	}
}

// Close writes what waits, anchors the end and stops. It may be called twice;
// a nil log is closed.
func (l *Log) Close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	if first {
		close(l.quit)
	}
	l.done.Wait()
}
