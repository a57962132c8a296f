// Gen writes the Rust crate's layout from package abi's structs.
package main

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], Layout(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var rustTypes = map[reflect.Kind]string{
	reflect.Uint16: "u16", reflect.Uint32: "u32", reflect.Int32: "i32",
	reflect.Uint64: "u64", reflect.Int64: "i64", reflect.Float64: "f64",
}

var structs = []any{abi.Str{}, abi.Config{}, abi.Request{}, abi.Target{}, abi.Plan{}, abi.Attempt{},
	abi.Window{}, abi.Verdict{}, abi.Observation{}, abi.Outcome{}}

var constants = []struct {
	name  string
	value uint32
}{
	{"ABI", abi.Version}, {"MAGIC_REQUEST", abi.MagicRequest}, {"MAGIC_PLAN", abi.MagicPlan}, {"MAGIC_CONFIG", abi.MagicConfig},
	{"MAGIC_WINDOW", abi.MagicWindow}, {"MAGIC_VERDICT", abi.MagicVerdict}, {"MAGIC_OBSERVATION", abi.MagicObservation},
	{"MAX_TARGETS", abi.MaxTargets}, {"MAX_REASON", abi.MaxReason}, {"MAX_HOST_RESULTS", abi.MaxHostResults},
	{"MAX_WINDOW", abi.MaxWindow}, {"MAX_OUTPUT", abi.MaxOutput}, {"MAX_STATE", abi.MaxState}, {"MAX_OUTCOMES", abi.MaxOutcomes},
	{"FLAG_STREAM", abi.FlagStream}, {"FLAG_TOOLS", abi.FlagTools}, {"FLAG_IMAGES", abi.FlagImages},
	{"FLAG_AUDIO", abi.FlagAudio}, {"FLAG_FILES", abi.FlagFiles}, {"FLAG_CACHE_CONTROL", abi.FlagCacheControl},
	{"KIND_UNKNOWN", abi.KindUnknown}, {"KIND_CHAT", abi.KindChat}, {"KIND_EMBEDDINGS", abi.KindEmbeddings},
	{"CIRCUIT_CLOSED", abi.CircuitClosed}, {"CIRCUIT_HALF_OPEN", abi.CircuitHalfOpen}, {"CIRCUIT_OPEN", abi.CircuitOpen},
	{"OBJECTIVE_NONE", abi.ObjectiveNone}, {"OBJECTIVE_COST", abi.ObjectiveCost},
	{"OBJECTIVE_LATENCY", abi.ObjectiveLatency}, {"OBJECTIVE_QUALITY", abi.ObjectiveQuality},
	{"ERROR_NONE", abi.ErrorNone}, {"ERROR_INVALID", abi.ErrorInvalid}, {"ERROR_AUTH", abi.ErrorAuth},
	{"ERROR_RATE_LIMIT", abi.ErrorRateLimit}, {"ERROR_QUOTA", abi.ErrorQuota}, {"ERROR_OVERLOADED", abi.ErrorOverloaded},
	{"ERROR_SERVER", abi.ErrorServer}, {"ERROR_TIMEOUT", abi.ErrorTimeout}, {"ERROR_NETWORK", abi.ErrorNetwork},
	{"ERROR_CONTEXT_LENGTH", abi.ErrorContextLength}, {"ERROR_MODEL_NOT_FOUND", abi.ErrorModelNotFound},
	{"ERROR_CONTENT_FILTER", abi.ErrorContentFilter}, {"ERROR_POLICY", abi.ErrorPolicy},
	{"WINDOW_FIRST", abi.WindowFirst}, {"WINDOW_FINAL", abi.WindowFinal},
	{"CHANNEL_UNKNOWN", abi.ChannelUnknown}, {"CHANNEL_SYSTEM", abi.ChannelSystem}, {"CHANNEL_USER", abi.ChannelUser},
	{"CHANNEL_ASSISTANT", abi.ChannelAssistant}, {"CHANNEL_TOOL_RESULT", abi.ChannelToolResult},
	{"CHANNEL_ANSWER", abi.ChannelAnswer}, {"CHANNEL_REASONING", abi.ChannelReasoning},
	{"CHANNEL_TOOL_ARGUMENTS", abi.ChannelToolArguments},
	{"ACTION_PASS", abi.ActionPass}, {"ACTION_REPLACE", abi.ActionReplace}, {"ACTION_BLOCK", abi.ActionBlock},
	{"ACTION_MORE", abi.ActionMore}, {"ACTION_ESCALATE", abi.ActionEscalate},
	{"OUTCOME_STREAM", abi.OutcomeStream}, {"OUTCOME_HEDGE", abi.OutcomeHedge}, {"OUTCOME_LOST", abi.OutcomeLost},
}

// Layout is the text of layout.rs.
func Layout() []byte {
	var b bytes.Buffer
	b.WriteString("// Generated from sdk/abi by `go generate`; do not edit.\n\n")
	for _, c := range constants {
		fmt.Fprintf(&b, "pub const %s: u32 = %#x;\n", c.name, c.value)
	}
	for _, v := range structs {
		writeStruct(&b, reflect.TypeOf(v))
	}
	return b.Bytes()
}

func writeStruct(b *bytes.Buffer, t reflect.Type) {
	fmt.Fprintf(b, "\n#[repr(C)]\n#[derive(Clone, Copy)]\npub struct %s {\n", t.Name())
	for i := range t.NumField() {
		f := t.Field(i)
		kind := rustTypes[f.Type.Kind()]
		if f.Type.Kind() == reflect.Struct {
			kind = f.Type.Name()
		}
		fmt.Fprintf(b, "    pub %s: %s, // at %d\n", snake(f.Name), kind, f.Offset)
	}
	fmt.Fprintf(b, "}\nconst _: [(); %d] = [(); core::mem::size_of::<%s>()];\n", t.Size(), t.Name())
}

// snake writes a Go name as Rust does: RetryAfterMS is retry_after_ms.
func snake(name string) string {
	var b strings.Builder
	upper := func(i int) bool { return i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
	for i := range len(name) {
		if i > 0 && upper(i) && (!upper(i-1) || i+1 < len(name) && !upper(i+1)) {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToLower(name[i : i+1]))
	}
	return b.String()
}
