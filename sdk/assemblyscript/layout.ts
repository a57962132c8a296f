// The records of ABI sb/1. Generated from package abi by go generate; do not edit.

// Version is what a guest's sb_abi answers: the major version in the upper 16 bits.
export const MAJOR: u32 = 1; // another one cannot be run
export const MINOR: u32 = 1; // fields have been appended so often
export const ABI: u32 = 0x10001; // both

// Magics of the records, as little-endian numbers.
export const MAGIC_REQUEST: u32 = 0x31524253; // "SBR1"
export const MAGIC_PLAN: u32 = 0x31504253; // "SBP1"
export const MAGIC_CONFIG: u32 = 0x31434253; // "SBC1"
export const MAGIC_WINDOW: u32 = 0x31574253; // "SBW1"
export const MAGIC_VERDICT: u32 = 0x31564253; // "SBV1"
export const MAGIC_OBSERVATION: u32 = 0x314f4253; // "SBO1"

// MaxReason is how many bytes of a plan's or verdict's reason the host keeps.
export const MAX_REASON: u32 = 128;

// MaxHostResults is how often a call may use counter_add; once more ends it.
export const MAX_HOST_RESULTS: u32 = 256;

// MaxCounters is how many counters, and how many metrics, a module has: they
// are numbered from 0.
export const MAX_COUNTERS: u32 = 64;

// MaxLog is how many bytes of a line the host logs.
export const MAX_LOG: u32 = 1024;

// Levels of what a module logs.
export const LEVEL_DEBUG: u32 = 0; // shown where the gateway logs in detail
export const LEVEL_INFO: u32 = 1; // and what a module prints
export const LEVEL_WARN: u32 = 2;
export const LEVEL_ERROR: u32 = 3;

// Kinds of request: package wire's operations, by the same numbers.
export const KIND_UNKNOWN: u32 = 0;
export const KIND_CHAT: u32 = 1; // messages in, a message out
export const KIND_EMBEDDINGS: u32 = 2; // texts in, vectors out
export const KIND_COMPLETIONS: u32 = 3; // legacy: a prompt in, text out
export const KIND_COUNT_TOKENS: u32 = 4; // of a chat request
export const KIND_IMAGES: u32 = 5; // text in, images out
export const KIND_IMAGE_EDITS: u32 = 6; // images and text in, images out
export const KIND_SPEECH: u32 = 7; // text in, audio out
export const KIND_TRANSCRIPTION: u32 = 8; // audio in, text out
export const KIND_TRANSLATION: u32 = 9; // audio in, English text out
export const KIND_MODERATION: u32 = 10; // text in, a judgement out
export const KIND_RERANK: u32 = 11; // a query and documents in, their order out
export const KIND_FILES: u32 = 12; // upload, list, get, delete
export const KIND_BATCHES: u32 = 13; // create, list, get, cancel
export const KIND_REALTIME: u32 = 14; // a WebSocket
export const KIND_PASS: u32 = 15; // the provider's own API as it is

// Errors of an attempt: what kind of failure it was. They are package wire's
// classes, by the same numbers.
export const ERROR_NONE: u32 = 0; // it did not fail
export const ERROR_INVALID: u32 = 1; // the caller's mistake
export const ERROR_AUTH: u32 = 2; // the provider refused the credential
export const ERROR_RATE_LIMIT: u32 = 3; // too many requests or tokens for now
export const ERROR_QUOTA: u32 = 4; // the account has no money or quota left
export const ERROR_OVERLOADED: u32 = 5; // the provider is too busy
export const ERROR_SERVER: u32 = 6; // the provider failed
export const ERROR_TIMEOUT: u32 = 7; // to connect, until the first byte, between two, or in all
export const ERROR_NETWORK: u32 = 8; // no connection, or it broke
export const ERROR_CONTEXT_LENGTH: u32 = 9; // the prompt does not fit the model
export const ERROR_MODEL_NOT_FOUND: u32 = 10; // the provider does not know the model
export const ERROR_CONTENT_FILTER: u32 = 11; // the provider refused the content
export const ERROR_POLICY: u32 = 12; // the gateway's own policy, budget or limits refused it

// What a filter is shown, and what it may answer, at most.
export const MAX_WINDOW: u32 = 8192; // bytes of text in a window
export const MAX_OUTPUT: u32 = 16384; // bytes in place of what a window's text was
export const MAX_STATE: u32 = 256; // bytes that travel with a channel

