package module

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

const full = `{"name":"frugal","version":"1.2.0","kind":"route","abi":"sb/1","grants":["log","counters"],"needs":["session"],"fuel":20000,"memory":262144,"on_error":"builtin"}`

func TestParse(t *testing.T) {
	m, err := Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "frugal" || !m.Granted(Log) || m.Granted(Metrics) || !m.Needed(Session) || m.Needed(Budget) || m.Fuel != 20_000 {
		t.Errorf("got %+v", m)
	}
	if again, err := Parse(m.Canonical()); err != nil || !bytes.Equal(again.Canonical(), m.Canonical()) {
		t.Errorf("the canonical text of %s is read as %+v, %v", m.Canonical(), again, err)
	}
}

func TestParseRefuses(t *testing.T) {
	f := func(from, to, want string) {
		t.Helper()
		text := strings.Replace(full, from, to, 1)
		if _, err := Parse([]byte(text)); text == full || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %s", text, err, want)
		}
	}
	f(`"frugal"`, `"Frugal"`, "lower-case letters")
	f(`"1.2.0"`, `"1 2"`, "write it as 1.2.0")
	f(`"route"`, `"router"`, "give route or filter")
	f(`"sb/1"`, `"sb/2"`, "this program speaks sb/1")
	f(`"log"`, `"net"`, `grants holds "net": there are log, counters, metrics`)
	f(`"session"`, `"prompt"`, `needs holds "prompt"`)
	f(`20000`, `2000000`, "give 1 to 1000000")
	f(`262144`, `-1`, "give at most 67108864")
	f(`"builtin"`, `"closed"`, "give builtin or refuse")
	f(`"fuel"`, `"sha256":"12","fuel"`, "64 hexadecimal digits")
	f(`"fuel"`, `"feul"`, `unknown field "feul"`)
	f(`{`, ``, "cannot read manifest")
	f(`}`, `} {}`, "something follows")
	f(`}`, strings.Repeat(" ", MaxManifest)+"}", "more than 65536 bytes")
}

func TestMatches(t *testing.T) {
	code := []byte("\x00asm")
	sum := sha256.Sum256(code)
	m := Default(Route, "m")
	for _, s := range []string{"", hex.EncodeToString(sum[:]), strings.ToUpper(hex.EncodeToString(sum[:]))} {
		if m.SHA256 = s; m.Matches(code) != nil {
			t.Errorf("%q: %v", s, m.Matches(code))
		}
	}
	if err := m.Matches(code[1:]); err == nil || !strings.Contains(err.Error(), "correct sha256") {
		t.Errorf("got %v", err)
	}
}

// FuzzParse: what is read says the same in its canonical text.
func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(`{"name":"f","kind":"filter","abi":"sb/1","on_error":"open"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(m.Canonical())
		if err != nil || !bytes.Equal(again.Canonical(), m.Canonical()) {
			t.Fatalf("%s becomes %+v, %v", m.Canonical(), again, err)
		}
	})
}
