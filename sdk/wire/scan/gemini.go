package scan

// Gemini's requests are protocol buffers in JSON: each name may be written in
// camel case or with underscores, and where a list is wanted one element may
// stand by itself. Both spellings are one name here, so that a request which
// uses both is refused as naming a member twice.

const (
	gModel name = iota + 1
	gContents
	gSystemInstruction
	gGenerationConfig
	gMaxOutputTokens
	gCandidateCount
	gTools
	gFunctionDeclarations
	gName
	gParts
	gText
	gInlineData
	gFileData
	gMimeType
	gFileURI
	gFunctionResponse
	gComputerUse
	gCachedContent
	gServiceTier
	gRequest
	numGemini
)

var _ [numNames - numGemini]struct{} // the table has room for them

func lookupGemini(b []byte) name {
	switch string(b) {
	case "model":
		return gModel
	case "contents", "content":
		return gContents
	case "systemInstruction", "system_instruction":
		return gSystemInstruction
	case "generationConfig", "generation_config":
		return gGenerationConfig
	case "maxOutputTokens", "max_output_tokens":
		return gMaxOutputTokens
	case "candidateCount", "candidate_count":
		return gCandidateCount
	case "tools":
		return gTools
	case "functionDeclarations", "function_declarations":
		return gFunctionDeclarations
	case "name":
		return gName
	case "parts":
		return gParts
	case "text":
		return gText
	case "inlineData", "inline_data":
		return gInlineData
	case "fileData", "file_data":
		return gFileData
	case "mimeType", "mime_type":
		return gMimeType
	case "fileUri", "file_uri":
		return gFileURI
	case "functionResponse", "function_response":
		return gFunctionResponse
	case "computerUse", "computer_use":
		return gComputerUse
	case "cachedContent", "cached_content":
		return gCachedContent
	case "serviceTier", "service_tier":
		return gServiceTier
	case "generateContentRequest", "generate_content_request":
		return gRequest
	}
	return nNone
}

// geminiFolded are the spellings as lookAlike folds them.
var geminiFolded = map[string]name{
	"model": gModel, "contents": gContents, "content": gContents, "systeminstruction": gSystemInstruction,
	"system_instruction": gSystemInstruction, "generationconfig": gGenerationConfig, "generation_config": gGenerationConfig,
	"maxoutputtokens": gMaxOutputTokens, "max_output_tokens": gMaxOutputTokens, "candidatecount": gCandidateCount,
	"candidate_count": gCandidateCount, "tools": gTools, "functiondeclarations": gFunctionDeclarations,
	"function_declarations": gFunctionDeclarations, "name": gName, "parts": gParts, "text": gText,
	"inlinedata": gInlineData, "inline_data": gInlineData, "filedata": gFileData, "file_data": gFileData,
	"mimetype": gMimeType, "mime_type": gMimeType, "fileuri": gFileURI, "file_uri": gFileURI,
	"functionresponse": gFunctionResponse, "function_response": gFunctionResponse, "computeruse": gComputerUse,
	"computer_use": gComputerUse, "cachedcontent": gCachedContent, "cached_content": gCachedContent,
	"servicetier": gServiceTier, "service_tier": gServiceTier, "generatecontentrequest": gRequest,
	"generate_content_request": gRequest,
}

func (st state) gemini() bool { return st >= geminiTop && st <= geminiFunctions }

func init() {
	members[geminiTop] = [numNames]state{
		gModel: model, gContents: geminiContents, gSystemInstruction: geminiContents, gGenerationConfig: geminiConfig,
		gTools: geminiTools, gCachedContent: serverSide, gServiceTier: serviceTier, gRequest: geminiTop,
	}
	members[geminiContents] = [numNames]state{gParts: geminiParts}
	members[geminiParts] = [numNames]state{
		gText: text, gInlineData: geminiBlob, gFileData: geminiFile, gFunctionResponse: geminiReply,
	}
	members[geminiBlob] = [numNames]state{gMimeType: mimeType}
	members[geminiFile] = [numNames]state{gMimeType: mimeType, gFileURI: fileURI}
	members[geminiReply] = [numNames]state{gParts: geminiParts}
	members[geminiConfig] = [numNames]state{gMaxOutputTokens: maxTokens, gCandidateCount: answers}
	members[geminiTools] = [numNames]state{gFunctionDeclarations: geminiFunctions, gComputerUse: skip}
	members[geminiFunctions] = [numNames]state{gName: toolName}
}
