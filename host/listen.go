package host

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/server"
)

// secured are the files that an address speaks TLS with, read again when they
// have changed. What cannot be read changes nothing: what was read before stays.
type secured struct {
	field string // of the configuration
	cfg   config.TLS
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	looked  time.Time
	stamps  [3]stamp
	current *tls.Config
}

// stamp tells one state of a file from another.
type stamp struct {
	size int64
	mod  time.Time
}

// statEvery is how often it is looked whether files have changed, at most.
const statEvery = time.Second

// secure makes the TLS configuration of a field, nil if there is none.
func secure(field string, cfg config.TLS, log *slog.Logger) (*tls.Config, error) {
	if cfg.Cert == "" {
		return nil, nil
	}
	s := &secured{field: field, cfg: cfg, log: log, now: time.Now}
	if err := s.read(s.stat()); err != nil {
		return nil, fmt.Errorf("cannot load %s: %w", field, err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: s.forClient}, nil
}

func (s *secured) stat() (stamps [3]stamp) {
	for i, name := range []string{s.cfg.Cert, s.cfg.Key, s.cfg.ClientCA} {
		if info, err := os.Stat(name); err == nil {
			stamps[i] = stamp{info.Size(), info.ModTime()}
		}
	}
	return stamps
}

// read takes the files into use. A session of before is resumed only while the
// authorities of now vouch for its certificate: crypto/tls looks.
func (s *secured) read(stamps [3]stamp) error {
	cert, err := tls.LoadX509KeyPair(s.cfg.Cert, s.cfg.Key)
	if err != nil {
		return err
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if s.cfg.ClientCA != "" {
		pem, err := os.ReadFile(s.cfg.ClientCA)
		if err != nil {
			return err
		}
		c.ClientCAs = x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("client_ca %q holds no certificate", s.cfg.ClientCA)
		}
		if c.ClientAuth = tls.RequireAndVerifyClientCert; s.cfg.ClientAuth == "request" {
			c.ClientAuth = tls.VerifyClientCertIfGiven
		}
	}
	s.current, s.stamps = c, stamps
	return nil
}

func (s *secured) forClient(*tls.ClientHelloInfo) (*tls.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); now.Sub(s.looked) >= statEvery {
		s.looked = now
		if stamps := s.stat(); stamps != s.stamps {
			if err := s.read(stamps); err != nil {
				s.log.Warn("changed files of TLS cannot be used, those of before stay", "field", s.field, "err", err)
			} else {
				s.log.Info("TLS uses changed files", "field", s.field)
			}
		}
	}
	return s.current, nil
}

// securely makes ln speak TLS as the field of the configuration says, if it does.
func (h *Host) securely(ln net.Listener, field string, cfg config.TLS) (net.Listener, error) {
	c, err := secure(field, cfg, h.log)
	if err != nil || c == nil {
		return ln, err
	}
	return tls.NewListener(ln, c), nil
}

// proxies are those that are trusted to say whom a request comes from.
func proxies(cfg *config.Config) (server.Proxies, error) {
	r, err := call.ParseRanges(cfg.Listen.TrustedProxies)
	return server.Proxies{Trusted: r, Forwarded: cfg.Listen.Forwarded == "forwarded"}, err
}

// adminHosts are the names by which the admin API may be called.
func adminHosts(cfg *config.Config) []string {
	hosts := append([]string{}, cfg.Admin.Hosts...)
	if name, _, err := net.SplitHostPort(cfg.Listen.Admin); err == nil && name != "" {
		hosts = append(hosts, name)
	}
	return hosts
}

// listenOn listens at the address that a field of the configuration names.
func listenOn(field, addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err == nil {
		return ln, nil
	}
	remedy := "give an address of this machine"
	if errors.Is(err, syscall.EADDRINUSE) {
		remedy = "end what listens there, which signalbox doctor names, or give another address"
	}
	return nil, fmt.Errorf("cannot listen on %s: %w: %s", field, err, remedy)
}
