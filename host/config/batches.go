package config

import "time"

// Batches bound what the gateway's own files and batches take, and say how
// they are worked on.
type Batches struct {
	MaxFile    Size `koanf:"max_file"`    // of one file; limits.max_upload holds as well
	MaxFiles   Size `koanf:"max_files"`   // of all files of a tenant
	MaxLines   int  `koanf:"max_lines"`   // requests of a batch
	MaxLine    Size `koanf:"max_line"`    // of one request
	MaxBatches int  `koanf:"max_batches"` // of a tenant, that are not over

	Chunk       int `koanf:"chunk"`       // requests that one worker takes at a time
	Workers     int `koanf:"workers"`     // on each gateway
	Concurrency int `koanf:"concurrency"` // requests at once to a provider, at most, from each gateway
	// Mode says who carries out batches that do not say it themselves: "auto" a
	// provider as a batch of its own where one can, "native" that or nobody,
	// "gateway" the gateway, request by request.
	Mode string `koanf:"mode"`
	// OnInterrupt says what becomes of a request whose answer a crash has lost:
	// "fail" reports it as interrupted, "retry" sends it again.
	OnInterrupt string `koanf:"on_interrupt"`

	MaxWindow   time.Duration `koanf:"max_window"` // that a batch may ask for
	KeepFiles   time.Duration `koanf:"keep_files"` // those that do not say themselves when they expire
	KeepBatches time.Duration `koanf:"keep_batches"`
}

func (c *Config) checkBatches(p *problems) {
	b := &c.Batches
	for _, n := range []struct {
		name        string
		v, min, max int64
	}{
		{"max_file", int64(b.MaxFile), 1 << 10, 1 << 40}, {"max_files", int64(b.MaxFiles), 1 << 10, 1 << 50},
		{"max_lines", int64(b.MaxLines), 1, 1_000_000}, {"max_line", int64(b.MaxLine), 1 << 10, 64 << 20},
		{"max_batches", int64(b.MaxBatches), 1, 10_000}, {"chunk", int64(b.Chunk), 1, 1000},
		{"workers", int64(b.Workers), 1, 64}, {"concurrency", int64(b.Concurrency), 1, 1024},
	} {
		if n.v < n.min || n.v > n.max {
			p.addf("batches."+n.name, "is %d: give %d to %d", n.v, n.min, n.max)
		}
	}
	if b.Mode != "auto" && b.Mode != "native" && b.Mode != "gateway" {
		p.addf("batches.mode", "is %q: give auto, native or gateway", b.Mode)
	}
	if b.OnInterrupt != "fail" && b.OnInterrupt != "retry" {
		p.addf("batches.on_interrupt", "is %q: give fail or retry", b.OnInterrupt)
	}
	for _, d := range []struct {
		name string
		v    time.Duration
	}{{"max_window", b.MaxWindow}, {"keep_files", b.KeepFiles}, {"keep_batches", b.KeepBatches}} {
		if d.v < time.Minute || d.v > 10*365*24*time.Hour {
			p.addf("batches."+d.name, "is %s: give 1m to ten years", d.v)
		}
	}
}
