package eventstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// encoded is a message by AWS's own encoder.
func encoded(t testing.TB, payload string, headers map[string]string) []byte {
	t.Helper()
	m := eventstream.Message{Payload: []byte(payload)}
	for name, v := range headers {
		m.Headers.Set(name, eventstream.StringValue(v))
	}
	for name, v := range map[string]eventstream.Value{ // of every type
		"a": eventstream.BoolValue(true), "b": eventstream.BoolValue(false), "c": eventstream.Int8Value(1), "d": eventstream.Int16Value(2),
		"e": eventstream.Int32Value(3), "f": eventstream.Int64Value(4), "g": eventstream.BytesValue("bytes"),
		"h": eventstream.TimestampValue(time.Unix(1, 0)), "i": eventstream.UUIDValue([16]byte{1}),
	} {
		m.Headers.Set(name, v)
	}
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func event(t testing.TB, name, payload string) []byte {
	return encoded(t, payload, map[string]string{":message-type": "event", ":event-type": name, ":content-type": "application/json"})
}

func TestMessages(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	stream := bytes.Join([][]byte{
		event(t, "messageStart", `{"a":1}`), event(t, "contentBlockDelta", long), event(t, "contentBlockDelta", ""),
		encoded(t, `{"message":"m"}`, map[string]string{":message-type": "exception", ":exception-type": "throttlingException"}),
		encoded(t, "", map[string]string{":message-type": "error", ":error-code": "Inter\"nal", ":error-message": "oops"}),
	}, nil)
	for _, in := range []io.Reader{bytes.NewReader(stream), iotest.OneByteReader(bytes.NewReader(stream)), iotest.DataErrReader(bytes.NewReader(stream))} {
		r := NewReader(bufio.NewReader(in), 1<<20)
		f := func(name, data string) {
			t.Helper()
			n, d, err := r.Next()
			if err != nil || n != name || string(d) != data {
				t.Errorf("got %q %.100q, %v; want %q %.100q", n, d, err, name, data)
			}
		}
		f("messageStart", `{"a":1}`)
		f("contentBlockDelta", long)
		f("contentBlockDelta", "")
		f("throttlingException", `{"message":"m"}`)
		f("error", `{"message":"oops","type":"Inter\"nal"}`)
		if _, _, err := r.Next(); err != io.EOF {
			t.Errorf("got %v; want EOF", err)
		}
	}
}

func TestRefused(t *testing.T) {
	whole := event(t, "e", "payload")
	f := func(b []byte, want error) {
		t.Helper()
		if _, _, err := NewReader(bufio.NewReader(bytes.NewReader(b)), 4096).Next(); !errors.Is(err, want) {
			t.Errorf("got %v; want %v", err, want)
		}
	}
	for n := 1; n < len(whole); n++ {
		f(whole[:n], io.ErrUnexpectedEOF)
	}
	for i := range whole {
		spoiled := bytes.Clone(whole)
		spoiled[i] ^= 0x40
		if _, _, err := NewReader(bufio.NewReader(bytes.NewReader(spoiled)), 4096).Next(); err == nil {
			t.Errorf("byte %d is wrong, and not noticed", i)
		}
	}
	f(event(t, "e", strings.Repeat("x", 5000)), ErrTooLong)
	f(nil, io.EOF)
}

func TestWaiting(t *testing.T) {
	one := event(t, "e", "payload")
	for n := range len(one) {
		in := bufio.NewReader(io.MultiReader(bytes.NewReader(append(bytes.Clone(one), one[:n]...)), iotest.ErrReader(errors.New("more was read"))))
		r := NewReader(in, 4096)
		if _, _, err := r.Next(); err != nil || r.Waiting() {
			t.Fatalf("%d bytes of the next message: %v, waiting %v", n, err, r.Waiting())
		}
	}
	r := NewReader(bufio.NewReader(bytes.NewReader(append(bytes.Clone(one), one...))), 4096)
	if _, _, err := r.Next(); err != nil || !r.Waiting() {
		t.Errorf("a whole message is not seen: %v", err)
	}
}

// FuzzReader reads any bytes; what AWS's own decoder takes comes out alike.
func FuzzReader(f *testing.F) {
	f.Add(event(f, "messageStart", `{"a":1}`))
	f.Add(encoded(f, "", map[string]string{":message-type": "error", ":error-code": "x"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bufio.NewReader(bytes.NewReader(b)), 1<<16)
		theirs := bytes.NewReader(b)
		for {
			name, data, err := r.Next()
			m, theirErr := eventstream.NewDecoder().Decode(theirs, nil)
			if err != nil {
				return
			}
			if theirErr != nil {
				return // its limits are narrower
			}
			kind := m.Headers.Get(":message-type")
			if kind == nil || kind.String() != "event" {
				continue
			}
			if v := m.Headers.Get(":event-type"); v != nil && v.String() != name || !bytes.Equal(data, m.Payload) {
				t.Fatalf("got %q %q; AWS's decoder has %v %q", name, data, m.Headers, m.Payload)
			}
		}
	})
}
