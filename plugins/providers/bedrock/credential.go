package main

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// credential is what an operator stores for Bedrock. Three forms are plain:
// "AKIA…:secret", "ASIA…:secret:session token" and a Bedrock API key. The
// others are a JSON object.
type credential struct {
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	SessionToken    string `json:"session_token,omitempty"`

	APIKey string `json:"api_key,omitempty"`

	// A role is assumed with the keys above, or with those of the source.
	RoleARN     string `json:"role_arn,omitempty"`
	ExternalID  string `json:"external_id,omitempty"`
	SessionName string `json:"session_name,omitempty"`

	// Source of keys: "instance" (EC2's metadata) or "container" (ECS, EKS
	// Pod Identity: url, and the token that it wants).
	Source string `json:"source,omitempty"`
	URL    string `json:"url,omitempty"`
	Token  string `json:"token,omitempty"`
}

// errCredential does not quote what it refuses.
func errCredential(why string) error {
	return &wire.Error{Status: 401, Class: wire.ClassAuth, Code: "invalid_credential", Message: "the credential for Bedrock " + why}
}

const forms = `; want "AKIA…:secret[:session token]", a Bedrock API key ("ABSK…") or a JSON object with access_key_id and secret_access_key`

// parseCredential reads a stored credential, or a token that was made of one.
func parseCredential(s provider.Secret) (c credential, err error) {
	text := strings.TrimSpace(string(s))
	switch {
	case text == "":
		return c, errCredential("is missing" + forms)
	case text[0] == '{':
		if json.Unmarshal([]byte(text), &c) != nil { // its error may quote
			return c, errCredential("is not valid JSON" + forms)
		}
	case strings.HasPrefix(text, "ABSK"), strings.HasPrefix(text, "bedrock-api-key-"):
		c.APIKey = text
	default:
		id, rest, ok := strings.Cut(text, ":")
		if !ok {
			return c, errCredential("is in no known form" + forms)
		}
		c.AccessKeyID = id
		c.SecretAccessKey, c.SessionToken, _ = strings.Cut(rest, ":")
	}
	return c, c.check()
}

func (c *credential) check() error {
	switch keys := c.AccessKeyID != "" && c.SecretAccessKey != ""; {
	case c.Source != "" && c.Source != "instance" && c.Source != "container":
		return errCredential(`names an unknown source; want "instance" or "container"`)
	case c.Source == "container" && c.URL == "":
		return errCredential("has the source container, but no url")
	case c.Source == "" && c.APIKey == "" && !keys:
		return errCredential("lacks access_key_id or secret_access_key" + forms)
	case strings.ContainsFunc(c.AccessKeyID+c.SessionToken+c.APIKey, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return errCredential("has characters that a header cannot hold")
	}
	return nil
}

// minted reports whether keys must be fetched before the credential is used.
func (c *credential) minted() bool { return c.Source != "" || c.RoleARN != "" }

func (c *credential) keys() aws.Credentials {
	return aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
}
