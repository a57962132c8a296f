package auth

import "crypto/rand"

const (
	keyPrefix   = "sb-"
	adminPrefix = "sba-"
	alphabet    = "0123456789abcdefghjkmnpqrstvwxyz" // 32 of them: a byte's low five bits choose evenly
	idDigits    = 10
	secretBytes = 26 // × 5 bits = 130
)

// Generate makes a key, "sb-<id>-<secret>". The id may be shown and logged;
// the token is shown once and kept as its Digest.
func Generate() (id, token string) {
	id = random(idDigits)
	return id, Renew(id)
}

// Renew makes a new secret of the key with the given id.
func Renew(id string) (token string) { return keyPrefix + id + "-" + random(secretBytes) }

// GenerateAdmin makes a token of the admin API, "sba-<id>-<secret>"; of one
// with an id, another.
func GenerateAdmin(id string) (_, token string) {
	if id == "" {
		id = random(idDigits)
	}
	return id, adminPrefix + id + "-" + random(secretBytes)
}

// Secret makes a random text of 130 bits for other uses, such as an admin token.
func Secret() string { return random(secretBytes) }

func random(digits int) string {
	b := make([]byte, digits)
	_, _ = rand.Read(b) // never fails: the process ends instead
	for i := range b {
		b[i] = alphabet[b[i]&31]
	}
	return string(b)
}
