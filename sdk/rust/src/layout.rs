//! The records of ABI sb/1. Generated from package abi by go generate; do not edit.

// Version is what a guest's sb_abi answers: the major version in the upper 16 bits.
pub const MAJOR: u32 = 1; // another one cannot be run
pub const MINOR: u32 = 1; // fields have been appended so often
pub const ABI: u32 = 0x10001; // both

// Magics of the records, as little-endian numbers.
pub const MAGIC_REQUEST: u32 = 0x31524253; // "SBR1"
pub const MAGIC_PLAN: u32 = 0x31504253; // "SBP1"
pub const MAGIC_CONFIG: u32 = 0x31434253; // "SBC1"
pub const MAGIC_WINDOW: u32 = 0x31574253; // "SBW1"
pub const MAGIC_VERDICT: u32 = 0x31564253; // "SBV1"
pub const MAGIC_OBSERVATION: u32 = 0x314f4253; // "SBO1"

// MaxReason is how many bytes of a plan's or verdict's reason the host keeps.
pub const MAX_REASON: u32 = 128;

// MaxHostResults is how often a call may use counter_add; once more ends it.
pub const MAX_HOST_RESULTS: u32 = 256;

// MaxCounters is how many counters, and how many metrics, a module has: they
// are numbered from 0.
pub const MAX_COUNTERS: u32 = 64;

// MaxLog is how many bytes of a line the host logs.
pub const MAX_LOG: u32 = 1024;

// Levels of what a module logs.
pub const LEVEL_DEBUG: u32 = 0; // shown where the gateway logs in detail
pub const LEVEL_INFO: u32 = 1; // and what a module prints
pub const LEVEL_WARN: u32 = 2;
pub const LEVEL_ERROR: u32 = 3;

// Kinds of request: package wire's operations, by the same numbers.
pub const KIND_UNKNOWN: u32 = 0;
pub const KIND_CHAT: u32 = 1; // messages in, a message out
pub const KIND_EMBEDDINGS: u32 = 2; // texts in, vectors out
pub const KIND_COMPLETIONS: u32 = 3; // legacy: a prompt in, text out
pub const KIND_COUNT_TOKENS: u32 = 4; // of a chat request
pub const KIND_IMAGES: u32 = 5; // text in, images out
pub const KIND_IMAGE_EDITS: u32 = 6; // images and text in, images out
pub const KIND_SPEECH: u32 = 7; // text in, audio out
pub const KIND_TRANSCRIPTION: u32 = 8; // audio in, text out
pub const KIND_TRANSLATION: u32 = 9; // audio in, English text out
pub const KIND_MODERATION: u32 = 10; // text in, a judgement out
pub const KIND_RERANK: u32 = 11; // a query and documents in, their order out
pub const KIND_FILES: u32 = 12; // upload, list, get, delete
pub const KIND_BATCHES: u32 = 13; // create, list, get, cancel
pub const KIND_REALTIME: u32 = 14; // a WebSocket
pub const KIND_PASS: u32 = 15; // the provider's own API as it is

// Errors of an attempt: what kind of failure it was. They are package wire's
// classes, by the same numbers.
pub const ERROR_NONE: u32 = 0; // it did not fail
pub const ERROR_INVALID: u32 = 1; // the caller's mistake
pub const ERROR_AUTH: u32 = 2; // the provider refused the credential
pub const ERROR_RATE_LIMIT: u32 = 3; // too many requests or tokens for now
pub const ERROR_QUOTA: u32 = 4; // the account has no money or quota left
pub const ERROR_OVERLOADED: u32 = 5; // the provider is too busy
pub const ERROR_SERVER: u32 = 6; // the provider failed
pub const ERROR_TIMEOUT: u32 = 7; // to connect, until the first byte, between two, or in all
pub const ERROR_NETWORK: u32 = 8; // no connection, or it broke
pub const ERROR_CONTEXT_LENGTH: u32 = 9; // the prompt does not fit the model
pub const ERROR_MODEL_NOT_FOUND: u32 = 10; // the provider does not know the model
pub const ERROR_CONTENT_FILTER: u32 = 11; // the provider refused the content
pub const ERROR_POLICY: u32 = 12; // the gateway's own policy, budget or limits refused it

