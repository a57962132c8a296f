package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Discovered is a bundle that a discovery bundle names, in OPA's words.
type Discovered struct {
	Service  string `json:"service"`
	Resource string `json:"resource"`
	Polling  struct {
		Min  int64 `json:"min_delay_seconds"`
		Max  int64 `json:"max_delay_seconds"`
		Long int64 `json:"long_polling_timeout_seconds"`
	} `json:"polling"`
	Signing *struct {
		KeyID string `json:"keyid"`
		Scope string `json:"scope"`
	} `json:"signing"`
}

// discoveryLimit bounds the evaluation of a discovery bundle.
const discoveryLimit = 2 * time.Second

// Discover evaluates a discovery bundle and returns the bundles that it names;
// ignored are the other parts of the configuration that it has. Unlike in OPA,
// it can neither send requests nor read the gateway's environment.
func Discover(tarball []byte, decision string) (bundles map[string]Discovered, ignored []string, err error) {
	files, err := fromTarball(tarball, belongs)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read discovery bundle: %w", err)
	}
	src, err := parse("discovery", files)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot parse discovery bundle: %w", err)
	}
	answer, err := evaluate(src, decision, discoveryLimit)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot evaluate discovery bundle: %w", err)
	}
	var conf map[string]json.RawMessage
	if err := json.Unmarshal(answer, &conf); err != nil {
		return nil, nil, fmt.Errorf("cannot use discovery bundle: data.%s is no object: name its path with policy.discovery.decision", dotted(decision))
	}
	for name := range conf {
		if name != "bundles" {
			ignored = append(ignored, name)
		}
	}
	if err := json.Unmarshal(conf["bundles"], &bundles); err != nil || len(bundles) == 0 {
		return nil, nil, fmt.Errorf("cannot use discovery bundle: it names no bundles at data.%s.bundles: %w", dotted(decision), err)
	}
	return bundles, ignored, nil
}

func dotted(decision string) string { return strings.ReplaceAll(strings.Trim(decision, "/"), "/", ".") }

// evaluate returns what decision comes to, as JSON.
func evaluate(src *source, decision string, limit time.Duration) (out []byte, err error) {
	c := ast.NewCompiler().WithCapabilities(capabilities())
	if err := compileWith(c, src.modules); err != nil {
		return nil, err
	}
	ref := ast.Ref{ast.DefaultRootDocument}
	for _, name := range strings.FieldsFunc(dotted(decision), func(r rune) bool { return r == '.' }) {
		ref = ref.Append(ast.StringTerm(name))
	}
	body, err := c.QueryCompiler().Compile(ast.NewBody(ast.Equality.Expr(ast.VarTerm("x"), ast.NewTerm(ref))))
	if err != nil {
		return nil, err
	}
	store := inmem.NewFromObject(src.data)
	err = storage.Txn(context.Background(), store, storage.TransactionParams{}, func(txn storage.Transaction) error {
		return topdown.NewQuery(body).WithCompiler(c).WithStore(store).WithTransaction(txn).WithCancel(newDeadline(limit)).
			WithMetrics(metrics.NoOp()).WithStrictBuiltinErrors(true).
			Iter(context.Background(), func(qr topdown.QueryResult) error {
				v, err := ast.JSON(qr["x"].Value)
				if err == nil {
					out, err = json.Marshal(v)
				}
				return err
			})
	})
	if err == nil && out == nil {
		err = fmt.Errorf("%s is undefined", ref)
	}
	return out, err
}
