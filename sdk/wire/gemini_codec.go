package wire

import (
	"bytes"
	"encoding/base64"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// Shapes of the gemini dialect: https://ai.google.dev/api/generate-content,
// https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
// and google.golang.org/genai v1.77, as of November 2026.

func geminiCodec() *codec {
	return &codec{
		dialect:     GeminiGenerate,
		readRequest: readGeminiRequest, writeRequest: appendGeminiRequest,
		readAnswer: readGeminiAnswer, writeAnswer: appendGeminiAnswer,
		newReader: func() eventReader { return &geminiEvents{} },
		newWriter: func(s *stamp) deltaWriter { return newGeminiChunks(s) },
		several:   true,
	}
}

// stopOfGemini reads a finishReason. Whatever is neither an end nor a limit
// means that the answer was withheld or is unusable; plain reports whether
// nothing more is to be said about it.
func stopOfGemini(reason []byte) (stop stopReason, plain bool) {
	switch string(reason) {
	case "", "FINISH_REASON_UNSPECIFIED":
		return noStop, true
	case "STOP":
		return stopEnd, true
	case "MAX_TOKENS":
		return stopLength, true
	}
	// SAFETY, RECITATION, LANGUAGE, BLOCKLIST, PROHIBITED_CONTENT, SPII,
	// MALFORMED_FUNCTION_CALL, UNEXPECTED_TOOL_CALL, TOO_MANY_TOOL_CALLS,
	// IMAGE_SAFETY and its kin, OTHER, and what is yet to come.
	return stopRefusal, false
}

var geminiFinish = [...]string{noStop: "STOP", stopEnd: "STOP", stopLength: "MAX_TOKENS", stopSequence: "STOP", stopTool: "STOP", stopRefusal: "SAFETY"}

// explain is the text of a refusal that came without content.
func explain(what string, reason []byte, message raw) raw {
	if len(message) > 0 {
		return message
	}
	return append(raw(what), lex.AppendEscaped(nil, reason)...)
}

// camel is a member's name in the form that the API's JSON has; snake_case is
// taken too, as protobuf's readers do.
func camel(name []byte) string {
	i := bytes.IndexByte(name, '_')
	if i < 0 {
		return string(name)
	}
	out := append(make([]byte, 0, len(name)), name[:i]...)
	up := false
	for _, c := range name[i:] {
		switch {
		case c == '_':
			up = true
			continue
		case up && c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		}
		up = false
		out = append(out, c)
	}
	return string(out)
}

// Marks of the signatures that a Gemini caller is given for reasoning of
// another maker: of thinking that can be read, and of sealed thinking.
const (
	openMark   = "sb1:"
	sealedMark = "sb2:"
)

// appendGeminiSignature appends s as the value of a thoughtSignature, which
// clients decode: what is not Gemini's own is base64 of mark, format, id and value.
func appendGeminiSignature(dst []byte, s seal, mark string) []byte {
	if bytes.Equal(s.format, sealGemini) {
		return append(dst, s.value...)
	}
	text := append([]byte(mark), s.format...)
	text = append(text, ':')
	if !bytes.ContainsRune(s.id, ':') {
		text = append(text, s.id...)
	}
	text = append(append(text, ':'), s.value...)
	return base64.StdEncoding.AppendEncode(dst, text)
}

// parseGeminiSignature reads a thoughtSignature.
func parseGeminiSignature(signature raw) (s seal, sealed bool) {
	own := seal{format: sealGemini, value: signature}
	if !bytes.HasPrefix(signature, []byte("c2I")) { // base64 of "sb"
		return own, false
	}
	text, err := base64.StdEncoding.AppendDecode(nil, lex.Unescape(nil, signature))
	if err != nil || !rawString(text) {
		return own, false
	}
	rest, ok := bytes.CutPrefix(text, []byte(openMark))
	if !ok {
		if rest, sealed = bytes.CutPrefix(text, []byte(sealedMark)); !sealed {
			return own, false
		}
	}
	s.format, rest, _ = bytes.Cut(rest, []byte(":"))
	s.id, s.value, _ = bytes.Cut(rest, []byte(":"))
	if len(s.format) == 0 {
		s.format = nil
	}
	return s, sealed
}

// rawString reports whether s can stand within a JSON string as it is.
func rawString(s []byte) bool {
	r := lex.New(appendRaw(nil, s))
	return r.Done()
}
