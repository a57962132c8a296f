package batch

import (
	"strconv"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
)

// label is the custom_id that a provider gets: it says of a result, wherever it
// is read, which line it is of, who pays, and the row that it has in the ledger.
type label struct {
	n, group int
	id       call.ID
	custom   string
}

// String is n.group.id/custom.
func (m label) String() string {
	return strconv.Itoa(m.n) + "." + strconv.Itoa(m.group) + "." + m.id.String() + "/" + m.custom
}

func parseLabel(s string) (m label, ok bool) {
	head, custom, ok := strings.Cut(s, "/")
	if !ok {
		return m, false
	}
	m, ok = parseHead(head, ".")
	m.custom = custom
	return m, ok
}

// short is n-group-id-tag, for those who take few bytes and no others than
// these: the tag says which batch it is of, and custom is left out.
func (m label) short(tag string) string {
	return strconv.Itoa(m.n) + "-" + strconv.Itoa(m.group) + "-" + m.id.String() + "-" + tag
}

func parseShort(s, tag string) (m label, ok bool) {
	head, ok := strings.CutSuffix(s, "-"+tag)
	if !ok {
		return m, false
	}
	return parseHead(head, "-")
}

func parseHead(s, by string) (m label, ok bool) {
	line, rest, _ := strings.Cut(s, by)
	group, id, _ := strings.Cut(rest, by)
	m.n, ok = whole(line)
	if ok {
		m.group, ok = whole(group)
	}
	if ok {
		m.id, ok = call.ParseID(id)
	}
	return m, ok
}

// whole reads a number as it is written, and no other way.
func whole(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n <= 1<<31 && strconv.Itoa(n) == s
}
