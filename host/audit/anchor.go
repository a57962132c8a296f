package audit

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Point is an anchor as it is written outside of the store.
type Point struct {
	Seq  int64     `json:"seq"`
	Time time.Time `json:"time"`
	Hash string    `json:"hash"`
	MAC  string    `json:"mac"`
	Node string    `json:"node,omitempty"` // that wrote it
}

// upkeep anchors the end, and removes what is old.
func (l *Log) upkeep() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.Anchor(ctx); err != nil {
		l.opt.Log.Error("cannot anchor the audit log", "err", err)
	}
	if keep := l.now().Keep; keep > 0 {
		if err := l.Cut(ctx, l.opt.Now().Add(-keep)); err != nil {
			l.opt.Log.Error("cannot remove old entries of the audit log", "err", err)
		}
	}
}

// Anchor signs the end as it is now, in the store and outside.
func (l *Log) Anchor(ctx context.Context) error {
	head, anchors, err := l.store.AuditMarks(ctx)
	if err != nil || head.Seq == 0 || !genuine(l.opt.Key, head) {
		return err // what is not genuine is not made so
	}
	if n := len(anchors); n > 0 && anchors[n-1].Seq >= head.Seq {
		return nil
	}
	a := call.AuditAnchor{Seq: head.Seq, Hash: head.Hash, Time: l.opt.Now().UTC().Truncate(time.Millisecond)}
	a.MAC = anchorMAC(l.opt.Key, a)
	if err := l.store.AnchorAudit(ctx, a); err != nil {
		return err
	}
	return l.outside(ctx, a)
}

// outside writes an anchor where whoever holds the store cannot change it.
func (l *Log) outside(ctx context.Context, a call.AuditAnchor) (err error) {
	line, err := json.Marshal(Point{Seq: a.Seq, Time: a.Time, Hash: hex.EncodeToString(a.Hash), MAC: hex.EncodeToString(a.MAC), Node: l.opt.Node})
	if err != nil {
		return err
	}
	line = append(line, '\n')
	set := l.now()
	if set.File != "" {
		if err = appendFile(set.File, line); err != nil {
			err = fmt.Errorf("cannot write audit.anchor.file: %w", err)
		}
	}
	if set.URL != "" {
		err = errors.Join(err, post(ctx, set.URL, line))
	}
	return err
}

func appendFile(path string, line []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(line)
	return errors.Join(err, f.Sync(), f.Close())
}

func post(ctx context.Context, url string, line []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(line))
	if err != nil {
		return errors.New("cannot call audit.anchor.url: it is not an address")
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("cannot call audit.anchor.url: %w", errors.Unwrap(err)) // the address may hold a secret
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("cannot call audit.anchor.url: it answers %d", resp.StatusCode)
	}
	return nil
}

// cutStep bounds the entries that are removed in one transaction.
const cutStep = 10_000

// Cut removes the entries from before t. An anchor of the last of them stays,
// so that what follows can still be verified, and an entry says so. What is not
// done when ctx ends is left to the next time.
func (l *Log) Cut(ctx context.Context, t time.Time) error {
	_, anchors, err := l.store.AuditMarks(ctx)
	if err != nil {
		return err
	}
	at := cutAt(anchors).Seq
	rows, err := l.store.AuditRows(ctx, call.AuditQuery{After: at, From: t, Most: 1})
	if err != nil || len(rows) == 0 || rows[0].Seq <= 1+at {
		return err // the newest entry stays, whatever its age
	}
	last := rows[0].Seq - 1
	if hash, err := l.hashOf(ctx, last); err != nil || hash == nil {
		return err // a gap is left for verification to find
	}
	if _, err := l.Record(ctx, Entry{Kind: KindGateway, Action: "audit.cut", Outcome: Done, On: fmt.Sprintf("entries to %d", last),
		Detail: text("before", t.UTC().Format(time.RFC3339))}); err != nil {
		return err
	}
	for at < last && ctx.Err() == nil {
		at = min(at+cutStep, last)
		if err := l.cut(ctx, at); err != nil {
			return err
		}
	}
	return nil
}

// cut removes the entries up to last.
func (l *Log) cut(ctx context.Context, last int64) error {
	hash, err := l.hashOf(ctx, last)
	if err != nil {
		return err
	}
	if hash == nil {
		return fmt.Errorf("entry %d is missing: run signalbox audit verify", last)
	}
	a := call.AuditAnchor{Seq: last, Hash: hash, Cut: true, Time: l.opt.Now().UTC().Truncate(time.Millisecond)}
	a.MAC = anchorMAC(l.opt.Key, a)
	return l.store.AnchorAudit(ctx, a)
}

// hashOf is that of an entry, nil: it is not there.
func (l *Log) hashOf(ctx context.Context, seq int64) ([]byte, error) {
	rows, err := l.store.AuditRows(ctx, call.AuditQuery{After: seq - 1, Most: 1})
	if err != nil || len(rows) == 0 || rows[0].Seq != seq {
		return nil, err
	}
	return rows[0].Hash, nil
}

// cutAt is the last cut, zero if there is none.
func cutAt(anchors []call.AuditAnchor) (cut call.AuditAnchor) {
	for _, a := range anchors {
		if a.Cut && a.Seq > cut.Seq {
			cut = a
		}
	}
	return cut
}
