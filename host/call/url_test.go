package call

import "testing"

func TestSecureURL(t *testing.T) {
	f := func(u string, ok bool) {
		t.Helper()
		if err := SecureURL(u); (err == nil) != ok {
			t.Errorf("%q: got %v", u, err)
		}
	}
	f("https://login.example.com/realms/x", true)
	f("http://127.0.0.1:3000", true)
	f("http://login.example.com", false)
	f("http://127.0.0.1.example.com", false)
	f("file:///etc/passwd", false)
	f("https://u:p@login.example.com", false)
	f("", false)
}
