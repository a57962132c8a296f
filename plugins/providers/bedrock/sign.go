package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// sign finishes a request to the runtime: a signature, or the API key.
func (s *service) sign(req *http.Request, body []byte, secret provider.Secret) error {
	c, err := parseCredential(secret)
	switch {
	case err != nil:
		return err
	case c.APIKey != "":
		req.Header.Set("Authorization", "Bearer "+c.APIKey)
		return nil
	case c.minted():
		return errCredential("was not turned into keys: the gateway has not asked for them")
	}
	return s.signAs(req, body, c.keys(), "bedrock")
}

func (s *service) signAs(req *http.Request, body []byte, keys aws.Credentials, name string) error {
	sum := sha256.Sum256(body)
	signer := v4.NewSigner() // one that is kept would keep keys derived from secrets
	if err := signer.SignHTTP(req.Context(), keys, req, hex.EncodeToString(sum[:]), name, s.region, s.now()); err != nil {
		return errors.New("cannot sign the request") // its cause may quote
	}
	return nil
}

// post signs and sends a request to the runtime.
func (s *service) post(ctx context.Context, path string, body []byte, secret provider.Secret) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return s.send(req, body, secret)
}

// try lists asynchronous invocations, which the runtime has and which cost
// nothing: https://docs.aws.amazon.com/bedrock/latest/APIReference/
// API_runtime_ListAsyncInvokes.html, November 2026. Whom AWS knows and does not
// let do that may be let do more.
func (s *service) try(r *provider.Request, w *provider.Writer) error {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, s.base+"/async-invoke?maxResults=1", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := s.send(req, nil, r.Credential())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		e := failure(resp)
		if e.Class == wire.ClassAuth && strings.Contains(e.Message, "not authorized to perform") {
			e.Class = wire.ClassInvalid
		}
		return e
	}
	return w.JSON([]byte("{}"))
}

// send signs and sends a request.
func (s *service) send(req *http.Request, body []byte, secret provider.Secret) (*http.Response, error) {
	req.Header.Set("Accept", "application/json")
	req.Header["User-Agent"] = nil
	if err := s.sign(req, body, secret); err != nil {
		return nil, err
	}
	return s.client.Do(req)
}

// rules are Bedrock's, by the type that the header x-amzn-errortype names, from
// https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
// as of November 2026; by message where the type says too little.
var rules = []provider.ErrorRule{
	{Code: "Input is too long for requested model", Class: wire.ClassContextLength},
	{Code: "prompt is too long", Class: wire.ClassContextLength},
	{Code: "exceed context limit", Class: wire.ClassContextLength},
	{Code: "Too many tokens per day", Class: wire.ClassQuota},
	{Code: "provided model identifier is invalid", Class: wire.ClassModelNotFound},
	{Code: "don't have access to the model", Class: wire.ClassModelNotFound},
	{Code: "on-demand throughput isn’t supported", Class: wire.ClassModelNotFound},
	{Code: "on-demand throughput isn't supported", Class: wire.ClassModelNotFound},
	{Code: "AccessDeniedException", Class: wire.ClassAuth},
	{Code: "UnrecognizedClientException", Class: wire.ClassAuth},
	{Code: "InvalidSignatureException", Class: wire.ClassAuth},
	{Code: "IncompleteSignature", Class: wire.ClassAuth},
	{Code: "ExpiredTokenException", Class: wire.ClassAuth},
	{Code: "ResourceNotFoundException", Class: wire.ClassModelNotFound},
	{Code: "ServiceQuotaExceededException", Class: wire.ClassQuota},
	{Code: "ThrottlingException", Class: wire.ClassRateLimit},
	{Code: "ModelNotReadyException", Class: wire.ClassOverloaded},
	{Code: "ModelTimeoutException", Class: wire.ClassTimeout},
	{Code: "ServiceUnavailableException", Class: wire.ClassOverloaded},
	{Code: "ModelErrorException", Class: wire.ClassServer},
	{Code: "InternalServerException", Class: wire.ClassServer},
	{Code: "ValidationException", Class: wire.ClassInvalid},
}
