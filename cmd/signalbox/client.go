package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/config"
)

// client talks to the admin API of a running gateway.
type client struct {
	address string // host:port
	scheme  string
	token   config.Secret
	http    http.Client
}

// url is where a path of the admin API is.
func (c *client) url(path string) string { return c.scheme + "://" + c.address + path }

// lasting is an HTTP client for what may take long.
func (c *client) lasting() *http.Client { return &http.Client{Transport: c.http.Transport} }

// adminTokenVar holds the token of the admin API. It is the configuration's
// admin.token, too.
const adminTokenVar = "SIGNALBOX_ADMIN_TOKEN"

// access are the flags that say which gateway and with which token.
type access struct {
	src            *sources
	address, token string

	ca, cert, certKey string // files, for an admin API that speaks TLS
}

func (a *access) flags(c *cobra.Command) {
	c.PersistentFlags().StringVar(&a.address, "address", "", "admin address of the gateway, https://… where it speaks TLS (default: that of the configuration)")
	c.PersistentFlags().StringVar(&a.token, "token", "", "admin token; better in $"+adminTokenVar+", others can see flags (default: that variable, that of the configuration, or the one kept beside its store)")
	c.PersistentFlags().StringVar(&a.ca, "ca", "", "file with the authorities that sign the admin API's certificate (default: the system's, and the certificate of the configuration)")
	c.PersistentFlags().StringVar(&a.cert, "cert", "", "file with a client certificate for the admin API")
	c.PersistentFlags().StringVar(&a.certKey, "cert-key", "", "file with the key of the client certificate")
}

// open finds address and token: from the flags, the environment, the configuration, the file beside the store.
func (a *access) open() (*client, error) {
	c := &client{address: a.address, scheme: "http", token: config.Secret(cmp.Or(a.token, os.Getenv(adminTokenVar))), http: http.Client{Timeout: time.Minute}}
	if rest, ok := strings.CutPrefix(c.address, "https://"); ok {
		c.address, c.scheme = strings.TrimSuffix(rest, "/"), "https"
	}
	c.address = strings.TrimPrefix(c.address, "http://")
	if c.address != "" && a.token != "" {
		return c, a.secure(c, "")
	}
	s, err := a.src.resolve()
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadAdmin(s)
	switch {
	case err != nil && c.address != "" && c.token != "":
		return c, a.secure(c, "") // that of another gateway, or of none, has no say
	case err != nil:
		return nil, err
	}
	if c.address == "" {
		c.address = reachable(cfg.Listen.Admin)
		if cfg.Admin.TLS.Cert != "" {
			c.scheme = "https"
		}
	}
	if err := a.secure(c, cfg.Admin.TLS.Cert); err != nil {
		return nil, err
	}
	if c.token == "" {
		c.token = cfg.Admin.Token
	}
	if c.token == "" {
		file := filepath.Join(cfg.Store.Dir(), adminTokenFile)
		b, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, hint(fmt.Errorf("there is no admin token: %s does not exist", file),
				"start the gateway first, run this where its configuration is, or set %s and give --address", adminTokenVar)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the admin token: %w", err)
		}
		c.token = config.Secret(strings.TrimSpace(string(b)))
	}
	return c, nil
}

// secure readies c for TLS. The certificate that the configuration names is
// trusted: it may be one that nobody has signed.
func (a *access) secure(c *client, own string) error {
	if c.scheme != "https" {
		return nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, file := range []string{own, a.ca} {
		if file == "" {
			continue
		}
		pem, err := os.ReadFile(file)
		if err != nil {
			if file == a.ca {
				return fmt.Errorf("cannot read --ca: %w", err)
			}
			continue // the command may run elsewhere
		}
		if t.RootCAs == nil {
			if t.RootCAs, err = x509.SystemCertPool(); err != nil {
				t.RootCAs = x509.NewCertPool()
			}
		}
		t.RootCAs.AppendCertsFromPEM(pem)
	}
	if a.cert != "" {
		pair, err := tls.LoadX509KeyPair(a.cert, a.certKey)
		if err != nil {
			return hint(fmt.Errorf("cannot read --cert and --cert-key: %w", err), "give both, as PEM")
		}
		t.Certificates = []tls.Certificate{pair}
	}
	c.http.Transport = &http.Transport{TLSClientConfig: t, Proxy: http.ProxyFromEnvironment}
	return nil
}

// reachable turns an address to listen on into one to call.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// do sends body, if there is one, and decodes the answer into answer.
func (c *client) do(ctx context.Context, method, path string, body, answer any) error {
	var payload io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("cannot encode request: %w", err)
		}
		payload = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url(path), payload)
	if err != nil {
		return fmt.Errorf("cannot call %s: %w", c.address, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return hint(fmt.Errorf("cannot reach the gateway's admin API at %s: %w", c.address, errors.Unwrap(err)),
			"is it running? start it with signalbox serve, or name another with --address")
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("cannot read the gateway's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return refusal(resp.StatusCode, raw)
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return fmt.Errorf("cannot read the gateway's answer: %w", err)
	}
	return nil
}

func refusal(status int, raw []byte) error {
	var e struct {
		Error struct{ Code, Message string }
	}
	if json.Unmarshal(raw, &e) != nil || e.Error.Code == "" {
		return hint(fmt.Errorf("the answer is status %d without a reason", status), "is --address that of a gateway's admin API?")
	}
	err := fmt.Errorf("the gateway refuses: %s (%s)", e.Error.Message, e.Error.Code)
	if status == http.StatusUnauthorized {
		return hint(err, "the token is not that of this gateway: set %s to its token, or run this where its configuration is", adminTokenVar)
	}
	return err
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
