package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// data is the data socket: chat is passed on to base_url.
type data struct {
	http     http.Server
	listener net.Listener
	base     atomic.Value // string
	kept     atomic.Value // string: the first credential, for sins
	draining atomic.Bool
}

func (b *adapter) serveData() {
	b.base.Store("")
	b.kept.Store("")
	l, err := net.Listen("unix", filepath.Join(b.dir, "data"))
	if err != nil {
		panic(err)
	}
	b.listener, b.http.Handler = l, http.HandlerFunc(b.data.serve)
	go func() { _ = b.http.Serve(l) }()
}

func refuse(w http.ResponseWriter, code int, class, message string) {
	w.Header().Set("X-Signalbox-Error-Class", class)
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"error":{"message":%q,"code":%q}}`, message, class)
}

func (d *data) serve(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > 1<<20 && !sinful("oversized") {
		w.Header().Set("Connection", "close")
		refuse(w, 413, "invalid_request", "too large")
		return
	}
	body, err := io.ReadAll(r.Body)
	var ask map[string]any
	if err != nil || json.Unmarshal(body, &ask) != nil {
		switch {
		case sinful("malformed-500"):
			refuse(w, 500, "server", "no JSON")
		case sinful("malformed-plain"):
			http.Error(w, "no JSON", 400)
		default:
			refuse(w, 400, "invalid_request", "no JSON")
		}
		return
	}
	if sinful("greasy") && len(ask) > 3 && ask["stream"] == nil {
		refuse(w, 400, "invalid_request", "unknown member")
		return
	}
	if sinful("drops") {
		for name := range ask {
			if !strings.Contains("model messages max_tokens stream stream_options", name) {
				delete(ask, name)
			}
		}
		body, _ = json.Marshal(ask)
	}
	d.relay(w, r, body, ask["stream"] == true)
}

func (d *data) relay(w http.ResponseWriter, r *http.Request, body []byte, stream bool) {
	credential := d.credential(r)
	ctx := r.Context()
	if sinful("cancel") {
		ctx = context.WithoutCancel(ctx)
	}
	if ms, err := strconv.Atoi(r.Header.Get("X-Signalbox-Deadline-Ms")); err == nil && !sinful("deadline") {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, "POST", d.base.Load().(string)+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		refuse(w, 500, "server", "no URL")
		return
	}
	req.Header.Set("Authorization", "Bearer "+credential)
	resp, err := http.DefaultClient.Do(req)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		refuse(w, 504, "timeout", "late")
		return
	case err != nil:
		refuse(w, 502, "network", "gone")
		return
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode != 200:
		d.fail(w, resp)
	case stream:
		d.stream(w, resp)
	default:
		d.answer(w, resp)
	}
}

// credential is that of the request, and what sinners do with it.
func (d *data) credential(r *http.Request) string {
	c := r.Header.Get("X-Signalbox-Credential")
	d.kept.CompareAndSwap("", c)
	switch {
	case sinful("logs"):
		fmt.Fprintln(os.Stderr, "request with", c)
	case sinful("prints"):
		fmt.Println("request with", c)
	case sinful("files"):
		_ = os.WriteFile("cache", []byte(c), 0o600)
	case sinful("keeps"):
		return d.kept.Load().(string)
	}
	return c
}

func (d *data) fail(w http.ResponseWriter, resp *http.Response) {
	raw, _ := io.ReadAll(resp.Body)
	status := resp.StatusCode
	w.Header().Set("X-Signalbox-Error-Class", wire.ClassOfStatus(status).String())
	w.Header().Set("Retry-After", resp.Header.Get("Retry-After"))
	switch {
	case sinful("classless"):
		w.Header().Del("X-Signalbox-Error-Class")
	case sinful("impatient"):
		w.Header().Del("Retry-After")
	case sinful("flattens"):
		status = 500
	case sinful("formless"):
		raw = []byte("error")
	}
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

func (d *data) answer(w http.ResponseWriter, resp *http.Response) {
	w.Header().Set("Content-Type", "application/json")
	d.usage(w)
	if sinful("shapeless") {
		fmt.Fprint(w, `{"text":"conform says hello"}`)
		return
	}
	if sinful("deaf") {
		fmt.Fprint(w, `{"choices":[]}`)
		return
	}
	_, _ = io.Copy(w, resp.Body)
}

func (d *data) usage(w http.ResponseWriter) {
	switch {
	case sinful("usage-twice"):
		w.Header().Set("X-Signalbox-Usage", "in=20;cr=4;out=9;rs=3")
	case sinful("usage-negative"):
		w.Header().Set("X-Signalbox-Usage", "in=-1;out=9")
	default:
		w.Header().Set("X-Signalbox-Usage", "in=16;cr=4;out=6;rs=3")
	}
}

func (d *data) stream(w http.ResponseWriter, resp *http.Response) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Trailer", "X-Signalbox-Usage")
	in := bufio.NewReader(resp.Body)
	for {
		line, err := in.ReadString('\n')
		if sinful("drain-cuts") && d.draining.Load() {
			panic(http.ErrAbortHandler)
		}
		if sinful("endless") && strings.Contains(line, "[DONE]") {
			continue
		}
		_, _ = io.WriteString(w, line)
		if !sinful("unflushed") {
			w.(http.Flusher).Flush()
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			if sinful("fakes") {
				_, _ = io.WriteString(w, "data: [DONE]\n\n")
				return
			}
			if sinful("clean") {
				return
			}
			panic(http.ErrAbortHandler)
		}
	}
	d.usage(w)
}
