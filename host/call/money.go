package call

import (
	"errors"
	"math"
)

// nanoDigits is the number of decimal places of a nano-dollar.
const nanoDigits = 9

// ParseUSD reads a decimal number of dollars ("0.15", "5", "1e-3" is refused)
// as nano-dollars, exactly: what does not fit is an error, never rounded.
func ParseUSD(s string) (nano int64, err error) {
	places, digits := -1, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && places < 0 && i > 0:
			places = 0
		case c < '0' || c > '9':
			return 0, errors.New("not a decimal number of dollars such as 0.15")
		case places == nanoDigits:
			if c != '0' {
				return 0, errors.New("finer than a nano-dollar: give at most 9 decimal places")
			}
		default:
			if nano, err = shiftIn(nano, c); err != nil {
				return 0, err
			}
			digits++
			if places >= 0 {
				places++
			}
		}
	}
	if digits == 0 || places == 0 {
		return 0, errors.New("not a decimal number of dollars such as 0.15")
	}
	for range nanoDigits - max(places, 0) {
		if nano, err = shiftIn(nano, '0'); err != nil {
			return 0, err
		}
	}
	return nano, nil
}

func shiftIn(n int64, digit byte) (int64, error) {
	d := int64(digit - '0')
	if n > (math.MaxInt64-d)/10 {
		return 0, errors.New("more than 9.2 billion dollars")
	}
	return n*10 + d, nil
}