// Flags of a window.
export const WINDOW_FIRST: u32 = 1; // of its channel, message and choice
export const WINDOW_FINAL: u32 = 2; // nothing follows; Text may be empty

// Channels.
export const CHANNEL_UNKNOWN: u32 = 0;
export const CHANNEL_SYSTEM: u32 = 1; // prompt: instructions
export const CHANNEL_USER: u32 = 2; // prompt: what users wrote
export const CHANNEL_ASSISTANT: u32 = 3; // prompt: earlier answers
export const CHANNEL_TOOL_RESULT: u32 = 4; // prompt: what tools said
export const CHANNEL_ANSWER: u32 = 5; // answer: its text
export const CHANNEL_REASONING: u32 = 6; // answer: thinking that the caller sees
export const CHANNEL_TOOL_ARGUMENTS: u32 = 7; // answer: JSON, in pieces

// Actions. There is none for 0: a verdict that was forgotten lets nothing pass.
// All but ActionBlock and ActionMore consume something where there is text, and
// all of it in the final window.
export const ACTION_PASS: u32 = 1; // the consumed bytes go on
export const ACTION_REPLACE: u32 = 2; // Output goes on in their place
export const ACTION_BLOCK: u32 = 3; // the request, or what is left of the answer, ends; consumes nothing
export const ACTION_MORE: u32 = 4; // shows too little yet; consumes nothing, not for final or full windows
export const ACTION_ESCALATE: u32 = 5; // the consumed bytes are held until the operator's guard has judged them; without one they are blocked

// MaxOutcomes is the most outcomes of one observation.
export const MAX_OUTCOMES: u32 = 128;

// Flags of an outcome.
export const OUTCOME_STREAM: u32 = 1; // the answer was streamed
export const OUTCOME_HEDGE: u32 = 2; // it ran beside another attempt
export const OUTCOME_LOST: u32 = 4; // it was ended because the other was faster, or the caller left

// MaxTargets is the most targets of a request, and attempts of a plan.
export const MAX_TARGETS: u32 = 64;

// Flags of an attempt.
export const ATTEMPT_CHECK: u32 = 1; // go on to the next one when the answer is empty, cut short or not of the form asked for

// Flags of a request.
export const FLAG_STREAM: u32 = 1; // the answer is to be streamed
export const FLAG_TOOLS: u32 = 2; // tools are offered
export const FLAG_IMAGES: u32 = 4; // the prompt holds images
export const FLAG_AUDIO: u32 = 8; // the prompt holds audio
export const FLAG_FILES: u32 = 16; // the prompt holds files
export const FLAG_CACHE_CONTROL: u32 = 32; // the caller marks what providers are to cache

// States of a target's breaker.
export const CIRCUIT_CLOSED: u32 = 0; // in use
export const CIRCUIT_HALF_OPEN: u32 = 1; // a probe may go there
export const CIRCUIT_OPEN: u32 = 2; // not to be used

// Objectives: what the operator wants most.
export const OBJECTIVE_NONE: u32 = 0; // not said
export const OBJECTIVE_COST: u32 = 1; // the cheapest answer
export const OBJECTIVE_LATENCY: u32 = 2; // the fastest answer
export const OBJECTIVE_QUALITY: u32 = 3; // the best answer

// Str refers to a string within the same record.
@unmanaged
export class Str {
  off: u32; // 0: from the start of the record
  len: u32; // 4: bytes
}
if (offsetof<Str>() != 8) ERROR("Str has another size");

// Config is the header of the record that sb_configure gets.
@unmanaged
export class ConfigHead {
  magic: u32; // 0: MagicConfig
  version: u16; // 4: minor version of the writer
  headerSize: u16; // 6: of this struct as the writer knows it
  total: u32; // 8: bytes of the whole record
  flags: u32; // 12: reserved
  private name_off: u32;
  private name_len: u32;
  @inline get name(): Str { return changetype<Str>(changetype<usize>(this) + 16); } // 16: of the module in the gateway's configuration
  private data_off: u32;
  private data_len: u32;
  @inline get data(): Str { return changetype<Str>(changetype<usize>(this) + 24); } // 24: the module's own configuration, JSON, empty if none
  private tags_off: u32;
  private tags_len: u32;
  @inline get tags(): Str { return changetype<Str>(changetype<usize>(this) + 32); } // 32: names of the tags' bits, lowest first, a line each; since minor version 1
}
if (offsetof<ConfigHead>() != 40) ERROR("ConfigHead has another size");

