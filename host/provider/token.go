package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/signalbox-ai/signalbox/host/call"
	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
)

// capToken is the capability of adapters that make tokens of credentials.
const capToken = "token"

const (
	mintTimeout  = 30 * time.Second
	mintBackoff  = time.Second // after the first failure, doubling
	mintRetryMax = time.Minute
	maxMinted    = 64 << 10 // bytes of a token
	// A token is renewed when a fifth of its life is left, or this.
	renewBefore = 5 * time.Minute
	// refusedTick is how soon a token that was refused is noticed.
	refusedTick = time.Second
)

// minter keeps the tokens of a unit's credentials fresh. Tokens live with the
// credential, so they outlast the process that made them.
type minter struct {
	mu    sync.Mutex // one round at a time
	state map[*call.Credential]*mintState
	wake  chan struct{}
}

type mintState struct {
	due   time.Time
	fails int
	err   *MintError // of the last try, nil: it made one
}

// MintError is why an adapter has made no token of a credential.
type MintError struct {
	Refused bool   // whoever makes them does not take the credential
	Says    string // secrets may stand in it
}

// Unminted is why the last try to make a token of a credential of the provider
// called name failed, nil: it did not.
func (s *Set) Unminted(name string, c *call.Credential) *MintError {
	m := &s.entries[name].unit.minter
	m.mu.Lock()
	defer m.mu.Unlock()
	if st := m.state[c]; st != nil {
		return st.err
	}
	return nil
}

// mints reports whether the unit's adapter makes tokens.
func (u *unit) mints() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.minted
}

// keepTokens renews tokens until the unit ends.
func (u *unit) keepTokens() {
	for {
		timer := time.NewTimer(min(max(time.Until(u.mint(u.life)), 10*time.Millisecond), refusedTick))
		select {
		case <-timer.C:
		case <-u.minter.wake:
		case <-u.life.Done():
		}
		timer.Stop()
		if u.life.Err() != nil {
			return
		}
	}
}

// mintFirst makes the tokens of a provider before requests want them. Without
// one, its credential is not used until a later try succeeds.
func (u *unit) mintFirst(ctx context.Context) {
	if u.mints() {
		u.mint(ctx)
		select {
		case u.minter.wake <- struct{}{}: // to wait for the new ones
		default:
		}
	}
}

// mint makes the tokens that are due and says when the next one is.
func (u *unit) mint(ctx context.Context) (next time.Time) {
	m := &u.minter
	m.mu.Lock()
	defer m.mu.Unlock()
	credentials, rpc, log := u.minting()
	for c := range m.state {
		if !slices.Contains(credentials, c) {
			delete(m.state, c)
		}
	}
	next = time.Now().Add(time.Hour)
	for _, c := range credentials {
		st := m.state[c]
		if st == nil {
			st = &mintState{}
			if t := c.Token(); t != nil {
				st.due = renewal(t.Expires, time.Now())
			}
			m.state[c] = st
		}
		if st.fails == 0 && !c.Ready(time.Now().UnixMilli()) {
			st.due = time.Time{} // it has run out, or was refused
		}
		if rpc != nil && !time.Now().Before(st.due) && ctx.Err() == nil {
			u.mintOne(ctx, rpc, log, c, st)
		}
		if st.due.Before(next) {
			next = st.due
		}
	}
	return next
}

// minting is what a round works with: the credentials of all attached
// providers, and the running process.
func (u *unit) minting() (list []*call.Credential, rpc pb.ProviderClient, log *logs) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.providers {
		for _, c := range p.Credentials {
			if c.Minted && !slices.Contains(list, c) {
				list = append(list, c)
			}
		}
	}
	return list, u.rpc, u.log
}

func (u *unit) mintOne(ctx context.Context, rpc pb.ProviderClient, log *logs, c *call.Credential, st *mintState) {
	ctx, cancel := context.WithTimeout(ctx, mintTimeout)
	defer cancel()
	log.secrets.hide(c.Value)
	resp, err := rpc.Token(ctx, &pb.TokenRequest{Name: c.Name, Credential: c.Value})
	var t *call.Token
	refused := status.Code(err) == codes.Unauthenticated
	if err == nil {
		t, err = tokenOf(resp, time.Now())
	} else {
		err = reason(err)
	}
	if err != nil {
		st.err = &MintError{refused, err.Error()}
		st.due = time.Now().Add(min(mintBackoff<<min(st.fails, 10), mintRetryMax))
		st.fails++
		u.sup.opts.Log.Error("cannot make a token", "provider", u.spec.Name, "credential", c.Name, "error", log.secrets.redact(err.Error()), "next_try", time.Until(st.due).Round(time.Second))
		return
	}
	log.secrets.hide(t.Value)
	c.Renewed(t)
	st.fails, st.due, st.err = 0, renewal(t.Expires, time.Now()), nil
}

// tokenOf checks what an adapter has made: it goes into a header.
func tokenOf(resp *pb.TokenResponse, now time.Time) (*call.Token, error) {
	t := &call.Token{Value: resp.GetToken(), Made: now}
	switch {
	case t.Value == "":
		return nil, errors.New("the adapter made an empty token")
	case len(t.Value) > maxMinted:
		return nil, fmt.Errorf("the adapter made a token of more than %d bytes", maxMinted)
	case controls(t.Value):
		return nil, errors.New("the adapter made a token that holds control characters")
	}
	if ms := resp.GetExpiresUnixMs(); ms > 0 {
		if t.Expires = time.UnixMilli(ms); !t.Expires.After(now) {
			return nil, errors.New("the adapter made a token that has expired already: is the clock right?")
		}
	}
	return t, nil
}

// renewal is when a token is to be replaced.
func renewal(expires, now time.Time) time.Time {
	if expires.IsZero() {
		return now.Add(24 * time.Hour)
	}
	return expires.Add(-min(expires.Sub(now)/5, renewBefore))
}

// hideAll keeps the credentials of p out of the running process's log.
func (u *unit) hideAll(p *call.Provider) {
	u.mu.Lock()
	log := u.log
	u.mu.Unlock()
	for _, c := range p.Credentials {
		log.secrets.hide(c.Value)
		if t := c.Token(); t != nil {
			log.secrets.hide(t.Value)
		}
	}
}
