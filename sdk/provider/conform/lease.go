package conform

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// lease is a lease in the words of this repository.
type lease struct {
	*pb.Lease
	op      wire.Op
	dialect wire.Dialect
}

// forbidden are the headers that only the host itself may write.
var forbidden = []string{"host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "keep-alive",
	"expect", "proxy-authorization", "proxy-connection", "content-encoding", "accept-encoding", "content-type", "user-agent"}

// callers are the headers that hold a caller's own secrets.
var callers = []string{"authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie", "x-forwarded-for", "forwarded"}

// rateKinds are the kinds that a lease may name rate-limit headers for.
var rateKinds = []string{"requests-limit", "requests-remaining", "requests-reset", "tokens-limit", "tokens-remaining", "tokens-reset"}

// checkLease reports what is wrong with one lease.
func (k *kit) checkLease(l lease, hosts *egress.Hosts) error {
	errs := []error{k.declared(l), k.target(l, hosts), headers(l), tables(l)}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("lease %s/%s: %w", l.GetOperation(), l.GetDialect(), err)
	}
	return nil
}

func (k *kit) declared(l lease) error {
	if l.op == wire.OpNone || l.dialect == wire.NoDialect {
		return fmt.Errorf("operation %q in dialect %q is not known to the contract", l.GetOperation(), l.GetDialect())
	}
	for _, o := range k.about.GetOperations() {
		if o.GetOperation() == l.GetOperation() && o.GetDialect() == l.GetDialect() {
			return nil
		}
	}
	if l.op == wire.OpChat && k.declaresChat() {
		return nil // the SDK serves further chat dialects by translation
	}
	return errors.New("its Describe does not name this operation and dialect")
}

func (k *kit) declaresChat() bool {
	return slices.ContainsFunc(k.about.GetOperations(), func(o *pb.Operation) bool { return o.GetOperation() == "chat" })
}

func (k *kit) target(l lease, hosts *egress.Hosts) error {
	if (l.GetUrl() == "") == (l.GetSocket() == "") {
		return errors.New("want one of url and socket")
	}
	if s := l.GetSocket(); s != "" {
		info, err := os.Lstat(s)
		switch {
		case filepath.Dir(s) != k.shared.dir:
			return fmt.Errorf("socket %q is not in the adapter's folder", s)
		case err != nil || info.Mode().Type() != os.ModeSocket:
			return fmt.Errorf("socket %q is not there: listen before it is leased", s)
		}
		return nil
	}
	for _, raw := range []string{l.GetUrl(), l.GetStreamUrl()} {
		if raw == "" {
			continue
		}
		u, err := url.Parse(strings.NewReplacer("{model}", "m", "{path}", "").Replace(raw))
		if err != nil || strings.ContainsAny(raw, " #") || u.Opaque != "" {
			return fmt.Errorf("url %q: want https://host/path without a fragment or spaces", raw)
		}
		if strings.ContainsAny(u.Host, "{}") || strings.ContainsAny(u.Path, "{}") {
			return fmt.Errorf("url %q: {model} and {path} are the only templates, and neither stands in the host", raw)
		}
		if err := hosts.Check(u); err != nil {
			return err
		}
	}
	return nil
}

func headers(l lease) error {
	var errs []error
	secret := map[string]bool{}
	for _, h := range l.GetHeaders() {
		name := strings.ToLower(h.GetName())
		if !token(name) || slices.Contains(forbidden, name) || strings.HasPrefix(name, "x-signalbox-") {
			errs = append(errs, fmt.Errorf("header %q is the gateway's own", h.GetName()))
		}
		if strings.ContainsAny(h.GetPrefix()+h.GetSuffix(), "\r\n\x00") {
			errs = append(errs, fmt.Errorf("header %q holds a line break", h.GetName()))
		}
		secret[name] = h.GetCredential()
	}
	for _, h := range l.GetPassHeaders() {
		name := strings.ToLower(h)
		if !token(name) || slices.Contains(forbidden, name) || slices.Contains(callers, name) || secret[name] || strings.HasPrefix(name, "x-signalbox-") {
			errs = append(errs, fmt.Errorf("header %q of the caller may not be passed on", h))
		}
	}
	return errors.Join(errs...)
}

func tables(l lease) error {
	var errs []error
	for _, rule := range l.GetErrors() {
		if wire.ParseClass(rule.GetClass()) == wire.ClassNone {
			errs = append(errs, fmt.Errorf("error class %q is none; there are %s", rule.GetClass(), classes()))
		}
		if s := rule.GetStatus(); s != 0 && (s < 400 || s > 599) {
			errs = append(errs, fmt.Errorf("error rule of status %d: want 400 to 599, or 0 for any", s))
		}
	}
	for kind := range l.GetRateHeaders() {
		if !slices.Contains(rateKinds, kind) {
			errs = append(errs, fmt.Errorf("rate header %q is none; there are %s", kind, strings.Join(rateKinds, ", ")))
		}
	}
	for from, to := range l.GetModels() {
		if from == "" || to == "" {
			errs = append(errs, fmt.Errorf("model %q → %q: a name is empty", from, to))
		}
	}
	return errors.Join(errs...)
}

func classes() string {
	var names []string
	for c := wire.ClassInvalid; c < wire.NumClasses; c++ {
		names = append(names, c.String())
	}
	return strings.Join(names, ", ")
}

// token reports whether s is a header name by RFC 9110.
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) })
}
