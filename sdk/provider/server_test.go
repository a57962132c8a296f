package provider_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// one is a provider with one route.
type one struct{ handle provider.HandlerFunc }

func (one) Manifest() provider.Manifest { return provider.Manifest{Name: "one", Version: "1"} }

func (o one) Configure(provider.Config) (*provider.Setup, error) {
	return &provider.Setup{Routes: []provider.Route{{Op: wire.OpChat, Dialect: wire.OpenAIChat, Handle: o.handle}}}, nil
}

var chat = providertest.Request{Op: wire.OpChat, Dialect: wire.OpenAIChat, Model: "m", Credential: "sk-secret", Body: `{"x":1}`}

func serve(t testing.TB, h provider.HandlerFunc) *providertest.Adapter {
	return providertest.Start(t, one{h}, "{}")
}

func TestRequestIsAsSent(t *testing.T) {
	a := serve(t, func(r *provider.Request, w *provider.Writer) error {
		left, ok := r.Remaining()
		if r.Op != wire.OpChat || r.Dialect != wire.OpenAIChat || r.Model() != "m" || r.ID() != "req_test" || string(r.Credential()) != "sk-secret" ||
			string(r.Body()) != `{"x":1}` || r.Header("openai-project") != "p" || !ok || left != 1500*time.Millisecond {
			t.Errorf("got %v %v %q %q %q %q", r.Op, r.Dialect, r.Model(), r.ID(), r.Body(), r.Header("openai-project"))
		}
		w.Usage(wire.Usage{Input: 1, Output: 2})
		w.Dropped("seed", "logit_bias")
		return w.JSON([]byte(`{"ok":true}`))
	})
	r := chat
	r.DeadlineMS, r.Header = "1500", http.Header{"Openai-Project": {"p"}}
	got := a.Do(t, r)
	if got.Status != 200 || got.Body != `{"ok":true}` || got.Header.Get("Content-Type") != "application/json" ||
		got.Header.Get("X-Signalbox-Dropped-Params") != "seed,logit_bias" || got.Usage != (wire.Usage{Input: 1, Output: 2}) {
		t.Errorf("got %+v", got)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	f := func(err error, status int, class wire.Class, says string) {
		t.Helper()
		got := serve(t, func(*provider.Request, *provider.Writer) error { return err }).Do(t, chat)
		e, ok := wire.ReadError([]byte(got.Body))
		if got.Status != status || got.Header.Get("X-Signalbox-Error-Class") != class.String() || !ok || !strings.Contains(e.Message, says) {
			t.Errorf("%v: got %d %s %s", err, got.Status, got.Header.Get("X-Signalbox-Error-Class"), got.Body)
		}
		if strings.Contains(got.Body, "sk-secret") {
			t.Errorf("the answer holds the credential: %s", got.Body)
		}
	}
	f(wire.Errorf(429, "slow_down", "later"), 429, wire.ClassRateLimit, "later")
	f(errors.New("dial with sk-secret failed"), 500, wire.ClassServer, "dial with [secret] failed")
	f(context.DeadlineExceeded, 504, wire.ClassTimeout, "deadline")
	f(nil, 500, wire.ClassServer, "without an answer")
}

func TestPanicCostsOneRequest(t *testing.T) {
	calls := 0
	a := serve(t, func(_ *provider.Request, w *provider.Writer) error {
		if calls++; calls == 1 {
			panic("oops")
		}
		return w.JSON([]byte(`{}`))
	})
	if got := a.Do(t, chat); got.Status != 500 {
		t.Errorf("got %d", got.Status)
	}
	if got := a.Do(t, chat); got.Status != 200 {
		t.Errorf("got %d", got.Status)
	}
}

func TestStreamFlushesPerEvent(t *testing.T) {
	next := make(chan struct{})
	a := serve(t, func(_ *provider.Request, w *provider.Writer) error {
		return w.Stream(func(s *provider.Stream) error {
			for _, data := range []string{"one", "two", "three"} {
				if err := s.Event("tick", []byte(data)); err != nil {
					return err
				}
				if err := s.Flush(); err != nil {
					return err
				}
				<-next
			}
			s.Usage(wire.Usage{Output: 3})
			return nil
		})
	})
	resp, err := a.Client.Do(chat.HTTP(t))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	for _, data := range []string{"one", "two", "three"} {
		var event string
		for range 3 {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			event += line
		}
		if event != "event: tick\ndata: "+data+"\n\n" {
			t.Errorf("got %q", event)
		}
		next <- struct{}{}
	}
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
		t.Errorf("got %q, %v", rest, err)
	}
	if got := resp.Trailer.Get("X-Signalbox-Usage"); got != "in=0;cr=0;cw5=0;cw1=0;out=3;rs=0" {
		t.Errorf("got trailer %q", got)
	}
}

