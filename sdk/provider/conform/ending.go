package conform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
	gproto "google.golang.org/protobuf/proto"
)

// ending are the cases that look at the adapter as a whole, and end it.
var ending = []check{
	{id: "configure/live", title: "takes a configuration while requests run", run: checkLive,
		why: "operators reload under traffic: no request may fail for it",
		fix: "build what is served beside the old and swap it at once; requests that run keep what they began with"},
	{id: "configure/keeps", title: "keeps serving when a configuration is refused", run: checkKeeps,
		why: "a bad reload must cost nothing",
		fix: "change nothing before the configuration is known to be good"},
	{id: "credential", title: "uses the credential of the request alone", run: checkCredential,
		why: "credentials rotate and belong to different owners: none is kept",
		fix: "take the credential from each request's header; no caches of clients or headers that hold it"},
	{id: "describe/secrets", title: "says nothing secret of itself", run: checkAbout,
		why: "the manifest is shown to anyone who may see the catalogue",
		fix: "build Describe from constants, not from the configuration or requests"},
	{id: "secrets", title: "leaves credentials nowhere", run: checkSecrets,
		why: "logs and files outlive the request and are read by others",
		fix: "do not log requests, headers or upstream errors as they are, and write no files that hold them"},
	{id: "drain", title: "drains: no stream is cut, no connection taken, then it ends", run: checkDrain,
		why: "an upgrade under load must not cost a request",
		fix: "on Drain close the listener, wait for running requests, then answer; end when standard input closes"},
	{id: "crash", title: "can be killed and started again", run: checkCrash,
		why: "the gateway restarts what crashes, in a new folder",
		fix: "keep no state between runs and start no process that outlives you"},
	{id: "lifeline", title: "ends with its gateway", run: checkLifeline,
		why: "a gateway that is killed cannot end its adapters: an orphan holds credentials and memory for good",
		fix: "read standard input in the background and exit when it ends"},
}

// first is the target that whole-adapter cases use, preferably one with an upstream.
func (k *kit) first() *target {
	for _, t := range k.targets {
		if t.upstream && t.form.streams {
			return t
		}
	}
	if len(k.targets) == 0 {
		return nil
	}
	return k.targets[0]
}

func (k *kit) one(ctx context.Context) (*target, error) {
	t := k.first()
	if t == nil {
		return nil, skipf("nothing that the kit can ask for is served on its socket")
	}
	r, err := k.send(ctx, ask{t: t})
	if err == nil {
		err = k.good(t, r)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.name(), err)
	}
	return t, nil
}

