package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
)

// A scalar reads itself from a value of the YAML file, or from the text of a
// variable or flag.
type scalar interface{ read(v any) error }

// USD is an amount in nano-dollars, written as decimal dollars.
type USD int64

// exactDigits is how many significant decimal digits a float64 always keeps:
// what YAML has read as a float is exact up to here.
const exactDigits = 15

func (u *USD) read(v any) error {
	var text string
	switch v := v.(type) {
	case int:
		text = strconv.Itoa(v)
	case float64:
		text = strconv.FormatFloat(v, 'f', -1, 64)
		if digits := strings.Trim(strings.ReplaceAll(text, ".", ""), "0"); len(digits) > exactDigits {
			return errors.New("more digits than a YAML number keeps: put the amount in quotes")
		}
	case string:
		text = v
	default:
		return errors.New("not an amount of dollars such as 0.15")
	}
	nano, err := call.ParseUSD(text)
	*u = USD(nano)
	return err
}

// String returns the amount as dollars.
func (u USD) String() string { return string(call.AppendUSD(nil, int64(u))) }

// Size is a number of bytes.
type Size int64

var sizeUnits = []struct {
	suffix string
	shift  uint
}{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}}

func (s *Size) read(v any) error {
	bad := errors.New("not a size such as 512KiB, 64MiB or 1GiB")
	var text string
	switch v := v.(type) {
	case int:
		text = strconv.Itoa(v)
	case string:
		text = v
	default:
		return bad
	}
	shift := uint(0)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			text, shift = strings.TrimSpace(rest), u.shift
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return bad
	}
	*s = Size(n << shift)
	return nil
}

func (a *Adapter) read(v any) error {
	switch v := v.(type) {
	case string:
		a.Name, a.Version, _ = strings.Cut(v, "@")
	case map[string]any:
		for name, v := range v {
			text, ok := v.(string)
			if !ok {
				return fmt.Errorf("%s must be text: put it in quotes", name)
			}
			switch name {
			case "name":
				a.Name, a.Version, _ = strings.Cut(text, "@")
			case "path":
				a.Path = text
			case "sha256":
				a.SHA256 = text
			default:
				return unknownKey(name, []string{"name", "path", "sha256"})
			}
		}
	default:
		return errors.New("give the name of an adapter, or {path: …, sha256: …}")
	}
	return nil
}
