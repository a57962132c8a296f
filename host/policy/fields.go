package policy

import (
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
	fieldModel
	fieldPipeline
	fieldDataClass
	fieldModalitiesIn
	fieldModalitiesOut
	fieldTools
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

// leaf describes a field: where it lies in the input and how it behaves in keys.
type leaf struct {
	path     []string
	constant bool // the same for every request of a snapshot: never part of a key
	volatile bool // differs in nearly every request: a unit that reads it is not remembered
	open     bool // an object whose members the schema does not name
}

var leaves = [numFields]leaf{
	fieldVersion:        {path: at("v"), constant: true},
	fieldKeyID:          {path: at("principal.key_id")},
	fieldKeyName:        {path: at("principal.key_name")},
	fieldOrg:            {path: at("principal.org")},
	fieldProject:        {path: at("principal.project")},
	fieldTeam:           {path: at("principal.team")},
	fieldUser:           {path: at("principal.user")},
	fieldRoles:          {path: at("principal.roles")},
	fieldEnv:            {path: at("principal.env")},
	fieldAuth:           {path: at("principal.auth"), constant: true},
	fieldAttrs:          {path: at("principal.attrs"), open: true},
	fieldIP:             {path: at("net.ip")},
	fieldZones:          {path: at("net.zones")},
	fieldTLS:            {path: at("net.tls")},
	fieldDay:            {path: at("time.day")},
	fieldWeekday:        {path: at("time.weekday")},
	fieldHour:           {path: at("time.hour")},
	fieldMinute:         {path: at("time.minute")},
	fieldTZ:             {path: at("time.tz"), constant: true},
	fieldOp:             {path: at("request.op")},
	fieldModel:          {path: at("request.model")},
	fieldPipeline:       {path: at("request.pipeline"), constant: true},
	fieldDataClass:      {path: at("request.data_class"), constant: true},
	fieldModalitiesIn:   {path: at("request.modalities.in")},
	fieldModalitiesOut:  {path: at("request.modalities.out")},
	fieldTools:          {path: at("request.tools")},
	fieldStream:         {path: at("request.stream")},
	fieldMaxTokens:      {path: at("request.max_tokens")},
	fieldInputSize:      {path: at("request.input_size")},
	fieldPriority:       {path: at("request.priority"), constant: true},
	fieldCallID:         {path: at("call.id"), volatile: true},
	fieldUnixMS:         {path: at("call.unix_ms"), volatile: true},
	fieldEstInputTokens: {path: at("call.est_input_tokens"), volatile: true},
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
