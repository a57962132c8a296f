// Mask hides numbers: of five digits and more in a row it shows the last four.
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags="-s -w" -o mask.wasm ./examples/filters/mask
package main

import "github.com/signalbox-ai/signalbox/sdk/filter"

func init() { filter.Handle(mask) }

func main() {}

const shown = 4

func mask(w *filter.Window, v *filter.Verdict) {
	text := w.Text()
	done, end := 0, len(text) // written so far, to be settled
	for i := 0; i < len(text); {
		if text[i]-'0' > 9 {
			i++
			continue
		}
		from := i
		for i < len(text) && text[i]-'0' <= 9 {
			i++
		}
		if i == len(text) && !w.Final() {
			end = max(from, i-shown) // more digits may follow: the last four wait for them
		}
		if hidden := i - from - shown; hidden > 0 {
			v.Write(text[done:from])
			v.Fill('*', hidden)
			v.Findings += uint32(hidden)
			done = from + hidden
		}
	}
	switch {
	case v.Findings > 0:
		v.Write(text[done:end])
		v.Because("digits hidden")
		v.Replace(end)
	case end == 0 && len(text) > 0:
		v.More()
	default:
		v.Pass(end)
	}
}
