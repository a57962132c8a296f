// Signalbox's guest SDK for modules in C, ABI sb/1: routing modules, which order
// the targets of a request, and filters, which look at text. It needs no libc:
//
//	#include "signalbox.h"
//	static void decide(const sb_request *req, sb_planner *plan) { sb_try(plan, 0); }
//	SB_ROUTE(decide)
//
//	clang-14 --target=wasm32 -O3 -nostdlib -ffreestanding -fvisibility=hidden -mbulk-memory
//	  -Wl,--no-entry -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=16384 -o mine.wasm mine.c
//
// A decision is a pure function of its record: time and randomness are in it,
// and instances come and go. A routing module that traps, loops or answers
// nonsense costs one request, which the gateway then orders by priority and
// weight; a filter that does blocks the request. Include this file once in a
// module.
#ifndef SIGNALBOX_H
#define SIGNALBOX_H

#include <stddef.h>
#include <stdint.h>

// --- layout: Generated from package abi by go generate; do not edit.

// Version is what a guest's sb_abi answers: the major version in the upper 16 bits.
#define SB_MAJOR 1u // another one cannot be run
#define SB_MINOR 1u // fields have been appended so often
#define SB_ABI 0x10001u // both

// Magics of the records, as little-endian numbers.
#define SB_MAGIC_REQUEST 0x31524253u // "SBR1"
#define SB_MAGIC_PLAN 0x31504253u // "SBP1"
#define SB_MAGIC_CONFIG 0x31434253u // "SBC1"
#define SB_MAGIC_WINDOW 0x31574253u // "SBW1"
#define SB_MAGIC_VERDICT 0x31564253u // "SBV1"
#define SB_MAGIC_OBSERVATION 0x314f4253u // "SBO1"

// MaxReason is how many bytes of a plan's or verdict's reason the host keeps.
#define SB_MAX_REASON 128u

// MaxHostResults is how often a call may use counter_add; once more ends it.
#define SB_MAX_HOST_RESULTS 256u

// MaxCounters is how many counters, and how many metrics, a module has: they
// are numbered from 0.
#define SB_MAX_COUNTERS 64u

// MaxLog is how many bytes of a line the host logs.
#define SB_MAX_LOG 1024u

// Levels of what a module logs.
#define SB_LEVEL_DEBUG 0u // shown where the gateway logs in detail
#define SB_LEVEL_INFO 1u // and what a module prints
#define SB_LEVEL_WARN 2u
#define SB_LEVEL_ERROR 3u

// Kinds of request: package wire's operations, by the same numbers.
#define SB_KIND_UNKNOWN 0u
#define SB_KIND_CHAT 1u // messages in, a message out
#define SB_KIND_EMBEDDINGS 2u // texts in, vectors out
#define SB_KIND_COMPLETIONS 3u // legacy: a prompt in, text out
#define SB_KIND_COUNT_TOKENS 4u // of a chat request
#define SB_KIND_IMAGES 5u // text in, images out
#define SB_KIND_IMAGE_EDITS 6u // images and text in, images out
#define SB_KIND_SPEECH 7u // text in, audio out
#define SB_KIND_TRANSCRIPTION 8u // audio in, text out
#define SB_KIND_TRANSLATION 9u // audio in, English text out
#define SB_KIND_MODERATION 10u // text in, a judgement out
#define SB_KIND_RERANK 11u // a query and documents in, their order out
#define SB_KIND_FILES 12u // upload, list, get, delete
#define SB_KIND_BATCHES 13u // create, list, get, cancel
#define SB_KIND_REALTIME 14u // a WebSocket
#define SB_KIND_PASS 15u // the provider's own API as it is

// Errors of an attempt: what kind of failure it was. They are package wire's
// classes, by the same numbers.
#define SB_ERROR_NONE 0u // it did not fail
#define SB_ERROR_INVALID 1u // the caller's mistake
#define SB_ERROR_AUTH 2u // the provider refused the credential
#define SB_ERROR_RATE_LIMIT 3u // too many requests or tokens for now
#define SB_ERROR_QUOTA 4u // the account has no money or quota left
#define SB_ERROR_OVERLOADED 5u // the provider is too busy
#define SB_ERROR_SERVER 6u // the provider failed
#define SB_ERROR_TIMEOUT 7u // to connect, until the first byte, between two, or in all
#define SB_ERROR_NETWORK 8u // no connection, or it broke
#define SB_ERROR_CONTEXT_LENGTH 9u // the prompt does not fit the model
#define SB_ERROR_MODEL_NOT_FOUND 10u // the provider does not know the model
#define SB_ERROR_CONTENT_FILTER 11u // the provider refused the content
#define SB_ERROR_POLICY 12u // the gateway's own policy, budget or limits refused it

// What a filter is shown, and what it may answer, at most.
#define SB_MAX_WINDOW 8192u // bytes of text in a window
#define SB_MAX_OUTPUT 16384u // bytes in place of what a window's text was
#define SB_MAX_STATE 256u // bytes that travel with a channel

