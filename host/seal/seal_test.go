package seal

import (
	"bytes"
	"errors"
	"testing"
)

func box(t testing.TB, key string) *Box {
	t.Helper()
	b, err := New(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealed(t *testing.T) {
	b := box(t, "a long random key")
	for _, plain := range []string{"", "sk-1", `{"private_key":"…"}`} {
		one, two := b.Seal([]byte(plain), "openai/main"), b.Seal([]byte(plain), "openai/main")
		if bytes.Equal(one, two) || plain != "" && bytes.Contains(one, []byte(plain)) {
			t.Errorf("%q is sealed as %x and %x", plain, one, two)
		}
		if got, err := box(t, "a long random key").Open(one, "openai/main"); err != nil || string(got) != plain {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

func TestRefusesToOpen(t *testing.T) {
	b := box(t, "a long random key")
	sealed := b.Seal([]byte("sk-1"), "openai/main")
	if _, err := box(t, "another key").Open(sealed, "openai/main"); !errors.Is(err, ErrKey) {
		t.Errorf("got %v", err)
	}
	if _, err := b.Open(sealed, "openai/two"); err == nil {
		t.Error("opened for another purpose")
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if got, err := b.Open(bad, "openai/main"); err == nil {
			t.Errorf("byte %d changed: opened as %q", i, got)
		}
		if got, err := b.Open(sealed[:i], "openai/main"); err == nil {
			t.Errorf("cut to %d bytes: opened as %q", i, got)
		}
	}
	if _, err := New(""); err == nil {
		t.Error("an empty key is taken")
	}
}