// Window is the header of the record that sb_filter gets: a stretch of the text
// of one channel. A guest keeps nothing between calls: text that it does not
// consume is shown again, together with what has come since, and State goes
// from a channel's verdict to its next window. So any instance of any version
// may be given the next one.
@unmanaged
export class WindowHead {
  magic: u32; // 0: MagicWindow
  version: u16; // 4: minor version of the writer
  headerSize: u16; // 6: of this struct as the writer knows it
  total: u32; // 8: bytes of the whole record
  flags: u32; // 12: Window…
  id: u64; // 16: of the request
  nowMs: u64; // 24: Unix ms: when the window was made
  rand: u64; // 32: the window's one random number
  private model_off: u32;
  private model_len: u32;
  @inline get model(): Str { return changetype<Str>(changetype<usize>(this) + 40); } // 40: as the caller named it
  private tenant_off: u32;
  private tenant_len: u32;
  @inline get tenant(): Str { return changetype<Str>(changetype<usize>(this) + 48); } // 48: organisation, else team, else the key's public id
  kind: u32; // 56: Kind…: what is asked for
  channel: u32; // 60: Channel…: whose text it is
  index: u32; // 64: which message, or tool call, of the channel
  choice: u32; // 68: which of several answers
  start: u64; // 72: bytes of the channel before Text, as they came
  private text_off: u32;
  private text_len: u32;
  @inline get text(): Str { return changetype<Str>(changetype<usize>(this) + 80); } // 80: whole UTF-8 characters, at a multiple of 16 when the header is as here; ≤ MaxWindow
  private state_off: u32;
  private state_len: u32;
  @inline get state(): Str { return changetype<Str>(changetype<usize>(this) + 88); } // 88: what the channel's verdict before said, ≤ MaxState
  private label_off: u32;
  private label_len: u32;
  @inline get label(): Str { return changetype<Str>(changetype<usize>(this) + 96); } // 96: the tool's name on the channels of tools, else empty
  seen: u32; // 104: bytes at the start of Text that an earlier window has shown
  reserved: u32; // 108: 0
}
if (offsetof<WindowHead>() != 112) ERROR("WindowHead has another size");

// Verdict is the header of what sb_filter answers. Output, State and Reason lie
// behind it within the answered bytes.
@unmanaged
export class VerdictHead {
  magic: u32; // 0: MagicVerdict
  version: u16; // 4: minor version of the writer
  headerSize: u16; // 6: of this struct as the writer knows it
  action: u32; // 8: Action…
  consumed: u32; // 12: bytes from Text's start that the action settles, whole characters
  private output_off: u32;
  private output_len: u32;
  @inline get output(): Str { return changetype<Str>(changetype<usize>(this) + 16); } // 16: what goes in their place: ActionReplace alone, UTF-8, ≤ MaxOutput
  private state_off: u32;
  private state_len: u32;
  @inline get state(): Str { return changetype<Str>(changetype<usize>(this) + 24); } // 24: for the channel's next window, ≤ MaxState
  private reason_off: u32;
  private reason_len: u32;
  @inline get reason(): Str { return changetype<Str>(changetype<usize>(this) + 32); } // 32: for the decision log
  code: u32; // 40: the module's own, for metrics and error texts
  findings: u32; // 44: how much was found in what is settled, for metrics
}
if (offsetof<VerdictHead>() != 48) ERROR("VerdictHead has another size");

// Observation is the header of the record that sb_observe gets, followed by
// outcomes: attempts that have ended since the last one, oldest first, on one
// of the module's instances. What it learns goes to counters.
@unmanaged
export class ObservationHead {
  magic: u32; // 0: MagicObservation
  version: u16; // 4: minor version of the writer
  headerSize: u16; // 6: of this struct as the writer knows it
  total: u32; // 8: bytes of the whole record
  flags: u32; // 12: reserved
  dropped: u64; // 16: outcomes that did not get into any observation since the last one
  nowMs: u64; // 24: Unix ms: when the record was made
  rand: u64; // 32: the record's one random number
  outcomes: u32; // 40: number of outcomes
  outcomeOff: u32; // 44: offset of the first
  outcomeSize: u32; // 48: stride, ≥ the size of Outcome as the writer knows it
  reserved: u32; // 52: 0
}
if (offsetof<ObservationHead>() != 56) ERROR("ObservationHead has another size");

