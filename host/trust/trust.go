// Package trust checks the signatures of what others have made and the gateway
// is to run: adapters, and the manifests of modules.
package trust

import (
	"errors"
	"fmt"
	"slices"

	"github.com/jedisct1/go-minisign"
)

// Keys say whose signatures count. The zero Keys know nobody and ask for nothing.
type Keys struct {
	keys     []minisign.PublicKey
	Required bool // what is not signed does not run
}

// Parse reads minisign's public keys: the second line of their files.
func Parse(keys []string, required bool) (Keys, error) {
	t := Keys{Required: required}
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

// Empty reports that there is no key by which a signature could be known.
func (t Keys) Empty() bool { return len(t.keys) == 0 }

// Vouched reports whether something may run that the key called id has signed,
// "" for nobody. Keys that are trusted no more vouch for nothing.
func (t Keys) Vouched(signer string) bool {
	return !t.Required || slices.ContainsFunc(t.keys, func(k minisign.PublicKey) bool { return id(k.KeyId) == signer })
}

// Verify returns the id of the trusted key that signed content; signature is
// the text of a .minisig file.
func (t Keys) Verify(content []byte, signature string) (string, error) {
	s, err := minisign.DecodeSignature(signature)
	if err != nil {
		return "", fmt.Errorf("cannot read the signature: %w; give the .minisig file", err)
	}
	for i := range t.keys {
		if t.keys[i].KeyId != s.KeyId {
			continue
		}
		if ok, err := t.keys[i].Verify(content, s); err != nil || !ok {
			return "", fmt.Errorf("the signature is not of this content: %w", err)
		}
		return id(s.KeyId), nil
	}
	return "", fmt.Errorf("the signature is by key %s, which is not among plugins.trusted_keys", id(s.KeyId))
}

// id is a key's id as minisign shows it.
func id(k [8]byte) string {
	return fmt.Sprintf("%02X%02X%02X%02X%02X%02X%02X%02X", k[7], k[6], k[5], k[4], k[3], k[2], k[1], k[0])
}
