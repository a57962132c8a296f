package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

// nanoDigits is the number of decimal places of a nano-dollar, milliDigits
// that of a millisecond.
const (
	nanoDigits  = 9
	milliDigits = 3
)

// dollars reads a cost in dollars into nano, which stays as it was if there is none.
func dollars(r *lex.Reader, nano *int64) bool { return decimal(r, nanoDigits, nano) }

// duration reads a time in seconds into millis, likewise.
func duration(r *lex.Reader, millis *int64) bool { return decimal(r, milliDigits, millis) }

// ticks reads a cost in units of 10^-10 dollars.
func ticks(r *lex.Reader, nano *int64) bool {
	v, ok := r.Int()
	if !ok || v < 0 {
		return false
	}
	*nano = min((v+9)/10, maxCount)
	return true
}

func decimal(r *lex.Reader, places int, into *int64) bool {
	if r.Kind() != '0' {
		r.Skip()
		return false
	}
	v, ok := scaled(r.Skip(), places)
	if ok {
		*into = v
	}
	return ok
}

// scaled is the JSON number raw times 10^places, exactly, rounded up to a
// whole, at most maxCount. Negative numbers are none.
func scaled(raw []byte, places int) (v int64, ok bool) {
	mantissa, exp, ok := split(raw)
	if !ok {
		return 0, false
	}
	point := -1 // digits behind it, -1: not there yet
	for _, c := range mantissa {
		if c == '.' {
			point = 0
			continue
		}
		if point >= 0 {
			point++
		}
	}
	shift := places + exp - max(point, 0) // zeros to add behind the digits, or digits to cut off
	digits := int64(0)
	for _, c := range mantissa {
		if c != '.' {
			digits++
		}
	}
	keep := digits + int64(min(shift, 0))
	rest := false // anything but zeros cut off
	for _, c := range mantissa {
		switch {
		case c == '.':
		case keep > 0:
			if v = v*10 + int64(c-'0'); v > maxCount {
				v = maxCount
			}
			keep--
		case c != '0':
			rest = true
		}
	}
	for ; shift > 0 && v > 0 && v < maxCount; shift-- {
		v = min(v*10, maxCount)
	}
	if rest && v < maxCount {
		v++
	}
	return v, true
}

// split takes the exponent, held within ±1000, off a valid JSON number.
func split(raw []byte) (mantissa []byte, exp int, ok bool) {
	if len(raw) == 0 || raw[0] == '-' {
		return nil, 0, false
	}
	for i, c := range raw {
		if c != 'e' && c != 'E' {
			continue
		}
		mantissa, raw = raw[:i], raw[i+1:]
		sign := 1
		if raw[0] == '-' || raw[0] == '+' {
			if raw[0] == '-' {
				sign = -1
			}
			raw = raw[1:]
		}
		for _, c := range raw {
			exp = min(exp*10+int(c-'0'), 1000)
		}
		return mantissa, sign * exp, true
	}
	return raw, 0, true
}
