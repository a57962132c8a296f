package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/signalbox-ai/signalbox/bench/load"
	"github.com/signalbox-ai/signalbox/bench/report"
)

const (
	swapEvery    = 100 * time.Millisecond
	swapRequests = 5_000 // half a second and more: short turns, of which most are alike
	swapTurns    = 5     // in a round
	swapModule   = "plugins/routes/priority/priority.wasm"
)

// swapping is a way to put another version of the route in use.
type swapping struct {
	name string
	swap func(g *gateway) error
}

// swappings: promote goes to and fro between the last two versions, release
// pushes a new one each time, which is checked and compiled meanwhile.
var swappings = []swapping{
	{"promote", func(g *gateway) error {
		last := len(g.versions) - 1
		if g.versions[last] == g.active {
			last--
		}
		return g.promote(g.versions[last])
	}},
	{"release", func(g *gateway) error {
		if err := g.push(); err != nil {
			return err
		}
		return g.promote(g.versions[len(g.versions)-1])
	}},
}

// swaps compares the time of whole requests with and without swaps, by turns.
func (s *suite) swaps(ctx context.Context) error {
	t, g := s.lab.targets["lease"], &s.lab.gateway
	for range 2 {
		if err := g.push(); err != nil {
			return err
		}
	}
	if err := s.lab.warm(t); err != nil {
		return err
	}
	ratios, lost, done := map[string][]float64{}, 0, 0
	job := load.Job{Addr: t.addr(shape1K), Requests: t.requests(shape1K), Conns: 16, Total: swapRequests, Check: t.check(shape1K)}
	for turn := range s.opt.rounds * swapTurns {
		for _, w := range swappings {
			var took [2]time.Duration // without swaps, with
			for i := range took {
				i := (i + turn) % 2
				r, swapped, err := g.underSwaps(ctx, job, w, i == 1)
				if err != nil {
					return err
				}
				took[i], lost, done = r.Latency(0.99), lost+r.Failed, done+swapped
			}
			ratios[w.name] = append(ratios[w.name], float64(took[1])/float64(took[0]))
		}
	}
	for name, r := range ratios {
		s.measures["swaps/"+name+"/p99_x"] = report.Median(r)
	}
	s.measures["swaps/all/lost"], s.measures["swaps/all/done"] = float64(lost), float64(done)
	return s.lab.running()
}

// underSwaps does a job while versions are swapped, if they are to be,
// and tells how many were. An answer that is not right is counted by the result,
// and no error.
func (g *gateway) underSwaps(ctx context.Context, job load.Job, w swapping, swaps bool) (load.Result, int, error) {
	if !swaps {
		r, err := load.Run(job)
		return r, 0, err
	}
	stop, ended := make(chan struct{}), make(chan error, 1)
	swapped := 0
	go func() {
		tick := time.NewTicker(swapEvery)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				ended <- nil
				return
			case <-ctx.Done():
				ended <- ctx.Err()
				return
			case <-tick.C:
			}
			if err := w.swap(g); err != nil {
				ended <- fmt.Errorf("cannot swap: %w", err)
				return
			}
			swapped++
		}
	}()
	r, err := load.Run(job)
	close(stop)
	swapErr := <-ended
	if r.Failed > 0 {
		err = nil
	}
	return r, swapped, errors.Join(err, swapErr)
}

// push pushes the shipped module, with a section that makes it a version of its own.
func (g *gateway) push() error {
	code, err := os.ReadFile(swapModule)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("bench%04d", len(g.versions))
	code = append(code, 0, byte(len(name)+1), byte(len(name)))
	code = append(code, name...)
	var got struct{ SHA256 string }
	if err := g.post("versions", map[string]any{"code": code}, &got); err != nil {
		return err
	}
	g.versions = append(g.versions, got.SHA256)
	return nil
}

func (g *gateway) promote(digest string) error {
	if err := g.post("promote", map[string]any{"version": digest, "force": true}, &struct{}{}); err != nil {
		return err
	}
	g.active = digest
	return nil
}

// post takes a step with the route's versions.
func (g *gateway) post(step string, body, answer any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	q, err := http.NewRequest(http.MethodPost, "http://"+g.admin+"/admin/routes/priority/"+step, bytes.NewReader(b))
	if err != nil {
		return err
	}
	q.Header.Set("Authorization", "Bearer "+adminToken)
	return fetch(q, func(r io.Reader) error { return json.NewDecoder(r).Decode(answer) })
}
