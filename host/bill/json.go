package bill

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// page is an answer of OpenAI's or Anthropic's, of costs or of usage.
//
// OpenAI: GET /v1/organization/costs and /v1/organization/usage/completions,
// https://platform.openai.com/docs/api-reference/usage. Anthropic:
// GET /v1/organizations/cost_report and /v1/organizations/usage_report/messages,
// https://platform.claude.com/docs/en/api/admin/cost_report.
type page struct {
	Data    []bucket `json:"data"`
	HasMore bool     `json:"has_more"`
}

type bucket struct {
	StartTime  json.Number `json:"start_time"`  // OpenAI, Unix seconds
	StartingAt string      `json:"starting_at"` // Anthropic
	Results    []result    `json:"results"`
}

type result struct {
	Amount   json.RawMessage `json:"amount"` // OpenAI: {value, currency}; Anthropic: cents as text
	Currency string          `json:"currency"`
	LineItem string          `json:"line_item"`
	Model    string          `json:"model"`

	Input     json.Number `json:"input_tokens"` // OpenAI: cached ones included
	Output    json.Number `json:"output_tokens"`
	Uncached  json.Number `json:"uncached_input_tokens"` // Anthropic
	CacheRead json.Number `json:"cache_read_input_tokens"`
	Creation  struct {
		Hour    json.Number `json:"ephemeral_1h_input_tokens"`
		Minutes json.Number `json:"ephemeral_5m_input_tokens"`
	} `json:"cache_creation"`
}

func parseJSON(r io.Reader) (lines []Line, err error) {
	dec := json.NewDecoder(r)
	dec.UseNumber()
	more := false
	for {
		var raw json.RawMessage
		if err := dec.Decode(&raw); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		var pages []page
		if raw[0] == '[' {
			err = json.Unmarshal(raw, &pages)
		} else {
			pages = make([]page, 1)
			err = json.Unmarshal(raw, &pages[0])
		}
		if err != nil {
			return nil, err
		}
		for i := range pages {
			if lines, err = pages[i].add(lines); err != nil {
				return nil, err
			}
			more = pages[i].HasMore
		}
	}
	if more {
		return nil, errors.New("it says that there are more pages: give all of them, one after the other")
	}
	return lines, nil
}

func (p *page) add(lines []Line) ([]Line, error) {
	for i := range p.Data {
		b := &p.Data[i]
		start := b.StartTime.String()
		if b.StartingAt != "" {
			start = b.StartingAt
		}
		day, err := dayOf(start)
		if err != nil {
			return nil, fmt.Errorf("data[%d]: %w", i, err)
		}
		for k := range b.Results {
			line, err := b.Results[k].line(b.StartingAt != "")
			if err != nil {
				return nil, fmt.Errorf("data[%d].results[%d]: %w", i, k, err)
			}
			line.Day = day
			lines = append(lines, line)
		}
	}
	return lines, nil
}

func (r *result) line(anthropic bool) (l Line, err error) {
	l.Model = r.Model
	if r.LineItem != "" {
		l.Model = itemModel(r.LineItem)
	}
	switch {
	case len(r.Amount) > 0 && anthropic:
		var text string
		if err = json.Unmarshal(r.Amount, &text); err == nil {
			l.Has = HasCost
			l.Cost, err = money(text, r.Currency, cents)
		}
	case len(r.Amount) > 0:
		var a struct {
			Value    json.RawMessage `json:"value"` // a number, or text with all digits
			Currency string          `json:"currency"`
		}
		if err = json.Unmarshal(r.Amount, &a); err == nil {
			text := string(a.Value)
			if len(text) > 1 && text[0] == '"' {
				text = text[1 : len(text)-1]
			}
			l.Has = HasCost
			l.Cost, err = money(text, a.Currency, dollars)
		}
	case r.Input != "" || r.Uncached != "":
		l.Has = HasTokens
		if l.Input, err = sum(r.Input, r.Uncached, r.CacheRead, r.Creation.Hour, r.Creation.Minutes); err == nil {
			l.Output, err = sum(r.Output)
		}
	default:
		err = errors.New("it has neither amount nor tokens")
	}
	return l, err
}

func money(text, currency string, unit int) (int64, error) {
	if currency != "" && currency != "usd" && currency != "USD" {
		return 0, fmt.Errorf("it is in %q: only USD is known", currency)
	}
	return number(text, unit)
}

func sum(list ...json.Number) (total int64, err error) {
	for _, n := range list {
		if n == "" {
			continue
		}
		v, err := number(n.String(), 0)
		if err != nil {
			return 0, err
		}
		total += v
	}
	return total, nil
}
