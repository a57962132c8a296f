package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// look is how a command may write: in colours and over what it wrote before
// where that is a terminal.
type look struct {
	terminal, colour bool
	file             *os.File
}

// lookOf tells it of w. NO_COLOR and TERM=dumb turn colours off.
func lookOf(w io.Writer) look {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return look{}
	}
	return look{terminal: true, file: f, colour: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// size is that of the terminal, 80×24 where it does not tell.
func (l look) size() (width, height int) {
	if l.file != nil {
		if w, h, err := term.GetSize(int(l.file.Fd())); err == nil && w > 0 && h > 0 {
			return w, h
		}
	}
	return 80, 24
}

// ink is how text is shown: the parameters of an ANSI sequence.
type ink string

const (
	plainInk ink = ""
	bold     ink = "1"
	dim      ink = "2"
	reverse  ink = "7"
	red      ink = "31"
	green    ink = "32"
	yellow   ink = "33"
	cyan     ink = "36"
)

func (l look) paint(with ink, text string) string {
	if !l.colour || with == plainInk || text == "" {
		return text
	}
	return "\x1b[" + string(with) + "m" + text + "\x1b[0m"
}

// statusInk is that of an HTTP status.
func statusInk(status int64, failed bool) ink {
	switch {
	case status >= 500, failed && status < 400:
		return red
	case status >= 400:
		return yellow
	}
	return green
}

// harmless is text of others without what a terminal would act on.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// wide are the ranges of runes that take two columns.
var wide = [][2]rune{{0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd}}

func columns(r rune) int {
	for _, w := range wide {
		if r >= w[0] && r <= w[1] {
			return 2
		}
	}
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	return 1
}

// fit makes text exactly width columns wide, cut at its end or filled on the
// right, or on the left where width is negative.
func fit(text string, width int) string {
	left := width < 0
	if left {
		width = -width
	}
	used := 0
	for _, r := range text {
		used += columns(r)
	}
	if used > width {
		text, used = clip(text, width)
	}
	pad := strings.Repeat(" ", width-used)
	if left {
		return pad + text
	}
	return text + pad
}

// clip cuts text, which is wider, to at most width columns.
func clip(text string, width int) (string, int) {
	used := 0
	var b strings.Builder
	for _, r := range text {
		n := columns(r)
		if used+n > width-1 {
			break
		}
		used += n
		b.WriteRune(r)
	}
	if width < 1 {
		return "", 0
	}
	return b.String() + "…", used + 1
}

// short is a number as people read it: 950, 1.2k, 35k, 1.2M.
func short(v float64) string {
	if v > 0 && v < .05 {
		return "<0.1"
	}
	for _, unit := range []string{"", "k", "M", "G"} {
		switch {
		case v < 9.95 && unit == "" && v != float64(int64(v)):
			return fmt.Sprintf("%.1f", v)
		case v < 9.95 && unit != "":
			return fmt.Sprintf("%.1f%s", v, unit)
		case v < 999.5:
			return fmt.Sprintf("%.0f%s", v, unit)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.0fT", v)
}

// shortTime is a time in milliseconds as people read it.
func shortTime(ms float64) string {
	switch {
	case ms == 0:
		return "-"
	case ms < 1:
		return fmt.Sprintf("%.0fµs", ms*1000)
	case ms < 10:
		return fmt.Sprintf("%.1fms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0fms", ms)
	case ms < 60_000:
		return fmt.Sprintf("%.1fs", ms/1000)
	}
	return fmt.Sprintf("%.0fm", ms/60_000)
}

// money is an amount in dollars as people read it.
func money(usd float64) string {
	switch {
	case usd == 0:
		return "0"
	case usd < 0.000001:
		return "<$0.000001"
	case usd < 0.01:
		return strings.TrimRight(fmt.Sprintf("$%.6f", usd), "0")
	case usd < 1:
		return fmt.Sprintf("$%.4f", usd)
	case usd < 1000:
		return fmt.Sprintf("$%.2f", usd)
	}
	return "$" + short(usd)
}
