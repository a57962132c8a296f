package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// slowServer is an admin API that answers what is read only once it is told to.
func slowServer(t *testing.T, answer string) (addr string, release chan<- bool) {
	t.Helper()
	let := make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		half := []byte(answer)[:len(answer)/2]
		if r.Method == http.MethodGet { // what is exported comes in parts
			_, _ = w.Write(half)
			w.(http.Flusher).Flush()
			<-let
			_, _ = w.Write([]byte(answer)[len(half):])
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		<-let
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), let
}

func TestProgressInATerminal(t *testing.T) {
	f := func(answer, want, command string) {
		t.Helper()
		addr, release := slowServer(t, answer)
		out := filepath.Join(t.TempDir(), "out")
		p := inTerminal(t, 120, 10, "sh", "-c", command+" --address "+addr+" --token sesame > "+out)
		p.awaitText(want)
		release <- true
		p.end()
		if last := p.raw.String(); !strings.HasSuffix(last, " \r") {
			t.Errorf("%s does not wipe its line: %q", command, last)
		}
		if written, err := os.ReadFile(out); err != nil || len(written) == 0 || bytes.ContainsAny(written, "\r█·") {
			t.Errorf("%s prints %q: %v", command, written, err)
		}
	}
	program := filepath.Join(t.TempDir(), "acme")
	if err := os.WriteFile(program, make([]byte, 3<<20), 0o700); err != nil {
		t.Fatal(err)
	}
	bill := filepath.Join(t.TempDir(), "bill.csv")
	if err := os.WriteFile(bill, []byte("Date,Cost\n2026-05-01,0.001\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f(`{"Revision":"abc"}`, "policy impact: the gateway works on it  0s", "signalbox policy impact")
	f(`{"rows":[]}`, "ledger reconcile: the gateway sums up its ledger  0s", "signalbox ledger reconcile --provider p --columns day=Date,cost=Cost --file "+bill)
	f(strings.Repeat("a line\n", 10), "lines  0s  5", "signalbox ledger export")
	f(`{"name":"acme","version":"1","current":true}`, "[██████████████████████████████] 3.0 MB of 3.0 MB", "signalbox plugin install "+program)
}

// TestProgressElsewhere shows that what is no terminal is left alone.
func TestProgressElsewhere(t *testing.T) {
	var out bytes.Buffer
	p := progressOf(&out, "work", 10, plainly)
	p.add(3)
	p.end()
	if out.Len() > 0 {
		t.Errorf("it writes %q", out.String())
	}
}

func TestPace(t *testing.T) {
	var p pace
	start := time.Unix(1000, 0)
	f := func(want string, done, total int64, after time.Duration) {
		t.Helper()
		if got := p.bar(done, total, start.Add(after), plainly); got != want {
			t.Errorf("%d of %d after %s: %q; want %q", done, total, after, got, want)
		}
	}
	f("[···············"+"···············] 0 of 10", 0, 10, 0)
	f("[███············"+"···············] 1 of 10", 1, 10, time.Second)
	f("[███████████████"+"···············] 5 of 10  2/s  2s left", 5, 10, 2*time.Second)
	f("[███████████████"+"███████████████] 10 of 10  2/s", 10, 10, 5*time.Second)
	f("[███████████████"+"███████████████] 12 of 10  2/s", 12, 10, 6*time.Second)
	f("20  2/s", 20, 0, 10*time.Second)
	if got := inBytes(3<<20) + inBytes(2<<30) + inBytes(2048); got != "3.0 MB2.0 GB2 KB" {
		t.Errorf("bytes are %s", got)
	}
}
