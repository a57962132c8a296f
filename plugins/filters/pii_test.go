package filters

import (
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/wasm/guests"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

const key = "-----BEGIN RSA PRIVATE KEY-----\nMIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu\n" +
	"KUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==\n-----END RSA PRIVATE KEY-----"

const jwt = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

var personal = []struct{ text, want string }{
	{"write to john.doe+x@example.co.uk now", "write to [EMAIL] now"},
	{"a@b.com, c@d.org.", "[EMAIL], [EMAIL]."},
	{"mailto:" + strings.Repeat("x", 80) + "@example.org", "mailto:" + strings.Repeat("x", 16) + "[EMAIL]"},
	{"nothing @ here a@b or user@localhost", "nothing @ here a@b or user@localhost"},
	{"card 4111 1111 1111 1111.", "card [CARD]."},
	{"4111-1111-1111-1111", "[CARD]"},
	{"amex 3782 822463 10005 ok", "amex [CARD] ok"},
	{"not 4111-1111-1111-1112, x4111111111111111", "not 4111-1111-1111-1112, x4111111111111111"},
	{"call +49 30 1234567 please", "call [PHONE] please"},
	{"0049 30 123456789", "[PHONE]"},
	{"(555) 123-4567 or 555-123-4567 or 555.123.4567", "[PHONE] or [PHONE] or [PHONE]"},
	{"555-123.4567, 2024-11-26, 10.0.0.1, 3.14159265358979", "555-123.4567, 2024-11-26, 10.0.0.1, 3.14159265358979"},
	{"DE89 3704 0044 0532 0130 00 and AT611904300234573201", "[IBAN] and [IBAN]"},
	{"GB82 WEST 1234 5698 7654 32, NO93 8601 1117 947", "[IBAN], [IBAN]"},
	{"AT611904300234573202", "AT611904300234573202"},
	{"key sk-proj-abcdEFGH1234567890abcdef end", "key [SECRET] end"},
	{"AKIAIOSFODNN7EXAMPLE! ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[SECRET]! [SECRET]"},
	{"risk-management-is-long sk-learn-is-a-long-lowercase-name", "risk-management-is-long sk-learn-is-a-long-lowercase-name"},
	{"Bearer " + jwt + ".", "Bearer [SECRET]"},
	{"key:\n" + key + "\nthen.", "key:\n[SECRET]\nthen."},
	{"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"},
	{"", ""},
}

func TestPII(t *testing.T) {
	slot := mustLoad(t, "pii", "")
	for _, p := range personal {
		for _, number := range []uint32{abi.ChannelUser, abi.ChannelAnswer, abi.ChannelReasoning, abi.ChannelToolArguments} {
			if got := screen(t, slot, number, p.text).out.String(); got != p.want {
				t.Errorf("%q gives %q, want %q", p.text, got, p.want)
			}
		}
	}
	long := strings.Repeat("some words, a@b.com and 4111 1111 1111 1111\n", 1000)
	if got := screen(t, slot, abi.ChannelUser, long).out.String(); got != strings.Repeat("some words, [EMAIL] and [CARD]\n", 1000) {
		t.Errorf("a text of several windows gives %d bytes: %.100q", len(got), got)
	}
}

func TestPIIInAnyChunking(t *testing.T) {
	pieces := []string{" ", "\n", ".", "é", "@", "@x.com", "+1 ", "12345678901234567890 ", "eyJ", "sk-", "ghp_", "4111 ", "DE89", "-----BEGIN ",
		"PRIVATE KEY-----", "-----END", "-----", strings.Repeat("a", 100), strings.Repeat("a", 300), strings.Repeat("- ", 40)}
	for _, p := range personal[:len(personal)-1] {
		pieces = append(pieces, p.text)
	}
	anyChunking(t, mustLoad(t, "pii", ""), abi.ChannelAnswer, pieces)
	anyChunking(t, mustLoad(t, "secrets", ""), abi.ChannelAnswer, pieces)
}

func TestPIIConfig(t *testing.T) {
	f := func(module, config, text, want string) {
		t.Helper()
		c := screen(t, mustLoad(t, module, config), abi.ChannelUser, text)
		got := c.out.String()
		if c.ended != "" {
			got = "blocked"
		}
		if got != want {
			t.Errorf("%s %s: %q gives %q, want %q", module, config, text, got, want)
		}
	}
	const text = "a@b.com 4111111111111111 " + jwt
	f("pii", `{"detect":["card"]}`, text, "a@b.com [CARD] "+jwt)
	f("pii", ` { "detect" : [ "email" , "secret" ] , "action" : "redact" } `, text, "[EMAIL] 4111111111111111 [SECRET]")
	f("pii", `{"action":"block"}`, text, "blocked")
	f("pii", `{}`, "fine", "fine")
	f("secrets", ``, text, "blocked")
	f("secrets", ``, "a@b.com 4111111111111111", "a@b.com 4111111111111111")
	f("secrets", `{"action":"redact"}`, text, "a@b.com 4111111111111111 [SECRET]")
	for _, bad := range []string{`[]`, `{"detect":[]}`, `{"detect":["name"]}`, `{"detect":"card"}`, `{"action":"drop"}`, `{"kinds":1}`, `{} {}`, `{"action":"block"`} {
		refuses(t, "pii", bad)
	}
}

// BenchmarkFilters shows each filter what it has to look through: 8 KB of prose
// with personal data in every kilobyte, and a piece of a stream. cpu-MB/s is by
// the processor's time of the thread.
func BenchmarkFilters(b *testing.B) {
	prose := strings.Repeat("The quick brown fox jumps over the lazy dog and then writes about it for a while, with some 2024 numbers. ", 10)[:1000] + " john.doe@example.com\n"
	window := strings.Repeat(prose, 9)[:8<<10]
	for _, f := range []struct{ name, config string }{{"pii", ""}, {"secrets", ""}, {"injection", ""}, {"words", `{"words":["acme","falcon nest"]}`}} {
		slot := mustLoad(b, f.name, f.config)
		for _, text := range []string{window, prose[:100]} {
			b.Run(f.name+map[bool]string{true: "/8KB", false: "/100B"}[len(text) > 100], func(b *testing.B) {
				w := record.Window{Channel: abi.ChannelUser, Kind: abi.KindChat, Text: []byte(text), Flags: abi.WindowFinal}
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				spent := guests.Spent()
				for b.Loop() {
					in, _ := slot.Acquire()
					buf, err := in.Buffer(w.Size())
					w.Encode(buf)
					if err == nil {
						_, err = in.Call(w.Size())
					}
					in.Release(err)
					if err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N*len(text))/1e6/spent().Seconds(), "cpu-MB/s")
			})
		}
	}
}
