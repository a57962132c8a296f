package depot

import (
	"errors"
	"fmt"

	"github.com/jedisct1/go-minisign"
)

// Trust says whose signatures count.
type Trust struct {
	keys     []minisign.PublicKey
	Required bool // what is not signed does not run
}

// ParseTrust reads minisign's public keys: the second line of their files.
func ParseTrust(keys []string, required bool) (Trust, error) {
	t := Trust{Required: required}
	for i, text := range keys {
		key, err := minisign.NewPublicKey(text)
		if err != nil {
			return t, fmt.Errorf("plugins.trusted_keys[%d] is not a key of minisign: give the second line of its .pub file", i)
		}
		t.keys = append(t.keys, key)
	}
	if required && len(keys) == 0 {
		return t, errors.New("plugins.require_signature needs plugins.trusted_keys")
	}
	return t, nil
}

// Verify returns the id of the trusted key that signed content; signature is
// the text of a .minisig file.
func (t Trust) Verify(content []byte, signature string) (string, error) {
	s, err := minisign.DecodeSignature(signature)
	if err != nil {
		return "", fmt.Errorf("cannot read the signature: %w; give the .minisig file", err)
	}
	for i := range t.keys {
		if t.keys[i].KeyId != s.KeyId {
			continue
		}
		if ok, err := t.keys[i].Verify(content, s); err != nil || !ok {
			return "", fmt.Errorf("the signature is not of this program: %w", err)
		}
		return id(s.KeyId), nil
	}
	return "", fmt.Errorf("the signature is by key %s, which is not among plugins.trusted_keys", id(s.KeyId))
}

// id is a key's id as minisign shows it.
func id(k [8]byte) string {
	return fmt.Sprintf("%02X%02X%02X%02X%02X%02X%02X%02X", k[7], k[6], k[5], k[4], k[3], k[2], k[1], k[0])
}
