package meter

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// shippedLists are the shipped price lists, one a provider: snapshots with
// source and date, never fetched, so that no outside change can alter what a
// request is charged.
//
//go:embed prices/*.json
var shippedLists embed.FS

// Catalog knows what models cost. It is immutable.
type Catalog struct {
	models map[string]*Model // by "provider/model"; a name that ends in * stands for all that begin so
	asOf   time.Time
}

// Model is what the catalogue knows of one.
type Model struct {
	Price   *call.Price
	Source  string
	AsOf    time.Time
	In, Out []string // modalities: text, image, audio, video, file; empty: text

	regions map[string]int64 // by region, permille of the price
}

// NewCatalog returns the shipped price lists under the given files, the last
// first, and those under the overrides, which are keyed like targets. A list
// that does not parse is an error, never a price of nothing.
func NewCatalog(overrides map[string]*call.Price, files ...string) (*Catalog, error) {
	c := &Catalog{models: map[string]*Model{}}
	lists, err := shippedLists.ReadDir("prices")
	if err != nil {
		return nil, fmt.Errorf("cannot read shipped prices: %w", err)
	}
	for _, f := range lists {
		raw, err := shippedLists.ReadFile("prices/" + f.Name())
		if err == nil {
			err = c.addList(raw, time.Now())
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read shipped prices %s: %w", f.Name(), err)
		}
	}
	for _, path := range files {
		loaded, err := LoadFile(path)
		if err != nil {
			return nil, err
		}
		maps.Copy(c.models, loaded.Models)
	}
	for name, p := range overrides {
		c.models[name] = &Model{Price: p, Source: "the configuration"}
	}
	return c, nil
}

// Model returns what is known of target ("provider/model"): its own entry, or
// the longest that stands for names which begin alike. Nil: nothing.
func (c *Catalog) Model(target string) *Model {
	if m := c.models[target]; m != nil {
		return m
	}
	slash := strings.IndexByte(target, '/')
	for i := len(target); i > slash && slash >= 0; i-- {
		if m := c.models[target[:i]+"*"]; m != nil {
			return m
		}
	}
	return nil
}

// Price returns what target costs, nil if that is not known.
func (c *Catalog) Price(target string) *call.Price {
	if m := c.Model(target); m != nil {
		return m.Price
	}
	return nil
}

// PriceIn returns what target costs in a region, nil if that is not known.
func (c *Catalog) PriceIn(target, region string) *call.Price {
	m := c.Model(target)
	if m == nil {
		return nil
	}
	if permille := m.regions[region]; permille > 0 {
		return m.Price.Scaled(permille)
	}
	return m.Price
}

// AsOf is the date of the newest shipped price.
func (c *Catalog) AsOf() time.Time { return c.asOf }

// Names are the names of all entries, sorted.
func (c *Catalog) Names() []string { return slices.Sorted(maps.Keys(c.models)) }
