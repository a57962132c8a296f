package meter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// priceList is the form of a shipped list. Amounts are dollars, as text so
// that they are exact: of tokens and characters per million, of audio per hour,
// of pages and searches per thousand, of images and requests each.
type priceList struct {
	Provider string       `json:"provider"`
	Source   string       `json:"source"`
	AsOf     string       `json:"as_of"`
	Models   []priceEntry `json:"models"`
}

type priceEntry struct {
	Model     string   `json:"model"`
	Also      []string `json:"also"`    // other names of the same model at the same price
	AsOf      string   `json:"as_of"`   // default: the list's
	From      string   `json:"from"`    // the first day at this price
	Until     string   `json:"until"`   // the first day no longer at this price
	Context   int64    `json:"context"` // tokens; left out for embeddings, which take many inputs
	MaxOutput int64    `json:"max_output"`
	rates
	Sizes []struct {
		Size    string `json:"size"`
		Quality string `json:"quality"`
		USD     string `json:"usd"`
	} `json:"sizes"` // of images, the service's own choice first
	Long *struct {
		From int64 `json:"from"` // tokens of prompt
		rates
	} `json:"long"`
	Batch    json.RawMessage   `json:"batch"` // a multiple of the price ("0.5"), or rates
	Flex     json.RawMessage   `json:"flex"`
	Priority json.RawMessage   `json:"priority"`
	Regions  map[string]string `json:"regions"` // multiples of the price
	In       []string          `json:"in"`
	Out      []string          `json:"out"`
}

// rates are those of call.RateNames. What is left out of the cached, written
// and modal ones costs what plain tokens do.
type rates struct {
	Input          string `json:"input"`
	CacheRead      string `json:"cache_read"`
	CacheWrite     string `json:"cache_write"`
	CacheWrite1h   string `json:"cache_write_1h"`
	Output         string `json:"output"`
	Reasoning      string `json:"reasoning"`
	AudioInput     string `json:"audio_input"`
	AudioOutput    string `json:"audio_output"`
	ImageInput     string `json:"image_input"`
	ImageOutput    string `json:"image_output"`
	CacheReadAudio string `json:"cache_read_audio"`
	CacheReadImage string `json:"cache_read_image"`
	Characters     string `json:"characters"`
	Hour           string `json:"hour"`
	Image          string `json:"image"`
	Pages          string `json:"pages"`
	Searches       string `json:"searches"`
	Request        string `json:"request"`
}

// tokenRates is how many of a price's rates are those of tokens.
const tokenRates = 12

func (r *rates) texts() [call.NumRates]string {
	return [...]string{r.Input, r.CacheRead, r.CacheWrite, r.CacheWrite1h, r.Output, r.Reasoning, r.AudioInput, r.AudioOutput,
		r.ImageInput, r.ImageOutput, r.CacheReadAudio, r.CacheReadImage, r.Characters, r.Hour, r.Image, r.Pages, r.Searches, r.Request}
}

var errDear = fmt.Errorf("more than %d dollars: is it in another unit?", int64(call.MaxPrice/1e9))

// price makes a price of r. What is not counted in tokens has rates of its
// own; of tokens, input and output come together.
func (r *rates) price() (*call.Price, error) {
	var p call.Price
	texts, known := r.texts(), 0
	for i, to := range p.Rates() {
		if *to = -1; i >= tokenRates {
			*to = 0
		}
		if texts[i] == "" {
			continue
		}
		nano, err := call.ParseUSD(texts[i])
		if err == nil && nano > call.MaxPrice {
			err = errDear
		}
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", call.RateNames[i], texts[i], err)
		}
		*to = nano
		known++
	}
	tokens := false
	for i := range tokenRates {
		tokens = tokens || texts[i] != ""
	}
	switch {
	case !tokens:
		p.Input, p.Output = 0, 0
	case p.Input < 0:
		return nil, errors.New("input is missing")
	case p.Output < 0:
		return nil, errors.New("output is missing")
	}
	return p.Filled(), nil
}

// addList adds a shipped list. Of the prices of a model at different times,
// the one that holds at now comes first.
func (c *Catalog) addList(raw []byte, now time.Time) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var list priceList
	if err := dec.Decode(&list); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	if list.Provider == "" || list.Source == "" {
		return errors.New("the list has no provider or no source")
	}
	for i := range list.Models {
		e := &list.Models[i]
		if e.AsOf == "" {
			e.AsOf = list.AsOf
		}
		m, err := e.model(list.Source)
		if err == nil {
			err = c.add(list.Provider, e, m, now)
		}
		if err != nil {
			return fmt.Errorf("%s/%s: %w", list.Provider, e.Model, err)
		}
	}
	return nil
}

