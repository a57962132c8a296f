package dispatch

import (
	"bufio"
	"bytes"
	"io"
	"net/http/httputil"
	"testing"
	"testing/iotest"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func readAll(r io.Reader, contentLength int) ([]byte, error) {
	var b body
	b.reset(bufio.NewReaderSize(r, 64), contentLength)
	var out []byte
	for {
		var err error
		if err = b.await(); err == nil {
			out, err = b.read(out, 16)
		}
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
	}
}

func TestBodyKnowsWhetherItIsWhole(t *testing.T) {
	f := func(name, raw string, length int, want string, whole bool) {
		t.Helper()
		for _, r := range []io.Reader{bytes.NewReader([]byte(raw)), iotest.OneByteReader(bytes.NewReader([]byte(raw)))} {
			got, err := readAll(r, length)
			if string(got) != want || (err == nil) != whole {
				t.Errorf("%s: got %q, %v; want %q, whole %t", name, got, err, want, whole)
			}
		}
	}
	f("length", "hello", 5, "hello", true)
	f("empty", "", 0, "", true)
	f("short", "hell", 5, "hell", false)
	f("chunks", "5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n", -1, "hello!", true)
	f("trailers", "1\r\na\r\n0\r\nX: y\r\n\r\n", -1, "a", true)
	f("no last chunk", "5\r\nhello\r\n", -1, "hello", false)
	f("last chunk without its end", "5\r\nhello\r\n0\r\n", -1, "hello", false)
	f("cut within a chunk", "5\r\nhel", -1, "hel", false)
	f("bad size", "xyz\r\nhello\r\n", -1, "", false)
	f("no CRLF behind data", "5\r\nhelloX0\r\n\r\n", -1, "hello", false)
	f("until close", "hello", -2, "hello", true)
}

// FuzzBody holds the chunked reader against the standard library's: whatever
// this one takes as whole, that one reads the same.
func FuzzBody(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"))
	f.Add([]byte("1\r\na\r\n0\r\nX: y\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := readAll(bytes.NewReader(raw), -1)
		if err != nil {
			return
		}
		want, werr := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(raw)))
		if werr == nil && !bytes.Equal(got, want) {
			t.Fatalf("read %q, the standard library reads %q", got, want)
		}
	})
}

// FuzzEvents: parsing events of any bytes neither panics nor loops.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("event: a\ndata: b\n\ndata: [DONE]\r\n\r\n: c\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		idle(b)
		for len(b) > 0 {
			n := eventLen(b)
			if want := firstEnd(b); n != want {
				t.Fatalf("eventLen(%q) = %d; want %d", b, n, want)
			}
			ev := parseEvent(b[:n])
			for d := range wire.NumDialects {
				_, _, _ = ev.isLast(d), ev.isError(d), endings(d, ev, b[:n])
			}
			b = b[n:]
		}
	})
}

// firstEnd is eventLen in plain words: where the first empty line ends.
func firstEnd(b []byte) int {
	end := len(b)
	for _, blank := range []string{"\n\n", "\r\n\r\n"} {
		if i := bytes.Index(b, []byte(blank)); i >= 0 {
			end = min(end, i+len(blank))
		}
	}
	return end
}
