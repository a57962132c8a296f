package auth

// Shown is the part of a token that may be shown and logged, its id; empty for
// what is not of the form of our keys: that could be anybody's secret.
func Shown(token []byte) []byte {
	const head = len(keyPrefix)
	if len(token) != head+idDigits+1+secretBytes || string(token[:head]) != keyPrefix || token[head+idDigits] != '-' {
		return nil
	}
	for i, c := range token[head:] {
		if i != idDigits && !digit(c) {
			return nil
		}
	}
	return token[head : head+idDigits]
}

func digit(c byte) bool {
	for i := range len(alphabet) {
		if alphabet[i] == c {
			return true
		}
	}
	return false
}
