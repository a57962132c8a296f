package call

import "time"

// Pipeline is several models as one call, as its author writes it.
type Pipeline struct {
	Description string                   `koanf:"description" json:"description,omitempty"`
	Input       map[string]PipelineInput `koanf:"input" json:"input,omitempty"`
	Steps       []PipelineStep           `koanf:"steps" json:"steps"`
	Output      any                      `koanf:"output" json:"output,omitempty"`     // a value with expressions, nil: what the last step gives
	Budget      float64                  `koanf:"budget" json:"budget_usd,omitempty"` // of all steps together, in dollars, 0: none
	Deadline    time.Duration            `koanf:"deadline" json:"-"`                  // of the whole, 0: that of requests
	// Grant is "steps" where whoever may use the pipeline may use the models of
	// its steps in it, whatever models their key is for.
	Grant string `koanf:"grant" json:"grant,omitempty"`
}

// PipelineInput is what a caller gives a pipeline.
type PipelineInput struct {
	Type        string `koanf:"type" json:"type"` // string, number, boolean, object, image, audio, file, list<…>
	Description string `koanf:"description" json:"description,omitempty"`
	Required    bool   `koanf:"required" json:"required,omitempty"`
	Default     any    `koanf:"default" json:"default,omitempty"`
	Enum        []any  `koanf:"enum" json:"enum,omitempty"`
	From        string `koanf:"from" json:"from,omitempty"`           // chat.text, chat.image, chat.audio, chat.messages: of a chat
	Max         int64  `koanf:"max" json:"max,omitempty"`             // characters of a text, bytes of media, 0: the default
	MaxItems    int    `koanf:"max_items" json:"max_items,omitempty"` // of a list, 0: the default
}

// PipelineStep is one step: a request to a model, or several steps beside each
// other or in a row.
type PipelineStep struct {
	Name        string         `koanf:"name" json:"name"`
	Model       string         `koanf:"model" json:"model,omitempty"`
	Op          string         `koanf:"op" json:"op,omitempty"`         // "": chat
	With        map[string]any `koanf:"with" json:"with,omitempty"`     // what it is asked, with expressions
	Params      map[string]any `koanf:"params" json:"params,omitempty"` // further members of the request
	JSON        *PipelineJSON  `koanf:"json" json:"json,omitempty"`
	When        string         `koanf:"when" json:"when,omitempty"` // an expression: is it done at all
	Each        string         `koanf:"each" json:"each,omitempty"` // an expression: a list, for each of whose items it is done
	Concurrency int            `koanf:"concurrency" json:"concurrency,omitempty"`
	MaxItems    int            `koanf:"max_items" json:"max_items,omitempty"`
	MinSuccess  *int           `koanf:"min_success" json:"min_success,omitempty"` // of the items, nil: all
	Parallel    []PipelineStep `koanf:"parallel" json:"parallel,omitempty"`
	Steps       []PipelineStep `koanf:"steps" json:"steps,omitempty"`
	Retry       PipelineRetry  `koanf:"retry" json:"retry,omitzero"`
	Fallback    []string       `koanf:"fallback" json:"fallback,omitempty"` // models that are asked when Model fails
	OnError     string         `koanf:"on_error" json:"on_error,omitempty"` // fail (default), skip, default
	Default     any            `koanf:"default" json:"default,omitempty"`   // for on_error: default
	Budget      float64        `koanf:"budget" json:"budget_usd,omitempty"` // in dollars, over all items and tries
	Timeout     time.Duration  `koanf:"timeout" json:"-"`                   // of each try
	MaxTokens   int64          `koanf:"max_tokens" json:"max_tokens,omitempty"`
}

// PipelineJSON asks for an answer in JSON.
type PipelineJSON struct {
	Schema map[string]any `koanf:"schema" json:"schema,omitempty"` // JSON schema, nil: any object
}

// PipelineRetry says how often a step is tried again.
type PipelineRetry struct {
	Attempts int           `koanf:"attempts" json:"attempts,omitempty"` // beside the first
	Backoff  time.Duration `koanf:"backoff" json:"-"`                   // before the first retry, doubling
}
