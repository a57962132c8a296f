package wasm

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/signalbox-ai/signalbox/sdk/module"
)

// hostCall is a function of module "sb": its signature, what it does, and the
// grant that it takes.
type hostCall struct {
	params, results string // letters as of wasiCall, F is f64
	do              func(*Instance, []uint64)
	grant           string
}

var hostCalls = map[string]hostCall{
	"log":         {"iii", "", hostLog, module.Log},
	"counter_add": {"iI", "I", hostCounterAdd, module.Counters},
	"metric":      {"iF", "", hostMetric, module.Metrics},
}

const (
	hostModule = "sb"
	wasiModule = "wasi_snapshot_preview1"
)

// types spells a signature out.
func types(letters string) []api.ValueType {
	out := make([]api.ValueType, len(letters))
	for i, c := range letters {
		out[i] = map[rune]api.ValueType{'i': api.ValueTypeI32, 'I': api.ValueTypeI64, 'F': api.ValueTypeF64}[c]
	}
	return out
}

// checkImports finds what the host does not offer, or the manifest not grant,
// before anything runs.
func checkImports(c wazero.CompiledModule, m *module.Manifest) error {
	for _, def := range c.ImportedFunctions() {
		from, name, _ := def.Import()
		params, results, err := imported(from, name, m)
		if err != nil {
			return err
		}
		if !bytes.Equal(def.ParamTypes(), types(params)) || !bytes.Equal(def.ResultTypes(), types(results)) {
			return fmt.Errorf("it imports %s.%s with another signature than the host's: build it with the SDK of %s", from, name, module.ABI)
		}
	}
	return nil
}

// imported is the signature of what a module imports.
func imported(from, name string, m *module.Manifest) (params, results string, err error) {
	switch from {
	case hostModule:
		call, ok := hostCalls[name]
		if !ok {
			return "", "", fmt.Errorf("it imports %s.%s, which the host does not offer: there are %s.log, %s.counter_add and %s.metric", from, name, from, from, from)
		}
		if !m.Granted(call.grant) {
			return "", "", fmt.Errorf("it imports %s.%s, which its manifest does not grant: write \"grants\": [%s]", from, name, grants(m, call.grant))
		}
		return call.params, call.results, nil
	case wasiModule:
		if call, ok := wasi[name]; ok {
			return call.params, "i", nil
		}
		if name == "proc_exit" {
			return "i", "", nil
		}
		return "", "", fmt.Errorf("it imports %s.%s, which is not of WASI preview 1", from, name)
	}
	return "", "", fmt.Errorf("it imports %s.%s: a module gets functions of %s and %s alone; link what it needs into it", from, name, hostModule, wasiModule)
}

// grants lists what a manifest would have to grant, in JSON.
func grants(m *module.Manifest, more string) string {
	list := append(append([]string(nil), m.Grants...), more)
	return `"` + strings.Join(list, `", "`) + `"`
}