func checkLive(ctx context.Context, k *kit) error {
	t, err := k.one(ctx)
	if err != nil {
		return err
	}
	live, stop := context.WithCancel(ctx)
	defer stop()
	result := make(chan error, 1)
	go func() {
		result <- each(4, func(int) error {
			for n := 0; n == 0 || live.Err() == nil; n++ {
				r, err := k.send(ctx, ask{t: t, stream: t.form.streams && n%2 == 1})
				if err == nil && (r.status != http.StatusOK || r.cut != nil) {
					err = fmt.Errorf("status %d: %s %v", r.status, clip(r.body), r.cut)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}()
	for i := range 20 {
		if _, err = k.shared.configure(ctx, k.config(), k.hosts()); err != nil {
			err = fmt.Errorf("its Configure number %d fails: %s", i+1, reason(err))
			break
		}
	}
	stop()
	if failed := <-result; failed != nil {
		err = errors.Join(err, fmt.Errorf("a request fails while Configure is called: %w", failed))
	}
	return err
}

func checkKeeps(ctx context.Context, k *kit) error {
	if err := k.refuses(ctx, k.shared); err != nil {
		return err
	}
	_, err := k.one(ctx)
	return err
}

func checkCredential(ctx context.Context, k *kit) error {
	if k.about.GetCredential() == "none" {
		return skipf("it takes no credential")
	}
	t := k.first()
	if t == nil || !t.upstream {
		return skipf("its answers do not come from the mock upstream")
	}
	for i := range k.secrets {
		if _, err := k.send(ctx, ask{t: t, credential: k.current(i)}); err != nil {
			return err
		}
	}
	log := k.up.requests()
	if len(log) < 2 {
		return errors.New("the second request has not reached the upstream: an answer may not be kept for another caller")
	}
	last := log[len(log)-1]
	switch {
	case last.holds(k.secret(0)):
		return errors.New("the second request went upstream with the credential of the first")
	case log[0].holds(k.secret(0)) && !last.holds(k.secret(1)):
		return errors.New("the second request went upstream without its credential")
	}
	return nil
}

// secret is the part of what is sent that is secret.
func (k *kit) secret(i int) string { return or(k.tokens[i], k.secrets[i]) }

// holds reports whether a request to the upstream carries text.
func (s *seen) holds(text string) bool {
	for _, values := range s.header {
		if strings.Contains(strings.Join(values, "\n"), text) {
			return true
		}
	}
	return strings.Contains(s.path, text) || strings.Contains(s.body, text)
}

func checkAbout(ctx context.Context, k *kit) error {
	d, err := k.shared.describe(ctx)
	if err != nil {
		return err
	}
	raw, err := gproto.Marshal(d)
	if err != nil {
		return err
	}
	for i := range k.secrets {
		if strings.Contains(string(raw), k.secrets[i]) || strings.Contains(string(raw), k.secret(i)) {
			return errors.New("its Describe holds the credential of a request")
		}
	}
	for name, v := range k.opts.Config {
		if s, ok := v.(string); ok && secretName(name) && s != "" && strings.Contains(string(raw), s) {
			return fmt.Errorf("its Describe holds the configuration's %s", name)
		}
	}
	return nil
}

func secretName(name string) bool {
	for _, word := range []string{"key", "token", "secret", "password"} {
		if strings.Contains(strings.ToLower(name), word) {
			return true
		}
	}
	return false
}

func checkSecrets(_ context.Context, k *kit) error {
	if k.about.GetCredential() == "none" {
		return skipf("it takes no credential")
	}
	var errs []error
	look := func(where, text string) {
		for i := range k.secrets {
			if strings.Contains(text, k.secrets[i]) || strings.Contains(text, k.secret(i)) {
				errs = append(errs, fmt.Errorf("%s holds the credential of a request", where))
				return
			}
		}
	}
	look("its standard error", k.shared.stderr.String())
	look("its standard output", k.shared.stdout.String())
	err := fs.WalkDir(os.DirFS(k.shared.dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(filepath.Join(k.shared.dir, name))
		look("the file "+name+" in its folder", string(raw))
		return err
	})
	return errors.Join(append(errs, err)...)
}

// open streams while an adapter drains.
const open = 4

func checkDrain(ctx context.Context, k *kit) error {
	a, err := k.bring(ctx)
	if err != nil {
		return err
	}
	defer a.kill()
	t := k.first()
	hold := make(chan struct{})
	var results chan error
	if t != nil && t.upstream && t.form.streams {
		k.up.behave(behaviour{hold: hold})
		if results, err = k.streams(ctx, a, t); err != nil {
			return err
		}
	}
	drained := make(chan error, 1)
	go func() {
		_, err := a.rpc.Drain(ctx, &pb.DrainRequest{TimeoutMs: k.opts.Patience.Milliseconds()})
		drained <- err
	}()
	if t != nil {
		if err := k.refusesNew(ctx, a, t, drained); err != nil {
			return err
		}
	}
	if results != nil {
		// An answer that came too early is on its way before those to what is asked now.
		for range 20 {
			_, _ = a.rpc.Health(ctx, &pb.HealthRequest{})
		}
		select {
		case err := <-drained:
			return fmt.Errorf("its Drain returned (%v) while %d streams were running", err, open)
		default:
		}
		close(hold)
		for range open {
			if err := <-results; err != nil {
				return fmt.Errorf("a stream that ran when Drain was called: %w", err)
			}
		}
	}
	if err := <-drained; err != nil {
		return fmt.Errorf("its Drain fails: %s%s", reason(err), a.stderr.last())
	}
	return k.ends(ctx, a)
}

// streams opens streams on a that the upstream holds.
func (k *kit) streams(ctx context.Context, a *adapter, t *target) (chan error, error) {
	results := make(chan error, open)
	err := each(open, func(int) error {
		resp, err := k.open(ctx, a, ask{t: t, stream: true})
		if err != nil {
			return fmt.Errorf("no answer: %w", err)
		}
		first := make([]byte, 1)
		if _, err := io.ReadFull(resp.Body, first); err != nil {
			resp.Body.Close()
			return fmt.Errorf("a stream does not begin: %w", err)
		}
		go func() {
			r := read(resp)
			r.body = string(first) + r.body
			results <- k.goodStream(t, r)
		}()
		return nil
	})
	return results, err
}

// refusesNew asks on new connections until one is refused.
func (k *kit) refusesNew(ctx context.Context, a *adapter, t *target, drained chan error) error {
	for {
		a.http.CloseIdleConnections()
		_, err := os.Lstat(a.socket)
		var resp *http.Response
		if err == nil {
			c := *t
			resp, err = k.openNew(ctx, a, &c)
		}
		if err != nil {
			if ctx.Err() != nil {
				return errors.New("new connections are neither taken nor refused while it drains")
			}
			return nil
		}
		status := resp.StatusCode
		resp.Body.Close()
		if status == http.StatusServiceUnavailable {
			return nil
		}
		select {
		case err := <-drained:
			drained <- err
			return k.stillRefuses(ctx, a, t)
		default:
		}
	}
}

// stillRefuses asks once more after Drain has returned.
func (k *kit) stillRefuses(ctx context.Context, a *adapter, t *target) error {
	a.http.CloseIdleConnections()
	resp, err := k.openNew(ctx, a, t)
	if err != nil {
		return nil
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable {
		return nil
	}
	return fmt.Errorf("a new connection is answered with status %d after Drain", resp.StatusCode)
}

// openNew sends what is answered at once: a body that is refused.
func (k *kit) openNew(ctx context.Context, a *adapter, t *target) (*http.Response, error) {
	r, err := k.request(ctx, ask{t: t, body: "{"})
	if err != nil {
		return nil, err
	}
	r.Close = true
	return a.http.RoundTrip(r)
}

// ends closes the lifeline and waits for the process.
func (k *kit) ends(ctx context.Context, a *adapter) error {
	a.lifeline.Close()
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		return errors.New("its standard input was closed and it has not ended")
	}
}

func checkCrash(ctx context.Context, k *kit) error {
	a, err := k.bring(ctx)
	if err != nil {
		return err
	}
	defer a.kill()
	pid := a.cmd.Process.Pid
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		return errors.New("it was killed, and a process that it has started holds its output open")
	}
	again, err := k.bring(ctx)
	if err != nil {
		return err
	}
	defer again.kill()
	t := k.first()
	if t == nil {
		return nil
	}
	resp, err := k.open(ctx, again, ask{t: t})
	if err != nil {
		return fmt.Errorf("the process that follows does not answer: %w", err)
	}
	return k.good(t, read(resp))
}

func checkLifeline(ctx context.Context, k *kit) error { return k.ends(ctx, k.shared) }
