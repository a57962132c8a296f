package alert

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
)

// Receiver is where alerts go: exactly one of Webhook, Slack and SMTP is set.
type Receiver struct {
	Webhook string `json:"webhook,omitempty"`
	Secret  string `json:"secret,omitempty"` // signs what goes to Webhook
	Slack   string `json:"slack,omitempty"`

	SMTP     string   `json:"smtp,omitempty"` // host:port
	From     string   `json:"from,omitempty"`
	To       []string `json:"to,omitempty"`
	TLS      string   `json:"tls,omitempty"` // starttls, tls, none
	User     string   `json:"user,omitempty"`
	Password string   `json:"password,omitempty"`

	Kinds  []string `json:"kinds,omitempty"`  // none: all
	Scopes []string `json:"scopes,omitempty"` // patterns; none: all

	// Fenced says that whoever gave the addresses may be no operator: private
	// ones are refused, but for those of Allow.
	Fenced bool     `json:"-"`
	Allow  []string `json:"-"`
}

// Kind is what the receiver is.
func (r *Receiver) Kind() string {
	switch {
	case r.Webhook != "":
		return "webhook"
	case r.Slack != "":
		return "slack"
	}
	return "mail"
}

// Check says what is wrong with r.
func (r *Receiver) Check() error {
	given := 0
	for _, s := range []string{r.Webhook, r.Slack, r.SMTP} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return errors.New("give exactly one of webhook, slack and smtp")
	}
	for _, k := range r.Kinds {
		if !slices.Contains(Kinds, k) {
			return fmt.Errorf("kinds: there is no kind %q: give some of %s", k, strings.Join(Kinds, ", "))
		}
	}
	if r.SMTP != "" {
		return r.checkMail()
	}
	if u, err := url.Parse(r.Webhook + r.Slack); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("the address is none: write it as https://host/path") // it may hold a secret
	}
	return nil
}

// sender sends to receivers.
type sender struct {
	roots   *x509.CertPool // nil: the system's
	timeout time.Duration
	now     func() time.Time
}

func (s *sender) send(ctx context.Context, r *Receiver, e *Event) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	switch r.Kind() {
	case "webhook":
		body := e.body()
		return s.post(ctx, r, r.Webhook, body, s.signature(r.Secret, e.ID, body))
	case "slack":
		body, err := json.Marshal(map[string]string{"text": slackText(e)})
		if err != nil {
			return err
		}
		return s.post(ctx, r, r.Slack, body, nil)
	}
	return s.mail(ctx, r, e)
}

// slackText is the message in Slack's markup, in which three characters mean
// something.
func slackText(e *Event) string {
	return "*Signalbox* " + strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(e.Message)
}

// signature are the headers of the Standard Webhooks specification: who knows
// the secret can tell that the message is ours, and when it was sent.
func (s *sender) signature(secret, id string, body []byte) http.Header {
	now := strconv.FormatInt(s.now().Unix(), 10)
	h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {now}}
	if secret == "" {
		return h
	}
	key := []byte(secret)
	if text, ok := strings.CutPrefix(secret, "whsec_"); ok {
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
			key = raw
		}
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte(id + "." + now + "."))
	m.Write(body)
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(m.Sum(nil)))
	return h
}

func (s *sender) post(ctx context.Context, r *Receiver, address string, body []byte, header http.Header) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return errors.New("the address cannot be called")
	}
	for name, v := range header {
		req.Header[name] = v
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "signalbox")
	t := &http.Transport{DialContext: s.dialer(r), TLSClientConfig: &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
	if !r.Fenced {
		t.Proxy = http.ProxyFromEnvironment // which would look up the name where no fence stands
	}
	// A redirect would carry the message to a place that nobody named.
	client := http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		if inner := errors.Unwrap(err); inner != nil { // the address may hold a secret
			err = inner
		}
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode/100 != 2 {
		return &status{resp.StatusCode}
	}
	return nil
}

// status is an answer that is no success.
type status struct{ code int }

// Error implements error.
func (s *status) Error() string { return fmt.Sprintf("it answers %d", s.code) }

// hopeless reports whether trying again is of no use: the receiver has said that
// it is the message, or its address, that is wrong.
func hopeless(err error) bool {
	var s *status
	return errors.As(err, &s) && s.code/100 == 4 && s.code != http.StatusRequestTimeout && s.code != http.StatusTooManyRequests &&
		s.code != http.StatusUnauthorized && s.code != http.StatusForbidden && s.code != http.StatusNotFound
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// dialer connects to where r may go. The address is looked at when the name
// has been resolved, so that none can mean one thing first and another then.
func (s *sender) dialer(r *Receiver) dialFunc {
	d := net.Dialer{Timeout: s.timeout}
	if !r.Fenced {
		return d.DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		d := d
		d.Control = func(_, resolved string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(resolved)
			if err == nil && !allowed(r.Allow, host, to.Addr().Unmap()) {
				err = errors.New("the address is not public: list it in alerts.allow, or name the receiver in the configuration")
			}
			return err
		}
		return d.DialContext(ctx, network, addr)
	}
}

// allowed reports whether ip, which host has resolved to, is public or listed:
// by its address, a network that holds it, or the name.
func allowed(list []string, host string, ip netip.Addr) bool {
	return egress.Public(ip) || slices.ContainsFunc(list, func(entry string) bool {
		if n, err := netip.ParsePrefix(entry); err == nil {
			return n.Contains(ip)
		}
		a, err := netip.ParseAddr(entry)
		return err == nil && a.Unmap() == ip || strings.EqualFold(entry, host)
	})
}
