package scan

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
	numStates
)

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
	numNames
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
	return nNone
}

// members holds, for the objects that matter, which members do.
var members = [numStates][numNames]state{
	top: {
		nModel: model, nStream: stream, nStreamOptions: streamOptions, nMaxTokens: maxTokens,
		nMaxCompletionTokens: maxCompletionTokens, nN: answers, nTools: tools, nFunctions: functions,
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
	source:   {nType: sourceType, nURL: remote, nFileID: remote, nContent: content},
	imageURL: {nURL: dataURL},
	file:     {nFileID: remote},
	tool:     {nType: toolType, nName: toolName, nFunction: function, nCacheControl: cacheControl},
	function: {nName: toolName},
}

// elements holds the state of an array's elements.
var elements = [numStates]state{
	messages: message, content: part, tools: tool, functions: function, input: inputItem,
}
