package policy

import (
	"fmt"
	"math"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// A deadline is looked at between the calls of builtins, so one call must not be
// able to make something huge: texts that are doubled a few times would end the
// process before anybody looks.
const (
	maxGrown  = 8 << 20 // bytes of what one call makes
	maxDigits = 1 << 10 // of an operand of arithmetic
)

// grows says, for the builtins that make more than they are given or could not be
// stopped, about how much they would make.
var grows = map[string]func(operands []*ast.Term) int64{
	"concat":                   func(o []*ast.Term) int64 { return weight(o[1]) + times(weight(o[0]), items(o[1])) },
	"array.concat":             func(o []*ast.Term) int64 { return 8 * (items(o[0]) + items(o[1])) },
	"array.flatten":            weights,
	"replace":                  func(o []*ast.Term) int64 { return times(weight(o[0]), weight(o[2])) },
	"regex.replace":            func(o []*ast.Term) int64 { return times(weight(o[0]), weight(o[2])) },
	"strings.replace_n":        func(o []*ast.Term) int64 { return times(weight(o[0]), weight(o[1])) },
	"sprintf":                  printed,
	"internal.template_string": weights,
	"json.marshal":             weights, "json.marshal_with_options": weights, "yaml.marshal": weights,
	"base64.encode": weights, "base64url.encode": weights, "base64url.encode_no_pad": weights, "hex.encode": weights,
	"urlquery.encode": weights, "urlquery.encode_object": weights,
	"plus": digits, "minus": digits, "mul": digits, "div": digits, "rem": digits,
	"abs": digits, "round": digits, "ceil": digits, "floor": digits, "format_int": digits, "numbers.range": digits, "numbers.range_step": digits,
	"bits.and": digits, "bits.or": digits, "bits.xor": digits, "bits.negate": digits, "bits.rsh": digits,
	"bits.lsh": func(o []*ast.Term) int64 {
		if by, ok := number(o[1]); digits(o) > maxGrown || ok && by > maxDigits {
			return math.MaxInt64
		}
		return 0
	},
}

func init() {
	for name, made := range grows {
		f := topdown.GetBuiltin(name)
		topdown.RegisterBuiltinFunc(name, func(c topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
			if made(operands) > maxGrown {
				return fmt.Errorf("it would make more than %d MiB, or a number of more than %d digits", maxGrown>>20, maxDigits)
			}
			return f(c, operands, iter)
		})
	}
}

// weight is about how many bytes t takes when it is written out, maxGrown and a
// little where it is more: values that are part of a value twice count twice.
func weight(t *ast.Term) int64 {
	left := int64(maxGrown)
	weigh(t, &left)
	return maxGrown - left
}

func weigh(t *ast.Term, left *int64) {
	if *left -= 8; *left < 0 {
		return
	}
	switch v := t.Value.(type) {
	case ast.String:
		*left -= int64(len(v))
	case ast.Number:
		*left -= int64(len(v))
	case *ast.Array:
		v.Until(func(t *ast.Term) bool { weigh(t, left); return *left < 0 })
	case ast.Set:
		v.Until(func(t *ast.Term) bool { weigh(t, left); return *left < 0 })
	case ast.Object:
		v.Until(func(k, t *ast.Term) bool { weigh(k, left); weigh(t, left); return *left < 0 })
	}
}

// maxVerdict bounds what a unit answers: it is written out, to be told from others.
const maxVerdict = 1 << 20

func fits(qr topdown.QueryResult) error {
	for rule, t := range qr {
		if weight(t) > maxVerdict {
			return fmt.Errorf("%s is larger than %d MiB", rule, maxVerdict>>20)
		}
	}
	return nil
}

func weights(operands []*ast.Term) (n int64) {
	for _, t := range operands {
		n += weight(t)
	}
	return n
}

// times is a·b of weights and counts, without what a weight has beside its text.
func times(a, b int64) int64 { return max(a-8, 1) * max(b, 1) }

func items(t *ast.Term) int64 {
	switch v := t.Value.(type) {
	case *ast.Array:
		return int64(v.Len())
	case ast.Set:
		return int64(v.Len())
	}
	return 0
}

// printed counts an operand again wherever the format names one by its number,
// and a wide column wherever a width may be large.
func printed(operands []*ast.Term) int64 {
	format, _ := operands[0].Value.(ast.String)
	n := int64(len(format)) + weight(operands[1])*int64(1+strings.Count(string(format), "["))
	if run := 0; strings.Contains(string(format), "*") || strings.ContainsFunc(string(format), func(r rune) bool {
		if run++; r < '0' || r > '9' {
			run = 0
		}
		return run == 4
	}) {
		n += 1e6 * int64(strings.Count(string(format), "%"))
	}
	return n
}

// digits refuses numbers that arithmetic cannot get done with.
func digits(operands []*ast.Term) int64 {
	for _, t := range operands {
		v, ok := t.Value.(ast.Number)
		if !ok || len(v) < 5 { // most of them
			continue
		}
		if mantissa, exponent, _ := strings.Cut(strings.ToLower(string(v)), "e"); len(mantissa) > maxDigits || len(exponent) > 4 {
			return math.MaxInt64
		}
	}
	return 0
}

func number(t *ast.Term) (int64, bool) {
	v, ok := t.Value.(ast.Number)
	if !ok {
		return 0, false
	}
	n, ok := v.Int64()
	if !ok {
		return math.MaxInt64, true
	}
	return n, true
}