// Outcome is how one attempt ended.
@unmanaged
export class Outcome {
  id: u64; // 0: of the request
  endMs: u64; // 8: Unix ms: when it ended
  private target_off: u32;
  private target_len: u32;
  @inline get target(): Str { return changetype<Str>(changetype<usize>(this) + 16); } // 16: where it went: Target.ID
  private model_off: u32;
  private model_len: u32;
  @inline get model(): Str { return changetype<Str>(changetype<usize>(this) + 24); } // 24: as the caller named it
  private tenant_off: u32;
  private tenant_len: u32;
  @inline get tenant(): Str { return changetype<Str>(changetype<usize>(this) + 32); } // 32: as in Request
  ttftMs: f64; // 40: until the first token, 0: none came
  totalMs: f64; // 48: until the end
  cost: i64; // 56: nano-dollars
  inTokens: u32; // 64: as billed
  outTokens: u32; // 68: as billed
  kind: u32; // 72: Kind…
  error: u32; // 76: Error…: how it failed, ErrorNone: it did not
  attempt: u32; // 80: attempts of the request before it
  flags: u32; // 84: Outcome…
}
if (offsetof<Outcome>() != 88) ERROR("Outcome has another size");

// Features are counts over the text of a prompt: what the host finds in one
// pass, so that a module need not see the text.
@unmanaged
export class Features {
  messages: u32; // 0: of the conversation, instructions included
  systemBytes: u32; // 4: of instructions
  userBytes: u32; // 8: of the last user message, as all that follows
  words: u32; // 12: of letters, digits and apostrophes
  longWords: u32; // 16: of ten letters and more
  sentences: u32; // 20: ended by . ! or ?
  questions: u32; // 24: question marks
  lines: u32; // 28: that are not empty
  codeLines: u32; // 32: of them, within fences
  items: u32; // 36: of them, that are items of a list
  numbers: u32; // 40: runs of digits
  signs: u32; // 44: mathematical: = + < > ^ ∑ √ and their like
  hard: u32; // 48: words that ask to reason: prove, derive, optimize, why
  easy: u32; // 52: words that ask for little: translate, list, hello
  foreign: u32; // 56: characters beyond ASCII
  reserved: u32; // 60: 0
}
if (offsetof<Features>() != 64) ERROR("Features has another size");

// Request is the header of the record that sb_route gets, followed by targets.
@unmanaged
export class RequestHead {
  magic: u32; // 0: MagicRequest
  version: u16; // 4: minor version of the writer
  headerSize: u16; // 6: of this struct as the writer knows it
  total: u32; // 8: bytes of the whole record
  flags: u32; // 12: Flag…
  id: u64; // 16: of the request
  nowMs: u64; // 24: Unix ms: the request's one clock reading
  rand: u64; // 32: the request's one random number
  private model_off: u32;
  private model_len: u32;
  @inline get model(): Str { return changetype<Str>(changetype<usize>(this) + 40); } // 40: as the caller named it
  private tenant_off: u32;
  private tenant_len: u32;
  @inline get tenant(): Str { return changetype<Str>(changetype<usize>(this) + 48); } // 48: organisation, else team, else the key's public id
  kind: u32; // 56: Kind…: what is asked for
  priority: u32; // 60: of the request, 0: normal, 1: high, 2: low
  inTokens: u32; // 64: estimate for the prompt, from its size
  outTokens: u32; // 68: the most that the caller allows, 0: not said
  deadlineMs: u32; // 72: time left, 0: the gateway's default
  attempt: u32; // 76: attempts that have failed already
  budget: i64; // 80: nano-dollars left to the caller, 0: unknown
  needTags: u64; // 88: targets need all of these
  denyTags: u64; // 96: and none of these
  targets: u32; // 104: number of targets
  targetOff: u32; // 108: offset of the first
  targetSize: u32; // 112: stride, ≥ the size of Target as the writer knows it
  lastError: u32; // 116: Error… of the attempt that failed last
  objective: u32; // 120: Objective…: what the operator wants most
  size: u32; // 124: bytes of the request's body
  session: u64; // 128: hash of what ties requests together; need "session", 0: nothing does
  prefix: u64; // 136: hash of the prompt's beginning, which providers cache; need "session", 0: none
  budgetMax: i64; // 144: nano-dollars that Budget is what is left of; need "budget", 0: unknown
  sticky: u32; // 152: 1 + index of the target that answered the session last; need "session", 0: none of these
  reserved: u32; // 156: 0
  private key_off: u32;
  private key_len: u32;
  @inline get key(): Str { return changetype<Str>(changetype<usize>(this) + 160); } // 160: public id of the caller's key; need "identity"
  private team_off: u32;
  private team_len: u32;
  @inline get team(): Str { return changetype<Str>(changetype<usize>(this) + 168); } // 168: of the key; need "identity"
  private user_off: u32;
  private user_len: u32;
  @inline get user(): Str { return changetype<Str>(changetype<usize>(this) + 176); } // 176: of the key; need "identity"
  private meta_off: u32;
  private meta_len: u32;
  @inline get meta(): Str { return changetype<Str>(changetype<usize>(this) + 184); } // 184: lines "name=value", sorted: the key's attributes and the request's metadata; need "metadata"
  private features_messages: u32;
  private features_systemBytes: u32;
  private features_userBytes: u32;
  private features_words: u32;
  private features_longWords: u32;
  private features_sentences: u32;
  private features_questions: u32;
  private features_lines: u32;
  private features_codeLines: u32;
  private features_items: u32;
  private features_numbers: u32;
  private features_signs: u32;
  private features_hard: u32;
  private features_easy: u32;
  private features_foreign: u32;
  private features_reserved: u32;
  @inline get features(): Features { return changetype<Features>(changetype<usize>(this) + 192); } // 192: of the prompt's text; need "features"
}
if (offsetof<RequestHead>() != 256) ERROR("RequestHead has another size");

