package seal

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// Wrapper encrypts data keys: it holds a key-encryption key, or asks who does.
// What was wrapped opens only with the purpose that it was wrapped for.
type Wrapper interface {
	ID() string // names the key without telling it
	Wrap(ctx context.Context, key []byte, purpose string) ([]byte, error)
	Unwrap(ctx context.Context, wrapped []byte, purpose string) ([]byte, error)
}

// wrapped is key under w, which has shown that it gives it back: what it wrapped
// takes the place of what opened until now.
func wrapped(ctx context.Context, w Wrapper, key []byte, purpose string) ([]byte, error) {
	out, err := w.Wrap(ctx, key, purpose)
	if err != nil {
		return nil, err
	}
	back, err := w.Unwrap(ctx, out, purpose)
	if err != nil {
		return nil, fmt.Errorf("what %s wraps does not open again: %w", w.ID(), err)
	}
	if subtle.ConstantTimeCompare(back, key) != 1 {
		return nil, fmt.Errorf("what %s wraps opens as another key", w.ID())
	}
	return out, nil
}

// ID implements Wrapper.
func (l *Local) ID() string { return l.id }

// Wrap implements Wrapper.
func (l *Local) Wrap(_ context.Context, key []byte, purpose string) ([]byte, error) {
	nonce := make([]byte, nonceLen)
	rand.Read(nonce)
	return l.aead.Seal(nonce, nonce, key, []byte(purpose)), nil
}

// Unwrap implements Wrapper.
func (l *Local) Unwrap(_ context.Context, wrapped []byte, purpose string) ([]byte, error) {
	if len(wrapped) < nonceLen {
		return nil, errDamaged
	}
	key, err := l.aead.Open(nil, wrapped[:nonceLen], wrapped[nonceLen:], []byte(purpose))
	if err != nil {
		return nil, errDamaged
	}
	return key, nil
}

// Command is a key that a program keeps, or reaches: it is started for each
// data key, reads one JSON object and writes one.
//
//	{"op":"wrap","purpose":"…","plaintext":"base64"} → {"ciphertext":"…"}
//	{"op":"unwrap","purpose":"…","ciphertext":"…"}   → {"plaintext":"base64"}
type Command struct {
	Name    string   // of the key, for messages and the store
	Args    []string // the program first
	Env     []string // as of os.Environ; nothing else is passed on
	Timeout time.Duration
}

type ask struct {
	Op         string `json:"op"`
	Purpose    string `json:"purpose"`
	Plaintext  []byte `json:"plaintext,omitempty"`
	Ciphertext []byte `json:"ciphertext,omitempty"`
}

// maxAnswer bounds what a program says.
const maxAnswer = 64 << 10

// ID implements Wrapper.
func (c *Command) ID() string { return "kms:" + c.Name }

// Wrap implements Wrapper.
func (c *Command) Wrap(ctx context.Context, key []byte, purpose string) ([]byte, error) {
	a, err := c.run(ctx, ask{Op: "wrap", Purpose: purpose, Plaintext: key})
	if err == nil && (len(a.Ciphertext) == 0 || bytes.Contains(a.Ciphertext, key)) {
		err = errors.New("its answer has no ciphertext")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot wrap a data key with secrets.kms.command %q: %w", c.Args[0], err)
	}
	return a.Ciphertext, nil
}

// Unwrap implements Wrapper.
func (c *Command) Unwrap(ctx context.Context, wrapped []byte, purpose string) ([]byte, error) {
	a, err := c.run(ctx, ask{Op: "unwrap", Purpose: purpose, Ciphertext: wrapped})
	if err == nil && len(a.Plaintext) != keyBytes {
		err = errors.New("its answer has no plaintext of 32 bytes")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot unwrap a data key with secrets.kms.command %q: %w", c.Args[0], err)
	}
	return a.Plaintext, nil
}

func (c *Command) run(ctx context.Context, in ask) (out ask, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Env = c.Env
	cmd.Stdin = bytes.NewReader(append(body, '\n'))
	cmd.WaitDelay = time.Second // children that hold its output open are left alone
	answer, complaint := &limited{most: maxAnswer}, &limited{most: 512}
	cmd.Stdout, cmd.Stderr = answer, complaint
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return out, fmt.Errorf("it has not answered within %s", c.Timeout)
	case err != nil:
		return out, fmt.Errorf("%w: %s", err, quiet(complaint.String()))
	}
	if err := json.Unmarshal(answer.Bytes(), &out); err != nil {
		return out, errors.New("its answer is not JSON") // which may hold the key
	}
	return out, nil
}

// keyLike is what a data key may look like, in base64 or hexadecimal.
var keyLike = regexp.MustCompile(`[A-Za-z0-9+/_-]{32,}=*`)

// quiet leaves out of what the program complains of what may be a key: which one
// it has unwrapped nobody else knows.
func quiet(text string) string {
	return strings.TrimSpace(keyLike.ReplaceAllString(text, "[redacted]"))
}

// limited keeps the first bytes that are written.
type limited struct {
	bytes.Buffer
	most int
}

// Write implements io.Writer.
func (l *limited) Write(b []byte) (int, error) {
	l.Buffer.Write(b[:min(len(b), l.most-l.Len())])
	return len(b), nil
}

var _ io.Writer = (*limited)(nil)

// Environ picks the named variables of this process.
func Environ(names []string) (list []string) {
	for _, name := range append([]string{"PATH", "HOME"}, names...) {
		if v, ok := os.LookupEnv(name); ok {
			list = append(list, name+"="+v)
		}
	}
	return list
}
