package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"github.com/signalbox-ai/signalbox/host/call"
)

const (
	// longest is how long a step may run. What a dead worker had in hand is not
	// left to the queue, which would wait as long: its chunk tells of it.
	longest = 24 * time.Hour
	// poll is how often it is looked for steps that nobody tells of.
	poll = 500 * time.Millisecond
	// attempts is more than enough: what fails for good is said to be done.
	attempts = 1000
)

// args are a step as River keeps it.
type args struct{ call.Step }

// Kind implements river.JobArgs.
func (args) Kind() string { return "batch" }

// once: a step that waits or runs is not added again.
var once = river.InsertOpts{MaxAttempts: attempts, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateRetryable, rivertype.JobStateScheduled}}}

// work is what is done with a step.
type work func(ctx context.Context, s call.Step) (again time.Duration, err error)

// worker hands River's jobs to work.
type worker struct {
	river.WorkerDefaults[args]
	work work
}

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, job *river.Job[args]) error {
	again, err := w.work(ctx, job.Args.Step)
	if err == nil && again > 0 {
		return river.JobSnooze(again)
	}
	return err
}

// NextRetry implements river.Worker.
func (w *worker) NextRetry(job *river.Job[args]) time.Time {
	return time.Now().Add(min(time.Minute, time.Duration(job.Attempt)*time.Second))
}

// queue is River over one kind of database.
type queue interface {
	migrate(ctx context.Context) error
	start(ctx context.Context, workers int, w work) error
	insert(ctx context.Context, steps []call.Step) error
	stop(ctx context.Context) error
}

// client is a queue over River's driver of transactions TTx.
type client[TTx any] struct {
	driver riverdriver.Driver[TTx]
	node   string
	log    *slog.Logger

	mu      sync.Mutex
	working *river.Client[TTx] // nil: it is not
	idle    *river.Client[TTx] // that only adds
}

func (c *client[TTx]) migrate(ctx context.Context) error {
	m, err := rivermigrate.New(c.driver, &rivermigrate.Config{Logger: c.log})
	if err == nil {
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}
	if err != nil {
		return fmt.Errorf("cannot ready the queue's tables: %w", err)
	}
	c.idle, err = river.NewClient(c.driver, &river.Config{Logger: c.log, ID: c.node})
	return err
}

func (c *client[TTx]) start(ctx context.Context, workers int, w work) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ws := river.NewWorkers()
	if err = river.AddWorkerSafely(ws, &worker{work: w}); err != nil {
		return err
	}
	c.working, err = river.NewClient(c.driver, &river.Config{
		ID: c.node, Logger: c.log, Workers: ws, MaxAttempts: attempts,
		Queues:     map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		JobTimeout: longest, RescueStuckJobsAfter: longest + time.Hour, FetchPollInterval: poll,
		CompletedJobRetentionPeriod: time.Hour, PollOnly: true, // listening would keep a connection for itself
	})
	if err != nil {
		return err
	}
	return c.working.Start(ctx)
}

func (c *client[TTx]) insert(ctx context.Context, steps []call.Step) error {
	c.mu.Lock()
	to := c.idle
	if c.working != nil {
		to = c.working
	}
	c.mu.Unlock()
	list := make([]river.InsertManyParams, len(steps))
	for i, s := range steps {
		list[i] = river.InsertManyParams{Args: args{s}, InsertOpts: &once}
	}
	_, err := to.InsertMany(ctx, list)
	return err
}

func (c *client[TTx]) stop(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.working == nil {
		return nil
	}
	w := c.working
	c.working = nil
	err := w.Stop(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second*10)
		defer cancel()
		err = w.StopAndCancel(hard)
	}
	return err
}

// Work implements store.Queue. What this node had in hand when it ended last is
// given out at once.
func (s *Store) Work(ctx context.Context, workers int, do func(ctx context.Context, s call.Step) (again time.Duration, err error)) error {
	_, err := s.exec(ctx, s.again, s.opt.Node)
	if err == nil {
		err = s.queue.start(context.WithoutCancel(ctx), workers, do)
	}
	if err != nil {
		return fmt.Errorf("cannot work on batches: %w", err)
	}
	return nil
}

// Enqueue implements store.Queue.
func (s *Store) Enqueue(ctx context.Context, steps []call.Step) error {
	for len(steps) > 0 {
		n := min(len(steps), 500)
		if err := s.queue.insert(ctx, steps[:n]); err != nil {
			return fmt.Errorf("cannot queue %d steps of batches: %w", len(steps), err)
		}
		steps = steps[n:]
	}
	return nil
}

// Rest implements store.Queue.
func (s *Store) Rest(ctx context.Context) error {
	if err := s.queue.stop(ctx); err != nil {
		return fmt.Errorf("cannot stop working on batches: %w", err)
	}
	return nil
}
