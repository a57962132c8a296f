package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// assemble writes a routing module to FILE: "assemble FILE 1 0" tries target 1,
// then 0; "assemble FILE trap" traps.
func assemble(ts *testscript.TestScript, _ bool, args []string) {
	const at, buffer = 512, 1024
	m := &wasmtest.Module{}
	m.Memory(1)
	m.Func("sb_abi", "", "i", "", 0x41, wasmtest.S(abi.Version))
	m.Func("sb_buf", "i", "I", "", 0x42, wasmtest.S(buffer<<32|32<<10))
	if args[1] == "trap" {
		m.Func("sb_route", "ii", "I", "", 0x00)
	} else {
		plan := make([]byte, abi.PlanSize, abi.PlanSize+len(args)*abi.AttemptSize)
		le := binary.LittleEndian
		le.PutUint32(plan, abi.MagicPlan)
		le.PutUint16(plan[6:], uint16(abi.PlanSize))
		le.PutUint32(plan[8:], uint32(len(args)-1))
		le.PutUint32(plan[12:], uint32(abi.AttemptSize))
		for _, arg := range args[1:] {
			target, err := strconv.Atoi(arg)
			ts.Check(err)
			attempt := make([]byte, abi.AttemptSize)
			le.PutUint32(attempt, uint32(target))
			plan = append(plan, attempt...)
		}
		m.Data(at, string(plan))
		m.Func("sb_route", "ii", "I", "", 0x42, wasmtest.S(int64(at)<<32|int64(len(plan))))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), m.Bytes(), 0o644))
}

// times repeats a post: "times N KEYFILE MODEL TEXT", and prints which targets
// and which versions served how many.
func times(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	served, failed, last := map[string]int{}, 0, ""
	for range n {
		status, header, answer := send(ts, args[1:])
		if status != 200 {
			last = string(answer)
			failed++
			continue
		}
		served["model "+header.Get("X-Signalbox-Provider")+"/"+header.Get("X-Signalbox-Model")]++
		served["route "+header.Get("X-Signalbox-Route")]++
	}
	for _, what := range sorted(served) {
		fmt.Fprintf(ts.Stdout(), "%s %d\n", strings.TrimSpace(what), served[what])
	}
	fmt.Fprintf(ts.Stdout(), "failed %d\n", failed)
	if (failed == 0) == neg {
		ts.Fatalf("%d of %d failed: %s", failed, n, last)
	}
}
