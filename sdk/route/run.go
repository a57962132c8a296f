package route

import (
	"errors"
	"unsafe"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// Config is what an instance is configured with before its first decision.
type Config struct {
	Name string // of the module in the gateway's configuration
	JSON []byte // the module's own configuration, empty if it has none
}

// One instance runs one call at a time, so this is all the memory it needs.
var (
	decide    func(*Request, *Plan)
	configure func(Config) error
	request   Request
	plan      Plan
)

// Handle sets the decision; call it in init.
func Handle(f func(*Request, *Plan)) { decide = f }

// OnConfig sets what reads the configuration; an error refuses the module. Call it in init.
func OnConfig(f func(Config) error) { configure = f }

// Run decides on an encoded record, aligned to 8 bytes, and returns the encoded
// plan, nil when the module declines. The gateway's call ends here, and so may
// an author's test. The bytes are valid until the next Run.
func Run(record []byte) []byte {
	if decide == nil || request.Load(record) != nil {
		return nil
	}
	plan.Reset()
	decide(&request, &plan)
	return plan.Bytes()
}

// Configure gives the module an encoded configuration, aligned to 8 bytes.
func Configure(record []byte) error {
	if configure == nil {
		return nil
	}
	if len(record) < abi.ConfigSize {
		return errors.New("record is not a configuration")
	}
	head := (*abi.Config)(unsafe.Pointer(&record[0]))
	if head.Magic != abi.MagicConfig {
		return errors.New("record is not a configuration")
	}
	r := Request{record: record}
	return configure(Config{Name: r.Text(head.Name), JSON: []byte(r.Text(head.Data))})
}
