package egress

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func hosts(t testing.TB, entries ...string) *Hosts {
	t.Helper()
	h, err := Parse(entries)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestCheck(t *testing.T) {
	h := hosts(t, "api.openai.com", "localhost:11434", "10.0.0.5:8080", "[::1]:9", "gpu.example:8443", "192.0.2.7")
	f := func(raw string, want bool) {
		t.Helper()
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Check(u); (err == nil) != want {
			t.Errorf("%s: got %v; want allowed %v", raw, err, want)
		}
	}
	f("https://api.openai.com/v1/chat", true)
	f("https://API.OpenAI.com./v1", true)
	f("https://api.openai.com:443/v1", true)
	f("http://localhost:11434/v1", true)
	f("https://gpu.example:8443", true)
	f("http://10.0.0.5:8080", true)
	f("http://[::1]:9/", true)
	f("https://192.0.2.7/", true)

	f("http://api.openai.com/v1", false)       // in the clear
	f("https://api.openai.com:8443/v1", false) // another port
	f("http://api.openai.com:443/v1", false)   // in the clear
	f("https://api.openai.com.evil.example/", false)
	f("https://evil.example/api.openai.com", false)
	f("https://user:pass@api.openai.com/", false)
	f("http://localhost:8081/", false)
	f("http://127.0.0.1:11434/", false) // another way to write a host is another host
	f("http://10.0.0.5/", false)
	f("ftp://api.openai.com/", false)
	f("https:///v1", false)
	f("https://api.openai.cоm/", false) // a Cyrillic o
}

func TestCheckNamesTheRemedy(t *testing.T) {
	u, _ := url.Parse("http://127.0.0.1:8081/v1")
	err := hosts(t, "api.openai.com").Check(u)
	if err == nil || !strings.Contains(err.Error(), `add "127.0.0.1:8081"`) {
		t.Errorf("got %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, entry := range []string{"", "https://api.openai.com", "*.openai.com", "a b", "host:0", "host:99999", "host:port", "user@host", "ünï.example"} {
		if _, err := Parse([]string{entry}); err == nil {
			t.Errorf("%q was accepted", entry)
		}
	}
}

func TestOfURL(t *testing.T) {
	f := func(raw, want string) {
		t.Helper()
		got, err := OfURL(raw)
		if (err != nil) != (want == "") || got != want {
			t.Errorf("%s: got %q, %v; want %q", raw, got, err, want)
		}
		if want != "" {
			u, _ := url.Parse(raw)
			if err := hosts(t, got).Check(u); err != nil {
				t.Error(err)
			}
		}
	}
	f("https://api.openai.com/v1", "api.openai.com:443")
	f("http://localhost:11434/v1", "localhost:11434")
	f("http://[::1]:8080", "[::1]:8080")
	f("http://plain.example", "plain.example:80")
	f("api.openai.com", "")
	f("", "")
}

func TestAllowIP(t *testing.T) {
	h := hosts(t, "api.openai.com", "localhost:11434", "inner.example:80", "10.1.0.0/16", "192.168.7.7", "10.9.9.9:80")
	f := func(host, ip string, want bool) {
		t.Helper()
		if got := h.AllowIP(host)(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s at %s: got %v; want %v", host, ip, got, want)
		}
	}
	f("api.openai.com", "104.18.6.192", true)
	f("api.openai.com", "2606:4700::6812:6c0", true)
	f("inner.example", "10.1.2.3", true)
	f("inner.example", "192.168.7.7", true)
	f("localhost", "127.0.0.1", true)
	f("localhost", "::1", true)
	f("10.9.9.9", "10.9.9.9", true)

	for _, ip := range []string{"127.0.0.1", "::1", "169.254.169.254", "10.0.0.1", "10.9.9.9", "172.16.0.1", "192.168.0.1", "100.64.0.1", "0.0.0.0",
		"::", "fe80::1", "fd00::1", "ff02::1", "224.0.0.1", "255.255.255.255", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
		"2002:7f00:1::", "2001:0:1::1", "198.18.0.1", "192.0.0.8", "fec0::1", "::7f00:1"} {
		f("api.openai.com", ip, false)
	}
	f("10.9.9.9", "10.9.9.10", false)
	f("localhost", "169.254.169.254", false)
	f("localhost", "10.0.0.1", false)
}

func FuzzHosts(f *testing.F) {
	f.Add("api.openai.com", "https://api.openai.com/v1")
	f.Add("10.0.0.0/8", "http://10.0.0.1")
	f.Add("[::1]:80", "http://[::1]")
	f.Fuzz(func(t *testing.T, entry, raw string) {
		h, err := Parse([]string{entry})
		if err != nil {
			return
		}
		u, err := url.Parse(raw)
		if err != nil {
			return
		}
		if h.Check(u) == nil && u.User != nil {
			t.Errorf("%q allows %q, which holds a user", entry, raw)
		}
		h.AllowIP(u.Hostname())
		if got, err := OfURL(raw); err == nil {
			if _, err := Parse([]string{got}); err != nil && normal(u.Hostname()) != "" {
				t.Logf("%q gives %q: %v", raw, got, err)
			}
		}
	})
}