// What a filter is shown, and what it may answer, at most.
pub const MAX_WINDOW: u32 = 8192; // bytes of text in a window
pub const MAX_OUTPUT: u32 = 16384; // bytes in place of what a window's text was
pub const MAX_STATE: u32 = 256; // bytes that travel with a channel

// Flags of a window.
pub const WINDOW_FIRST: u32 = 1; // of its channel, message and choice
pub const WINDOW_FINAL: u32 = 2; // nothing follows; Text may be empty

// Channels.
pub const CHANNEL_UNKNOWN: u32 = 0;
pub const CHANNEL_SYSTEM: u32 = 1; // prompt: instructions
pub const CHANNEL_USER: u32 = 2; // prompt: what users wrote
pub const CHANNEL_ASSISTANT: u32 = 3; // prompt: earlier answers
pub const CHANNEL_TOOL_RESULT: u32 = 4; // prompt: what tools said
pub const CHANNEL_ANSWER: u32 = 5; // answer: its text
pub const CHANNEL_REASONING: u32 = 6; // answer: thinking that the caller sees
pub const CHANNEL_TOOL_ARGUMENTS: u32 = 7; // answer: JSON, in pieces

// Actions. There is none for 0: a verdict that was forgotten lets nothing pass.
// All but ActionBlock and ActionMore consume something where there is text, and
// all of it in the final window.
pub const ACTION_PASS: u32 = 1; // the consumed bytes go on
pub const ACTION_REPLACE: u32 = 2; // Output goes on in their place
pub const ACTION_BLOCK: u32 = 3; // the request, or what is left of the answer, ends; consumes nothing
pub const ACTION_MORE: u32 = 4; // shows too little yet; consumes nothing, not for final or full windows
pub const ACTION_ESCALATE: u32 = 5; // the consumed bytes are held until the operator's guard has judged them; without one they are blocked

// MaxOutcomes is the most outcomes of one observation.
pub const MAX_OUTCOMES: u32 = 128;

// Flags of an outcome.
pub const OUTCOME_STREAM: u32 = 1; // the answer was streamed
pub const OUTCOME_HEDGE: u32 = 2; // it ran beside another attempt
pub const OUTCOME_LOST: u32 = 4; // it was ended because the other was faster, or the caller left

// MaxTargets is the most targets of a request, and attempts of a plan.
pub const MAX_TARGETS: u32 = 64;

// Flags of an attempt.
pub const ATTEMPT_CHECK: u32 = 1; // go on to the next one when the answer is empty, cut short or not of the form asked for

// Flags of a request.
pub const FLAG_STREAM: u32 = 1; // the answer is to be streamed
pub const FLAG_TOOLS: u32 = 2; // tools are offered
pub const FLAG_IMAGES: u32 = 4; // the prompt holds images
pub const FLAG_AUDIO: u32 = 8; // the prompt holds audio
pub const FLAG_FILES: u32 = 16; // the prompt holds files
pub const FLAG_CACHE_CONTROL: u32 = 32; // the caller marks what providers are to cache

// States of a target's breaker.
pub const CIRCUIT_CLOSED: u32 = 0; // in use
pub const CIRCUIT_HALF_OPEN: u32 = 1; // a probe may go there
pub const CIRCUIT_OPEN: u32 = 2; // not to be used

// Objectives: what the operator wants most.
pub const OBJECTIVE_NONE: u32 = 0; // not said
pub const OBJECTIVE_COST: u32 = 1; // the cheapest answer
pub const OBJECTIVE_LATENCY: u32 = 2; // the fastest answer
pub const OBJECTIVE_QUALITY: u32 = 3; // the best answer

