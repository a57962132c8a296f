package auth

import (
	"fmt"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// BenchmarkAuthenticate looks one of ten thousand keys up; a miss must cost what a hit does.
func BenchmarkAuthenticate(b *testing.B) {
	k, now := newKeys(b), time.Now()
	entries := make([]Entry, 10_000)
	tokens := make([][]byte, len(entries))
	for i := range entries {
		_, token := Generate()
		tokens[i] = []byte(token)
		entries[i] = Entry{Digest: k.Digest(tokens[i]), Principal: &call.Principal{KeyName: fmt.Sprint(i)}}
	}
	if err := k.Set(entries); err != nil {
		b.Fatal(err)
	}
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := k.Authenticate(tokens[i%len(tokens)], now); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("miss", func(b *testing.B) {
		unknown := []byte("sb-0123456789-abcdefghjkmnpqrstvwxyz0123")
		b.ReportAllocs()
		for b.Loop() {
			if _, err := k.Authenticate(unknown, now); err == nil {
				b.Fatal("an unknown key is accepted")
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, _ = k.Authenticate(tokens[0], now)
			}
		})
	})
}
