package main

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// translated serves a chat dialect by way of openai-chat, as a bridge does for
// an upstream; nil when there is no such translation.
func (d *demo) translated(from wire.Dialect) provider.HandlerFunc {
	tr, ok := wire.Translate(from, wire.OpenAIChat)
	if !ok {
		return nil
	}
	return func(r *provider.Request, w *provider.Writer) error {
		name := r.Model()
		body, dropped, err := tr.Request(nil, r.Body(), name)
		if err != nil {
			return err
		}
		w.Dropped(dropped...)
		a, err := d.parse(body, name, openAI{})
		if err != nil {
			return err
		}
		a.stream = a.stream || r.Streams()
		d.character(a)
		if err := misbehave(r, &a.controls); err != nil {
			return err
		}
		o, id := a.answer(), r.ID()
		if a.stream {
			a.includeUsage = true
			s, err := openAI{}.events(id, a, o).translate(tr.Stream(a.name, true))
			if err != nil {
				return err
			}
			return w.Stream(func(out *provider.Stream) error { return s.play(r, a, o, out) })
		}
		out, _, err := tr.Response(nil, openAI{}.whole(nil, id, a, o), a.name)
		if err != nil {
			return err
		}
		w.Usage(o.usage)
		return reply(w, &a.controls, out)
	}
}

// translate rewrites a script, its pieces apart.
func (s script) translate(st wire.StreamTranslation) (out script, err error) {
	segment := func(part []byte) error {
		for event := range bytes.SplitSeq(bytes.TrimSuffix(part, []byte("\n\n")), []byte("\n\n")) {
			if len(event) == 0 {
				continue
			}
			if out.buf, err = st.Event(out.buf, "", bytes.TrimPrefix(event, []byte("data: "))); err != nil {
				return err
			}
		}
		return nil
	}
	if err := segment(s.head()); err != nil {
		return out, err
	}
	out.mark()
	for i := range s.pieces() {
		if err := segment(s.piece(i)); err != nil {
			return out, err
		}
		out.mark()
	}
	if err := segment(s.tail()); err != nil {
		return out, err
	}
	out.buf, err = st.Finish(out.buf)
	return out, err
}
