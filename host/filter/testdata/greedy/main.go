// Command greedy is a filter for tests that holds back all it can.
package main

import "github.com/signalbox-ai/signalbox/sdk/filter"

func init() { filter.Handle(look) }

func main() {}

func look(w *filter.Window, v *filter.Verdict) {
	if w.Waits() {
		v.More()
		return
	}
	v.Pass(len(w.Text()))
}
