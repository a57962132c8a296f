package scan

import (
	"bytes"
	"unicode/utf8"
)

// maxCount bounds the integers that are acted on; no API takes more, and sums
// and products of them stay far from overflow.
const maxCount = 1 << 40

// onString acts on a string value in state st.
func (s *scanner) onString(st state, raw []byte, escaped bool) bool {
	f := s.f
	switch st {
	case model:
		f.ModelAt = Span{s.i - 1 - len(raw), s.i - 1}
		f.Model = s.decode(raw, escaped)
	case content, text, itemContent, itemOutput:
		f.In |= Text
		s.item.whole = s.item.whole || st == itemContent
	case serviceTier:
		f.ServiceTier = s.decode(raw, escaped)
	case input, items:
		f.Messages++
		f.In |= Text
	case inputItem:
		f.In |= Text
	case partType:
		s.part(s.decode(raw, escaped))
	case sourceType:
		if string(raw) != "base64" && string(raw) != "text" && string(raw) != "content" {
			f.Unbounded = true
		}
	case remote, serverSide:
		f.Unbounded = true
	case imageURL, dataURL:
		f.In |= Image
		if escaped || !bytes.HasPrefix(raw, []byte("data:")) {
			f.Unbounded = true
		}
	case toolType:
		f.Unbounded = f.Unbounded || !callerRuns(s.decode(raw, escaped))
	case toolName:
		f.Tools = append(f.Tools, s.decode(raw, escaped))
	case spoken:
		f.In |= Text
		f.Characters = int64(utf8.RuneCount(s.decode(raw, escaped)))
	case streamFormat:
		f.Stream = string(s.decode(raw, escaped)) == "sse"
	case imageSize:
		f.ImageSize = s.decode(raw, escaped)
	case quality:
		f.Quality = s.decode(raw, escaped)
	case itemType, itemID, itemWhole, fileID, responseID, conversation, conversationID, container:
		return s.reference(st, s.decode(raw, escaped))
	case stored:
		return s.wrongType(st, "true or false")
	case fileIDs:
		return s.wrongType(st, "an array")
	case mimeType:
		f.In |= kindOf(s.decode(raw, escaped))
	case fileURI:
		f.Unbounded = true
	case stream, includeUsage:
		return s.wrongType(st, "true or false")
	case geminiConfig:
		return s.wrongType(st, "an object")
	case maxTokens, maxCompletionTokens, answers:
		return s.wrongType(st, "an integer")
	case messages, tools, documents:
		return s.wrongType(st, "an array")
	case streamOptions:
		return s.wrongType(st, "an object")
	case alternates:
		return s.alternates()
	}
	return true
}

// alternates refuses what makes an upstream choose among models by itself.
func (s *scanner) alternates() bool {
	return s.fail("unsupported_member", "models", "models would let the provider answer with another model than the one that policy and budget allowed: name one in model, an alias of the gateway's configuration can have several targets")
}

func (s *scanner) part(kind []byte) {
	switch string(kind) {
	case "text", "input_text", "refusal", "tool_use", "tool_result", "thinking", "redacted_thinking",
		"output_text", "summary_text", "reasoning_text":
		s.f.In |= Text
	case "image", "image_url", "input_image", "computer_screenshot":
		s.f.In |= Image
	case "input_audio", "audio":
		s.f.In |= Audio
	case "file", "input_file", "document":
		s.f.In |= File
	default: // search results, container uploads and what is yet to come
		s.f.In |= File
		s.f.Unbounded = true
	}
}

// kindOf is the kind of content of a media type.
func kindOf(mime []byte) Modality {
	switch {
	case bytes.HasPrefix(mime, []byte("image/")):
		return Image
	case bytes.HasPrefix(mime, []byte("audio/")):
		return Audio
	}
	return File
}

// callerRuns reports whether a tool of the given type is run by the caller;
// the others run at the provider, at a price that the body does not show.
func callerRuns(kind []byte) bool {
	switch string(kind) {
	case "function", "custom", "local_shell", "shell", "apply_patch", "computer_use_preview":
		return true
	}
	for _, prefix := range [...]string{"bash_", "text_editor_", "computer_", "memory_"} {
		if bytes.HasPrefix(kind, []byte(prefix)) {
			return true
		}
	}
	return false
}

