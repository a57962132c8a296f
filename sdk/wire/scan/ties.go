package scan

import (
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// Ties are what a request says of others that it belongs with. All slices alias
// the body, or are decoded copies where a string had escapes.
type Ties struct {
	Session  []byte // an id of the conversation, or a key of the prompt's cache
	Previous []byte // the response, or the conversation, at the provider that it goes on with
	User     []byte // the end user
	Metadata []byte // the object, braces included

	// What providers cache of a prompt, as it stands: the tools, the
	// instructions, and the messages up to the first one of the user.
	Tools, System, First []byte
}

// maxTies bounds how far into a body is looked, and maxOpening how many
// messages may come before the user's.
const (
	maxTies    = 4 << 20
	maxOpening = 32
)

// ReadTies reads the ties of a chat request in dialect d, whose body Operation
// has accepted. It makes one pass; what lies behind 4 MiB is not seen.
func ReadTies(d wire.Dialect, body []byte) (t Ties) {
	r := lex.New(body[:min(len(body), maxTies)])
	var key, conversation []byte
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "session_id":
			t.Session = r.Text()
		case "prompt_cache_key":
			key = r.Text()
		case "conversation":
			conversation = idOf(&r)
		case "previous_response_id":
			t.Previous = r.Text()
		case "user":
			t.User = r.Text()
		case "metadata":
			if r.Kind() == '{' {
				t.Metadata = r.Skip()
			}
		default:
			t.prompt(d, &r, body)
		}
	}
	if len(t.Session) == 0 {
		t.Session = key
	}
	if len(conversation) > 0 {
		t.Previous = conversation
	}
	t.metadata()
	return t
}

// prompt takes the members that hold what providers cache.
func (t *Ties) prompt(d wire.Dialect, r *lex.Reader, body []byte) {
	switch string(r.Name()) {
	case "tools", "functions":
		t.Tools = r.Skip()
	case "system", "instructions", "systemInstruction", "system_instruction":
		t.System = r.Skip()
	case "messages", "contents":
		t.First = opening(r, body)
	case "input":
		if d == wire.OpenAIResponses {
			t.First = opening(r, body)
		}
	case "prompt":
		if d == wire.OpenAICompletions {
			t.First = r.Skip()
		}
	}
}

// idOf is a string, or the id of an object.
func idOf(r *lex.Reader) (id []byte) {
	if r.Kind() == '"' {
		return r.Text()
	}
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		if string(r.Name()) == "id" {
			id = r.Text()
		}
	}
	return id
}

// opening is what stands in body from the first message to the first one of the
// user, or a string as it is.
func opening(r *lex.Reader, body []byte) []byte {
	if r.Kind() != '[' {
		return r.Skip()
	}
	n, from, to, done := 0, 0, 0, false
	for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
		if done || n == maxOpening {
			continue // the step skips it
		}
		m := r.Skip()
		if to = r.Pos(); n == 0 {
			from = to - len(m)
		}
		n++
		done = byUser(m)
	}
	if r.Bad() {
		return nil
	}
	return body[from:to]
}

// byUser reports whether a message is the user's; Gemini's need not say so.
func byUser(m []byte) bool {
	r := lex.New(m)
	who := []byte("user")
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		if string(r.Name()) == "role" {
			who = r.Text()
		}
	}
	return string(who) == "user"
}

// metadata looks for a session and a user in the metadata.
func (t *Ties) metadata() {
	var session []byte
	r := lex.New(t.Metadata)
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "session_id":
			session = r.Text()
		case "user_id":
			if id := r.Text(); len(t.User) == 0 {
				t.User = id
			}
		}
	}
	if len(t.Session) == 0 {
		t.Session = session
	}
}

// EachMetadata yields the members of a metadata object that are strings.
func (t *Ties) EachMetadata(each func(name, value []byte)) {
	r := lex.New(t.Metadata)
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		if name := r.Name(); r.Kind() == '"' {
			each(name, r.Text())
		}
	}
}
