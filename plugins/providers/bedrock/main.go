// Bedrock is the provider adapter for Amazon Bedrock. All requests go through
// the adapter: AWS wants them signed, and streams in a framing of its own.
// Chats become Converse requests, embeddings and reranking requests of the
// model's own API.
package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func main() { provider.Serve(&bedrock{now: time.Now}) }

type bedrock struct {
	now     func() time.Time
	current atomic.Pointer[service]
}

// service is Bedrock as it is configured.
type service struct {
	region string
	base   string // of the runtime
	sts    string
	imds   string
	client *http.Client
	now    func() time.Time
}

// config is the adapter's configuration.
type config struct {
	Region  string            `json:"region" doc:"AWS region; default us-east-1"`
	FIPS    bool              `json:"fips" doc:"use the region's FIPS endpoint"`
	BaseURL string            `json:"base_url" doc:"of the runtime, for VPC endpoints and proxies; default https://bedrock-runtime.<region>.amazonaws.com"`
	STSURL  string            `json:"sts_url" doc:"where roles are assumed; default https://sts.<region>.amazonaws.com"`
	IMDSURL string            `json:"imds_url" doc:"where the instance's credentials are; default http://169.254.169.254"`
	Models  map[string]string `json:"models" doc:"model as asked for → model id, inference profile or ARN"`
}

const defaultRegion = "us-east-1"

// Manifest implements provider.Provider.
func (*bedrock) Manifest() provider.Manifest {
	m := provider.Manifest{
		Name: "bedrock", Version: "1.0.0", Config: config{}, Credential: provider.CredentialRequired, Models: models,
		Operations: []provider.Operation{
			{Op: wire.OpChat, Dialect: wire.OpenAIChat}, {Op: wire.OpChat, Dialect: wire.AnthropicMessages},
			{Op: wire.OpChat, Dialect: wire.OpenAIResponses}, {Op: wire.OpChat, Dialect: wire.GeminiGenerate},
			{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings}, {Op: wire.OpRerank, Dialect: wire.CohereRerank},
			{Op: wire.OpCredential, Dialect: wire.Raw},
		},
	}
	by := map[string][]string{}
	for _, region := range regions {
		by[region] = hostsOf(region)
		m.Hosts = append(m.Hosts, by[region]...)
	}
	by[""] = by[defaultRegion]
	m.HostsBy = map[string]map[string][]string{"region": by}
	return m
}

// Configure implements provider.Provider.
func (b *bedrock) Configure(cfg provider.Config) (*provider.Setup, error) {
	c := config{Region: defaultRegion, IMDSURL: "http://169.254.169.254"}
	if err := cfg.Decode(&c); err != nil {
		return nil, err
	}
	if !plainRegion(c.Region) {
		return nil, fmt.Errorf("region %q is not of the form us-east-1", c.Region)
	}
	s := &service{region: c.Region, client: cfg.Client(), now: b.now}
	for _, u := range []struct {
		name, given, otherwise string
		to                     *string
	}{
		{"base_url", c.BaseURL, "https://" + runtimeHost(c.Region, c.FIPS), &s.base},
		{"sts_url", c.STSURL, "https://" + stsHost(c.Region), &s.sts},
		{"imds_url", c.IMDSURL, "", &s.imds},
	} {
		given := u.given
		if given == "" {
			given = u.otherwise
		}
		base, err := baseOf(given)
		if err != nil {
			return nil, fmt.Errorf("%s %w", u.name, err)
		}
		*u.to = base
	}
	b.current.Store(s)
	setup := &provider.Setup{
		Leases: []provider.Lease{{
			Op: wire.OpChat, Dialect: wire.BedrockConverse,
			URL: s.base + "/model/{model}/converse", StreamURL: s.base + "/model/{model}/converse-stream",
			Sign: s.sign, Framing: provider.EventStream, ErrorHeader: "X-Amzn-ErrorType", Errors: rules, Models: c.Models,
		}},
		Routes: []provider.Route{
			{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, Handle: s.embed},
			{Op: wire.OpRerank, Dialect: wire.CohereRerank, Handle: s.rerank},
			{Op: wire.OpCredential, Dialect: wire.Raw, Handle: s.try},
		},
	}
	return setup, nil
}

func plainRegion(s string) bool {
	return s != "" && len(s) < 32 && !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' })
}

// baseOf takes an address without its default port, which is not signed.
func baseOf(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return "", fmt.Errorf("%q is not of the form https://host/path", s)
	}
	if u.Scheme == "https" {
		u.Host = strings.TrimSuffix(u.Host, ":443")
	} else {
		u.Host = strings.TrimSuffix(u.Host, ":80")
	}
	return strings.TrimRight(u.String(), "/"), nil
}
