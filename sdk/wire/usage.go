package wire

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// maxCount bounds a reported count: no request comes near it, and sums and
// products of such counts stay far from overflow.
const maxCount = 1 << 40

var (
	usageKey    = []byte(`"usage"`)
	metadataKey = []byte(`"usageMetadata"`)
	metaKey     = []byte(`"meta"`)
	durationKey = []byte(`"duration"`)
	base64Key   = []byte(`"b64_json"`)
	urlKey      = []byte(`"url"`)
)

// ReadUsage reads the usage that a complete answer in dialect d reports; ok is
// false when it reports none or is not valid JSON.
func ReadUsage(d Dialect, body []byte) (u Usage, ok bool) {
	if bytes.Contains(body, usageKey) || alsoReports(d, body) {
		ok = readUsage(d, body, &u)
	}
	if d == OpenAIImages || d == OpenAIImageEdits {
		if n := pictures(body); n > 0 {
			u.Images, ok = n, true
		}
	}
	return u, ok
}

// alsoReports tells whether body has one of the names under which d reports
// usage beside "usage" itself.
func alsoReports(d Dialect, body []byte) bool {
	switch d {
	case GeminiGenerate:
		return bytes.Contains(body, metadataKey)
	case CohereChat, CohereRerank:
		return bytes.Contains(body, metaKey)
	case OpenAITranscription, OpenAITranslation:
		return bytes.Contains(body, durationKey)
	case Raw:
		return bytes.Contains(body, metadataKey) || bytes.Contains(body, metaKey)
	}
	return false
}

// pictures counts the images of an answer. The names cannot lie within a
// string, and pictures are too large to be walked through for it.
func pictures(body []byte) int64 {
	if len(body) == 0 || body[0] != '{' {
		return 0
	}
	return int64(max(bytes.Count(body, base64Key), bytes.Count(body, urlKey)))
}

// ReadUsageEvent folds the usage that one event of a stream reports, if any,
// into into: data is what follows "data: ". The last report wins, field by
// field where the dialect reports in parts (Anthropic: message_start, then
// message_delta). It reports whether there was any; invalid JSON has none.
//
// In OpenAIRealtime each report is of one response: read it into an empty
// Usage and Add it to the session's.
func ReadUsageEvent(d Dialect, data []byte, into *Usage) bool {
	return reportsUsage(d, data) && readUsage(d, data, into)
}

// reportsUsage is the fast path for the events that have no usage or only
// `"usage":null`. An unescaped `"usage"` cannot lie within a JSON string, so
// the bytes are a member's name, or a whole value that the reader then skips.
func reportsUsage(d Dialect, data []byte) bool {
	if d == GeminiGenerate {
		return bytes.Contains(data, metadataKey)
	}
	for {
		i := bytes.Index(data, usageKey)
		if i < 0 {
			return false
		}
		data = data[i+len(usageKey):]
		if !bytes.HasPrefix(data, []byte(":null")) && !bytes.HasPrefix(data, []byte(": null")) {
			return true
		}
	}
}

func readUsage(d Dialect, data []byte, into *Usage) bool {
	r := lex.New(data)
	u, found := *into, false
	var heard int64 // ms that an answer without usage gives as the audio's length
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "usage":
			found = usageObject(d, &r, &u) || found
		case "usageMetadata":
			if d == GeminiGenerate || d == Raw {
				found = geminiUsage(&r, &u) || found
			}
		case "meta", "message", "response", "delta", "x_groq":
			found = usageBelow(d, &r, &u) || found
		case "choices": // Moonshot reports in the last chunk's choice
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				found = usageWithin(d, &r, &u) || found
			}
		case "duration":
			if d == OpenAITranscription || d == OpenAITranslation {
				duration(&r, &heard)
			}
		}
	}
	if !found && heard > 0 {
		u.Millis, found = heard, true
	}
	if !found || !r.Done() {
		return false
	}
	*into = u
	return true
}

// usageBelow reads usage in the member that r stands before, where d has it there.
func usageBelow(d Dialect, r *lex.Reader, u *Usage) bool {
	switch name := string(r.Name()); {
	case name == "x_groq",
		name == "message" && d == AnthropicMessages, // message_start
		name == "response" && (d == OpenAIResponses || d == OpenAIRealtime),
		name == "delta" && d == CohereChat: // message-end
		return usageWithin(d, r, u)
	case name == "meta" && (d == CohereRerank || d == CohereChat || d == Raw):
		return cohereUsage(r, u)
	}
	return false
}

func usageWithin(d Dialect, r *lex.Reader, u *Usage) (found bool) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		if string(r.Name()) == "usage" {
			found = usageObject(d, r, u) || found
		}
	}
	return found
}

func usageObject(d Dialect, r *lex.Reader, u *Usage) bool {
	switch d {
	case OpenAIChat, OpenAIEmbeddings, OpenAICompletions, OpenAIResponses, OpenAITranscription, OpenAITranslation, OpenAIRealtime:
		return openAIUsage(r, u)
	case OpenAIImages, OpenAIImageEdits:
		return imagesUsage(r, u)
	case OpenAISpeech:
		return speechUsage(r, u)
	case AnthropicMessages:
		return anthropicUsage(r, u)
	case BedrockConverse:
		return bedrockUsage(r, u)
	case CohereChat, CohereRerank:
		return cohereUsage(r, u)
	case Raw:
		return rawUsage(r, u)
	}
	return false
}

// rawUsage reads a usage object of any of the forms, told apart by a name that
// only one of them has.
func rawUsage(r *lex.Reader, u *Usage) bool {
	raw := r.Skip()
	in := lex.New(raw)
	has := func(name string) bool { return bytes.Contains(raw, []byte(name)) }
	switch {
	case has(`"cache_read_input_tokens"`), has(`"cache_creation_input_tokens"`):
		return anthropicUsage(&in, u)
	case has(`"inputTokens"`):
		return bedrockUsage(&in, u)
	case has(`"billed_units"`):
		return cohereUsage(&in, u)
	}
	return openAIUsage(&in, u)
}

// count reads a count into n, which stays as it was if there is none.
func count(r *lex.Reader, n *int64) bool {
	v, ok := r.Int()
	if !ok || v < 0 {
		return false
	}
	*n = min(v, maxCount)
	return true
}

// more adds a count to n.
func more(r *lex.Reader, n *int64) bool {
	var v int64
	ok := count(r, &v)
	*n = min(*n+v, maxCount)
	return ok
}
