package wire

import "time"

// Translation carries requests that were written in one dialect to an upstream
// that speaks another, and the answers back. Implementations hold no state and
// are safe for concurrent use.
type Translation interface {
	// Request appends body, rewritten for the upstream with the given model
	// name, to dst. dropped lists the parameters that could not be carried, by
	// their names in the caller's dialect. err is a *Error in all cases.
	Request(dst, body []byte, model string) (out []byte, dropped []string, err error)

	// Response appends a complete upstream answer, rewritten for the caller, to dst.
	Response(dst, body []byte, model string) (out []byte, usage Usage, err error)

	// Stream starts the translation of one streamed answer. model is the name
	// that the caller used; includeUsage says whether an openai-chat caller
	// asked for stream_options.include_usage.
	Stream(model string, includeUsage bool) StreamTranslation

	// Error rewrites an upstream's error body for the caller's dialect.
	// What cannot be parsed is carried as the message.
	Error(dst []byte, status int, body []byte) []byte
}

// StreamTranslation is the state of one streamed answer.
type StreamTranslation interface {
	// Event takes one server-sent event of the upstream (its event name, ""
	// if none, and its data) and appends zero or more complete events for the
	// caller, ready to send, to dst.
	Event(dst []byte, event string, data []byte) ([]byte, error)

	// Finish is called at the end of the upstream's stream. It appends what is
	// still owed to the caller; it fails when the upstream ended early, so that
	// a cut answer is never passed off as a whole one.
	Finish(dst []byte) ([]byte, error)

	// Usage is what the upstream has reported so far. ok is false until it has
	// reported anything.
	Usage() (u Usage, ok bool)
}

// codecs has the chat dialects that are translated, one a line.
var codecs = [...]*codec{
	openAIChatCodec(),
	anthropicCodec(),
	responsesCodec(),
	geminiCodec(),
	bedrockCodec(),
	cohereCodec(),
}

type pair struct{ from, to Dialect }

var translations = allTranslations()

func allTranslations() map[pair]Translation {
	all := map[pair]Translation{}
	for _, from := range codecs {
		for _, to := range codecs {
			if from != to && from.readRequest != nil {
				all[pair{from.dialect, to.dialect}] = &translation{from: from, to: to, now: time.Now}
			}
		}
	}
	return all
}

// Translate returns the translation for callers that speak from to an upstream
// that speaks to; ok is false when there is none.
func Translate(from, to Dialect) (t Translation, ok bool) {
	t, ok = translations[pair{from, to}]
	return t, ok
}