// Target is a place that the request may go to, with its live state. All of
// them are eligible: policy, operation and price have been looked at.
@unmanaged
export class Target {
  private id_off: u32;
  private id_len: u32;
  @inline get id(): Str { return changetype<Str>(changetype<usize>(this) + 0); } // 0: "openai/gpt-4o-mini"
  private region_off: u32;
  private region_len: u32;
  @inline get region(): Str { return changetype<Str>(changetype<usize>(this) + 8); } // 8: as configured
  tags: u64; // 16: as configured, one bit each
  priceIn: i64; // 24: nano-dollars per thousand input tokens
  priceOut: i64; // 32: nano-dollars per thousand output tokens
  ttftMs: f64; // 40: moving average until the first token
  tokenMs: f64; // 48: moving average per token after it
  errorRate: f64; // 56: moving share of failed attempts, 0–1
  inFlight: u32; // 64: requests there now, from this node
  maxInFlight: u32; // 68: 0: no limit
  circuit: u32; // 72: Circuit…: state of the breaker
  requestsLeft: i32; // 76: before the provider's own limit, -1: unknown
  tokensLeft: i32; // 80: before the provider's own limit, -1: unknown
  retryAfterMs: u32; // 84: the target asked not to be used for so long
  context: u32; // 88: tokens of prompt and answer together
  weight: u32; // 92: relative share among equals, ≥ 1
  quality: f64; // 96: as configured
  priority: u32; // 104: lower comes first
  capabilities: u32; // 108: reserved
}
if (offsetof<Target>() != 112) ERROR("Target has another size");

// Plan is the header of what sb_route answers, followed by attempts.
@unmanaged
export class PlanHead {
  magic: u32; // 0: MagicPlan
  version: u16; // 4: minor version of the writer
  headerSize: u16; // 6: of this struct as the writer knows it; attempts follow it
  attempts: u32; // 8: number of attempts
  attemptSize: u32; // 12: stride, ≥ the size of Attempt as the writer knows it
  code: u32; // 16: not 0: refuse the request, with this code
  flags: u32; // 20: reserved
  private reason_off: u32;
  private reason_len: u32;
  @inline get reason(): Str { return changetype<Str>(changetype<usize>(this) + 24); } // 24: for the decision log
}
if (offsetof<PlanHead>() != 32) ERROR("PlanHead has another size");

// Attempt is one step of a plan. Zero durations leave the choice to the gateway.
@unmanaged
export class Attempt {
  target: u32; // 0: index into the request's targets, each at most once
  timeoutMs: u32; // 4: for the whole attempt
  weight: u32; // 8: for the decision log: what the module thought of it
  backoffMs: u32; // 12: wait before it, at least
  backoffMaxMs: u32; // 16: and at most
  hedgeMs: u32; // 20: start it beside the one before when that is silent for so long
  flags: u32; // 24: Attempt…
  reserved: u32; // 28: 0
}
if (offsetof<Attempt>() != 32) ERROR("Attempt has another size");
