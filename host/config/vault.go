package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	vaultTimeout = 10 * time.Second
	maxVault     = 1 << 20 // bytes of an answer
)

// vault reads secrets of a HashiCorp Vault or OpenBao server, by the variables
// that its own clients use. One load asks for each path once.
type vault struct {
	addr, token, namespace string
	read                   map[string]map[string]any
}

func newVault(env map[string]string) *vault {
	return &vault{addr: strings.TrimRight(env["VAULT_ADDR"], "/"), token: env["VAULT_TOKEN"], namespace: env["VAULT_NAMESPACE"],
		read: map[string]map[string]any{}}
}

// field returns one field of the secret that ref names as path#field. The path
// is that of the API without /v1/: secret/data/openai for version 2 of the
// key-value engine at secret/.
func (v *vault) field(ref string) (string, error) {
	path, field, ok := strings.Cut(ref, "#")
	path = strings.Trim(path, "/")
	if !ok || path == "" || field == "" || strings.Contains(path, "..") {
		return "", fmt.Errorf("${vault:%s} names no secret: write ${vault:secret/data/openai#api_key}", ref)
	}
	if v.addr == "" || v.token == "" {
		return "", fmt.Errorf("cannot read ${vault:%s}: set VAULT_ADDR and VAULT_TOKEN", ref)
	}
	fields, ok := v.read[path]
	if !ok {
		var err error
		if fields, err = v.get(path); err != nil {
			return "", fmt.Errorf("cannot read vault secret %q: %w", path, err)
		}
		v.read[path] = fields
	}
	switch text := fields[field].(type) {
	case string:
		return text, nil
	case nil:
		return "", fmt.Errorf("vault secret %q has no field %q: it has %s", path, field, strings.Join(sortedKeys(fields), ", "))
	}
	return "", fmt.Errorf("field %q of vault secret %q is not text", field, path)
}

func (v *vault) get(path string) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), vaultTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.addr+"/v1/"+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Vault-Token", v.token)
	req.Header.Set("X-Vault-Request", "true")
	if v.namespace != "" {
		req.Header.Set("X-Vault-Namespace", v.namespace)
	}
	// A redirect would carry the token to another place.
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("the server redirects: set VAULT_ADDR to the active node or its load balancer")
	}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Data   map[string]any `json:"data"`
		Errors []string       `json:"errors"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, maxVault)).Decode(&answer)
	switch {
	case resp.StatusCode == http.StatusNotFound && len(answer.Errors) == 0:
		return nil, errors.New("there is none: version 2 of the key-value engine has data/ after its mount, as in secret/data/openai")
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the server answers %d: %s", resp.StatusCode, strings.Join(answer.Errors, "; "))
	case err != nil:
		return nil, err
	}
	// Version 2 wraps the fields once more, beside their metadata.
	if inner, ok := answer.Data["data"].(map[string]any); ok && answer.Data["metadata"] != nil {
		return inner, nil
	}
	return answer.Data, nil
}
