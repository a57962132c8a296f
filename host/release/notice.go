package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
)

// againAfter is how long what could not be written down waits for the next try.
const againAfter = 5 * time.Second

// listen writes down what leaves its lane by itself.
func (r *Registry) listen() {
	defer close(r.stopped)
	again := time.NewTicker(againAfter)
	defer again.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-r.opt.Notices.Wake():
		case <-again.C:
		}
		r.mu.Lock()
		_ = r.heed() // it has been logged
		r.mu.Unlock()
	}
}

// heed writes down what the fleet has noticed; r.mu is held. What cannot be
// written waits, and so does every step: it would bring back what has left.
func (r *Registry) heed() error {
	r.left = append(r.left, r.opt.Notices.Take()...)
	for len(r.left) > 0 {
		n := r.left[0]
		err := r.noticed(n)
		for try := 1; errors.Is(err, call.ErrRevision) && try < attempts; try++ {
			if _, err = r.reread(context.Background()); err == nil {
				err = r.noticed(n)
			}
		}
		if err != nil {
			err = fmt.Errorf("cannot write down that version %s of %s %q left its lane: %w", n.Label, r.opt.Kind, n.Name, err)
			if !r.sick {
				r.opt.Log.Error("a version left its lane, and would be back after a restart", "err", err)
			}
			r.sick = true
			return err
		}
		r.left = r.left[1:]
	}
	r.sick = false
	return nil
}

// noticed makes the record say what the fleet has done already.
func (r *Registry) noticed(n lane.Notice) error {
	e := r.names[n.Name]
	if e == nil {
		return nil
	}
	digest := ""
	for key, v := range e.live {
		if v.Label == n.Label && !key.apart {
			digest = key.digest
		}
	}
	s := r.step(e)
	switch digest {
	case "":
		return nil // it has been taken out by somebody else since
	case s.lanes.Canary:
		s.lanes.Canary, s.lanes.Share, s.lanes.By, s.lanes.Guard = "", 0, "", nil
		s.set(digest, RolledBack)
		if n.Kind == lane.Quarantined {
			s.set(digest, Quarantined)
		}
	case s.lanes.Active:
		s.lanes.Active, s.lanes.Previous = s.lanes.Previous, ""
		s.set(digest, Quarantined)
		if s.lanes.Active != "" {
			s.set(s.lanes.Active, Active)
		} else if s.lanes.Canary != "" {
			s.leave(&s.lanes.Canary)
			s.lanes.Share, s.lanes.By, s.lanes.Guard = 0, "", nil
		}
	case s.lanes.Previous: // another version has taken its place meanwhile, and must not go back to it
		s.lanes.Previous = ""
		s.set(digest, Quarantined)
	default:
		return nil
	}
	s.note(digest, n.Kind, Act{Who: byGateway, Why: n.Why})
	if n.Kind == lane.Quarantined && s.lanes.Active != "" && digest == e.lanes.Active {
		s.note(s.lanes.Active, Active, Act{Who: byGateway, Why: "the version after it failed"})
	}
	if err := r.save(context.Background(), s.change()); err != nil {
		return err
	}
	w, _, err := s.compile(context.Background())
	if err != nil { // what leaves takes nothing with it
		w = s.running()
	}
	s.publish(w)
	return nil
}