/// Str refers to a string within the same record.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Str {
    pub off: u32, // 0: from the start of the record
    pub len: u32, // 4: bytes
}
const _: [(); 8] = [(); core::mem::size_of::<Str>()];

/// Config is the header of the record that sb_configure gets.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Config {
    pub magic: u32, // 0: MagicConfig
    pub version: u16, // 4: minor version of the writer
    pub header_size: u16, // 6: of this struct as the writer knows it
    pub total: u32, // 8: bytes of the whole record
    pub flags: u32, // 12: reserved
    pub name: Str, // 16: of the module in the gateway's configuration
    pub data: Str, // 24: the module's own configuration, JSON, empty if none
    pub tags: Str, // 32: names of the tags' bits, lowest first, a line each; since minor version 1
}
const _: [(); 40] = [(); core::mem::size_of::<Config>()];

/// Window is the header of the record that sb_filter gets: a stretch of the text
/// of one channel. A guest keeps nothing between calls: text that it does not
/// consume is shown again, together with what has come since, and State goes
/// from a channel's verdict to its next window. So any instance of any version
/// may be given the next one.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Window {
    pub magic: u32, // 0: MagicWindow
    pub version: u16, // 4: minor version of the writer
    pub header_size: u16, // 6: of this struct as the writer knows it
    pub total: u32, // 8: bytes of the whole record
    pub flags: u32, // 12: Window…
    pub id: u64, // 16: of the request
    pub now_ms: u64, // 24: Unix ms: when the window was made
    pub rand: u64, // 32: the window's one random number
    pub model: Str, // 40: as the caller named it
    pub tenant: Str, // 48: organisation, else team, else the key's public id
    pub kind: u32, // 56: Kind…: what is asked for
    pub channel: u32, // 60: Channel…: whose text it is
    pub index: u32, // 64: which message, or tool call, of the channel
    pub choice: u32, // 68: which of several answers
    pub start: u64, // 72: bytes of the channel before Text, as they came
    pub text: Str, // 80: whole UTF-8 characters, at a multiple of 16 when the header is as here; ≤ MaxWindow
    pub state: Str, // 88: what the channel's verdict before said, ≤ MaxState
    pub label: Str, // 96: the tool's name on the channels of tools, else empty
    pub seen: u32, // 104: bytes at the start of Text that an earlier window has shown
    pub reserved: u32, // 108: 0
}
const _: [(); 112] = [(); core::mem::size_of::<Window>()];

/// Verdict is the header of what sb_filter answers. Output, State and Reason lie
/// behind it within the answered bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Verdict {
    pub magic: u32, // 0: MagicVerdict
    pub version: u16, // 4: minor version of the writer
    pub header_size: u16, // 6: of this struct as the writer knows it
    pub action: u32, // 8: Action…
    pub consumed: u32, // 12: bytes from Text's start that the action settles, whole characters
    pub output: Str, // 16: what goes in their place: ActionReplace alone, UTF-8, ≤ MaxOutput
    pub state: Str, // 24: for the channel's next window, ≤ MaxState
    pub reason: Str, // 32: for the decision log
    pub code: u32, // 40: the module's own, for metrics and error texts
    pub findings: u32, // 44: how much was found in what is settled, for metrics
}
const _: [(); 48] = [(); core::mem::size_of::<Verdict>()];

