package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"
)

// chatHelp lists what a conversation takes beside text.
const chatHelp = "Within a conversation:\n" +
	"  /model [NAME]   ask another model, or list those that there are\n" +
	"  /system TEXT    what the model is told before\n" +
	"  /image FILE     send a picture with the next message; /audio FILE a recording\n" +
	"  /max N          longest answer, in tokens\n" +
	"  /cost           what the conversation has cost so far\n" +
	"  /save FILE      write it down: as JSON where FILE ends in .json, else as Markdown\n" +
	"  /reset          begin anew\n" +
	"  /quit           end it, as Ctrl-D does"

var errQuit = errors.New("quit")

// loop talks until the input ends.
func (t *talk) loop(ctx context.Context, in io.Reader) error {
	fmt.Fprintln(t.out, t.look.paint(dim, t.model+" at "+t.door.url+"; /help tells what else there is, Ctrl-D ends it"))
	read := lineReader(in, t.out, t.look)
	for {
		line, err := read("> ")
		switch {
		case errors.Is(err, io.EOF), ctx.Err() != nil:
			fmt.Fprintln(t.out)
			return nil
		case err != nil:
			return fmt.Errorf("cannot read what is typed: %w", err)
		}
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if strings.HasPrefix(line, "/") {
			err = t.command(ctx, line)
		} else {
			err = t.answer(ctx, line)
		}
		if errors.Is(err, errQuit) {
			return nil
		}
		if err != nil {
			fmt.Fprintln(t.out, t.look.paint(red, explain(err)))
		}
	}
}

func (t *talk) answer(ctx context.Context, line string) error {
	r, err := t.say(ctx, line)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "\n%s\n", t.look.paint(dim, r.line()))
	return nil
}

// lineReader reads lines: where they can be edited, with a history. Ctrl-C
// clears the line.
func lineReader(in io.Reader, out io.Writer, l look) func(prompt string) (string, error) {
	f, ok := isTerminal(in)
	if !ok || !l.terminal {
		lines := bufio.NewReader(in)
		return func(prompt string) (string, error) {
			fmt.Fprint(out, prompt)
			line, err := lines.ReadString('\n')
			if line != "" {
				err = nil
			}
			return line, err
		}
	}
	editor := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{clearing{f}, out}, "")
	return func(prompt string) (string, error) {
		before, err := term.MakeRaw(int(f.Fd()))
		if err != nil {
			return "", err
		}
		defer func() { _ = term.Restore(int(f.Fd()), before) }()
		editor.SetPrompt(prompt)
		if w, h := l.size(); w > 0 {
			_ = editor.SetSize(w, h) // a terminal that small has its own worries
		}
		line, err := editor.ReadLine()
		if errors.Is(err, term.ErrPasteIndicator) {
			err = nil
		}
		return line, err
	}
}

// clearing reads Ctrl-C as what clears the line.
type clearing struct{ in io.Reader }

func (c clearing) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	for i := range p[:n] {
		switch p[i] {
		case 3:
			p[i] = 21
		case '\n': // typed while an answer came, when lines were not edited
			p[i] = '\r'
		}
	}
	return n, err
}

// command does what begins with a slash.
func (t *talk) command(ctx context.Context, line string) error {
	name, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch name {
	case "/help":
		fmt.Fprintln(t.out, chatHelp)
	case "/model":
		return t.changeModel(ctx, rest)
	case "/system":
		t.system = rest
	case "/image", "/audio":
		if err := t.attach(name[1:], rest); err != nil {
			return err
		}
		fmt.Fprintln(t.out, "goes with the next message")
	case "/max":
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return hint(fmt.Errorf("%q is no number of tokens", rest), "write /max 500; 0 is no bound")
		}
		t.max = n
	case "/cost":
		fmt.Fprintf(t.out, "%d answers · %d tokens in, %d out · %s\n", t.answers, t.input, t.output, money(t.cost))
	case "/save":
		return t.save(rest)
	case "/reset":
		t.said, t.parts = nil, nil
		fmt.Fprintln(t.out, "begun anew")
	case "/quit", "/exit":
		return errQuit
	default:
		return hint(fmt.Errorf("there is no %s", name), "/help tells what there is")
	}
	return nil
}

func (t *talk) changeModel(ctx context.Context, name string) error {
	if name != "" {
		t.model = name
		fmt.Fprintln(t.out, "now asking "+harmless(name))
		return nil
	}
	list, err := t.door.models(ctx)
	if err != nil {
		return err
	}
	for _, m := range list {
		mark := "  "
		if m == t.model {
			mark = "* "
		}
		fmt.Fprintln(t.out, mark+harmless(m))
	}
	return nil
}

// save writes the conversation down, to a file that is not there yet.
func (t *talk) save(file string) error {
	if file == "" {
		return hint(errors.New("/save needs a file"), "write /save talk.md, or talk.json")
	}
	var text []byte
	if strings.HasSuffix(file, ".json") {
		var err error
		if text, err = json.MarshalIndent(map[string]any{"model": t.model, "system": t.system, "messages": t.said, "cost_usd": t.cost}, "", "  "); err != nil {
			return fmt.Errorf("cannot encode the conversation: %w", err)
		}
		text = append(text, '\n')
	} else {
		text = []byte(t.markdown())
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return hint(fmt.Errorf("cannot save: %w", err), "choose another name")
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cannot save: %w", err)
	}
	fmt.Fprintln(t.out, "saved as "+harmless(file))
	return nil
}

func (t *talk) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s, %s\n", t.model, time.Now().UTC().Format(time.DateTime), money(t.cost))
	if t.system != "" {
		fmt.Fprintf(&b, "\n**system:** %s\n", t.system)
	}
	for _, m := range t.said {
		text, ok := m.Content.(string)
		if parts, are := m.Content.([]part); !ok && are {
			text = parts[0].Text + " *(and " + strconv.Itoa(len(parts)-1) + " attached)*"
		}
		fmt.Fprintf(&b, "\n**%s:** %s\n", m.Role, text)
	}
	return b.String()
}

// ms is a time in milliseconds.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
