package upstream

import (
	"encoding/json"
	"slices"
	"sync"

	"github.com/valyala/fasthttp"
)

// maxFaults bounds how many faults are kept in words.
const maxFaults = 8

// Usage is a number of tokens. Cached is a part of Input.
type Usage struct {
	Input  int64 `json:"input"`
	Cached int64 `json:"cached"`
	Output int64 `json:"output"`
}

// Bill is what an upstream would charge one account.
type Bill struct {
	Requests int64 `json:"requests"`
	Usage
	// Unreported counts streams whose usage nobody asked for.
	Unreported int64 `json:"unreported"`
}

// Statement is all that the upstream has to say.
type Statement struct {
	Gateway  Bill  `json:"gateway"`
	Baseline Bill  `json:"baseline"`
	Faults   int64 `json:"faults"`
	// Seen holds the first faults in words.
	Seen []string `json:"seen,omitempty"`
}

type bills struct {
	mu sync.Mutex
	Statement
}

func (b *bills) charge(account string, u Usage, reported bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	bill := &b.Gateway
	if account == BaselineCredential {
		bill = &b.Baseline
	}
	bill.Requests++
	bill.Input += u.Input
	bill.Cached += u.Cached
	bill.Output += u.Output
	if !reported {
		bill.Unreported++
	}
}

func (b *bills) fault(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Faults++
	if len(b.Seen) < maxFaults {
		b.Seen = append(b.Seen, text)
	}
}

// Statement is what has been charged so far.
func (s *Server) Statement() Statement {
	s.bills.mu.Lock()
	defer s.bills.mu.Unlock()
	out := s.bills.Statement
	out.Seen = slices.Clone(out.Seen)
	return out
}

// ReadStatement fetches the statement of the upstream at addr.
func ReadStatement(addr string) (st Statement, err error) {
	_, body, err := fasthttp.Get(nil, "http://"+addr+"/bill")
	if err == nil {
		err = json.Unmarshal(body, &st)
	}
	return st, err
}

// ReleaseAt lets the held streams of the upstream at addr end.
func ReleaseAt(addr string) error {
	_, _, err := fasthttp.Get(nil, "http://"+addr+"/release")
	return err
}