/// Observation is the header of the record that sb_observe gets, followed by
/// outcomes: attempts that have ended since the last one, oldest first, on one
/// of the module's instances. What it learns goes to counters.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Observation {
    pub magic: u32, // 0: MagicObservation
    pub version: u16, // 4: minor version of the writer
    pub header_size: u16, // 6: of this struct as the writer knows it
    pub total: u32, // 8: bytes of the whole record
    pub flags: u32, // 12: reserved
    pub dropped: u64, // 16: outcomes that did not get into any observation since the last one
    pub now_ms: u64, // 24: Unix ms: when the record was made
    pub rand: u64, // 32: the record's one random number
    pub outcomes: u32, // 40: number of outcomes
    pub outcome_off: u32, // 44: offset of the first
    pub outcome_size: u32, // 48: stride, ≥ the size of Outcome as the writer knows it
    pub reserved: u32, // 52: 0
}
const _: [(); 56] = [(); core::mem::size_of::<Observation>()];

/// Outcome is how one attempt ended.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Outcome {
    pub id: u64, // 0: of the request
    pub end_ms: u64, // 8: Unix ms: when it ended
    pub target: Str, // 16: where it went: Target.ID
    pub model: Str, // 24: as the caller named it
    pub tenant: Str, // 32: as in Request
    pub ttft_ms: f64, // 40: until the first token, 0: none came
    pub total_ms: f64, // 48: until the end
    pub cost: i64, // 56: nano-dollars
    pub in_tokens: u32, // 64: as billed
    pub out_tokens: u32, // 68: as billed
    pub kind: u32, // 72: Kind…
    pub error: u32, // 76: Error…: how it failed, ErrorNone: it did not
    pub attempt: u32, // 80: attempts of the request before it
    pub flags: u32, // 84: Outcome…
}
const _: [(); 88] = [(); core::mem::size_of::<Outcome>()];

/// Features are counts over the text of a prompt: what the host finds in one
/// pass, so that a module need not see the text.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Features {
    pub messages: u32, // 0: of the conversation, instructions included
    pub system_bytes: u32, // 4: of instructions
    pub user_bytes: u32, // 8: of the last user message, as all that follows
    pub words: u32, // 12: of letters, digits and apostrophes
    pub long_words: u32, // 16: of ten letters and more
    pub sentences: u32, // 20: ended by . ! or ?
    pub questions: u32, // 24: question marks
    pub lines: u32, // 28: that are not empty
    pub code_lines: u32, // 32: of them, within fences
    pub items: u32, // 36: of them, that are items of a list
    pub numbers: u32, // 40: runs of digits
    pub signs: u32, // 44: mathematical: = + < > ^ ∑ √ and their like
    pub hard: u32, // 48: words that ask to reason: prove, derive, optimize, why
    pub easy: u32, // 52: words that ask for little: translate, list, hello
    pub foreign: u32, // 56: characters beyond ASCII
    pub reserved: u32, // 60: 0
}
const _: [(); 64] = [(); core::mem::size_of::<Features>()];

/// Request is the header of the record that sb_route gets, followed by targets.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Request {
    pub magic: u32, // 0: MagicRequest
    pub version: u16, // 4: minor version of the writer
    pub header_size: u16, // 6: of this struct as the writer knows it
    pub total: u32, // 8: bytes of the whole record
    pub flags: u32, // 12: Flag…
    pub id: u64, // 16: of the request
    pub now_ms: u64, // 24: Unix ms: the request's one clock reading
    pub rand: u64, // 32: the request's one random number
    pub model: Str, // 40: as the caller named it
    pub tenant: Str, // 48: organisation, else team, else the key's public id
    pub kind: u32, // 56: Kind…: what is asked for
    pub priority: u32, // 60: of the request, 0: normal, 1: high, 2: low
    pub in_tokens: u32, // 64: estimate for the prompt, from its size
    pub out_tokens: u32, // 68: the most that the caller allows, 0: not said
    pub deadline_ms: u32, // 72: time left, 0: the gateway's default
    pub attempt: u32, // 76: attempts that have failed already
    pub budget: i64, // 80: nano-dollars left to the caller, 0: unknown
    pub need_tags: u64, // 88: targets need all of these
    pub deny_tags: u64, // 96: and none of these
    pub targets: u32, // 104: number of targets
    pub target_off: u32, // 108: offset of the first
    pub target_size: u32, // 112: stride, ≥ the size of Target as the writer knows it
    pub last_error: u32, // 116: Error… of the attempt that failed last
    pub objective: u32, // 120: Objective…: what the operator wants most
    pub size: u32, // 124: bytes of the request's body
    pub session: u64, // 128: hash of what ties requests together; need "session", 0: nothing does
    pub prefix: u64, // 136: hash of the prompt's beginning, which providers cache; need "session", 0: none
    pub budget_max: i64, // 144: nano-dollars that Budget is what is left of; need "budget", 0: unknown
    pub sticky: u32, // 152: 1 + index of the target that answered the session last; need "session", 0: none of these
    pub reserved: u32, // 156: 0
    pub key: Str, // 160: public id of the caller's key; need "identity"
    pub team: Str, // 168: of the key; need "identity"
    pub user: Str, // 176: of the key; need "identity"
    pub meta: Str, // 184: lines "name=value", sorted: the key's attributes and the request's metadata; need "metadata"
    pub features: Features, // 192: of the prompt's text; need "features"
}
const _: [(); 256] = [(); core::mem::size_of::<Request>()];

