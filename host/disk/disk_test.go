package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := NewLock(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewLock(path)
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("locked twice: got %v; want an error that names the process", err)
	}
	l.Unlock()
	l.Unlock()
	(*Lock)(nil).Unlock()
	if l, err = NewLock(path); err != nil {
		t.Fatal(err)
	}
	l.Unlock()
}

func TestMapKeepsAndAllocates(t *testing.T) {
	const size = 1 << 20
	path := filepath.Join(t.TempDir(), "file")
	blocks := func() int64 {
		var st syscall.Stat_t
		if err := syscall.Stat(path, &st); err != nil {
			t.Fatal(err)
		}
		return st.Blocks * 512
	}
	m, fresh, err := Map(path, size)
	if err != nil || !fresh || len(m.Data) != size || blocks() < size {
		t.Fatalf("fresh %v, %v, %d bytes on the disk; want %d", fresh, err, blocks(), size)
	}
	copy(m.Data[size-5:], "hello")
	if err := m.Sync(); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	// A copy with holes, as some tools make it, is filled before it is used.
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	if m, fresh, err = Map(path, size); err != nil || fresh || blocks() < size {
		t.Fatalf("fresh %v, %v, %d bytes on the disk; want %d", fresh, err, blocks(), size)
	}
	copy(m.Data, "kept")
	m.Close()
	if m, fresh, err = Map(path, size); err != nil || fresh || string(m.Data[:4]) != "kept" {
		t.Errorf("fresh %v, %v: what was written is gone", fresh, err)
	}
	m.Close()
	if m, fresh, err = Map(path, 2*size); err != nil || !fresh || !bytes.Equal(m.Data, make([]byte, 2*size)) {
		t.Errorf("fresh %v, %v: a file of another size is not empty", fresh, err)
	}
	m.Close()
	if _, _, err := Map(filepath.Join(path, "below"), size); err == nil {
		t.Error("mapped a file below a file")
	}
}

func TestWriteZerosFillsAll(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := writeZeros(f, 100_001); err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 100_001 {
		t.Errorf("size is %d, %v", info.Size(), err)
	}
}

func TestBootID(t *testing.T) {
	a, err := BootID()
	if err != nil || a == ([16]byte{}) {
		t.Errorf("boot id is %x, %v", a, err)
	}
}
