package spool_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/signalbox-ai/signalbox/host/spool"
)

func TestBodyIsSentAsWritten(t *testing.T) {
	dir := t.TempDir()
	f := func(size int) {
		t.Helper()
		folder := spool.New(dir, 1<<30)
		b := folder.Body("a")
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(i*7 + i>>9)
		}
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 100_003)
			if m, err := b.Write(rest[:n]); m != n || err != nil {
				t.Fatalf("Write = %d, %v", m, err)
			}
			rest = rest[n:]
		}
		if b.Size() != int64(size) {
			t.Errorf("Size = %d, want %d", b.Size(), size)
		}
		for _, part := range [][2]int{{0, size}, {0, 0}, {size, size}, {size / 3, size / 2}, {max(0, size-1), size}} {
			var got bytes.Buffer
			if err := b.Send(&got, int64(part[0]), int64(part[1])); err != nil || !bytes.Equal(got.Bytes(), want[part[0]:part[1]]) {
				t.Errorf("Send%v of %d: %d bytes, %v", part, size, got.Len(), err)
			}
		}
		if err := b.Close(); err != nil || folder.Used() != 0 {
			t.Errorf("Close: %v, %d bytes in use", err, folder.Used())
		}
	}
	f(0)
	f(1)
	f(1 << 20)
	f(1<<20 + 1)
	f(5_000_000)
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestQuota(t *testing.T) {
	folder := spool.New(t.TempDir(), 6<<20)
	fill := func(owner string, size int, want error) *spool.Body {
		t.Helper()
		b := folder.Body(owner)
		if _, err := b.Write(make([]byte, size)); !errors.Is(err, want) {
			t.Errorf("Write of %d bytes for %s = %v, want %v", size, owner, err, want)
		}
		return b
	}
	one := fill("a", 1<<20+2<<20, nil)
	two := fill("a", 1<<20+2<<20, spool.ErrFull) // half of the room is another's
	three := fill("b", 1<<20+2<<20, nil)
	four := fill("c", 1<<20+3<<20, spool.ErrFull) // two of six are left
	_ = one.Close()
	_ = two.Close()
	five := fill("a", 1<<20+3<<20, nil)
	if err := five.Send(io.Discard, 0, five.Size()+1); err == nil {
		t.Error("Send beyond the end succeeds")
	}
	for _, b := range []*spool.Body{three, four, five} {
		_ = b.Close()
	}
	if folder.Used() != 0 {
		t.Errorf("%d bytes in use", folder.Used())
	}
}

// TestManyBodiesAtATime: what all of them hold in memory is bounded.
func TestManyBodiesAtATime(t *testing.T) {
	folder := spool.New(t.TempDir(), 1<<30)
	var list []*spool.Body
	for range 80 {
		b := folder.Body("a")
		list = append(list, b)
		for range 2 {
			if _, err := b.Write(make([]byte, 1<<19)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if used := folder.Used(); used != 16<<20 {
		t.Errorf("%d bytes are on disk, want all beyond 64 MiB", used)
	}
	for _, b := range list {
		if b.Size() != 1<<20 || b.Send(io.Discard, 0, b.Size()) != nil {
			t.Errorf("a body of %d bytes cannot be sent", b.Size())
		}
		_ = b.Close()
	}
	b := folder.Body("a")
	_, _ = b.Write(make([]byte, 1<<20))
	if folder.Used() != 0 {
		t.Error("room in memory was not given back")
	}
	_ = b.Close()
}
