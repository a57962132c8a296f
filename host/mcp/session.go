package mcp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// sessionLife is how long a caller may go on under one name of a session.
const sessionLife = 24 * time.Hour

// sessions are names that callers of protocols before that of 2026 are given.
// Nothing is kept of them: a name is signed for whom it was given to, so that
// every gateway of the store's knows it and nobody else can use it.
type sessions struct{ secret []byte }

const (
	nonceLen  = 12
	signedLen = nonceLen + 8
	macLen    = 16
)

// begin returns a name for who.
func (s *sessions) begin(who string, now time.Time) string {
	b := make([]byte, signedLen, signedLen+macLen)
	_, _ = rand.Read(b[:nonceLen]) // it never fails
	binary.BigEndian.PutUint64(b[nonceLen:], uint64(now.Unix()))
	return base64.RawURLEncoding.EncodeToString(append(b, s.sign(b, who)...))
}

// known reports whether name was given to who, and is not too old.
func (s *sessions) known(name, who string, now time.Time) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(name)
	if err != nil || len(b) != signedLen+macLen || !hmac.Equal(b[signedLen:], s.sign(b[:signedLen], who)) {
		return false
	}
	age := now.Sub(time.Unix(int64(binary.BigEndian.Uint64(b[nonceLen:])), 0))
	return age < sessionLife && age > -time.Minute
}

func (s *sessions) sign(b []byte, who string) []byte {
	m := hmac.New(sha256.New, s.secret)
	m.Write(b)
	m.Write([]byte(who))
	return m.Sum(nil)[:macLen]
}
