package scan

import "github.com/signalbox-ai/signalbox/sdk/wire"

// A state says what the scanner is looking at; a name is a member that it acts
// on in some state. The table maps both to the state of the member's value.
// Adding something to look for is adding a line here, and a case in act.

type state uint8

const (
	skip state = iota // valid JSON of no interest

	top
	messages
	message
	content
	part
	source
	imageURL
	file
	tools
	tool
	function
	functions
	streamOptions
	cacheControl
	input
	inputItem
	documents

	responsesTop
	items
	item
	itemContent
	itemPart
	conversation
	container
	fileIDs

	completionsTop
	speechTop
	imagesTop
	moderationTop
	rerankTop
	bareTop // of files and batches: what counts is whom they name

	// Gemini's, whose names are written in two ways.
	geminiTop
	geminiContents
	geminiParts
	geminiBlob
	geminiFile
	geminiReply
	geminiConfig
	geminiTools
	geminiFunctions

	// Leaves: a value is read and nothing lies below it.
	model
	stream
	includeUsage
	maxTokens
	maxCompletionTokens
	answers
	serviceTier
	partType
	sourceType
	remote
	dataURL
	audio
	toolType
	toolName
	serverSide
	alternates
	itemType
	itemOutput
	itemID
	itemWhole
	fileID
	responseID
	conversationID
	stored
	spoken
	streamFormat
	imageSize
	quality
	text
	mimeType
	fileURI
	numStates
)

// topOf is where the scan of an operation's body begins, by its dialect.
func topOf(op wire.Op, d wire.Dialect) state {
	switch d {
	case wire.OpenAIResponses:
		return responsesTop
	case wire.GeminiGenerate:
		return geminiTop
	case wire.OpenAICompletions:
		return completionsTop
	case wire.OpenAISpeech:
		return speechTop
	case wire.OpenAIImages, wire.OpenAIImageEdits:
		return imagesTop
	case wire.OpenAIModeration:
		return moderationTop
	case wire.CohereRerank:
		return rerankTop
	}
	if op == wire.OpFiles || op == wire.OpBatches {
		return bareTop
	}
	return top
}

type name uint8

const (
	nNone name = iota
	nModel
	nStream
	nStreamOptions
	nIncludeUsage
	nMaxTokens
	nMaxCompletionTokens
	nN
	nTools
	nFunctions
	nMessages
	nSystem
	nInput
	nServiceTier
	nContent
	nType
	nFunction
	nName
	nSource
	nURL
	nImageURL
	nFile
	nFileID
	nInputAudio
	nCacheControl
	nWebSearchOptions
	nMCPServers
	nContainer
	nModels
	nPlugins
	nSearchParameters
	nAudio
	nMaxOutputTokens
	nInstructions
	nPreviousResponseID
	nConversation
	nBackground
	nPrompt
	nOutput
	nFileURL
	nBestOf
	nStreamFormat
	nSize
	nQuality
	nQuery
	nDocuments
	nID
	nStore
	nFileIDs
	nInputFileID
	nInputImageMask
	nResult
	numNames // at most 64: member keeps a bit of each
)

func lookup(b []byte) name {
	switch string(b) {
	case "model":
		return nModel
	case "stream":
		return nStream
	case "stream_options":
		return nStreamOptions
	case "include_usage":
		return nIncludeUsage
	case "max_tokens":
		return nMaxTokens
	case "max_completion_tokens":
		return nMaxCompletionTokens
	case "n":
		return nN
	case "tools":
		return nTools
	case "functions":
		return nFunctions
	case "messages":
		return nMessages
	case "system":
		return nSystem
	case "input":
		return nInput
	case "service_tier":
		return nServiceTier
	case "content":
		return nContent
	case "type":
		return nType
	case "function":
		return nFunction
	case "name":
		return nName
	case "source":
		return nSource
	case "url":
		return nURL
	case "image_url":
		return nImageURL
	case "file":
		return nFile
	case "file_id":
		return nFileID
	case "input_audio":
		return nInputAudio
	case "cache_control":
		return nCacheControl
	case "web_search_options":
		return nWebSearchOptions
	case "mcp_servers":
		return nMCPServers
	case "container":
		return nContainer
	case "models":
		return nModels
	case "plugins":
		return nPlugins
	case "search_parameters":
		return nSearchParameters
	case "audio":
		return nAudio
	}
	return lookupMore(b)
}

