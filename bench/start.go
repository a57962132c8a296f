package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// starts is how often the gateway is started, on an empty folder each time.
const starts = 5

// start measures the time from the start of the gateway's process, with three
// adapters, until it has answered a request.
func (s *suite) start(ctx context.Context) (err error) {
	service := &lab{}
	defer service.stop(false)
	if service.dir, err = os.MkdirTemp("", "signalbox-bench-"); err != nil {
		return err
	}
	if err := service.startUpstream(s.opt); err != nil {
		return err
	}
	var cold, warm []float64
	for i := range starts {
		l := &lab{dir: filepath.Join(service.dir, fmt.Sprintf("start-%d", i)), upstream: service.upstream, targets: map[string]*target{}}
		if err := os.Mkdir(l.dir, 0o700); err != nil {
			return err
		}
		for _, into := range []*[]float64{&cold, &warm} {
			took, err := l.firstAnswer(s.opt)
			l.stop(true)
			if err != nil {
				return err
			}
			*into = append(*into, float64(took.Microseconds())/1000)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	for name, took := range map[string][]float64{"cold": cold, "warm": warm} {
		slices.Sort(took)
		s.measures["start/"+name+"/first_answer_ms"] = took[len(took)/2]
	}
	return nil
}

// firstAnswer starts a gateway and has it answer once.
func (l *lab) firstAnswer(o options) (time.Duration, error) {
	began := time.Now()
	if err := l.startGateway(o); err != nil {
		return 0, err
	}
	q, err := http.NewRequest(http.MethodPost, "http://"+l.gateway.data+openAIPath, strings.NewReader(string(body(benchAlias(shape1K), shape1K))))
	if err != nil {
		return 0, err
	}
	q.Header.Set("Authorization", "Bearer "+keys()[0].Value)
	q.Header.Set("Content-Type", "application/json")
	err = fetch(q, func(r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	})
	return time.Since(began), err
}
