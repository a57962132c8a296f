package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// request is what a request says, as far as the mock cares. Its bytes are
// valid until the next one is read.
type request struct {
	path   string
	model  []byte
	stream bool
	usage  bool // the stream shall report usage
	body   []byte

	account string // the credential that arrived
	// fault is why the request may not be answered: a credential of the caller
	// that should have been left behind, or the provider's that is missing.
	fault string
}

const (
	headSize = 16 << 10 // a gateway's head is far below it
	maxBody  = 1 << 20
)

// reader reads requests from a keep-alive connection.
type reader struct {
	buf  *bufio.Reader
	body []byte
}

func newReader(r io.Reader) *reader { return &reader{buf: bufio.NewReaderSize(r, headSize)} }

func (r *reader) next() (*request, error) {
	q := &request{}
	length, err := r.head(q)
	if err != nil {
		return nil, err
	}
	if length > maxBody {
		return nil, fmt.Errorf("a body of %d bytes is beyond what the mock takes", length)
	}
	if cap(r.body) < length {
		r.body = make([]byte, length)
	}
	q.body = r.body[:length]
	if _, err := io.ReadFull(r.buf, q.body); err != nil {
		return nil, err
	}
	q.model = textMember(q.body, `"model":`)
	q.stream = bytes.Contains(q.body, []byte(`"stream":true`)) || bytes.Contains(q.body, []byte(`"stream": true`))
	q.usage = bytes.Contains(q.body, []byte(`"include_usage":true`)) || bytes.Contains(q.body, []byte(`"include_usage": true`))
	return q, nil
}

// head reads the request line and the headers and returns the body's length.
func (r *reader) head(q *request) (length int, err error) {
	line, err := r.line()
	if err != nil {
		return 0, err
	}
	parts := bytes.SplitN(line, []byte(" "), 3)
	if len(parts) != 3 {
		return 0, errors.New("not a request line")
	}
	q.path = string(parts[1])
	own := 0
	for {
		line, err := r.line()
		if err != nil {
			return 0, err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case is(name, "content-length"):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return 0, errors.New("content-length is not a number")
			}
		case is(name, "transfer-encoding"):
			return 0, errors.New("the mock takes bodies with a length only")
		case is(name, "authorization"):
			own += q.credential("authorization", bytes.TrimPrefix(value, []byte("Bearer ")))
		case is(name, "x-api-key"):
			own += q.credential("x-api-key", value)
		case is(name, "x-goog-api-key"), is(name, "api-key"), is(name, "cookie"), is(name, "proxy-authorization"):
			q.fault = fmt.Sprintf("header %s of the caller arrived", bytes.ToLower(name))
		}
	}
	if q.fault == "" && own != 1 && length > 0 {
		q.fault = fmt.Sprintf("the provider's credential arrived %d times", own)
	}
	return length, nil
}

// credential counts one that is the provider's and remembers any other.
func (q *request) credential(header string, value []byte) int {
	if c := string(value); c == GatewayCredential || c == BaselineCredential {
		q.account = c
		return 1
	}
	q.fault = fmt.Sprintf("header %s holds another credential than the provider's", header)
	return 0
}

func (r *reader) line() ([]byte, error) {
	line, err := r.buf.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

func is(name []byte, lower string) bool {
	return len(name) == len(lower) && bytes.EqualFold(name, []byte(lower))
}

// textMember is the text after name, which is taken for a member's wherever it
// stands: the suite's own prompts do not hold it.
func textMember(body []byte, name string) []byte {
	at := bytes.Index(body, []byte(name))
	if at < 0 {
		return nil
	}
	rest := bytes.TrimLeft(body[at+len(name):], " ")
	if len(rest) == 0 || rest[0] != '"' {
		return nil
	}
	end := bytes.IndexByte(rest[1:], '"')
	if end < 0 {
		return nil
	}
	return rest[1 : 1+end]
}
