package provider

import "time"

// probation is how long a new program must last for its predecessor to be
// given up.
const probation = time.Hour

// fallback is what a unit returns to if its program turns out not to last.
type fallback struct {
	image    *image // nil: there is none
	version  string
	since    time.Time
	rejected string // hash of the program that did not last
}

// keepPrevious lets u return to the program of old, which it replaces.
func (u *unit) keepPrevious(old *unit) {
	old.mu.Lock()
	im, version := old.image, old.version
	old.mu.Unlock()
	if pin := u.spec.pin(); im == u.image || pin != "" && pin != im.sha256 || u.spec.Version != "" {
		return // the same, or not what the configuration lets run
	}
	if u.sup.images.acquire(im.sha256) == nil {
		return
	}
	u.mu.Lock()
	u.fallback = fallback{image: im, version: version, since: time.Now()}
	u.mu.Unlock()
}

// goBack puts the program before in the place of one that crashes too often.
// It reports whether there is one.
func (u *unit) goBack() bool {
	u.mu.Lock()
	bad, badVersion, f := u.image, u.version, u.fallback
	if f.image == nil {
		u.mu.Unlock()
		return false
	}
	u.fallback = fallback{rejected: u.fallback.rejected}
	if time.Since(f.since) > probation {
		u.mu.Unlock()
		u.sup.images.release(f.image)
		return false
	}
	u.image, u.version, u.fallback.rejected = f.image, f.version, bad.sha256
	u.stat.SHA256, u.stat.Installed, u.stat.Rejected = f.image.sha256, f.version, bad.sha256
	u.mu.Unlock()
	u.sup.images.release(bad)
	u.sup.opts.Log.Error("adapter crashes too often, the program before it returns", "provider", u.spec.Name,
		"rejected_version", badVersion, "rejected_sha256", bad.sha256, "version", f.version, "sha256", f.image.sha256)
	if d := u.sup.opts.Depot; d != nil && badVersion != "" {
		if err := d.Reject(u.spec.Adapter, bad.sha256, "it crashed too often as provider "+u.spec.Name); err != nil {
			u.sup.opts.Log.Error(err.Error())
		}
	}
	return true
}

func (u *unit) program() *image {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.image
}

// serves reports whether the unit runs im, or has good reason not to.
func (u *unit) serves(im *image) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.image == im || u.fallback.rejected == im.sha256
}

func (u *unit) releaseImages() {
	u.mu.Lock()
	im, f := u.image, u.fallback.image
	u.fallback.image = nil
	u.mu.Unlock()
	u.sup.images.release(im)
	if f != nil {
		u.sup.images.release(f)
	}
}

// Renew makes the next Set start other processes for the named providers,
// though nothing has changed.
func (s *Supervisor) Renew(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		s.renew[name] = true
	}
}

// Keep takes that back.
func (s *Supervisor) Keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.renew)
}

func (s *Supervisor) renewing(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.renew[name]
}
