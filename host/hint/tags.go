package hint

import (
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Tags reads which tags targets need, and which they must not have. names are
// those of the configuration, sorted, one bit each from the lowest.
func Tags(c *call.Call, names []string) *wire.Error {
	if c.Header == nil {
		return nil
	}
	text := c.Header.Peek(HeaderTags)
	if len(text) == 0 {
		return nil
	}
	for part := range strings.SplitSeq(string(text), ",") {
		name := strings.TrimSpace(part)
		name, denied := strings.CutPrefix(name, "!")
		name = strings.TrimSpace(name)
		if name == "" && !denied {
			continue
		}
		bit, ok := slices.BinarySearch(names, name)
		switch {
		case !ok:
			return unknownTag(name, names)
		case denied:
			c.Wants.DenyTags |= 1 << bit
		default:
			c.Wants.NeedTags |= 1 << bit
		}
	}
	return nil
}

func unknownTag(name string, names []string) *wire.Error {
	known := "no target has any"
	if len(names) > 0 {
		known = "there are " + strings.Join(names, ", ")
	}
	e := wire.Errorf(400, "unknown_tag", "x-signalbox-tags names %q: %s; separate tags by commas, and put ! before those that targets must not have", name, known)
	e.Param = strings.ToLower(HeaderTags)
	return e
}

// Tagged reports whether t's tags are as c wants them.
func Tagged(c *call.Call, t *call.Target) bool {
	w := &c.Wants
	return t.Tags&w.NeedTags == w.NeedTags && t.Tags&w.DenyTags == 0
}

// Untagged says that policy allows none of the targets that are tagged as c
// wants them.
func Untagged(c *call.Call) *wire.Error {
	e := wire.Errorf(400, "no_target_tagged", "no target of model %q that policy allows has the tags that x-signalbox-tags asks for", c.Model.Name)
	e.Param = strings.ToLower(HeaderTags)
	return e
}
