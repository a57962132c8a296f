package mcp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// maxFailure bounds what is kept of an error's text.
const maxFailure = 300

// verdict is what callers are told of err. A server's own answer that it cannot
// do what it was asked for is passed on as it is meant for callers.
func (s *server) verdict(ctx context.Context, err error) error {
	var own *jsonrpc.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &Failure{Code: CodeTimeout, Message: fmt.Sprintf("tool server %q did not answer within %s", s.spec.Name, s.spec.Timeout), Sent: true}
	case ctx.Err() != nil:
		return &Failure{Code: CodeLeft, Message: "the caller gave the call up", Sent: true}
	case errors.As(err, &own):
		return &jsonrpc.Error{Code: own.Code, Message: clip(own.Message, maxText)}
	}
	s.log.Warn("a call of a tool server failed", "err", clip(err.Error(), maxFailure))
	select {
	case s.look <- struct{}{}: // is it still there?
	default:
	}
	return &Failure{Code: CodeFailed, Message: fmt.Sprintf("tool server %q failed at this call: the gateway's log says how", s.spec.Name), Sent: true}
}

// maxText bounds an error's text that a server meant for callers.
const maxText = 4 << 10

// clip shortens text to at most n bytes.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && text[n]&0xc0 == 0x80 { // within a character
		n--
	}
	return text[:n] + "…"
}

// counts are a server's figures, and whom its reports of progress are for.
type counts struct {
	mu       sync.Mutex
	calls    int64
	errors   int64
	took     time.Duration // in sum
	last     [64]time.Duration
	at       int
	token    int64
	progress map[int64]func(*sdk.ProgressNotificationParams)
}

func (c *counts) called(took time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	c.took += took
	c.last[c.at%len(c.last)] = took
	c.at++
	if err != nil {
		c.errors++
	}
}

// follow passes reports of progress under the token to hear, until unfollow.
func (c *counts) follow(hear func(*sdk.ProgressNotificationParams)) (token int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.progress == nil {
		c.progress = map[int64]func(*sdk.ProgressNotificationParams){}
	}
	c.token++
	c.progress[c.token] = hear
	return c.token
}

func (c *counts) unfollow(token int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.progress, token)
}

// heard is told of a report; hear does not wait.
func (c *counts) heard(p *sdk.ProgressNotificationParams) {
	token, ok := p.ProgressToken.(float64)
	if !ok {
		return
	}
	c.mu.Lock()
	hear := c.progress[int64(token)]
	c.mu.Unlock()
	if hear != nil {
		hear(p)
	}
}