// Flags of a window.
#define SB_WINDOW_FIRST 1u // of its channel, message and choice
#define SB_WINDOW_FINAL 2u // nothing follows; Text may be empty

// Channels.
#define SB_CHANNEL_UNKNOWN 0u
#define SB_CHANNEL_SYSTEM 1u // prompt: instructions
#define SB_CHANNEL_USER 2u // prompt: what users wrote
#define SB_CHANNEL_ASSISTANT 3u // prompt: earlier answers
#define SB_CHANNEL_TOOL_RESULT 4u // prompt: what tools said
#define SB_CHANNEL_ANSWER 5u // answer: its text
#define SB_CHANNEL_REASONING 6u // answer: thinking that the caller sees
#define SB_CHANNEL_TOOL_ARGUMENTS 7u // answer: JSON, in pieces

// Actions. There is none for 0: a verdict that was forgotten lets nothing pass.
// All but ActionBlock and ActionMore consume something where there is text, and
// all of it in the final window.
#define SB_ACTION_PASS 1u // the consumed bytes go on
#define SB_ACTION_REPLACE 2u // Output goes on in their place
#define SB_ACTION_BLOCK 3u // the request, or what is left of the answer, ends; consumes nothing
#define SB_ACTION_MORE 4u // shows too little yet; consumes nothing, not for final or full windows
#define SB_ACTION_ESCALATE 5u // the consumed bytes are held until the operator's guard has judged them; without one they are blocked

// MaxOutcomes is the most outcomes of one observation.
#define SB_MAX_OUTCOMES 128u

// Flags of an outcome.
#define SB_OUTCOME_STREAM 1u // the answer was streamed
#define SB_OUTCOME_HEDGE 2u // it ran beside another attempt
#define SB_OUTCOME_LOST 4u // it was ended because the other was faster, or the caller left

// MaxTargets is the most targets of a request, and attempts of a plan.
#define SB_MAX_TARGETS 64u

// Flags of an attempt.
#define SB_ATTEMPT_CHECK 1u // go on to the next one when the answer is empty, cut short or not of the form asked for

// Flags of a request.
#define SB_FLAG_STREAM 1u // the answer is to be streamed
#define SB_FLAG_TOOLS 2u // tools are offered
#define SB_FLAG_IMAGES 4u // the prompt holds images
#define SB_FLAG_AUDIO 8u // the prompt holds audio
#define SB_FLAG_FILES 16u // the prompt holds files
#define SB_FLAG_CACHE_CONTROL 32u // the caller marks what providers are to cache

// States of a target's breaker.
#define SB_CIRCUIT_CLOSED 0u // in use
#define SB_CIRCUIT_HALF_OPEN 1u // a probe may go there
#define SB_CIRCUIT_OPEN 2u // not to be used

// Objectives: what the operator wants most.
#define SB_OBJECTIVE_NONE 0u // not said
#define SB_OBJECTIVE_COST 1u // the cheapest answer
#define SB_OBJECTIVE_LATENCY 2u // the fastest answer
#define SB_OBJECTIVE_QUALITY 3u // the best answer

// Str refers to a string within the same record.
typedef struct sb_str {
	uint32_t off; // 0: from the start of the record
	uint32_t len; // 4: bytes
} sb_str;
_Static_assert(sizeof(sb_str) == 8, "sb str");

// Config is the header of the record that sb_configure gets.
typedef struct sb_config {
	uint32_t magic; // 0: MagicConfig
	uint16_t version; // 4: minor version of the writer
	uint16_t header_size; // 6: of this struct as the writer knows it
	uint32_t total; // 8: bytes of the whole record
	uint32_t flags; // 12: reserved
	sb_str name; // 16: of the module in the gateway's configuration
	sb_str data; // 24: the module's own configuration, JSON, empty if none
	sb_str tags; // 32: names of the tags' bits, lowest first, a line each; since minor version 1
} sb_config;
_Static_assert(sizeof(sb_config) == 40, "sb config");

// Window is the header of the record that sb_filter gets: a stretch of the text
// of one channel. A guest keeps nothing between calls: text that it does not
// consume is shown again, together with what has come since, and State goes
// from a channel's verdict to its next window. So any instance of any version
// may be given the next one.
typedef struct sb_window {
	uint32_t magic; // 0: MagicWindow
	uint16_t version; // 4: minor version of the writer
	uint16_t header_size; // 6: of this struct as the writer knows it
	uint32_t total; // 8: bytes of the whole record
	uint32_t flags; // 12: Window…
	uint64_t id; // 16: of the request
	uint64_t now_ms; // 24: Unix ms: when the window was made
	uint64_t rand; // 32: the window's one random number
	sb_str model; // 40: as the caller named it
	sb_str tenant; // 48: organisation, else team, else the key's public id
	uint32_t kind; // 56: Kind…: what is asked for
	uint32_t channel; // 60: Channel…: whose text it is
	uint32_t index; // 64: which message, or tool call, of the channel
	uint32_t choice; // 68: which of several answers
	uint64_t start; // 72: bytes of the channel before Text, as they came
	sb_str text; // 80: whole UTF-8 characters, at a multiple of 16 when the header is as here; ≤ MaxWindow
	sb_str state; // 88: what the channel's verdict before said, ≤ MaxState
	sb_str label; // 96: the tool's name on the channels of tools, else empty
	uint32_t seen; // 104: bytes at the start of Text that an earlier window has shown
	uint32_t reserved; // 108: 0
} sb_window;
_Static_assert(sizeof(sb_window) == 112, "sb window");

