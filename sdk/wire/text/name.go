package text

// member is what the name of a member says of its value.
type member uint8

const (
	mText      member = iota // not known: text of the context, on a track of its own
	mNone                    // no text
	mMain                    // content of the context
	mRefusal                 //
	mReasoning               // on the main track
	mReasoningContent
	mDetails
	mArguments // JSON within a string
	mObject    // JSON as it is
	mInput     // either
	mCalls     // an array of tool calls
	mCall      // one
	mCode      // one of Gemini's to itself, which comes whole
	mResult    // of a tool
	mVoid
	mData  // text if the kind beside it says so
	mAudio // an object with a transcript, or a recording
	mSpoken
)

// longest name that is known; longer ones are not.
const longest = 32

// classify says what a member's name means.
func classify(name []byte) member {
	if len(name) > longest {
		return mText
	}
	var buf [longest]byte
	switch string(canonical(buf[:0], name)) {
	case "content", "text", "parts", "output", "outputtext":
		return mMain
	case "refusal":
		return mRefusal
	case "reasoning", "thinking", "summary":
		return mReasoning
	case "reasoningcontent":
		return mReasoningContent
	case "reasoningdetails":
		return mDetails
	case "arguments", "partialjson":
		return mArguments
	case "args":
		return mObject
	case "input", "code":
		return mInput
	case "toolcalls":
		return mCalls
	case "functioncall", "function", "custom":
		return mCall
	case "executablecode":
		return mCode
	case "functionresponse":
		return mResult
	case "logprobs", "logprobsresult", "words", "promptlogprobs", "tokenids", "prompttokenids":
		return mVoid
	case "data":
		return mData
	case "audio", "inputaudio":
		return mAudio
	case "transcript":
		return mSpoken
	case "id", "type", "role", "name", "model", "object", "status", "index", "url", "uri", "imageurl", "fileurl", "fileid", "fileuri",
		"filedata", "bytes", "inlinedata", "mediatype", "mimetype", "format", "detail", "embedding", "b64json",
		"signature", "thoughtsignature", "encryptedcontent", "cachecontrol", "callid", "toolcallid", "tooluseid", "itemid",
		"finishreason", "stopreason", "stopsequence", "created", "createdat", "systemfingerprint", "servicetier", "usage", "usagemetadata",
		"safetyratings", "promptfeedback", "modelversion", "responseid", "obfuscation", "containerid", "language", "outcome",
		"partialimageb64", "encryptedindex", "namespace", "image", "videourl", "mask":
		return mNone
	}
	return mText
}

// canonical appends name in lower case, without underscores.
func canonical(dst, name []byte) []byte {
	for _, c := range name {
		switch {
		case c >= 'A' && c <= 'Z':
			dst = append(dst, c|0x20)
		case c != '_':
			dst = append(dst, c)
		}
	}
	return dst
}

// is reports whether name is known as the canonical want.
func is(name []byte, want string) bool {
	if len(name) > longest || len(name) < len(want) {
		return false
	}
	var buf [longest]byte
	return string(canonical(buf[:0], name)) == want
}