func (c *Catalog) add(provider string, e *priceEntry, m *Model, now time.Time) error {
	if m.AsOf.After(c.asOf) {
		c.asOf = m.AsOf
	}
	for _, model := range append([]string{e.Model}, e.Also...) {
		name := provider + "/" + model
		other := c.models[name]
		switch {
		case model == "" || other != nil && meet(other.Price, m.Price):
			return fmt.Errorf("%q is no name or is listed twice", name)
		case other == nil:
			c.models[name] = m
			continue
		}
		first, second := other, m
		if first.Price.At(now) == nil && m.Price.At(now) != nil {
			first, second = m, other
		}
		joined, price := *first, *first.Price
		price.Next, joined.Price = second.Price, &price
		if first.Price.Next != nil || second.Price.Next != nil {
			return fmt.Errorf("%q has more than two prices", name)
		}
		c.models[name] = &joined
	}
	return nil
}

// meet reports whether two prices hold at the same time.
func meet(a, b *call.Price) bool {
	return (a.Until == 0 || b.From < a.Until) && (b.Until == 0 || a.From < b.Until)
}

func (e *priceEntry) model(source string) (m *Model, err error) {
	m = &Model{Source: source, In: e.In, Out: e.Out}
	if m.AsOf, err = time.Parse(time.DateOnly, e.AsOf); err != nil {
		return nil, errors.New("as_of is not a date such as 2026-10-01")
	}
	p, err := e.price()
	if err != nil {
		return nil, err
	}
	m.Price = p
	p.Context, p.MaxOutput = e.Context, e.MaxOutput
	if p.Context < 0 || p.MaxOutput < 0 {
		return nil, errors.New("context or max_output is negative")
	}
	for _, step := range []func(*call.Price) error{e.sizes, e.long, e.tiers, e.dates} {
		if err := step(p); err != nil {
			return nil, err
		}
	}
	for region, text := range e.Regions {
		permille, err := factor(text)
		if err != nil {
			return nil, fmt.Errorf("regions.%s: %w", region, err)
		}
		if m.regions == nil {
			m.regions = map[string]int64{}
		}
		m.regions[region] = permille
	}
	return m, nil
}

func (e *priceEntry) sizes(p *call.Price) error {
	if len(e.Sizes) == 0 {
		return nil
	}
	sizes := make(call.ImagePrices, len(e.Sizes))
	for i, s := range e.Sizes {
		nano, err := call.ParseUSD(s.USD)
		if err == nil && nano > call.MaxPrice {
			err = errDear
		}
		if err != nil {
			return fmt.Errorf("sizes %q: %w", s.USD, err)
		}
		sizes[i].Size, sizes[i].Quality, sizes[i].USD = s.Size, s.Quality, nano
		p.Image = max(p.Image, nano)
	}
	p.Sizes = &sizes
	return nil
}

func (e *priceEntry) long(p *call.Price) (err error) {
	if e.Long == nil {
		return nil
	}
	if p.Long, err = e.Long.price(); err != nil {
		return fmt.Errorf("long: %w", err)
	}
	if p.LongFrom = e.Long.From; p.LongFrom <= 0 {
		return errors.New("long.from is not a number of tokens above 0")
	}
	units(p.Long, p)
	return nil
}

// units gives p the rates of other for what is not counted in tokens, where it
// has none.
func units(p, other *call.Price) {
	own, others := p.Rates(), other.Rates()
	for i := tokenRates; i < call.NumRates; i++ {
		if *own[i] == 0 {
			*own[i] = *others[i]
		}
	}
}

func (e *priceEntry) tiers(p *call.Price) error {
	standard := *p
	for _, t := range []struct {
		name string
		raw  json.RawMessage
		to   **call.Price
	}{{"batch", e.Batch, &p.Batch}, {"flex", e.Flex, &p.Flex}, {"priority", e.Priority, &p.Priority}} {
		if len(t.raw) == 0 {
			continue
		}
		var text string
		var own rates
		var err error
		if t.raw[0] == '"' {
			var permille int64
			if err = json.Unmarshal(t.raw, &text); err == nil {
				permille, err = factor(text)
			}
			scaled := standard
			*t.to = scaled.Scaled(permille)
		} else if err = strict(t.raw, &own); err == nil {
			if *t.to, err = own.price(); err == nil {
				units(*t.to, &standard)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return nil
}

func strict(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

// factor reads a multiple of up to three decimal places as permille.
func factor(text string) (permille int64, err error) {
	nano, err := call.ParseUSD(text)
	if err != nil || nano%1e6 != 0 || nano == 0 || nano > 100e9 {
		return 0, fmt.Errorf("%q is not a factor such as 0.5 or 1.1", text)
	}
	return nano / 1e6, nil
}

func (e *priceEntry) dates(p *call.Price) error {
	for _, d := range []struct {
		name, text string
		to         *int64
	}{{"from", e.From, &p.From}, {"until", e.Until, &p.Until}} {
		if d.text == "" {
			continue
		}
		day, err := time.Parse(time.DateOnly, d.text)
		if err != nil {
			return fmt.Errorf("%s is not a date such as 2026-10-01", d.name)
		}
		*d.to = day.Unix()
	}
	if p.Until != 0 && p.Until <= p.From {
		return errors.New("until is not after from")
	}
	return nil
}
