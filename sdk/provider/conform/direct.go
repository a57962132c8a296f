package conform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
)

func (k *kit) mints() bool { return slices.Contains(k.about.GetCapabilities(), "token") }

// current is what requests carry: a credential, or the token made of it.
func (k *kit) current(i int) string {
	if k.tokens[i] != "" {
		return k.tokens[i]
	}
	return k.credential(i)
}

func checkToken(ctx context.Context, k *kit) error {
	if !k.mints() {
		return skipf("it has no capability \"token\": credentials are sent as they are")
	}
	for i := range k.secrets {
		t, err := k.shared.rpc.Token(ctx, &pb.TokenRequest{Name: fmt.Sprint("conform", i), Credential: k.credential(i)})
		if err != nil {
			return fmt.Errorf("its Token fails: %s%s", reason(err), k.unknownPath())
		}
		if t.GetToken() == "" {
			return errors.New("the token is empty")
		}
		if at := t.GetExpiresUnixMs(); at != 0 && at < time.Now().UnixMilli() {
			return fmt.Errorf("the token has expired already: expires_unix_ms is %d", at)
		}
		k.tokens[i] = t.GetToken()
	}
	return nil
}

func checkDirect(ctx context.Context, k *kit) error {
	var errs []error
	tried := 0
	for _, l := range k.leases {
		f := forms[kind{l.op, l.dialect}]
		if f == nil || !strings.HasPrefix(l.GetUrl(), k.up.url) {
			continue
		}
		tried++
		errs = append(errs, k.direct(ctx, l, f, false))
		if f.streams {
			errs = append(errs, k.direct(ctx, l, f, true))
		}
	}
	if tried == 0 {
		return skipf("no lease leads to the mock upstream: none is direct, or base_url is not among the configuration's fields")
	}
	return errors.Join(errs...)
}

// direct plays the gateway for one lease.
func (k *kit) direct(ctx context.Context, l lease, f *form, stream bool) error {
	t := &target{op: l.op, dialect: l.dialect, form: f, lease: l}
	raw := l.GetUrl()
	if stream {
		raw = or(l.GetStreamUrl(), raw)
	}
	model := t.upstreamModel(k.model(l.op))
	raw = strings.NewReplacer("{model}", url.PathEscape(model), "{path}", "").Replace(raw)
	contentType, body := f.body(model, stream)
	r, err := http.NewRequestWithContext(ctx, or(f.method, http.MethodPost), raw, strings.NewReader(body))
	if err != nil {
		return err
	}
	if body != "" {
		r.Header.Set("Content-Type", contentType)
	}
	carried := false
	for _, h := range l.GetHeaders() {
		value := h.GetPrefix() + h.GetSuffix()
		if h.GetCredential() {
			carried = true
			value = h.GetPrefix() + k.current(0) + h.GetSuffix()
		}
		r.Header.Set(h.GetName(), value)
	}
	if !carried && k.about.GetCredential() == "required" {
		return fmt.Errorf("lease %s: no header carries the credential, which the adapter requires", t.name())
	}
	var transport http.Transport
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("lease %s: %w", t.name(), err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("lease %s: %w", t.name(), err)
	}
	got := &reply{status: resp.StatusCode, header: resp.Header, body: string(text)}
	if stream {
		err = k.goodStream(t, got)
	} else {
		err = k.good(t, got)
	}
	if err != nil {
		return fmt.Errorf("lease %s: the upstream at %s: %w", t.name(), r.URL.Path, err)
	}
	return nil
}