// Verdict is the header of what sb_filter answers. Output, State and Reason lie
// behind it within the answered bytes.
typedef struct sb_verdict {
	uint32_t magic; // 0: MagicVerdict
	uint16_t version; // 4: minor version of the writer
	uint16_t header_size; // 6: of this struct as the writer knows it
	uint32_t action; // 8: Action…
	uint32_t consumed; // 12: bytes from Text's start that the action settles, whole characters
	sb_str output; // 16: what goes in their place: ActionReplace alone, UTF-8, ≤ MaxOutput
	sb_str state; // 24: for the channel's next window, ≤ MaxState
	sb_str reason; // 32: for the decision log
	uint32_t code; // 40: the module's own, for metrics and error texts
	uint32_t findings; // 44: how much was found in what is settled, for metrics
} sb_verdict;
_Static_assert(sizeof(sb_verdict) == 48, "sb verdict");

// Observation is the header of the record that sb_observe gets, followed by
// outcomes: attempts that have ended since the last one, oldest first, on one
// of the module's instances. What it learns goes to counters.
typedef struct sb_observation {
	uint32_t magic; // 0: MagicObservation
	uint16_t version; // 4: minor version of the writer
	uint16_t header_size; // 6: of this struct as the writer knows it
	uint32_t total; // 8: bytes of the whole record
	uint32_t flags; // 12: reserved
	uint64_t dropped; // 16: outcomes that did not get into any observation since the last one
	uint64_t now_ms; // 24: Unix ms: when the record was made
	uint64_t rand; // 32: the record's one random number
	uint32_t outcomes; // 40: number of outcomes
	uint32_t outcome_off; // 44: offset of the first
	uint32_t outcome_size; // 48: stride, ≥ the size of Outcome as the writer knows it
	uint32_t reserved; // 52: 0
} sb_observation;
_Static_assert(sizeof(sb_observation) == 56, "sb observation");

// Outcome is how one attempt ended.
typedef struct sb_outcome {
	uint64_t id; // 0: of the request
	uint64_t end_ms; // 8: Unix ms: when it ended
	sb_str target; // 16: where it went: Target.ID
	sb_str model; // 24: as the caller named it
	sb_str tenant; // 32: as in Request
	double ttft_ms; // 40: until the first token, 0: none came
	double total_ms; // 48: until the end
	int64_t cost; // 56: nano-dollars
	uint32_t in_tokens; // 64: as billed
	uint32_t out_tokens; // 68: as billed
	uint32_t kind; // 72: Kind…
	uint32_t error; // 76: Error…: how it failed, ErrorNone: it did not
	uint32_t attempt; // 80: attempts of the request before it
	uint32_t flags; // 84: Outcome…
} sb_outcome;
_Static_assert(sizeof(sb_outcome) == 88, "sb outcome");

// Features are counts over the text of a prompt: what the host finds in one
// pass, so that a module need not see the text.
typedef struct sb_features {
	uint32_t messages; // 0: of the conversation, instructions included
	uint32_t system_bytes; // 4: of instructions
	uint32_t user_bytes; // 8: of the last user message, as all that follows
	uint32_t words; // 12: of letters, digits and apostrophes
	uint32_t long_words; // 16: of ten letters and more
	uint32_t sentences; // 20: ended by . ! or ?
	uint32_t questions; // 24: question marks
	uint32_t lines; // 28: that are not empty
	uint32_t code_lines; // 32: of them, within fences
	uint32_t items; // 36: of them, that are items of a list
	uint32_t numbers; // 40: runs of digits
	uint32_t signs; // 44: mathematical: = + < > ^ ∑ √ and their like
	uint32_t hard; // 48: words that ask to reason: prove, derive, optimize, why
	uint32_t easy; // 52: words that ask for little: translate, list, hello
	uint32_t foreign; // 56: characters beyond ASCII
	uint32_t reserved; // 60: 0
} sb_features;
_Static_assert(sizeof(sb_features) == 64, "sb features");

