package call

import "github.com/signalbox-ai/signalbox/sdk/wire"

// Screen looks into a streamed answer on its way to the caller.
type Screen interface {
	// Events appends what goes to the caller in the place of whole events, which
	// are as the upstream sent them. After an error what was appended still goes,
	// then the error, and nothing else.
	Events(dst, events []byte) ([]byte, *wire.Error)
	// End appends what was held back of an answer that is complete.
	End(dst []byte) ([]byte, *wire.Error)
}

// Verdict sums up what a filter said of a call: equal verdicts are counted.
type Verdict struct {
	Filter   string // by its name in the configuration
	Version  string // name@sha256, shortened; of one that is part of the host its name alone
	Answer   bool   // of the answer; else of the request
	Action   uint8  // by package abi; 0: the filter failed
	Code     uint32 // the filter's own
	Findings uint32
	Count    uint32
}

// maxVerdicts bounds what is kept of a call; more are in the metrics alone.
const maxVerdicts = 32

// Judged counts a verdict.
func (c *Call) Judged(v Verdict) {
	for i := range c.Verdicts {
		was := &c.Verdicts[i]
		if was.Filter == v.Filter && was.Version == v.Version && was.Answer == v.Answer && was.Action == v.Action && was.Code == v.Code {
			was.Findings += v.Findings
			was.Count++
			return
		}
	}
	if len(c.Verdicts) < maxVerdicts {
		v.Count = 1
		c.Verdicts = append(c.Verdicts, v)
	}
}
