package host

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/auth"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/directory"
	"github.com/signalbox-ai/signalbox/host/jwt"
	"github.com/signalbox-ai/signalbox/host/server"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// authenticate finds out who asks, and whether it may ask like this. A caller
// that is known is in f.Principal even where it is refused.
func (h *Host) authenticate(f *flight, key []byte) (err *wire.Error) {
	if t := h.play.redeem(key); t != nil {
		return t.enter(h, f)
	}
	if f.Principal, err = h.identify(&f.Call, key); err != nil {
		return err
	}
	return auth.Permit(&f.Call)
}

// identify finds out whose key or token has come with c. Tokens in headers of
// their own count where no key was sent.
func (h *Host) identify(c *call.Call, key []byte) (*call.Principal, *wire.Error) {
	v := h.issuers.Load()
	if v == nil {
		return h.keys.Authenticate(key, c.Received)
	}
	if jwt.Looks(key) {
		return v.Verify(key, "", c.Received)
	}
	if len(key) == 0 {
		for _, name := range v.Headers() {
			if token := c.Header.Peek(name); len(token) > 0 {
				return v.Verify(token, name, c.Received)
			}
		}
	}
	return h.keys.Authenticate(key, c.Received)
}

// Models implements server.Catalogue.
func (h *Host) Models(c *call.Call, key []byte) ([]server.Model, *wire.Error) {
	f := c.Owner.(*flight)
	if err := h.authenticate(f, key); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(h.gen.Load().list(), func(m server.Model) bool { return auth.PermitModel(f.Principal, m.ID) != nil }), nil
}

// identityChanged takes over what another node, or this one, has changed of who
// may use the gateway, where topic is about that.
func (h *Host) identityChanged(ctx context.Context, topic string) error {
	kind, isDocument := strings.CutPrefix(topic, store.TopicDocuments)
	if topic != "" && topic != store.TopicKeys && !(isDocument && (kind == "admin" || kind == limitKind || slices.Contains(directory.Kinds, kind))) {
		return nil
	}
	h.reload.Lock()
	defer h.reload.Unlock()
	if h.closed {
		return nil
	}
	return h.loadKeys(ctx, h.gen.Load().cfg)
}

// standing is what ends the streams and sessions of p, nil: nothing does. That
// is what has become of its key, or of what its token stands on; a token that
// has expired ends nothing that it has begun.
func (h *Host) standing(p *call.Principal) *wire.Error {
	var err *wire.Error
	issuer, _, _ := strings.Cut(strings.TrimPrefix(p.KeyID, "jwt/"), "/")
	switch _, known := h.gen.Load().cfg.OIDC[issuer]; {
	case p.Auth != "jwt":
		err = h.keys.Standing(p.KeyID, time.Now())
	case known:
		_, err = h.settleToken(p)
	default:
		err = wire.Errorf(401, "token_issuer_unknown", "the token's issuer is none of this gateway's any more: get a token from one of them")
	}
	if err == nil {
		return nil
	}
	err = new(*err)
	err.Class = wire.ClassPolicy // no target is at fault
	return err
}

// stands begins f's answer, which streams, unless its caller has been shut out
// while it waited. From here on recheck ends it.
func (h *Host) stands(f *flight) *wire.Error {
	if f.ticketed != nil { // its administrator's leaving does
		return nil
	}
	f.Gone.Streams(f.Principal)
	return f.Gone.Recheck(h.standing)
}

// recheck ends the streams and sessions of callers who may not be here any
// more, and sees to it that those of the next key that expires end with it.
func (h *Host) recheck() {
	if h.server == nil { // the host is being made
		return
	}
	h.server.Recheck(h.standing)
	if next := h.keys.NextEnd(time.Now()); !next.IsZero() {
		h.expiry.Reset(min(time.Until(next), maxExpiryWait))
	}
}

// maxExpiryWait is how late it can be noticed that the clock was set.
const maxExpiryWait = time.Minute

func (h *Host) keyExpired() {
	h.reload.Lock()
	defer h.reload.Unlock()
	if !h.closed {
		h.recheck()
	}
}

// noteUse writes down when keys were used last.
func (h *Host) noteUse(ctx context.Context) error {
	used := h.keys.Used()
	if len(used) == 0 {
		return nil
	}
	return h.store.UseKeys(ctx, used)
}

// useEvery is how late the store may learn of the use of a key.
const useEvery = 30 * time.Second

// diary writes the use of keys down, now and then, until it is stopped.
type diary struct {
	stop chan struct{}
	once sync.Once
	done sync.WaitGroup
}

func newDiary(h *Host) *diary {
	u := &diary{stop: make(chan struct{})}
	u.done.Go(func() {
		tick := time.NewTicker(useEvery)
		defer tick.Stop()
		for {
			select {
			case <-u.stop:
			case <-tick.C:
			}
			if err := h.noteUse(context.Background()); err != nil {
				h.log.Error("the use of keys is not written down", "err", err)
			}
			select {
			case <-u.stop:
				return
			default:
			}
		}
	})
	return u
}

// Stop writes down what is left. It may be called twice.
func (u *diary) Stop() {
	u.once.Do(func() { close(u.stop) })
	u.done.Wait()
}