// Request is the header of the record that sb_route gets, followed by targets.
typedef struct sb_request {
	uint32_t magic; // 0: MagicRequest
	uint16_t version; // 4: minor version of the writer
	uint16_t header_size; // 6: of this struct as the writer knows it
	uint32_t total; // 8: bytes of the whole record
	uint32_t flags; // 12: Flag…
	uint64_t id; // 16: of the request
	uint64_t now_ms; // 24: Unix ms: the request's one clock reading
	uint64_t rand; // 32: the request's one random number
	sb_str model; // 40: as the caller named it
	sb_str tenant; // 48: organisation, else team, else the key's public id
	uint32_t kind; // 56: Kind…: what is asked for
	uint32_t priority; // 60: of the request, 0: normal, 1: high, 2: low
	uint32_t in_tokens; // 64: estimate for the prompt, from its size
	uint32_t out_tokens; // 68: the most that the caller allows, 0: not said
	uint32_t deadline_ms; // 72: time left, 0: the gateway's default
	uint32_t attempt; // 76: attempts that have failed already
	int64_t budget; // 80: nano-dollars left to the caller, 0: unknown
	uint64_t need_tags; // 88: targets need all of these
	uint64_t deny_tags; // 96: and none of these
	uint32_t targets; // 104: number of targets
	uint32_t target_off; // 108: offset of the first
	uint32_t target_size; // 112: stride, ≥ the size of Target as the writer knows it
	uint32_t last_error; // 116: Error… of the attempt that failed last
	uint32_t objective; // 120: Objective…: what the operator wants most
	uint32_t size; // 124: bytes of the request's body
	uint64_t session; // 128: hash of what ties requests together; need "session", 0: nothing does
	uint64_t prefix; // 136: hash of the prompt's beginning, which providers cache; need "session", 0: none
	int64_t budget_max; // 144: nano-dollars that Budget is what is left of; need "budget", 0: unknown
	uint32_t sticky; // 152: 1 + index of the target that answered the session last; need "session", 0: none of these
	uint32_t reserved; // 156: 0
	sb_str key; // 160: public id of the caller's key; need "identity"
	sb_str team; // 168: of the key; need "identity"
	sb_str user; // 176: of the key; need "identity"
	sb_str meta; // 184: lines "name=value", sorted: the key's attributes and the request's metadata; need "metadata"
	sb_features features; // 192: of the prompt's text; need "features"
} sb_request;
_Static_assert(sizeof(sb_request) == 256, "sb request");

// Target is a place that the request may go to, with its live state. All of
// them are eligible: policy, operation and price have been looked at.
typedef struct sb_target {
	sb_str id; // 0: "openai/gpt-4o-mini"
	sb_str region; // 8: as configured
	uint64_t tags; // 16: as configured, one bit each
	int64_t price_in; // 24: nano-dollars per thousand input tokens
	int64_t price_out; // 32: nano-dollars per thousand output tokens
	double ttft_ms; // 40: moving average until the first token
	double token_ms; // 48: moving average per token after it
	double error_rate; // 56: moving share of failed attempts, 0–1
	uint32_t in_flight; // 64: requests there now, from this node
	uint32_t max_in_flight; // 68: 0: no limit
	uint32_t circuit; // 72: Circuit…: state of the breaker
	int32_t requests_left; // 76: before the provider's own limit, -1: unknown
	int32_t tokens_left; // 80: before the provider's own limit, -1: unknown
	uint32_t retry_after_ms; // 84: the target asked not to be used for so long
	uint32_t context; // 88: tokens of prompt and answer together
	uint32_t weight; // 92: relative share among equals, ≥ 1
	double quality; // 96: as configured
	uint32_t priority; // 104: lower comes first
	uint32_t capabilities; // 108: reserved
} sb_target;
_Static_assert(sizeof(sb_target) == 112, "sb target");

// Plan is the header of what sb_route answers, followed by attempts.
typedef struct sb_plan {
	uint32_t magic; // 0: MagicPlan
	uint16_t version; // 4: minor version of the writer
	uint16_t header_size; // 6: of this struct as the writer knows it; attempts follow it
	uint32_t attempts; // 8: number of attempts
	uint32_t attempt_size; // 12: stride, ≥ the size of Attempt as the writer knows it
	uint32_t code; // 16: not 0: refuse the request, with this code
	uint32_t flags; // 20: reserved
	sb_str reason; // 24: for the decision log
} sb_plan;
_Static_assert(sizeof(sb_plan) == 32, "sb plan");

// Attempt is one step of a plan. Zero durations leave the choice to the gateway.
typedef struct sb_attempt {
	uint32_t target; // 0: index into the request's targets, each at most once
	uint32_t timeout_ms; // 4: for the whole attempt
	uint32_t weight; // 8: for the decision log: what the module thought of it
	uint32_t backoff_ms; // 12: wait before it, at least
	uint32_t backoff_max_ms; // 16: and at most
	uint32_t hedge_ms; // 20: start it beside the one before when that is silent for so long
	uint32_t flags; // 24: Attempt…
	uint32_t reserved; // 28: 0
} sb_attempt;
_Static_assert(sizeof(sb_attempt) == 32, "sb attempt");

// --- end of layout

#ifdef __wasm__
#define SB_EXPORT(name) __attribute__((export_name(#name))) name
#define SB_IMPORT(name) __attribute__((import_module("sb"), import_name(#name)))
#else
#define SB_EXPORT(name) name
#endif
#define SB_UNUSED __attribute__((unused))

