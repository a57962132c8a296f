package media

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// How words are gathered into subtitles.
const (
	cueBytes = 84 // two lines of what television shows
	cueTime  = 7 * time.Second
	cueGap   = time.Second
)

// cues are the segments, or what stands for them.
func (t *Transcript) cues() []Span {
	if len(t.Segments) > 0 {
		return t.Segments
	}
	if len(t.Words) == 0 {
		if t.Text == "" {
			return nil
		}
		return []Span{{t.Text, 0, t.Duration}}
	}
	var out []Span
	var text strings.Builder
	open := t.Words[0]
	for i, w := range t.Words {
		if i > 0 && apart(open, t.Words[i-1], w, text.Len()) {
			out = append(out, Span{text.String(), open.Start, t.Words[i-1].End})
			text.Reset()
			open = w
		}
		if text.Len() > 0 {
			text.WriteByte(' ')
		}
		text.WriteString(w.Text)
	}
	return append(out, Span{text.String(), open.Start, t.Words[len(t.Words)-1].End})
}

// apart reports whether w begins a new subtitle.
func apart(open, last, w Span, size int) bool {
	return size+1+len(w.Text) > cueBytes || w.End-open.Start > cueTime || w.Start-last.End > cueGap ||
		strings.HasSuffix(last.Text, ".") || strings.HasSuffix(last.Text, "?") || strings.HasSuffix(last.Text, "!")
}

func appendSRT(dst []byte, cues []Span) []byte {
	for i, c := range cues {
		dst = append(strconv.AppendInt(dst, int64(i+1), 10), '\n')
		dst = appendCue(dst, c, ',')
	}
	return dst
}

func appendVTT(dst []byte, cues []Span) []byte {
	dst = append(dst, "WEBVTT\n\n"...)
	for _, c := range cues {
		dst = appendCue(dst, c, '.')
	}
	return dst
}

// appendCue writes one subtitle. An empty line would end it and an arrow would
// begin another, so that neither is left in its text.
func appendCue(dst []byte, c Span, mark byte) []byte {
	dst = append(appendTime(dst, c.Start, mark), " --> "...)
	dst = append(appendTime(dst, max(c.End, c.Start), mark), '\n')
	text := arrows.ReplaceAllString(strings.Join(strings.Fields(c.Text), " "), "->")
	return append(append(dst, text...), "\n\n"...)
}

var arrows = regexp.MustCompile(`-{2,}>`)

func appendTime(dst []byte, d time.Duration, mark byte) []byte {
	ms := max(d, 0).Milliseconds()
	dst = pad(dst, ms/3600_000, 2)
	dst = pad(append(dst, ':'), ms/60_000%60, 2)
	dst = pad(append(dst, ':'), ms/1000%60, 2)
	return pad(append(dst, mark), ms%1000, 3)
}

func pad(dst []byte, n int64, digits int) []byte {
	s := strconv.FormatInt(n, 10)
	for range digits - len(s) {
		dst = append(dst, '0')
	}
	return append(dst, s...)
}
