package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// silence is for how long a stream of events may say nothing, which it
	// breaks every fifteen seconds, before it is taken for dead.
	silence = 45 * time.Second
	// most of one event.
	maxEvent = 1 << 20
)

// finalError is one that trying again does not help.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// events reads the events at path until they end, and calls each with all of
// them. A comment has no name.
func (c *client) events(ctx context.Context, path string, each func(name string, data []byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(path), http.NoBody)
	if err != nil {
		return finalError{fmt.Errorf("cannot call %s: %w", c.address, err)}
	}
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	dead := time.AfterFunc(silence, cancel)
	defer dead.Stop()
	resp, err := c.lasting().Do(req)
	if err != nil {
		return hint(fmt.Errorf("cannot reach the gateway's admin API at %s: %w", c.address, errors.Unwrap(err)),
			"is it running? start it with signalbox serve, or name another with --address")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxEvent))
		err := refusal(resp.StatusCode, raw)
		if resp.StatusCode < 500 {
			err = finalError{err}
		}
		return err
	}
	return readEvents(resp.Body, func(name string, data []byte) error {
		dead.Reset(silence)
		return each(name, data)
	})
}

// readEvents reads server-sent events until they end, which is an error.
func readEvents(r io.Reader, each func(name string, data []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	var name string
	var data []byte
	for lines.Scan() {
		line := lines.Bytes()
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(line) == 0 && (name != "" || data != nil):
			if err := each(name, data); err != nil {
				return finalError{err}
			}
			name, data = "", nil
		case len(line) == 0:
		case len(field) == 0:
			if err := each("", value); err != nil {
				return finalError{err}
			}
		case string(field) == "event":
			name = string(value)
		case string(field) == "data":
			if data != nil {
				data = append(data, '\n')
			}
			data = append(data, value...)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	return errors.New("the gateway has ended")
}

// follow reads the events at path, and begins anew wherever they break off once
// they had begun. lost is told why, and back when there are events again.
func (c *client) follow(ctx context.Context, path string, each func(name string, data []byte) error, lost func(error), back func()) error {
	begun, away := false, false
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		err := c.events(ctx, path, func(name string, data []byte) error {
			if away {
				away = false
				back()
			}
			begun, wait = true, retryFirst
			return each(name, data)
		})
		var final finalError
		switch {
		case ctx.Err() != nil:
			return nil
		case !begun, errors.As(err, &final):
			return err
		case !away:
			away = true
			lost(err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// How long follow waits before it tries again.
const (
	retryFirst = 250 * time.Millisecond
	retryMost  = 5 * time.Second
)
