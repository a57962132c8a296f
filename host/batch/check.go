package batch

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Fault is why a batch failed, by OpenAI's shape.
type Fault struct {
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Param   *string `json:"param"`
	Line    *int    `json:"line"`
}

// maxFaults is how many faults of one file are told.
const maxFaults = 100

// task is a line of an input file.
type task struct {
	ID     string          `json:"custom_id"`
	Method string          `json:"method"`
	URL    string          `json:"url"`
	Body   json.RawMessage `json:"body"`
}

// maxID is how long a custom_id may be.
const maxID = 512

// lines reads a file line by line, each with where it ends; no more of one is
// held than may be.
type lines struct {
	r    *bufio.Reader
	max  int
	buf  []byte
	at   int64 // bytes read so far
	long bool  // the line is longer than it may be; it was passed over
}

func newLines(r io.Reader, longest int) *lines {
	return &lines{r: bufio.NewReaderSize(r, 64<<10), max: longest}
}

// bom is what some editors put before a text, and before each of texts that
// were joined.
var bom = []byte("\ufeff")

// next returns the next line without its end, io.EOF: there is none. It is
// valid until the line after it is read.
func (l *lines) next() ([]byte, error) {
	l.buf, l.long = l.buf[:0], false
	for {
		part, err := l.r.ReadSlice('\n')
		l.at += int64(len(part))
		if len(l.buf)+len(part) > l.max+2 { // CR and LF
			l.long = true
		} else {
			l.buf = append(l.buf, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(part) == 0 && len(l.buf) == 0 && !l.long:
			return nil, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		}
		return bytes.TrimRight(bytes.TrimPrefix(l.buf, bom), "\r\n"), nil
	}
}

// checker looks through an input file.
type checker struct {
	endpoint *Endpoint
	opt      Options
	model    func(name string) *Fault // what is wrong with a model
	add      func(call.Chunk) error   // a chunk that is full, or the last one

	seen   map[[16]byte]struct{} // hashes of the ids
	models map[string]*Fault
	faults []Fault
	chunk  call.Chunk
	count  int // of requests
}

func newChecker(e *Endpoint, opt *Options, model func(string) *Fault) *checker {
	return &checker{endpoint: e, opt: *opt, model: model, seen: map[[16]byte]struct{}{}, models: map[string]*Fault{}}
}

// check reads the whole file. Faults are those of the file; an error is one of
// reading it.
func (k *checker) check(r io.Reader, batch string) (count int, faults []Fault, err error) {
	k.chunk.Batch, k.chunk.First = batch, 1
	l := newLines(r, k.opt.MaxLine)
	for n := 1; len(k.faults) < maxFaults; n++ {
		text, err := l.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, nil, err
		}
		if len(bytes.TrimSpace(text)) == 0 && !l.long {
			continue
		}
		if k.count++; k.count > k.opt.MaxLines {
			k.fault(0, "too_many_tasks", "", fmt.Sprintf("The input file has more than %d requests: split it.", k.opt.MaxLines))
			break
		}
		k.line(n, text, l.long)
		if len(k.faults) == 0 {
			if err := k.grow(n, l.at); err != nil {
				return 0, nil, err
			}
		}
	}
	if k.count == 0 && len(k.faults) == 0 {
		k.fault(0, "empty_file", "", "The input file is empty. Please ensure that the batch contains at least one request.")
	}
	if len(k.faults) == 0 {
		err = k.flush()
	}
	return k.count, k.faults, err
}

// grow adds line n, which ends at byte at, to the open chunk.
func (k *checker) grow(n int, at int64) error {
	k.chunk.Lines, k.chunk.To = n-k.chunk.First+1, at
	if k.count%k.opt.Chunk != 0 {
		return nil
	}
	return k.flush()
}

func (k *checker) flush() error {
	if k.chunk.Lines == 0 {
		return nil
	}
	c := &k.chunk
	err := k.add(*c)
	c.Number, c.First, c.Lines, c.From = c.Number+1, c.First+c.Lines, 0, c.To
	return err
}

func (k *checker) fault(line int, code, param, message string) {
	f := Fault{Code: code, Message: message}
	if param != "" {
		f.Param = &param
	}
	if line > 0 {
		f.Line = &line
	}
	k.faults = append(k.faults, f)
}

// line looks at one request.
func (k *checker) line(n int, text []byte, long bool) {
	if long {
		k.fault(n, "line_too_long", "", fmt.Sprintf("This line is longer than %d bytes.", k.opt.MaxLine))
		return
	}
	var t task
	if err := json.Unmarshal(text, &t); err != nil {
		k.fault(n, "invalid_json_line", "", "This line is not parseable as valid JSON.")
		return
	}
	switch {
	case t.ID == "":
		k.fault(n, "missing_required_parameter", "custom_id", "Missing required parameter: 'custom_id'.")
	case len(t.ID) > maxID:
		k.fault(n, "invalid_custom_id", "custom_id", fmt.Sprintf("The custom_id is longer than %d bytes.", maxID))
	case t.Method != "POST":
		k.fault(n, "invalid_method", "method", "The method of this request must be POST.")
	case t.URL != k.endpoint.Path:
		k.fault(n, "invalid_url", "url", fmt.Sprintf("The URL provided for this request does not match the batch endpoint %s.", k.endpoint.Path))
	default:
		k.body(n, t.Body)
	}
	if t.ID == "" {
		return
	}
	full := sha256.Sum256([]byte(t.ID))
	sum := [16]byte(full[:16])
	if _, twice := k.seen[sum]; twice {
		k.fault(n, "duplicate_custom_id", "custom_id", "The custom_id for this request is a duplicate of another request. The custom_id parameter must be unique for each request in a batch.")
	}
	k.seen[sum] = struct{}{}
}

// body looks at what is to be sent.
func (k *checker) body(n int, body json.RawMessage) {
	var b struct {
		Model  *string `json:"model"`
		Stream bool    `json:"stream"`
	}
	if len(body) == 0 || body[0] != '{' || json.Unmarshal(body, &b) != nil {
		k.fault(n, "invalid_body", "body", "The body of this request must be an object with a model.")
		return
	}
	if b.Stream {
		k.fault(n, "invalid_body", "body.stream", "Requests of a batch cannot be streamed: leave stream out.")
		return
	}
	name := ""
	if b.Model != nil {
		name = *b.Model
	}
	f, ok := k.models[name]
	if !ok {
		f = k.model(name)
		k.models[name] = f
	}
	if f != nil {
		k.fault(n, f.Code, "body.model", f.Message)
	}
}
