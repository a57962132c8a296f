package auth

import "testing"

func TestShown(t *testing.T) {
	id, token := Generate()
	f := func(token, want string) {
		t.Helper()
		if got := Shown([]byte(token)); string(got) != want {
			t.Errorf("of %q %q is shown; want %q", token, got, want)
		}
	}
	f(token, id)
	f("", "")
	f("sk-proj-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "")
	f(token+"x", "")
	f(token[:len(token)-1], "")
	f("sb_"+token[3:], "")
	f(token[:len(token)-1]+"!", "")
	f(token[:13]+"x"+token[14:], "")
}
