// Relay is a provider adapter by handler: it passes chat requests on to a service.
package main

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func main() { provider.Serve(relay{}) }

type relay struct {
	BaseURL string `json:"base_url" doc:"of the service, without /chat/completions"`
	client  *http.Client
}

func (relay) Manifest() provider.Manifest {
	return provider.Manifest{Name: "relay", Version: "1.0.0", Config: relay{}, Operations: []provider.Operation{{Op: wire.OpChat, Dialect: wire.OpenAIChat}}}
}

func (relay) Configure(cfg provider.Config) (*provider.Setup, error) {
	r := relay{client: cfg.Client()}
	err := cfg.Decode(&r)
	if err == nil {
		r.BaseURL, err = media.Base(r.BaseURL, "https://api.example/v1", "")
	}
	return &provider.Setup{Routes: []provider.Route{{Op: wire.OpChat, Dialect: wire.OpenAIChat, Handle: r.chat}}}, err
}

func (r relay) chat(ask *provider.Request, w *provider.Writer) error {
	req, _ := http.NewRequestWithContext(ask.Context(), http.MethodPost, r.BaseURL+"/chat/completions", bytes.NewReader(ask.Body())) // Base has read the URL
	req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + string(ask.Credential())}}
	resp, err := r.client.Do(req)
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusOK && ask.Streams():
		return w.Stream(func(s *provider.Stream) error { return media.Pass(s, resp.Body, nil) })
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return media.Failure(resp, nil)
	}
	raw, err := media.All(resp.Body)
	return errors.Join(err, w.JSON(raw))
}
