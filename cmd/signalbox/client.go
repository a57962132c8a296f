package main

import (
	"bytes"
	"context"
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
	address string
	token   config.Secret
	http    http.Client
}

// access are the flags that say which gateway and with which token.
type access struct {
	src            *sources
	address, token string
}

func (a *access) flags(c *cobra.Command) {
	c.PersistentFlags().StringVar(&a.address, "address", "", "admin address of the gateway (default: that of the configuration)")
	c.PersistentFlags().StringVar(&a.token, "token", "", "admin token (default: that of the configuration, or the one kept beside its store)")
}

// open finds address and token: from the flags, the configuration, the file beside the store.
func (a *access) open() (*client, error) {
	c := &client{address: a.address, token: config.Secret(a.token), http: http.Client{Timeout: time.Minute}}
	if c.address != "" && c.token != "" {
		return c, nil
	}
	s, err := a.src.resolve()
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadAdmin(s)
	if err != nil {
		return nil, err
	}
	if c.address == "" {
		c.address = reachable(cfg.Listen.Admin)
	}
	if c.token == "" {
		c.token = cfg.Admin.Token
	}
	if c.token == "" {
		file := filepath.Join(cfg.Store.Dir(), adminTokenFile)
		b, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, hint(fmt.Errorf("there is no admin token: %s does not exist", file),
				"start the gateway first, run this where its configuration is, or give --token and --address")
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the admin token: %w", err)
		}
		c.token = config.Secret(strings.TrimSpace(string(b)))
	}
	return c, nil
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
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+path, payload)
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
		return hint(err, "the token is not that of this gateway: give its --token, or run this where its configuration is")
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
