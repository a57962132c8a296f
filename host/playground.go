package host

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/auth"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/directory"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// playPrefix begins tickets; no key and no token does.
const playPrefix = "signalbox-ticket/"

// playID is whose name the playground has, for policies and the ledger: no key has a slash.
const playID = "signalbox/playground"

// maxPlayers bounds the principals that are remembered.
const maxPlayers = 256

// playground carries requests of administrators through the data plane: over a
// connection within the process, with a ticket that counts once in place of a
// key. So they take the very way of all requests.
type playground struct {
	host   *Host
	client *http.Client

	mu      sync.Mutex
	tickets map[string]*ticket
	players map[string]*call.Principal // by name, for gen, held and dir
	gen     *generation
	held    *heldLimits
	dir     *directory.Directory
}

// ticket is what lets one request in.
type ticket struct {
	ctx    context.Context
	who    *call.Principal // nil: whose key it is
	key    []byte
	remote netip.Addr
	tls    bool
	stop   func() bool
	left   chan struct{}
}

func newPlayground(h *Host) *playground {
	p := &playground{host: h, tickets: map[string]*ticket{}}
	p.client = &http.Client{
		Transport: &http.Transport{DialContext: p.dial, DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	return p
}

// dial returns the other end of a connection that the data plane serves.
func (p *playground) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	go func() { _ = p.host.server.ServeConn(there) }() // it ends with the connection, and the server waits for it
	return here, nil
}

// play implements admin.Playground.
func (p *playground) play(ctx context.Context, q *admin.PlaygroundRequest) (*http.Response, error) {
	if !p.host.gen.Load().cfg.Playground.Enabled {
		return nil, wire.Errorf(http.StatusNotFound, "playground_off", "the playground is switched off: the operator can set playground.enabled")
	}
	t := &ticket{ctx: ctx, tls: q.TLS}
	if at, err := netip.ParseAddrPort(q.Remote); err == nil {
		t.remote = call.PlainAddr(at.Addr())
	}
	if t.key = []byte(q.Key); len(t.key) == 0 {
		who, err := p.player(q.Who.Name)
		if err != nil {
			return nil, err
		}
		t.who = who
	}
	name := playPrefix + rand.Text()
	p.mu.Lock()
	p.tickets[name] = t
	p.mu.Unlock()
	defer p.redeem([]byte(name)) // where nobody has

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://signalbox"+q.Path, q.Body)
	if err != nil {
		return nil, err
	}
	req.Header, req.ContentLength = q.Header.Clone(), q.Length
	req.Header.Set("Authorization", "Bearer "+name)
	ans, err := p.client.Do(req)
	if err != nil {
		return nil, wire.Errorf(http.StatusBadGateway, "playground_failed", "the request could not be carried to the data plane: try again")
	}
	return ans, nil
}

// player is in whose name an administrator asks: all have the same budgets,
// those of the playground.
func (p *playground) player(name string) (*call.Principal, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, held, dir := p.host.gen.Load(), p.host.held.Load(), p.host.directory.Load()
	if p.gen != g || p.held != held || p.dir != dir || len(p.players) >= maxPlayers {
		p.gen, p.held, p.dir, p.players = g, held, dir, map[string]*call.Principal{}
	}
	if who := p.players[name]; who != nil {
		return who, nil
	}
	c := g.cfg.Playground
	who := &call.Principal{Auth: "key", KeyID: playID, KeyName: playID, Org: c.Org, Project: c.Project, Team: c.Team, User: name}
	for _, l := range slices.Concat(c.Rates, c.Budgets) {
		l.Scope = "key/" + playID
		who.Budgets = append(who.Budgets, call.Limit(l))
	}
	settled, refused := p.host.settleToken(who) // who runs the gateway need not be in the directory
	if refused != nil {
		return nil, refused
	}
	if err := p.host.limit(p.host.held.Load(), settled); err != nil {
		return nil, err
	}
	p.players[name] = settled
	return settled, nil
}

// redeem returns the ticket of that name, which counts no more; nil: there is none.
func (p *playground) redeem(name []byte) *ticket {
	if p == nil || len(name) < len(playPrefix) || string(name[:len(playPrefix)]) != playPrefix {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tickets[string(name)]
	delete(p.tickets, string(name))
	return t
}

// enter makes f the request of t.
func (t *ticket) enter(h *Host, f *flight) (err *wire.Error) {
	f.Remote, f.TLS, f.Origin = t.remote, t.tls, "playground"
	f.ticketed, t.left = t, make(chan struct{})
	t.stop = context.AfterFunc(t.ctx, func() { f.Gone.Leave(); close(t.left) })
	if f.Principal = t.who; t.who == nil {
		if f.Principal, err = h.identify(&f.Call, t.key); err != nil {
			return err
		}
	}
	return auth.Permit(&f.Call)
}

// done lets go of the request. It tolerates nil.
func (t *ticket) done() {
	if t != nil && !t.stop() {
		<-t.left // before the call is another's
	}
}
