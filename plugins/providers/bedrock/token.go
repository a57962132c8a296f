package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Token implements provider.TokenSource: roles are assumed, and the keys of
// instances and containers fetched. What can be used as it is stays as it is.
func (b *bedrock) Token(ctx context.Context, secret provider.Secret) (provider.Token, error) {
	c, err := parseCredential(secret)
	if err != nil {
		return provider.Token{}, err
	}
	s := b.current.Load()
	if !c.minted() {
		return provider.Token{Value: secret}, nil
	}
	if s == nil {
		return provider.Token{}, errors.New("the adapter is not configured yet")
	}
	var expires time.Time
	switch c.Source {
	case "instance":
		expires, err = s.ofInstance(ctx, &c)
	case "container":
		expires, err = s.ofContainer(ctx, &c)
	}
	if err == nil && c.RoleARN != "" {
		expires, err = s.assume(ctx, &c)
	}
	if err != nil {
		return provider.Token{}, err
	}
	value, err := json.Marshal(credential{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken})
	return provider.Token{Value: provider.Secret(value), Expires: expires}, err
}

// maxToken bounds the answers that hold keys.
const maxToken = 64 << 10

// ask sends a request to a service of keys. Its answers are not quoted.
func (s *service) ask(req *http.Request) ([]byte, error) {
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxToken))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = wire.Errorf(resp.StatusCode, "no_keys", "%s answered %d%s", req.URL.Host, resp.StatusCode, stsCode(body))
	}
	return body, err
}

// stsCode is the code of an error of STS, in parentheses.
func stsCode(body []byte) string {
	var e struct {
		Code string `xml:"Error>Code"`
	}
	if xml.Unmarshal(body, &e) != nil || e.Code == "" || len(e.Code) > 64 {
		return ""
	}
	return " (" + e.Code + ")"
}

// ofInstance takes the keys of the role of an EC2 instance, by IMDSv2. Source:
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html.
func (s *service) ofInstance(ctx context.Context, c *credential) (time.Time, error) {
	get := func(method, path, header, value string) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, method, s.imds+"/latest/"+path, nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set(header, value)
		return s.ask(req)
	}
	token, err := get(http.MethodPut, "api/token", "X-aws-ec2-metadata-token-ttl-seconds", "300")
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot ask the instance's metadata: %w", err)
	}
	const header, path = "X-aws-ec2-metadata-token", "meta-data/iam/security-credentials/"
	role, err := get(http.MethodGet, path, header, string(token))
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot ask for the instance's role: %w", err)
	}
	role, _, _ = bytes.Cut(bytes.TrimSpace(role), []byte("\n"))
	body, err := get(http.MethodGet, path+url.PathEscape(string(role)), header, string(token))
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot ask for the keys of the instance's role: %w", err)
	}
	return c.take(body)
}

// ofContainer takes the keys of an ECS task or an EKS pod. Source:
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html.
func (s *service) ofContainer(ctx context.Context, c *credential) (time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return time.Time{}, errors.New("cannot ask for the container's keys: url is not one")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", c.Token)
	}
	body, err := s.ask(req)
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot ask for the container's keys: %w", err)
	}
	return c.take(body)
}

// take reads keys in the form of both services.
func (c *credential) take(body []byte) (time.Time, error) {
	var keys struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		Expiration      time.Time
	}
	if json.Unmarshal(body, &keys) != nil || keys.AccessKeyID == "" || keys.SecretAccessKey == "" {
		return time.Time{}, errors.New("the answer holds no keys")
	}
	c.AccessKeyID, c.SecretAccessKey, c.SessionToken = keys.AccessKeyID, keys.SecretAccessKey, keys.Token
	return keys.Expiration, nil
}

// assume turns keys into those of a role. Source:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
func (s *service) assume(ctx context.Context, c *credential) (time.Time, error) {
	name := c.SessionName
	if name == "" {
		name = "signalbox"
	}
	form := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {c.RoleARN}, "RoleSessionName": {name}}
	if c.ExternalID != "" {
		form.Set("ExternalId", c.ExternalID)
	}
	body := []byte(form.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.sts+"/", bytes.NewReader(body))
	if err != nil {
		return time.Time{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := s.signAs(req, body, c.keys(), "sts"); err != nil {
		return time.Time{}, err
	}
	answer, err := s.ask(req)
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot assume the role: %w", err)
	}
	var out struct {
		Keys struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
			Expiration      time.Time
		} `xml:"AssumeRoleResult>Credentials"`
	}
	if xml.Unmarshal(answer, &out) != nil || out.Keys.AccessKeyID == "" || out.Keys.SecretAccessKey == "" {
		return time.Time{}, errors.New("cannot assume the role: the answer holds no keys")
	}
	c.AccessKeyID, c.SecretAccessKey, c.SessionToken = out.Keys.AccessKeyID, out.Keys.SecretAccessKey, out.Keys.SessionToken
	return out.Keys.Expiration, nil
}

var _ provider.TokenSource = (*bedrock)(nil)