// lookupMore knows the names that chats do not have.
func lookupMore(b []byte) name {
	switch string(b) {
	case "max_output_tokens":
		return nMaxOutputTokens
	case "instructions":
		return nInstructions
	case "previous_response_id":
		return nPreviousResponseID
	case "conversation":
		return nConversation
	case "background":
		return nBackground
	case "prompt":
		return nPrompt
	case "output":
		return nOutput
	case "file_url":
		return nFileURL
	case "best_of":
		return nBestOf
	case "stream_format":
		return nStreamFormat
	case "size":
		return nSize
	case "quality":
		return nQuality
	case "query":
		return nQuery
	case "documents":
		return nDocuments
	case "id":
		return nID
	case "store":
		return nStore
	case "file_ids":
		return nFileIDs
	case "input_file_id":
		return nInputFileID
	case "input_image_mask":
		return nInputImageMask
	case "result":
		return nResult
	}
	return nNone
}

// members holds, for the objects that matter, which members do.
var members = [numStates][numNames]state{
	top: {
		nModel: model, nStream: stream, nStreamOptions: streamOptions, nMaxTokens: maxTokens,
		nMaxCompletionTokens: maxCompletionTokens, nN: answers, nBestOf: answers, nTools: tools, nFunctions: functions,
		nMessages: messages, nSystem: content, nInput: input, nServiceTier: serviceTier,
		nCacheControl: cacheControl, nWebSearchOptions: serverSide, nMCPServers: serverSide, nContainer: serverSide,
		nModels: alternates, nPlugins: serverSide, nSearchParameters: serverSide, // OpenRouter's, xAI's
	},
	streamOptions: {nIncludeUsage: includeUsage},
	message:       {nContent: content, nAudio: serverSide}, // an earlier answer, by its id
	part: {
		nType: partType, nSource: source, nImageURL: imageURL, nFile: file, nInputAudio: audio,
		nContent: content, nCacheControl: cacheControl,
	},
	source:   {nType: sourceType, nURL: remote, nFileID: fileID, nContent: content},
	imageURL: {nURL: dataURL},
	file:     {nFileID: fileID},
	tool: {
		nType: toolType, nName: toolName, nFunction: function, nCacheControl: cacheControl,
		nContainer: container, nInputImageMask: file,
	},
	function:  {nName: toolName},
	container: {nFileIDs: fileIDs},

	responsesTop: {
		nModel: model, nStream: stream, nStreamOptions: streamOptions, nMaxOutputTokens: maxTokens, nTools: tools,
		nInput: items, nInstructions: content, nServiceTier: serviceTier, nModels: alternates, nPlugins: serverSide,
		// What lies at the provider: its size cannot be seen.
		nPreviousResponseID: responseID, nConversation: conversation, nBackground: serverSide, nPrompt: serverSide,
		nStore: stored,
	},
	item:         {nType: itemType, nContent: itemContent, nOutput: itemOutput, nID: itemID, nResult: itemWhole},
	conversation: {nID: conversationID},
	// An output is text, a list of parts, or one part by itself.
	itemOutput: responsesPart, itemPart: responsesPart,

	completionsTop: {
		nModel: model, nStream: stream, nStreamOptions: streamOptions, nMaxTokens: maxTokens,
		nMaxCompletionTokens: maxCompletionTokens, nN: answers, nBestOf: answers, nPrompt: input,
		nServiceTier: serviceTier, nModels: alternates, nPlugins: serverSide,
	},
	speechTop:     {nModel: model, nInput: spoken, nInstructions: text, nStreamFormat: streamFormat},
	imagesTop:     {nModel: model, nStream: stream, nPrompt: text, nN: answers, nSize: imageSize, nQuality: quality},
	moderationTop: {nModel: model, nInput: input},
	inputItem:     {nType: partType, nImageURL: imageURL, nContent: content},
	rerankTop:     {nModel: model, nQuery: text, nDocuments: documents},
	bareTop:       {nInputFileID: fileID},
}

var responsesPart = [numNames]state{
	nType: partType, nImageURL: imageURL, nFileID: fileID, nFileURL: remote, nInputAudio: audio, nContent: itemContent,
}

// elements holds the state of an array's elements.
var elements = [numStates]state{
	messages: message, content: part, tools: tool, functions: function, input: inputItem,
	items: item, itemContent: itemPart, itemOutput: itemPart, fileIDs: fileID,
	geminiContents: geminiContents, geminiParts: geminiParts, geminiTools: geminiTools, geminiFunctions: geminiFunctions,
}