// What compilers call by themselves. Define SB_NO_MEM where a libc brings it.
#if defined(__wasm__) && !defined(SB_NO_MEM)
#ifdef __wasm_bulk_memory__
void *memcpy(void *restrict to, const void *restrict from, size_t n) { return __builtin_memcpy(to, from, n); }
void *memmove(void *to, const void *from, size_t n) { return __builtin_memmove(to, from, n); }
void *memset(void *to, int c, size_t n) { return __builtin_memset(to, c, n); }
#else
#define SB_PLAIN __attribute__((no_builtin)) // or the loops would be calls of themselves
SB_PLAIN void *memcpy(void *restrict to, const void *restrict from, size_t n) {
	for (size_t i = 0; i < n; i++) ((char *)to)[i] = ((const char *)from)[i];
	return to;
}
SB_PLAIN void *memmove(void *to, const void *from, size_t n) {
	if ((uintptr_t)to - (uintptr_t)from >= n) return memcpy(to, from, n);
	for (size_t i = n; i > 0; i--) ((char *)to)[i - 1] = ((const char *)from)[i - 1];
	return to;
}
SB_PLAIN void *memset(void *to, int c, size_t n) {
	for (size_t i = 0; i < n; i++) ((char *)to)[i] = (char)c;
	return to;
}
#endif
int memcmp(const void *a, const void *b, size_t n) {
	const unsigned char *x = a, *y = b;
	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
	return 0;
}
#else
#include <string.h>
#endif

// A stretch of memory; not ended by a zero.
typedef struct sb_slice {
	const unsigned char *at;
	uint32_t len;
} sb_slice;

// A slice of a literal.
#define SB_LITERAL(text) ((sb_slice){(const unsigned char *)("" text), sizeof(text) - 1})

SB_UNUSED static int sb_equal(sb_slice a, sb_slice b) { return a.len == b.len && memcmp(a.at, b.at, a.len) == 0; }

// --- the host

#ifdef __wasm__
SB_IMPORT(log) void sb__log(uint32_t level, const void *text, uint32_t len);
SB_IMPORT(counter_add) int64_t sb__counter_add(uint32_t id, int64_t delta);
SB_IMPORT(metric) void sb__metric(uint32_t id, double value);
#else // in the tests of a module nothing is told, and counters count
static inline void sb__log(uint32_t level, const void *text, uint32_t len) { (void)level, (void)text, (void)len; }
static inline int64_t sb__counter_add(uint32_t id, int64_t delta) {
	static int64_t counters[SB_MAX_COUNTERS];
	return counters[id] += delta;
}
static inline void sb__metric(uint32_t id, double value) { (void)id, (void)value; }
#endif

// sb_log tells the gateway's log a line of up to 1 KiB; the grant is "log".
SB_UNUSED static void sb_log(uint32_t level, sb_slice text) { sb__log(level, text.at, text.len); }

// sb_counter_add adds to one of 64 counters that all instances of the module
// share, and that outlive them and their version, and returns what it then is;
// the grant is "counters". It is not for the configuration: what it answers is
// recorded, so that a decision can be repeated.
SB_UNUSED static int64_t sb_counter_add(uint32_t id, int64_t delta) { return sb__counter_add(id, delta); }

// sb_metric sets one of 64 metrics of the module; the grant is "metrics".
SB_UNUSED static void sb_metric(uint32_t id, double value) { sb__metric(id, value); }

// --- records

#define SB_BUFFER (32u << 10) // the largest record that a module takes

static _Alignas(16) unsigned char sb__buffer[SB_BUFFER]; // where the host writes records
static uint32_t sb__len;                                 // of the record
static const unsigned char *sb__first;                   // of its parts
static uint32_t sb__stride;

uint32_t SB_EXPORT(sb_abi)(void) { return SB_ABI; }

static inline uint64_t sb__pack(const void *at, uint32_t len) { return (uint64_t)(uintptr_t)at << 32 | len; }

uint64_t SB_EXPORT(sb_buf)(uint32_t least) { return least > SB_BUFFER ? 0 : sb__pack(sb__buffer, SB_BUFFER); }

// sb_text is a string of the record that a call brought, empty when it lies outside.
SB_UNUSED static sb_slice sb_text(sb_str s) {
	if ((uint64_t)s.off + s.len > sb__len) return (sb_slice){sb__buffer, 0};
	return (sb_slice){sb__buffer + s.off, s.len};
}

// sb__widen copies a part of a host that knows a shorter one: what it lacks reads as zero.
__attribute__((noinline)) SB_UNUSED static void *sb__widen(void *to, uint32_t size, const void *from, uint32_t have) {
	memset(to, 0, size);
	return memcpy(to, from, have < size ? have : size);
}

// sb__head returns a record's header, NULL when it is not one.
static inline const void *sb__head(uint32_t len, uint32_t magic, void *room, uint32_t size) {
	const sb_config *head = (const sb_config *)sb__buffer; // all records begin alike
	sb__len = len;
	if (len > SB_BUFFER || len < 8 || head->magic != magic || head->header_size > len) return NULL;
	return head->header_size >= size ? head : sb__widen(room, size, head, head->header_size);
}

