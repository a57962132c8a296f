package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"
)

// Sources: https://developers.google.com/identity/protocols/oauth2/service-account,
// https://docs.cloud.google.com/compute/docs/access/authenticate-workloads, November 2026.
//
// Keys are signed for by golang.org/x/oauth2/jwt, which takes the configured
// client. golang.org/x/oauth2/google is left out: it would ask the metadata
// server by a client of its own, past the egress guard, and read credentials
// that run programs or fetch what their author names.

// scope is what Vertex AI asks for.
const scope = "https://www.googleapis.com/auth/cloud-platform"

// atMetadata is the credential for the identity of the machine.
const atMetadata = "metadata"

// account is a key file of Google Cloud's.
type account struct {
	Type         string `json:"type"` // service_account, authorized_user
	ClientEmail  string `json:"client_email"`
	PrivateKey   string `json:"private_key"`
	PrivateKeyID string `json:"private_key_id"`
	TokenURI     string `json:"token_uri"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	RefreshToken string `json:"refresh_token"`
}

// Token implements provider.TokenSource: Vertex AI wants an access token, the
// Gemini API takes its key as it is.
func (g *gemini) Token(ctx context.Context, secret provider.Secret) (provider.Token, error) {
	s := g.current.Load()
	switch text := strings.TrimSpace(string(secret)); {
	case s == nil:
		return provider.Token{}, errors.New("the adapter is not configured yet")
	case !s.vertex:
		return provider.Token{Value: secret}, nil
	case text == atMetadata:
		return s.ofMachine(ctx)
	case strings.HasPrefix(text, "{"):
		return s.ofAccount(ctx, []byte(text))
	case strings.HasPrefix(text, "ya29."): // made elsewhere
		return provider.Token{Value: provider.Secret(text)}, nil
	}
	return provider.Token{}, errCredential("is in no known form")
}

// errCredential does not quote what it refuses.
func errCredential(why string) error {
	return &wire.Error{Status: 401, Class: wire.ClassAuth, Code: "invalid_credential",
		Message: "the credential for Vertex AI " + why + `; want the JSON of a service account or of an authorized user, or "metadata"`}
}

func (s *service) ofAccount(ctx context.Context, text []byte) (provider.Token, error) {
	a := account{TokenURI: "https://" + tokenHost + "/token"}
	if json.Unmarshal(text, &a) != nil { // its error may quote
		return provider.Token{}, errCredential("is not valid JSON")
	}
	client := *s.client
	client.Timeout = tokenTimeout // the signed request does not heed the context
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &client)
	var source oauth2.TokenSource
	switch {
	case a.Type == "service_account" && a.ClientEmail != "" && a.PrivateKey != "":
		c := jwt.Config{Email: a.ClientEmail, PrivateKey: []byte(a.PrivateKey), PrivateKeyID: a.PrivateKeyID, Scopes: []string{scope}, TokenURL: a.TokenURI}
		source = c.TokenSource(ctx)
	case a.Type == "authorized_user" && a.ClientID != "" && a.RefreshToken != "":
		c := oauth2.Config{ClientID: a.ClientID, ClientSecret: a.ClientSecret,
			Endpoint: oauth2.Endpoint{TokenURL: a.TokenURI, AuthStyle: oauth2.AuthStyleInParams}}
		source = c.TokenSource(ctx, &oauth2.Token{RefreshToken: a.RefreshToken})
	case a.Type == "service_account" || a.Type == "authorized_user":
		return provider.Token{}, errCredential("lacks members of its type")
	default:
		return provider.Token{}, errCredential(fmt.Sprintf("has the type %.40q, which is not taken", a.Type))
	}
	t, err := source.Token()
	if err != nil {
		return provider.Token{}, refused(err)
	}
	if t.AccessToken == "" {
		return provider.Token{}, errors.New("the token endpoint answered without an access token")
	}
	return provider.Token{Value: provider.Secret(t.AccessToken), Expires: t.Expiry}, nil
}

// refused says why a token endpoint gave none, without what it quotes.
func refused(err error) error {
	var e *oauth2.RetrieveError
	if !errors.As(err, &e) {
		if strings.Contains(err.Error(), "private key") {
			return errCredential("holds a private key that cannot be read")
		}
		return fmt.Errorf("cannot fetch a token: %w", err)
	}
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(e.Body, &said) // without it the status says enough
	status := 0
	if e.Response != nil {
		status = e.Response.StatusCode
	}
	out := &wire.Error{Status: 401, Class: wire.ClassAuth, Code: "token_refused",
		Message: fmt.Sprintf("the token endpoint answered %d %.40s: %.200s", status, said.Error, said.Description)}
	if status >= 500 || status == http.StatusTooManyRequests {
		out.Status, out.Class = http.StatusBadGateway, wire.ClassServer
	}
	return out
}

const tokenTimeout = 30 * time.Second

// maxToken bounds the answers that hold tokens.
const maxToken = 64 << 10

// ofMachine takes the token of the machine's service account.
func (s *service) ofMachine(ctx context.Context) (provider.Token, error) {
	const path = "/computeMetadata/v1/instance/service-accounts/default/token?scopes=" + scope
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.metadata+path, nil)
	if err != nil {
		return provider.Token{}, err
	}
	req.Header.Set("Metadata-Flavor", "Google")
	resp, err := s.client.Do(req)
	if err != nil {
		return provider.Token{}, fmt.Errorf("cannot ask the metadata server (list %s and its address among the provider's hosts): %w", req.URL.Host, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxToken))
	if err != nil {
		return provider.Token{}, fmt.Errorf("cannot read the metadata server's answer: %w", err)
	}
	var t struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	switch {
	case resp.StatusCode != http.StatusOK:
		return provider.Token{}, fmt.Errorf("the metadata server answered %d", resp.StatusCode)
	case resp.Header.Get("Metadata-Flavor") != "Google":
		return provider.Token{}, errors.New("what answered is not a metadata server")
	case json.Unmarshal(body, &t) != nil || t.AccessToken == "":
		return provider.Token{}, errors.New("the metadata server's answer holds no token")
	}
	return provider.Token{Value: provider.Secret(t.AccessToken), Expires: s.now().Add(time.Duration(t.ExpiresIn) * time.Second)}, nil
}
