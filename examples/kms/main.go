// Command kms wraps and unwraps Signalbox's data keys with a key that it reads
// from a file: replace what seals and opens by calls of a key service. It reads
// one JSON object and writes one.
package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

type message struct {
	Op         string `json:"op,omitempty"` // wrap, unwrap
	Purpose    string `json:"purpose,omitempty"`
	Plaintext  []byte `json:"plaintext,omitempty"` // base64 in JSON
	Ciphertext []byte `json:"ciphertext,omitempty"`
}

func main() {
	if err := run(os.Getenv("KMS_KEY_FILE")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(file string) error {
	secret, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	key := sha256.Sum256(secret)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return err
	}
	var in, out message
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return err
	}
	// What was wrapped for one purpose does not open for another.
	switch in.Op {
	case "wrap":
		out.Ciphertext = aead.Seal(nil, nil, in.Plaintext, []byte(in.Purpose))
	case "unwrap":
		out.Plaintext, err = aead.Open(nil, nil, in.Ciphertext, []byte(in.Purpose))
	default:
		err = errors.New("op is none that is known")
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}