// sb__parts finds the structures that follow a header.
static inline int sb__parts(uint32_t off, uint32_t stride, uint32_t n, void *room, uint32_t size, uint32_t most) {
	if (n > most || off + (uint64_t)stride * n > sb__len || (off | stride) % 8) return 0;
	sb__first = sb__buffer + off, sb__stride = stride;
	if (stride >= size) return 1;
	for (uint32_t i = 0; i < n; i++) sb__widen((char *)room + i * size, size, sb__first + i * stride, stride);
	sb__first = room, sb__stride = size;
	return 1;
}

// --- routing modules

// sb_target_at returns target i of the request, 0 to req->targets - 1; one that
// does not exist ends the call.
static inline const sb_target *sb_target_at(const sb_request *req, uint32_t i) {
	if (i >= req->targets) __builtin_trap();
	return (const sb_target *)(sb__first + i * sb__stride);
}

// sb_resting reports whether a target should not be used while others are there:
// it asked for a pause, or its breaker is open.
SB_UNUSED static int sb_resting(const sb_target *t) { return t->retry_after_ms > 0 || t->circuit == SB_CIRCUIT_OPEN; }

// A plan as it is made. Left empty it declines: the gateway uses its built-in
// order. The layout is that of the record, so that it needs no encoding.
typedef struct sb_planner {
	sb_plan head;
	sb_attempt attempts[SB_MAX_TARGETS];
	unsigned char reason[SB_MAX_REASON];
} sb_planner;

// sb_try appends target i and returns the attempt, for timings. Each target can
// be tried once: the gateway refuses plans that name one twice.
static inline sb_attempt *sb_try(sb_planner *p, uint32_t i) {
	if (p->head.attempts >= SB_MAX_TARGETS) __builtin_trap();
	sb_attempt *a = &p->attempts[p->head.attempts++];
	*a = (sb_attempt){.target = i};
	return a;
}

// sb_because says why; the decision log shows up to 128 bytes of it.
SB_UNUSED static void sb_because(sb_planner *p, sb_slice reason) {
	p->head.reason.len = reason.len < SB_MAX_REASON ? reason.len : SB_MAX_REASON;
	memcpy(p->reason, reason.at, p->head.reason.len);
}

// sb_refuse ends the request with a code of the module's own, not 0.
SB_UNUSED static void sb_refuse(sb_planner *p, uint32_t code, sb_slice reason) {
	p->head.attempts = 0, p->head.code = code;
	sb_because(p, reason);
}

static inline void sb__plan_reset(sb_planner *p) {
	p->head = (sb_plan){.magic = SB_MAGIC_PLAN, .version = SB_MINOR, .header_size = sizeof(sb_plan), .attempt_size = sizeof(sb_attempt)};
}

// sb__plan_pack answers the plan. It holds nothing of earlier ones: the same
// decision gives the same bytes.
static inline uint64_t sb__plan_pack(sb_planner *p) {
	uint32_t n = sizeof(sb_plan) + p->head.attempts * sizeof(sb_attempt), reason = p->head.reason.len;
	if (n == sizeof(sb_plan) && reason == 0 && p->head.code == 0) return 0;
	p->head.reason.off = n;
	memmove((char *)p + n, p->reason, reason); // over attempts that are not in use
	return sb__pack(p, n + reason);
}

// SB_ROUTE exports a routing module that decides with
// void decide(const sb_request *, sb_planner *).
#define SB_ROUTE(decide) \
	uint64_t SB_EXPORT(sb_route)(uint32_t at, uint32_t len) { \
		static sb_request short_request; \
		static sb_target short_targets[SB_MAX_TARGETS]; \
		static sb_planner plan; \
		const sb_request *req = sb__head(len, SB_MAGIC_REQUEST, &short_request, sizeof(sb_request)); \
		(void)at; \
		if (!req || !sb__parts(req->target_off, req->target_size, req->targets, short_targets, sizeof(sb_target), SB_MAX_TARGETS)) \
			return 0; \
		sb__plan_reset(&plan); \
		decide(req, &plan); \
		return sb__plan_pack(&plan); \
	}

