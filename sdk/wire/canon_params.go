package wire

// param is a parameter that some dialects have and others lack. A reader gives
// what its caller asked for; a writer takes what its upstream has a form for;
// what nobody took is reported as dropped.
type param uint8

const (
	seedParam             param = iota // a whole number
	frequencyPenaltyParam              // a number
	presencePenaltyParam               // a number
	logprobsParam                      // a boolean
	topLogprobsParam                   // a whole number
	answersParam                       // how many candidates: a whole number above 1, refused where it cannot be carried
	metadataParam                      // an object of strings
	detailParam                        // anything: some image has a detail
	verbosityParam                     // a string: low, medium, high
	cacheKeyParam                      // a string: prompts with the same key share a cache
	cacheRetentionParam                // a string
	storeParam                         // a boolean
	numParams
)

// given is a parameter as the caller gave it.
type given struct {
	value []byte // JSON
	asked string // the caller's name of it
	taken bool
}

// give sets a parameter; nil and null are none.
func (q *request) give(p param, asked string, value []byte) {
	if value != nil && string(value) != "null" {
		q.params[p] = given{value: value, asked: asked}
	}
}

// take is the value of a parameter, nil: not given. It counts as carried.
func (q *request) take(p param) []byte {
	q.params[p].taken = true
	return q.params[p].value
}

// appendParam appends `,"name":value` if p is given.
func (q *request) appendParam(dst []byte, name string, p param) []byte {
	return appendJSON(dst, name, q.take(p))
}

// refuse is for what must not be dropped: the request fails. The first counts.
func (q *request) refuse(name, code, format string, args ...any) {
	if q.err == nil {
		q.err = Errorf(400, code, format, args...)
		q.err.Param = name
	}
}

// settle reports what nobody took.
func (q *request) settle() *Error {
	for p := range q.params {
		g := &q.params[p]
		switch {
		case g.taken || g.value == nil:
		case param(p) == answersParam:
			q.refuse(g.asked, "unsupported_value", "%s is %s, and this model's API gives one answer a request: send 1, or several requests", g.asked, g.value)
		case param(p) == seedParam || !isIdle(g.value):
			q.drop(g.asked)
		}
	}
	return q.err
}
