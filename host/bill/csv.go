package bill

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// table is where a CSV file has what.
type table struct{ day, model, item, cost, input, output int }

func parseCSV(r *bufio.Reader, columns Columns) (lines []Line, err error) {
	first, _ := r.Peek(4096)
	in := csv.NewReader(r)
	in.FieldsPerRecord, in.LazyQuotes = -1, true
	if head, _, _ := strings.Cut(string(first), "\n"); strings.Count(head, "\t") > strings.Count(head, ",") {
		in.Comma = '\t'
	}
	head, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("it has no first line: %w", err)
	}
	head[0] = strings.TrimPrefix(head[0], "\ufeff")
	t, err := columns.find(head)
	if err != nil {
		return nil, err
	}
	for n := 2; ; n++ {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, err
		}
		line, ok, err := t.line(row)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if ok {
			lines = append(lines, line)
		}
	}
}

// find finds the columns by their names, or by those that OpenAI's exports have.
func (c Columns) find(head []string) (t table, err error) {
	at := func(name string) int {
		return slices.IndexFunc(head, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), name) })
	}
	t = table{day: -1, model: -1, item: -1, cost: -1, input: -1, output: -1}
	if c == (Columns{}) {
		t = table{day: at("start_time_iso"), model: at("model"), item: at("line_item"), cost: at("amount_value"), input: at("input_tokens"), output: at("output_tokens")}
		if t.day < 0 {
			t.day = at("start_time")
		}
		if t.day < 0 || t.cost < 0 && t.input < 0 {
			return t, fmt.Errorf("its columns %s are none of OpenAI's exports: name them with --columns day=…,model=…,cost=…,input=…,output=…", strings.Join(head, ", "))
		}
		return t, nil
	}
	for _, col := range []struct {
		name string
		to   *int
	}{{c.Day, &t.day}, {c.Model, &t.model}, {c.Cost, &t.cost}, {c.Input, &t.input}, {c.Output, &t.output}} {
		if col.name == "" {
			continue
		}
		if *col.to = at(col.name); *col.to < 0 {
			return t, fmt.Errorf("it has no column %q: it has %s", col.name, strings.Join(head, ", "))
		}
	}
	if t.day < 0 || t.cost < 0 && t.input < 0 {
		return t, errors.New("the columns must name day, and cost or input")
	}
	return t, nil
}

// line reads one row; ok is false of days without any.
func (t *table) line(row []string) (l Line, ok bool, err error) {
	cell := func(i int) string {
		if i < 0 || i >= len(row) {
			return ""
		}
		return strings.TrimSpace(row[i])
	}
	if cell(t.cost) == "" && cell(t.input) == "" && cell(t.output) == "" {
		return l, false, nil
	}
	if l.Day, err = dayOf(cell(t.day)); err != nil {
		return l, false, err
	}
	l.Model = cell(t.model)
	if item := cell(t.item); item != "" {
		l.Model = itemModel(item)
	}
	if text := cell(t.cost); text != "" {
		l.Has |= HasCost
		if l.Cost, err = number(strings.TrimPrefix(text, "$"), dollars); err != nil {
			return l, false, err
		}
	}
	for i, to := range map[int]*int64{t.input: &l.Input, t.output: &l.Output} {
		if text := cell(i); text != "" {
			l.Has |= HasTokens
			if *to, err = number(text, 0); err != nil {
				return l, false, err
			}
		}
	}
	return l, true, nil
}