// sb_mix is the output function of SplitMix64: a random-looking bijection.
SB_UNUSED static uint64_t sb_mix(uint64_t x) {
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

// A rank orders targets as the gateway does by itself: a lower class comes
// first, and within a class each place is drawn at random by weight. The same
// seed gives the same order everywhere. The zero rank is empty.
typedef struct sb_rank {
	uint32_t n;
	struct {
		uint64_t class;
		uint64_t drawn; // weight and index in one word: it is moved as one, never as halves
	} entries[SB_MAX_TARGETS];
} sb_rank;

// sb_class is what the gateway's own order ranks by: targets that rest come
// last, and before that priority counts.
SB_UNUSED static uint64_t sb_class(uint32_t priority, int resting) { return (uint64_t)!!resting << 32 | priority; }

// sb_rank_add appends the next target; a weight of 0 counts as 1.
static inline void sb_rank_add(sb_rank *r, uint64_t class, uint32_t weight) {
	uint32_t i = r->n;
	if (i >= SB_MAX_TARGETS) __builtin_trap();
	uint64_t drawn = (uint64_t)(weight ? weight : 1) << 32 | i;
	for (; i > 0 && r->entries[i - 1].class > class; i--) r->entries[i] = r->entries[i - 1];
	r->entries[i].class = class, r->entries[i].drawn = drawn;
	r->n++;
}

// sb_rank_draw orders the targets within each class.
SB_UNUSED static void sb_rank_draw(sb_rank *r, uint64_t seed) {
	for (uint32_t from = 0; from < r->n;) {
		uint32_t to = from;
		uint64_t sum = 0;
		for (; to < r->n && r->entries[to].class == r->entries[from].class; to++) sum += r->entries[to].drawn >> 32;
		for (; from + 1 < to; from++) {
			seed += 0x9e3779b97f4a7c15u;
			uint64_t left = sb_mix(seed) % sum, weight, drawn;
			uint32_t at = from;
			for (; left >= (weight = r->entries[at].drawn >> 32); at++) left -= weight;
			sum -= weight;
			drawn = r->entries[at].drawn; // the classes are equal
			r->entries[at].drawn = r->entries[from].drawn;
			r->entries[from].drawn = drawn;
		}
		from = to;
	}
}

// sb_rank_at returns the target at a place, 0 to r->n - 1.
static inline uint32_t sb_rank_at(const sb_rank *r, uint32_t place) { return (uint32_t)r->entries[place].drawn; }

// --- filters

// sb_window_text is what the window shows, whole UTF-8 characters.
SB_UNUSED static sb_slice sb_window_text(const sb_window *w) { return sb_text(w->text); }

// sb_window_final reports whether nothing follows: all of the text has to be settled.
SB_UNUSED static int sb_window_final(const sb_window *w) { return (w->flags & SB_WINDOW_FINAL) != 0; }

// sb_window_waits reports whether a filter may ask for more of the text: not at
// the end, and not when the window can grow no more: the next character may not fit in.
SB_UNUSED static int sb_window_waits(const sb_window *w) { return !sb_window_final(w) && w->text.len <= SB_MAX_WINDOW - 4; }

// sb_window_cut is the last end of a character at or before n: what may be consumed.
SB_UNUSED static uint32_t sb_window_cut(const sb_window *w, uint32_t n) {
	sb_slice text = sb_window_text(w);
	if (n >= text.len) return text.len;
	while (n > 0 && (text.at[n] & 0xc0) == 0x80) n--;
	return n;
}

// A verdict as it is made. One of sb_pass, sb_replace, sb_block, sb_more and
// sb_escalate has to be called: a verdict that says nothing is an error. The
// layout is that of the record, so that it needs no encoding: output, state and
// reason follow the header.
typedef struct sb_judge {
	sb_verdict head; // code and findings are the module's to set
	unsigned char tail[SB_MAX_OUTPUT + SB_MAX_STATE + SB_MAX_REASON];
	uint32_t output, state, reason; // bytes of each
	unsigned char saved[SB_MAX_STATE];
	unsigned char said[SB_MAX_REASON];
} sb_judge;

static inline void sb__settle(sb_judge *v, uint32_t action, uint32_t n) { v->head.action = action, v->head.consumed = n; }

// sb_pass lets the first n bytes of the text go on.
SB_UNUSED static void sb_pass(sb_judge *v, uint32_t n) { sb__settle(v, SB_ACTION_PASS, n); }

// sb_replace lets what has been written go on in place of the first n bytes.
SB_UNUSED static void sb_replace(sb_judge *v, uint32_t n) { sb__settle(v, SB_ACTION_REPLACE, n); }

// sb_more consumes nothing: the text is shown again when more of it has come. It
// is not for windows that do not wait.
SB_UNUSED static void sb_more(sb_judge *v) { sb__settle(v, SB_ACTION_MORE, 0); }

// sb_escalate holds the first n bytes until the operator's guard has judged them.
SB_UNUSED static void sb_escalate(sb_judge *v, uint32_t n) { sb__settle(v, SB_ACTION_ESCALATE, n); }

// sb_explain says why; the decision log shows up to 128 bytes of it.
SB_UNUSED static void sb_explain(sb_judge *v, sb_slice reason) {
	v->reason = reason.len < SB_MAX_REASON ? reason.len : SB_MAX_REASON;
	memcpy(v->said, reason.at, v->reason);
}

// sb_block ends the request, or what is left of the answer.
SB_UNUSED static void sb_block(sb_judge *v, uint32_t code, sb_slice reason) {
	sb__settle(v, SB_ACTION_BLOCK, 0);
	v->head.code = code;
	sb_explain(v, reason);
}

// sb_save leaves up to 256 bytes to the channel's next window.
SB_UNUSED static void sb_save(sb_judge *v, sb_slice state) {
	v->state = state.len < SB_MAX_STATE ? state.len : SB_MAX_STATE;
	memcpy(v->saved, state.at, v->state);
}

// sb_write appends to the output that sb_replace lets go on. It reports whether
// there is room, which there is for twice the longest text.
static inline int sb_write(sb_judge *v, const void *from, uint32_t n) {
	if (n > SB_MAX_OUTPUT - v->output) return 0;
	memcpy(v->tail + v->output, from, n);
	v->output += n;
	return 1;
}

// sb_fill appends n times the byte c to the output, as sb_write does.
SB_UNUSED static int sb_fill(sb_judge *v, unsigned char c, uint32_t n) {
	if (n > SB_MAX_OUTPUT - v->output) return 0;
	memset(v->tail + v->output, c, n);
	v->output += n;
	return 1;
}

static inline void sb__judge_reset(sb_judge *v) {
	v->head = (sb_verdict){.magic = SB_MAGIC_VERDICT, .version = SB_MINOR, .header_size = sizeof(sb_verdict)};
	v->output = v->state = v->reason = 0;
}

// sb__judge_pack answers the verdict. It holds nothing of earlier ones: the same
// verdict gives the same bytes.
static inline uint64_t sb__judge_pack(sb_judge *v) {
	if (v->head.action != SB_ACTION_REPLACE) v->output = 0;
	uint32_t state = v->output, reason = state + v->state, end = reason + v->reason;
	if (v->state) memcpy(v->tail + state, v->saved, v->state);
	if (v->reason) memcpy(v->tail + reason, v->said, v->reason);
	v->head.output = (sb_str){sizeof(sb_verdict), v->output};
	v->head.state = (sb_str){sizeof(sb_verdict) + state, v->state};
	v->head.reason = (sb_str){sizeof(sb_verdict) + reason, v->reason};
	return sb__pack(v, sizeof(sb_verdict) + end);
}

// SB_FILTER exports a filter that looks with void look(const sb_window *, sb_judge *).
#define SB_FILTER(look) \
	uint64_t SB_EXPORT(sb_filter)(uint32_t at, uint32_t len) { \
		static sb_window short_window; \
		static sb_judge verdict; \
		const sb_window *w = sb__head(len, SB_MAGIC_WINDOW, &short_window, sizeof(sb_window)); \
		(void)at; \
		if (!w) return 0; \
		sb__judge_reset(&verdict); \
		look(w, &verdict); \
		return sb__judge_pack(&verdict); \
	}

// --- configuration and outcomes

// What an instance is configured with before its first call, valid during it only.
typedef struct sb_configuration {
	sb_slice name; // of the module in the gateway's configuration
	sb_slice json; // the module's own configuration, empty if it has none
	sb_slice tags; // what the bits of tags are called, a line each, the lowest first
} sb_configuration;

// sb_tag is the bit of a tag, 0 for one that no target has.
SB_UNUSED static uint64_t sb_tag(const sb_configuration *c, sb_slice name) {
	uint32_t from = 0, bit = 0;
	for (uint32_t i = 0; i <= c->tags.len && bit < 64 && name.len; i++) {
		if (i < c->tags.len && c->tags.at[i] != '\n') continue;
		if (sb_equal((sb_slice){c->tags.at + from, i - from}, name)) return (uint64_t)1 << bit;
		from = i + 1, bit++;
	}
	return 0;
}

// SB_CONFIG exports what takes the configuration, int configure(const
// sb_configuration *): 0 accepts it, anything else refuses the module. Without
// it the module cannot be configured.
#define SB_CONFIG(configure) \
	int32_t SB_EXPORT(sb_configure)(uint32_t at, uint32_t len) { \
		static sb_config short_config; \
		const sb_config *head = sb__head(len, SB_MAGIC_CONFIG, &short_config, sizeof(sb_config)); \
		(void)at; \
		if (!head) return 1; \
		sb_configuration c = {sb_text(head->name), sb_text(head->data), sb_text(head->tags)}; \
		return configure(&c); \
	}

// sb_outcome_at returns outcome i, 0 to o->outcomes - 1; one that does not exist
// ends the call.
static inline const sb_outcome *sb_outcome_at(const sb_observation *o, uint32_t i) {
	if (i >= o->outcomes) __builtin_trap();
	return (const sb_outcome *)(sb__first + i * sb__stride);
}

// SB_OBSERVE exports what learns how attempts ended, void learn(const
// sb_observation *). What it learns goes to counters: other instances decide.
#define SB_OBSERVE(learn) \
	void SB_EXPORT(sb_observe)(uint32_t at, uint32_t len) { \
		static sb_observation short_observation; \
		static sb_outcome short_outcomes[SB_MAX_OUTCOMES]; \
		const sb_observation *o = sb__head(len, SB_MAGIC_OBSERVATION, &short_observation, sizeof(sb_observation)); \
		(void)at; \
		if (o && sb__parts(o->outcome_off, o->outcome_size, o->outcomes, short_outcomes, sizeof(sb_outcome), SB_MAX_OUTCOMES)) \
			learn(o); \
	}

#endif // SIGNALBOX_H