/// Target is a place that the request may go to, with its live state. All of
/// them are eligible: policy, operation and price have been looked at.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Target {
    pub id: Str, // 0: "openai/gpt-4o-mini"
    pub region: Str, // 8: as configured
    pub tags: u64, // 16: as configured, one bit each
    pub price_in: i64, // 24: nano-dollars per thousand input tokens
    pub price_out: i64, // 32: nano-dollars per thousand output tokens
    pub ttft_ms: f64, // 40: moving average until the first token
    pub token_ms: f64, // 48: moving average per token after it
    pub error_rate: f64, // 56: moving share of failed attempts, 0–1
    pub in_flight: u32, // 64: requests there now, from this node
    pub max_in_flight: u32, // 68: 0: no limit
    pub circuit: u32, // 72: Circuit…: state of the breaker
    pub requests_left: i32, // 76: before the provider's own limit, -1: unknown
    pub tokens_left: i32, // 80: before the provider's own limit, -1: unknown
    pub retry_after_ms: u32, // 84: the target asked not to be used for so long
    pub context: u32, // 88: tokens of prompt and answer together
    pub weight: u32, // 92: relative share among equals, ≥ 1
    pub quality: f64, // 96: as configured
    pub priority: u32, // 104: lower comes first
    pub capabilities: u32, // 108: reserved
}
const _: [(); 112] = [(); core::mem::size_of::<Target>()];

/// Plan is the header of what sb_route answers, followed by attempts.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Plan {
    pub magic: u32, // 0: MagicPlan
    pub version: u16, // 4: minor version of the writer
    pub header_size: u16, // 6: of this struct as the writer knows it; attempts follow it
    pub attempts: u32, // 8: number of attempts
    pub attempt_size: u32, // 12: stride, ≥ the size of Attempt as the writer knows it
    pub code: u32, // 16: not 0: refuse the request, with this code
    pub flags: u32, // 20: reserved
    pub reason: Str, // 24: for the decision log
}
const _: [(); 32] = [(); core::mem::size_of::<Plan>()];

/// Attempt is one step of a plan. Zero durations leave the choice to the gateway.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Attempt {
    pub target: u32, // 0: index into the request's targets, each at most once
    pub timeout_ms: u32, // 4: for the whole attempt
    pub weight: u32, // 8: for the decision log: what the module thought of it
    pub backoff_ms: u32, // 12: wait before it, at least
    pub backoff_max_ms: u32, // 16: and at most
    pub hedge_ms: u32, // 20: start it beside the one before when that is silent for so long
    pub flags: u32, // 24: Attempt…
    pub reserved: u32, // 28: 0
}
const _: [(); 32] = [(); core::mem::size_of::<Attempt>()];
