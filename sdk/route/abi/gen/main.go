// Gen writes the Rust crate's layout from package abi's structs.
package main

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/route/abi"
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

// Layout is the text of layout.rs.
func Layout() []byte {
	var b bytes.Buffer
	b.WriteString("// Generated from sdk/route/abi by `go generate`; do not edit.\n\n")
	for _, c := range []struct {
		name  string
		value uint32
	}{
		{"ABI", abi.Version}, {"MAGIC_REQUEST", abi.MagicRequest}, {"MAGIC_PLAN", abi.MagicPlan},
		{"MAGIC_CONFIG", abi.MagicConfig}, {"MAX_TARGETS", abi.MaxTargets}, {"MAX_REASON", abi.MaxReason},
		{"CIRCUIT_OPEN", abi.CircuitOpen},
	} {
		fmt.Fprintf(&b, "pub const %s: u32 = %#x;\n", c.name, c.value)
	}
	for _, v := range []any{abi.Str{}, abi.Request{}, abi.Target{}, abi.Plan{}, abi.Attempt{}, abi.Config{}} {
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