// onOther acts on a value that is not a string, which lies at span.
func (s *scanner) onOther(st state, at Span) bool {
	f, raw := s.f, s.b[at.From:at.To]
	null := raw[0] == 'n'
	switch st {
	case model:
		return s.wrongType(st, "a string")
	case stream, includeUsage:
		if raw[0] != 't' && raw[0] != 'f' && !null {
			return s.wrongType(st, "true or false")
		}
		if st == stream {
			f.Stream = raw[0] == 't'
		} else {
			f.IncludeUsage, f.UsageAt = raw[0] == 't', at
		}
	case streamOptions:
		if raw[0] != '{' && !null {
			return s.wrongType(st, "an object")
		}
		f.StreamOptions = at
	case maxTokens, maxCompletionTokens:
		return s.maximum(st, at)
	case answers:
		n, ok := integer(raw)
		if !null && (!ok || n < 1) {
			return s.wrongType(st, "a whole number above 0")
		}
		f.N = max(f.N, n)
	case audio:
		f.In |= Audio
	case cacheControl:
		f.CacheControl = f.CacheControl || !null
	case serverSide:
		f.Unbounded = f.Unbounded || !null && raw[0] != 'f'
	case geminiFile, fileURI:
		f.Unbounded = true
	case geminiBlob:
		if f.In&(Image|Audio|File) == 0 {
			f.In |= File // it does not say what it is
		}
	case geminiConfig:
		if raw[0] != '{' && !null {
			return s.wrongType(st, "an object")
		}
		f.ConfigAt = at
	case spoken, imageSize, quality:
		return null || s.wrongType(st, "a string")
	case alternates:
		return null || s.alternates()
	case itemID, fileID, responseID, conversationID:
		return null || s.wrongType(st, "a string")
	case stored:
		if raw[0] != 't' && raw[0] != 'f' && !null {
			return s.wrongType(st, "true or false")
		}
		f.Unstored = raw[0] == 'f'
	case item:
		s.endItem()
	case conversation, container:
		if raw[0] != '{' && !null {
			return s.wrongType(st, "a string or an object")
		}
		f.Unbounded = f.Unbounded || !null
	case fileIDs:
		return null || raw[0] == '[' || s.wrongType(st, "an array")
	case content, itemContent, items:
		s.item.whole = s.item.whole || st == itemContent && !null
		// No API takes an object, but one that did would read past this scan.
		f.Unbounded = f.Unbounded || raw[0] == '{'
	case input:
		f.In |= Text
		if raw[0] == '[' && len(raw) > 1 && flat(raw) {
			f.Messages = 1 // one prompt as a list of tokens
		}
	case messages, tools, documents:
		if raw[0] != '[' && !null {
			return s.wrongType(st, "an array")
		}
	}
	return true
}

// flat reports whether the first element of the array is a number.
func flat(raw []byte) bool {
	raw = bytes.TrimLeft(raw[1:], " \t\r\n")
	return len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9')
}

func (s *scanner) maximum(st state, at Span) bool {
	n, ok := integer(s.b[at.From:at.To])
	if null := s.b[at.From] == 'n'; !null && (!ok || n > maxCount) {
		return s.wrongType(st, "a whole number, 0 or more")
	}
	s.f.MaxTokens = max(s.f.MaxTokens, n)
	s.f.MaxTokensAt[st-maxTokens] = at
	return true
}

// integer reads raw, a valid JSON number; ok is false for fractions, exponents
// and negative numbers.
func integer(raw []byte) (n int64, ok bool) {
	for _, c := range raw {
		if c < '0' || c > '9' || n > maxCount {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(raw) > 0
}

var paramNames = map[state]string{
	model: "model", stream: "stream", includeUsage: "stream_options.include_usage", maxTokens: "max_tokens",
	maxCompletionTokens: "max_completion_tokens", answers: "n", messages: "messages", tools: "tools",
	streamOptions: "stream_options", spoken: "input", imageSize: "size", quality: "quality", documents: "documents", geminiConfig: "generationConfig",
	itemID: "id", fileID: "file_id", responseID: "previous_response_id", conversation: "conversation",
	conversationID: "conversation.id", container: "container", fileIDs: "file_ids", stored: "store",
}

func (s *scanner) wrongType(st state, want string) bool {
	p := paramNames[st]
	return s.fail("invalid_type", p, "%s must be %s", p, want)
}

// decode returns raw without escapes, in the facts' own buffer if it had any.
func (s *scanner) decode(raw []byte, escaped bool) []byte {
	if !escaped {
		return raw
	}
	from := len(s.f.buf)
	s.f.buf = unescape(s.f.buf, raw)
	return s.f.buf[from:len(s.f.buf):len(s.f.buf)]
}
