package cache

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
)

// Entry is an answer that is kept. It is immutable.
type Entry struct {
	Key     Key
	Tenant  string // whose it is, as Asked.Scope
	Model   string // that was asked for
	Target  string // that answered
	Type    string // of Body
	Dropped string // parameters that could not be carried
	Stream  bool   // Body is the events of a stream
	// Closing is where in a stream's Body the summary of what it cost belongs,
	// before the dialect's last event; -1: it has no such place.
	Closing int
	Body    []byte
	Cost    int64 // nano-dollars, that it was to be had for
	Made    int64 // Unix milliseconds
	Expires int64 // Unix milliseconds
}

// overhead is about what an entry takes in memory beside its texts.
const overhead = 256

// Size is what the entry takes, in bytes.
func (e *Entry) Size() int64 {
	return int64(len(e.Tenant)+len(e.Model)+len(e.Target)+len(e.Type)+len(e.Dropped)+len(e.Body)) + overhead
}

// fresh reports whether the entry may be an answer at nowMS, for those who want
// none older than age milliseconds, 0: of any age.
func (e *Entry) fresh(nowMS, ageMS int64) bool {
	return nowMS < e.Expires && (ageMS == 0 || nowMS-e.Made <= ageMS)
}

// Sealer encrypts entries for where others may look at them.
type Sealer struct{ aead cipher.AEAD }

const (
	sealVersion = 1
	nonceLen    = 12
)

var errDamaged = errors.New("a kept answer is damaged, or not what it stands for")

// NewSealer returns the sealer of a key of 32 bytes.
func NewSealer(key []byte) (*Sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &Sealer{aead}, err
}

// Seal encrypts an entry for its key; under another it does not open.
func (s *Sealer) Seal(e *Entry) []byte {
	plain := binary.LittleEndian.AppendUint64(make([]byte, 0, e.Size()), uint64(e.Made))
	for _, n := range [...]int64{e.Expires, e.Cost, int64(e.Closing)} {
		plain = binary.LittleEndian.AppendUint64(plain, uint64(n))
	}
	plain = append(plain, 0)
	if e.Stream {
		plain[len(plain)-1] = 1
	}
	for _, text := range [...]string{e.Tenant, e.Model, e.Target, e.Type, e.Dropped} {
		plain = append(binary.AppendUvarint(plain, uint64(len(text))), text...)
	}
	plain = append(plain, e.Body...)
	return s.seal(plain, e.Key)
}

func (s *Sealer) seal(plain []byte, k Key) []byte {
	out := make([]byte, 1+nonceLen, 1+nonceLen+len(plain)+s.aead.Overhead())
	out[0] = sealVersion
	rand.Read(out[1:])
	return s.aead.Seal(out, out[1:], plain, k[:])
}

func (s *Sealer) open(sealed []byte, k Key) ([]byte, error) {
	if len(sealed) < 1+nonceLen || sealed[0] != sealVersion {
		return nil, errDamaged
	}
	plain, err := s.aead.Open(nil, sealed[1:1+nonceLen], sealed[1+nonceLen:], k[:])
	if err != nil {
		return nil, errDamaged
	}
	return plain, nil
}

// Open returns the entry that was sealed for a key.
func (s *Sealer) Open(k Key, sealed []byte) (*Entry, error) {
	b, err := s.open(sealed, k)
	if err != nil {
		return nil, err
	}
	return readEntry(k, b)
}

func readEntry(k Key, b []byte) (*Entry, error) {
	const fixed = 4*8 + 1
	if len(b) < fixed {
		return nil, errDamaged
	}
	number := func(i int) int64 { return int64(binary.LittleEndian.Uint64(b[8*i:])) }
	e := &Entry{Key: k, Made: number(0), Expires: number(1), Cost: number(2), Closing: int(number(3)), Stream: b[fixed-1] == 1}
	b = b[fixed:]
	for _, text := range [...]*string{&e.Tenant, &e.Model, &e.Target, &e.Type, &e.Dropped} {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return nil, errDamaged
		}
		*text, b = string(b[size:size+int(n)]), b[size+int(n):]
	}
	if e.Body = b; e.Closing < -1 || e.Closing > len(b) {
		return nil, errDamaged
	}
	return e, nil
}