func TestFailedStreamIsCut(t *testing.T) {
	f := func(flush bool, fail func() error) {
		t.Helper()
		a := serve(t, func(_ *provider.Request, w *provider.Writer) error {
			return w.Stream(func(s *provider.Stream) error {
				if err := s.Event("", []byte("part")); err != nil {
					return err
				}
				if flush {
					if err := s.Flush(); err != nil {
						return err
					}
				}
				return fail()
			})
		})
		if !flush { // nothing has left, so nothing is answered
			if resp, err := a.Client.Do(chat.HTTP(t)); err == nil {
				resp.Body.Close()
				t.Errorf("got status %d; want no answer", resp.StatusCode)
			}
			return
		}
		got := a.Do(t, chat)
		if got.Cut == nil || got.Body != "data: part\n\n" {
			t.Errorf("got %q, %v; want the part, then a cut", got.Body, got.Cut)
		}
		if got := a.Do(t, chat); got.Body != "data: part\n\n" {
			t.Errorf("the next request got %q", got.Body)
		}
	}
	for _, flush := range []bool{true, false} {
		f(flush, func() error { return errors.New("upstream ended early") })
		f(flush, func() error { panic("oops") })
	}
}

func TestLeavingGatewayCancels(t *testing.T) {
	f := func(stream bool) {
		t.Helper()
		began, ended := make(chan struct{}), make(chan error, 1)
		wait := func(ctx context.Context) error {
			close(began)
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return ctx.Err()
		}
		a := serve(t, func(r *provider.Request, w *provider.Writer) error {
			if !stream {
				return wait(r.Context())
			}
			return w.Stream(func(s *provider.Stream) error {
				if err := s.Event("", []byte("first")); err != nil {
					return err
				}
				if err := s.Flush(); err != nil {
					return err
				}
				return wait(r.Context())
			})
		})
		ctx, leave := context.WithCancel(t.Context())
		req := chat.HTTP(t).WithContext(ctx)
		go func() {
			if resp, err := a.Client.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		}()
		<-began
		leave()
		select {
		case err := <-ended:
			if err == nil || !strings.Contains(err.Error(), "closed") {
				t.Errorf("stream %v: got %v", stream, err)
			}
		case <-time.After(time.Minute):
			t.Errorf("stream %v: the handler was not told", stream)
		}
	}
	f(false)
	f(true)
}

func TestLargeBodies(t *testing.T) {
	big := strings.Repeat("x", 3<<20)
	a := serve(t, func(r *provider.Request, w *provider.Writer) error {
		if len(r.Body()) != len(big) {
			t.Errorf("got %d bytes", len(r.Body()))
		}
		return w.Stream(func(s *provider.Stream) error { return s.Event("", r.Body()) })
	})
	r := chat
	r.Body = big
	if got := a.Do(t, r); got.Cut != nil || got.Body != "data: "+big+"\n\n" {
		t.Errorf("got %d bytes, %v", len(got.Body), got.Cut)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	s := provider.Secret("sk-secret")
	if string(s) != "sk-secret" {
		t.Error("the value is lost")
	}
	for _, text := range []string{s.String(), s.GoString(), s.LogValue().String()} {
		if strings.Contains(text, "sk-") {
			t.Errorf("got %s", text)
		}
	}
}
