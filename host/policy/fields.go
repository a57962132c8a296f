package policy

import (
	"cmp"
	"slices"
	"strings"
)

// fieldID is one leaf of the input. The schema in policies/schemas/input.json
// describes the same leaves; a test compares the two.
type fieldID uint8

const (
	fieldVersion fieldID = iota
	fieldKeyID
	fieldKeyName
	fieldOrg
	fieldProject
	fieldTeam
	fieldUser
	fieldRoles
	fieldEnv
	fieldAuth
	fieldAttrs
	fieldIP
	fieldZones
	fieldTLS
	fieldDay
	fieldWeekday
	fieldHour
	fieldMinute
	fieldTZ
	fieldOp
	fieldMethod
	fieldPath
	fieldModel
	fieldPipeline
	fieldDataClass
	fieldModalitiesIn
	fieldModalitiesOut
	fieldTools
	fieldToolServer
	fieldToolName
	fieldStream
	fieldMaxTokens
	fieldInputSize
	fieldPriority
	fieldCallID
	fieldUnixMS
	fieldEstInputTokens
	fieldHeaders
	numFields
)

// leaf describes a field: where it lies in the input, how it behaves in keys,
// and how it is read. Exactly one of text, number, flag and list is set, or
// none for an open leaf. Keys and the input document are both made from what
// these return, so that they cannot differ.
type leaf struct {
	path     []string
	constant bool // the same for every request of a snapshot: never part of a key
	volatile bool // differs in nearly every request: a unit that reads it is not remembered
	open     bool // an object whose members the schema does not name

	text   func(*reader) string
	number func(*reader) int64
	flag   func(*reader) bool
	list   func(*reader) names
}

var leaves = [numFields]leaf{
	fieldVersion:        {path: at("v"), constant: true, number: func(*reader) int64 { return 1 }},
	fieldKeyID:          {path: at("principal.key_id"), text: func(r *reader) string { return r.call.Principal.KeyID }},
	fieldKeyName:        {path: at("principal.key_name"), text: func(r *reader) string { return r.call.Principal.KeyName }},
	fieldOrg:            {path: at("principal.org"), text: func(r *reader) string { return r.call.Principal.Org }},
	fieldProject:        {path: at("principal.project"), text: func(r *reader) string { return r.call.Principal.Project }},
	fieldTeam:           {path: at("principal.team"), text: func(r *reader) string { return r.call.Principal.Team }},
	fieldUser:           {path: at("principal.user"), text: func(r *reader) string { return r.call.Principal.User }},
	fieldRoles:          {path: at("principal.roles"), list: func(r *reader) names { return names{list: r.call.Principal.Roles} }},
	fieldEnv:            {path: at("principal.env"), text: func(r *reader) string { return r.call.Principal.Env }},
	fieldAuth:           {path: at("principal.auth"), text: (*reader).auth},
	fieldAttrs:          {path: at("principal.attrs"), open: true},
	fieldIP:             {path: at("net.ip"), text: (*reader).address},
	fieldZones:          {path: at("net.zones"), list: func(r *reader) names { return r.env.zones.find(plainAddr(r.call.Remote)) }},
	fieldTLS:            {path: at("net.tls"), flag: func(r *reader) bool { return r.call.TLS }},
	fieldDay:            {path: at("time.day"), number: func(r *reader) int64 { return r.now().day }},
	fieldWeekday:        {path: at("time.weekday"), text: func(r *reader) string { return weekdays[r.now().weekday] }},
	fieldHour:           {path: at("time.hour"), number: func(r *reader) int64 { return r.now().hour }},
	fieldMinute:         {path: at("time.minute"), number: func(r *reader) int64 { return r.now().minute }},
	fieldTZ:             {path: at("time.tz"), constant: true, text: func(r *reader) string { return r.env.location.String() }},
	fieldOp:             {path: at("request.op"), text: func(r *reader) string { return r.call.Op.String() }},
	fieldMethod:         {path: at("request.method"), text: (*reader).method},
	fieldPath:           {path: at("request.path"), text: (*reader).path},
	fieldModel:          {path: at("request.model"), text: (*reader).model},
	fieldPipeline:       {path: at("request.pipeline"), constant: true, text: func(*reader) string { return "" }},
	fieldDataClass:      {path: at("request.data_class"), text: (*reader).dataClass},
	fieldModalitiesIn:   {path: at("request.modalities.in"), list: (*reader).modalitiesIn},
	fieldModalitiesOut:  {path: at("request.modalities.out"), list: (*reader).modalitiesOut},
	fieldTools:          {path: at("request.tools"), list: (*reader).sortedTools},
	fieldToolServer:     {path: at("request.tool.server"), text: func(r *reader) string { server, _ := r.tool(); return server }},
	fieldToolName:       {path: at("request.tool.name"), text: func(r *reader) string { _, name := r.tool(); return name }},
	fieldStream:         {path: at("request.stream"), flag: func(r *reader) bool { return r.call.Facts.Stream }},
	fieldMaxTokens:      {path: at("request.max_tokens"), number: func(r *reader) int64 { return roundTokens(r.call.Facts.MaxTokens) }},
	fieldInputSize:      {path: at("request.input_size"), text: func(r *reader) string { return sizeBucket(r.call.Facts.Size) }},
	fieldPriority:       {path: at("request.priority"), text: func(r *reader) string { return cmp.Or(r.call.Priority, "normal") }},
	fieldCallID:         {path: at("call.id"), volatile: true, text: (*reader).callID},
	fieldUnixMS:         {path: at("call.unix_ms"), volatile: true, number: func(r *reader) int64 { return r.call.Received.UnixMilli() }},
	fieldEstInputTokens: {path: at("call.est_input_tokens"), volatile: true, number: func(r *reader) int64 { return int64(r.call.Facts.Size+3) / 4 }},
	fieldHeaders:        {path: at("call.headers"), volatile: true, open: true},
}

func at(path string) []string { return strings.Split(path, ".") }

// field is a leaf, or one member of an open leaf if name is set.
type field struct {
	id   fieldID
	name string
}

// String returns the field as a policy writes it.
func (f field) String() string {
	s := "input." + strings.Join(leaves[f.id].path, ".")
	if f.name != "" {
		s += "." + f.name
	}
	return s
}

func compareFields(a, b field) int {
	if a.id != b.id {
		return int(a.id) - int(b.id)
	}
	return strings.Compare(a.name, b.name)
}

// fieldsUnder lists every field that a reference with the given constant
// prefix (without "input" itself) can read: the leaves below it, or the leaf
// that it reaches into. A path outside the schema is undefined for every
// request and reads nothing.
func fieldsUnder(prefix []string) []field {
	var out []field
	for id := range numFields {
		l := &leaves[id]
		switch {
		case hasPrefix(l.path, prefix):
			out = append(out, field{id: id})
		case hasPrefix(prefix, l.path):
			f := field{id: id}
			if l.open {
				f.name = prefix[len(l.path)]
			}
			out = append(out, f)
		}
	}
	return out
}

func hasPrefix(path, prefix []string) bool {
	return len(path) >= len(prefix) && slices.Equal(path[:len(prefix)], prefix)
}
