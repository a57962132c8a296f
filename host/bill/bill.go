// Package bill reads what providers say that was used and what it cost, and
// compares it with what the ledger has.
package bill

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Line is what a provider bills for one model on one day (UTC).
type Line struct {
	Day    string // 2026-05-20
	Model  string // as the provider calls it, "": of all
	Cost   int64  // nano-dollars
	Input  int64  // tokens of prompts, cached ones included
	Output int64
	Has    Has
}

// Has says which figures a line has.
type Has uint8

// The figures.
const (
	HasCost Has = 1 << iota
	HasTokens
)

// Columns are the names of the columns of a CSV file that is none of a known
// provider's; the last two or three may be empty.
type Columns struct{ Day, Model, Cost, Input, Output string }

// maxBill bounds a file.
const maxBill = 256 << 20

// Parse reads a file of OpenAI's costs or usage, as the API (JSON, several pages
// one after the other) or the dashboard (CSV, or separated by tabs) gives it, of
// Anthropic's cost or usage report (JSON), or CSV with the columns given.
func Parse(r io.Reader, columns Columns) ([]Line, error) {
	in := bufio.NewReader(io.LimitReader(r, maxBill+1))
	head, err := in.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("cannot read bill: %w", err)
	}
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	var lines []Line
	if text := bytes.TrimSpace(head); columns == (Columns{}) && len(text) > 0 && (text[0] == '{' || text[0] == '[') {
		lines, err = parseJSON(in)
	} else {
		lines, err = parseCSV(in, columns)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read bill: %w", err)
	}
	if len(lines) == 0 {
		return nil, errors.New("cannot read bill: there is nothing in it")
	}
	return lines, nil
}

// maxExponent bounds numbers, which are as exact as they are written.
const maxExponent = 30

var numberForm = regexp.MustCompile(`^-?[0-9]{1,24}(\.[0-9]{0,80})?([eE][+-]?[0-9]{1,2})?$`)

// number reads a decimal number, times 10^shift, rounded to a whole one, half
// away from zero.
func number(s string, shift int) (int64, error) {
	s = strings.TrimSpace(s)
	if !numberForm.MatchString(s) {
		return 0, fmt.Errorf("%q is no number", s)
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || e > maxExponent || e < -maxExponent {
			return 0, fmt.Errorf("%q is no number that can be", s)
		}
		s, shift = s[:i], shift+e
	}
	v, ok := new(big.Rat).SetString(s)
	if !ok {
		return 0, fmt.Errorf("%q is no number", s)
	}
	ten := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(shift, -shift))), nil))
	if shift >= 0 {
		v.Mul(v, ten)
	} else {
		v.Quo(v, ten)
	}
	half := big.NewRat(int64(v.Sign()), 2)
	v.Add(v, half)
	n := new(big.Int).Quo(v.Num(), v.Denom())
	if !n.IsInt64() {
		return 0, fmt.Errorf("%q is more than can be", s)
	}
	return n.Int64(), nil
}

// Amounts are in dollars or cents.
const (
	dollars = 9
	cents   = 7
)

// dayOf reads Unix seconds, a date, or a time.
func dayOf(s string) (string, error) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseInt(strings.TrimSuffix(s, ".0"), 10, 64); err == nil && n > 1e8 && n < 1e11 {
		return time.Unix(n, 0).UTC().Format(time.DateOnly), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "01/02/2006"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC().Format(time.DateOnly), nil
		}
	}
	return "", fmt.Errorf("%q is no day", s)
}

// itemModel is the model that a line of OpenAI's costs is for: it reads "model,
// what of it", and for some "model audio, what of it" or "evals | model, …".
func itemModel(item string) string {
	if i := strings.LastIndex(item, "| "); i >= 0 {
		item = item[i+2:]
	}
	model, _, ok := strings.Cut(item, ", ")
	if !ok {
		return item
	}
	for _, kind := range []string{" audio", " text", " image"} {
		model = strings.TrimSuffix(model, kind)
	}
	return model
}

var dated = regexp.MustCompile(`[-@](20[0-9]{2}-[0-9]{2}-[0-9]{2}|20[0-9]{6})$`)

// Name is what a model is compared by: without provider and date.
func Name(model string) string {
	if i := strings.LastIndexByte(model, '/'); i >= 0 {
		model = model[i+1:]
	}
	return dated.ReplaceAllString(strings.ToLower(strings.TrimSpace(model)), "")
}
