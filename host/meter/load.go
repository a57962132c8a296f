package meter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// What a price file may hold at most.
const (
	maxFile   = 64 << 20
	maxModels = 100_000
)

// Loaded is a price file as it was read.
type Loaded struct {
	Shape   string // "litellm" or "models.dev"
	Models  map[string]*Model
	Skipped int // entries without a price: what is not priced is not free
}

// LoadFile reads a price file in the shape of LiteLLM's
// model_prices_and_context_window.json or of models.dev's api.json. Fields that
// it does not know are ignored; a number that is none is an error that names
// the model and the field.
func LoadFile(path string) (*Loaded, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read prices: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	var raw []byte
	if err == nil && st.Size() <= maxFile {
		raw, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	}
	if err == nil && max(st.Size(), int64(len(raw))) > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	var l *Loaded
	if err == nil {
		l, err = parseFile(raw, path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read prices %s: %w", path, err)
	}
	for _, m := range l.Models {
		m.AsOf = st.ModTime().UTC().Truncate(24 * time.Hour)
	}
	return l, nil
}

func parseFile(raw []byte, source string) (*Loaded, error) {
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, err
	}
	l := &Loaded{Shape: shapeOf(entries), Models: map[string]*Model{}}
	if l.Shape == "" {
		return nil, errors.New("it has neither LiteLLM's shape (models with litellm_provider) nor that of models.dev (providers with models)")
	}
	for _, name := range sortedNames(entries) {
		var err error
		if l.Shape == "litellm" {
			err = l.liteLLM(name, entries[name])
		} else {
			err = l.modelsDev(name, entries[name])
		}
		if err == nil && len(l.Models) > maxModels {
			err = fmt.Errorf("it has more than %d models", maxModels)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, m := range l.Models {
		m.Source = source
	}
	return l, nil
}

// shapeOf tells the shape by the first entry that has a mark of one.
func shapeOf(entries map[string]json.RawMessage) string {
	for _, name := range sortedNames(entries) {
		var mark struct {
			Provider *json.RawMessage `json:"litellm_provider"`
			Models   *json.RawMessage `json:"models"`
		}
		switch err := json.Unmarshal(entries[name], &mark); {
		case err != nil:
		case mark.Provider != nil:
			return "litellm"
		case mark.Models != nil:
			return "models.dev"
		}
	}
	return ""
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// fields are the members of one model's entry.
type fields struct {
	model   string
	members map[string]json.RawMessage
	err     error
}

// rate reads the member called name, dollars for a unit of which the price is
// for per, as nano-dollars; or if it is not there.
func (f *fields) rate(name string, per, or int64) int64 {
	raw, ok := f.members[name]
	if !ok || string(raw) == "null" || f.err != nil {
		return or
	}
	nano, err := nanoOf(raw, per)
	if err != nil {
		f.err = fmt.Errorf("%s: %s: %w", f.model, name, err)
	}
	return nano
}

// first is the rate under the first of the names that is there.
func (f *fields) first(per int64, names ...string) int64 {
	for _, name := range names {
		if v := f.rate(name, per, -1); v >= 0 {
			return v
		}
	}
	return -1
}

// count reads a number of tokens, 0 if there is none; some files write it as text.
func (f *fields) count(names ...string) int64 {
	for _, name := range names {
		raw := bytes.Trim(f.members[name], `"`)
		if len(raw) == 0 || string(raw) == "null" || f.err != nil {
			continue
		}
		var n float64
		if err := json.Unmarshal(raw, &n); err != nil || n < 0 || n > 1<<40 {
			f.err = fmt.Errorf("%s: %s: %.40s is no number of tokens", f.model, name, raw)
			return 0
		}
		return int64(n)
	}
	return 0
}

func (f *fields) text(name string) (s string) {
	_ = json.Unmarshal(f.members[name], &s) // anything else is no text
	return s
}

var nanos = big.NewRat(1e9, 1)

// nanoOf is the JSON number raw, dollars, times per in nano-dollars, to the
// nearest: binary fractions are common in these files.
func nanoOf(raw []byte, per int64) (int64, error) {
	var n json.Number
	if err := json.Unmarshal(raw, &n); err != nil || len(raw) > 40 || raw[0] == '"' {
		return 0, fmt.Errorf("%.40s is no number", raw)
	}
	switch f, err := n.Float64(); { // no exponent may fill the memory
	case err != nil || f > 1e6 || f != 0 && f < 1e-18:
		return 0, fmt.Errorf("%s is no price", raw)
	case f == 0:
		if mantissa, _, _ := strings.Cut(strings.ToLower(n.String()), "e"); strings.ContainsAny(mantissa, "123456789") {
			return 0, fmt.Errorf("%s is no price", raw)
		}
		return 0, nil
	}
	r, ok := new(big.Rat).SetString(n.String())
	if !ok {
		return 0, fmt.Errorf("%s is no number", raw)
	}
	r.Mul(r, nanos).Mul(r, big.NewRat(per, 1)).Add(r, big.NewRat(1, 2))
	whole := new(big.Int).Quo(r.Num(), r.Denom())
	if !whole.IsInt64() || whole.Int64() < 0 || whole.Int64() > call.MaxPrice {
		return 0, fmt.Errorf("%s: %w", raw, errDear)
	}
	return whole.Int64(), nil
}

// put takes an entry in under the name of its target, unless it has no price
// or is free throughout, which these files say of what they do not know.
func (l *Loaded) put(provider, model string, p *call.Price, m *Model) {
	if p == nil || p.Free() || provider == "" || model == "" {
		l.Skipped++
		return
	}
	m.Price = p
	l.Models[provider+"/"+model] = m
}

// ourProviders are the names here of providers that other lists call differently.
var ourProviders = map[string]string{
	"google": "gemini", "amazon-bedrock": "bedrock", "bedrock_converse": "bedrock", "togetherai": "together", "together_ai": "together",
	"fireworks-ai": "fireworks", "fireworks_ai": "fireworks", "google-vertex": "vertex", "cohere_chat": "cohere",
	"text-completion-openai": "openai", "text-completion-codestral": "mistral", "azure_text": "azure",
	"azure-cognitive-services": "azure", "x-ai": "xai",
}

func ourProvider(name string) string {
	if ours := ourProviders[name]; ours != "" {
		return ours
	}
	if strings.HasPrefix(name, "vertex_ai") {
		return "vertex"
	}
	return name
}
