package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/provider/jail"
)

func serveCommand(src *sources) *cobra.Command {
	var data, admin, store, plugins, level string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the gateway",
		Long: "Serve the gateway. SIGHUP and a changed configuration file reload it; what runs is not disturbed.\n" +
			"The first SIGINT or SIGTERM lets running requests finish, a second one kills.",
		Example: "  signalbox serve --config signalbox.yaml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			src.flags = map[string]string{"listen.data": data, "listen.admin": admin, "store.url": store, "plugins.dir": plugins, "log.level": level}
			return serve(c.Context(), src, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVar(&data, "listen", "", "address of the data plane")
	f.StringVar(&admin, "admin", "", "address of the admin API")
	f.StringVar(&store, "store", "", "store, as in sqlite:signalbox.db; a URL with a password is better in $SIGNALBOX_STORE_URL, others can see flags")
	f.StringVar(&plugins, "plugins", "", "folder of adapters and modules")
	f.StringVar(&level, "log-level", "", "debug, info, warn or error")
	return c
}

func serve(ctx context.Context, src *sources, stdout, stderr io.Writer) error {
	s, err := src.resolve()
	if err != nil {
		return err
	}
	cfg, kept, err := loadServing(s)
	if err != nil {
		return err
	}
	log := newLogger(cfg.Log, stderr)
	if os.Getenv("GOGC") == "" {
		// A request allocates next to nothing, so collecting twice as often costs
		// nothing and halves the memory that waits to be collected.
		debug.SetGCPercent(50)
	}
	for _, w := range cfg.Warnings {
		log.Warn(w)
	}
	if err := jail.Harden(); err != nil {
		return err
	}
	r := newReloader(s.File, log)
	defer r.stop()
	r.follow(cfg)
	h, err := host.New(ctx, cfg, host.Options{Log: log, Version: version, Load: func() (*config.Config, error) {
		cfg, _, err := loadServing(s)
		if err == nil {
			r.follow(cfg)
		}
		return cfg, err
	}})
	if err != nil {
		return err
	}
	r.start(ctx, h.Reload)
	return h.Run(ctx, func(data, admin net.Addr) {
		greet(stdout, cfg, kept, data, admin)
		go debug.FreeOSMemory() // what the start alone has needed
	})
}

func newLogger(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // checked with the configuration
	opt := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}

// reloader calls for a reload at SIGHUP, when a file has changed, and from time
// to time where secrets come from a vault.
type reloader struct {
	log    *slog.Logger
	hup    chan os.Signal
	every  atomic.Int64    // nanoseconds between two looks into the vault, 0: there is none
	watch  *config.Watcher // nil: there is no file, or it cannot be watched
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// newReloader listens to signals and changes from now on: those that come
// before start are acted on then.
func newReloader(file string, log *slog.Logger) *reloader {
	r := &reloader{log: log, hup: make(chan os.Signal, 1), cancel: func() {}}
	signal.Notify(r.hup, syscall.SIGHUP)
	if file == "" {
		return r
	}
	var err error
	if r.watch, err = config.Watch(file); err != nil {
		log.Warn("changes of the configuration are not noticed: send SIGHUP", "err", err)
	}
	return r
}

// follow watches what cfg was made of beside its file.
func (r *reloader) follow(cfg *config.Config) {
	r.every.Store(0)
	if cfg.Refreshed {
		r.every.Store(int64(cfg.Secrets.Refresh))
	}
	if r.watch == nil {
		return
	}
	if err := r.watch.Follow(cfg.Files...); err != nil {
		r.log.Warn("changes of a secret's file are not noticed: send SIGHUP", "err", err)
	}
}

func (r *reloader) refresh() <-chan time.Time {
	if every := r.every.Load(); every > 0 {
		return time.After(time.Duration(every))
	}
	return nil
}

func (r *reloader) start(ctx context.Context, reload func(context.Context) error) {
	ctx, r.cancel = context.WithCancel(ctx)
	var changed <-chan struct{}
	if r.watch != nil {
		changed = r.watch.C
	}
	r.done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-r.hup:
			case <-changed:
			case <-r.refresh():
			}
			if err := reload(ctx); err != nil {
				r.log.Error(fmt.Sprint(err))
			}
		}
	})
}

func (r *reloader) stop() {
	signal.Stop(r.hup)
	r.cancel()
	if r.watch != nil {
		r.watch.Close()
	}
	r.done.Wait()
}
