package meter

import (
	"bytes"
	_ "embed" // the price list
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// pricesJSON is the shipped price list: a snapshot with source and date, never
// fetched, so that no outside change can alter what a request is charged.
//
//go:embed prices.json
var pricesJSON []byte

// Catalog knows what models cost. It is immutable.
type Catalog struct {
	prices map[string]*call.Price // by "provider/model"; "provider/*" is the rest of a provider
	asOf   time.Time
}

// NewCatalog returns the shipped price list under the overrides, which are
// keyed like targets. A list that does not parse is an error, never a price of nothing.
func NewCatalog(overrides map[string]*call.Price) (*Catalog, error) {
	c, err := parseCatalog(pricesJSON)
	if err != nil {
		return nil, fmt.Errorf("cannot read shipped prices: %w", err)
	}
	for name, p := range overrides {
		c.prices[name] = p
	}
	return c, nil
}

// Price returns what target ("provider/model") costs, nil if that is not known.
func (c *Catalog) Price(target string) *call.Price {
	if p := c.prices[target]; p != nil {
		return p
	}
	provider, _, _ := strings.Cut(target, "/")
	return c.prices[provider+"/*"]
}

// AsOf is the date of the newest shipped price.
func (c *Catalog) AsOf() time.Time { return c.asOf }

// priceList is the form of the shipped file. Amounts are dollars per million
// tokens, as text so that they are exact.
type priceList []struct {
	Provider string       `json:"provider"`
	Source   string       `json:"source"`
	Models   []priceEntry `json:"models"`
}

type priceEntry struct {
	Model     string   `json:"model"`
	Also      []string `json:"also"` // other names of the same model at the same price
	AsOf      string   `json:"as_of"`
	Context   int64    `json:"context"` // tokens; left out for embeddings, which take many inputs
	MaxOutput int64    `json:"max_output"`
	rates
	Long *struct {
		From int64 `json:"from"` // tokens of prompt
		rates
	} `json:"long"`
}

type rates struct {
	Input        string `json:"input"`
	CacheRead    string `json:"cache_read"`     // default: input
	CacheWrite   string `json:"cache_write"`    // default: input
	CacheWrite1h string `json:"cache_write_1h"` // default: cache_write
	Output       string `json:"output"`
}

func parseCatalog(raw []byte) (*Catalog, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var list priceList
	if err := dec.Decode(&list); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	c := &Catalog{prices: map[string]*call.Price{}}
	for _, group := range list {
		if group.Provider == "" || group.Source == "" {
			return nil, errors.New("a group of models has no provider or no source")
		}
		for _, e := range group.Models {
			if err := c.add(group.Provider, e); err != nil {
				return nil, fmt.Errorf("%s/%s: %w", group.Provider, e.Model, err)
			}
		}
	}
	return c, nil
}

func (c *Catalog) add(provider string, e priceEntry) error {
	date, err := time.Parse(time.DateOnly, e.AsOf)
	if err != nil {
		return errors.New("as_of is not a date such as 2026-10-01")
	}
	if date.After(c.asOf) {
		c.asOf = date
	}
	p, err := e.price()
	if err != nil {
		return err
	}
	p.Context, p.MaxOutput = e.Context, e.MaxOutput
	if p.Context < 0 || p.MaxOutput < 0 {
		return errors.New("context or max_output is negative")
	}
	if e.Long != nil {
		if p.Long, err = e.Long.price(); err != nil {
			return fmt.Errorf("long: %w", err)
		}
		p.LongFrom = e.Long.From
	}
	for _, model := range append([]string{e.Model}, e.Also...) {
		name := provider + "/" + model
		if model == "" || c.prices[name] != nil {
			return fmt.Errorf("%q is no name or is listed twice", name)
		}
		c.prices[name] = p
	}
	return nil
}

func (r rates) price() (*call.Price, error) {
	p := &call.Price{}
	for _, f := range []struct {
		name, text string
		or         int64 // -1: must be given
		to         *int64
	}{
		{"input", r.Input, -1, &p.Input},
		{"output", r.Output, -1, &p.Output},
		{"cache_read", r.CacheRead, 0, &p.CacheRead},
		{"cache_write", r.CacheWrite, 0, &p.CacheWrite5m},
		{"cache_write_1h", r.CacheWrite1h, 0, &p.CacheWrite1h},
	} {
		if f.text == "" && f.or == 0 {
			*f.to = p.Input
			continue
		}
		nano, err := call.ParseUSD(f.text)
		if err == nil && nano > call.MaxPrice {
			err = errors.New("more than 1000 dollars per million tokens")
		}
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", f.name, f.text, err)
		}
		*f.to = nano
	}
	if r.CacheWrite1h == "" {
		p.CacheWrite1h = p.CacheWrite5m
	}
	p.Reasoning = p.Output
	return p, nil
}
