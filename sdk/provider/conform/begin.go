package conform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	gproto "google.golang.org/protobuf/proto"
)

// beginning are the cases before any request.
var beginning = []check{
	{id: "handshake", title: "says where its control socket is", fatal: true,
		why: "the gateway waits for one line on standard output and then connects",
		fix: "listen on a unix socket in the folder that PLUGIN_UNIX_SOCKET_DIR names, then write 1|1|unix|<path>|grpc and a line break, and flush",
		run: func(ctx context.Context, k *kit) (err error) {
			if k.shared, err = k.program.start(ctx); err != nil {
				return err
			}
			return k.shared.handshake()
		}},
	{id: "environment", title: "runs in the empty environment that it was given",
		why: "keys and addresses of the host must not reach a program that others wrote",
		fix: "do not load a profile or start through a shell that does; what an adapter needs comes with Configure",
		run: checkEnvironment},
	{id: "describe", title: "says what it is", fatal: true,
		why: "the gateway, its catalogue and its check of leases build on the manifest",
		fix: "answer Describe with name, semantic version, operations in dialects of the contract and the need for a credential",
		run: checkDescribe},
	{id: "schema", title: "has a JSON schema of its configuration",
		why: "the operator's file is checked and explained by it",
		fix: "config_schema is the JSON of an object schema: type, properties, each with a type and best a description",
		run: checkSchema},
	{id: "configure/refuses", title: "refuses a bad configuration and names the field",
		why: "a misspelt key that is silently ignored is found in production",
		fix: "fail Configure with InvalidArgument and a message that holds the key at fault",
		run: checkRefuses},
	{id: "configure", title: "takes a good configuration", fatal: true,
		why: "without one it serves nothing",
		fix: "see the message; give the kit a configuration that the adapter takes (--config)",
		run: checkConfigure},
	{id: "health", title: "is healthy when it is configured",
		why: "an adapter that is not is taken out of traffic",
		fix: "answer Health without an error, and without calling the upstream",
		run: func(ctx context.Context, k *kit) error {
			_, err := k.shared.rpc.Health(ctx, &pb.HealthRequest{})
			return err
		}},
	{id: "endpoints", title: "sends its leases at once, and again after a change", fatal: true,
		why: "requests are routed by the latest set, and nothing is before the first",
		fix: "send the complete set when the stream opens and after every Configure, and keep the stream open",
		run: checkEndpoints},
	{id: "leases", title: "leases only what it may",
		why: "a set with one bad lease is refused as a whole",
		fix: "lease URLs at the manifest's and the operator's hosts, sockets in the own folder, and no header that is the gateway's",
		run: checkLeases},
	{id: "token", title: "makes tokens of credentials",
		why: "the gateway sends the token in the credential's place and renews it before it expires",
		fix: "answer Token with a token and a time in the future, or with an error that does not quote the credential",
		run: checkToken},
	{id: "direct", title: "leases URLs that the upstream answers at",
		why: "the gateway talks to the upstream by itself there",
		fix: "check the lease's path, its header for the credential and stream_url",
		run: checkDirect},
}

func checkEnvironment(_ context.Context, k *kit) error {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", k.shared.cmd.Process.Pid))
	if errors.Is(err, os.ErrNotExist) {
		return skipf("this system has no /proc to look into")
	}
	if err != nil {
		return err
	}
	given := environment(k.shared.dir)
	var odd []string
	for _, v := range strings.Split(string(bytes.TrimRight(raw, "\x00")), "\x00") {
		name, _, _ := strings.Cut(v, "=")
		// A shell adds these without telling anything of the host.
		if !slices.Contains(given, v) && !slices.Contains([]string{"PWD", "SHLVL", "_", "OLDPWD", "LC_CTYPE"}, name) {
			odd = append(odd, name)
		}
	}
	if len(odd) > 0 {
		return fmt.Errorf("its environment holds %s beside what it was given", strings.Join(odd, ", "))
	}
	return nil
}

var semver = regexp.MustCompile(`^\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$`)

var adapterName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

func checkDescribe(ctx context.Context, k *kit) error {
	d, err := k.shared.describe(ctx)
	if err != nil {
		return err
	}
	k.about = &describe{DescribeResponse: d}
	_ = json.Unmarshal(d.GetConfigSchema(), &k.about.schema) // a case of its own
	k.report.Name, k.report.Version = d.GetName(), d.GetVersion()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !adapterName.MatchString(d.GetName()) {
		bad("name %q: want small letters, digits, - and _", d.GetName())
	}
	if !semver.MatchString(d.GetVersion()) {
		bad("version %q is not semantic, such as 1.0.0", d.GetVersion())
	}
	if !slices.Contains([]string{"required", "optional", "none"}, d.GetCredential()) {
		bad("credential %q: want required, optional or none", d.GetCredential())
	}
	if len(d.GetOperations()) == 0 {
		bad("it has no operation")
	}
	for _, o := range d.GetOperations() {
		if wire.ParseOp(o.GetOperation()) == wire.OpNone || wire.ParseDialect(o.GetDialect()) == wire.NoDialect {
			bad("operation %q in dialect %q is not one of the contract", o.GetOperation(), o.GetDialect())
		}
	}
	for _, c := range d.GetErrorClasses() {
		if wire.ParseClass(c) == wire.ClassNone {
			bad("error class %q is none; there are %s", c, classes())
		}
	}
	if _, err := egress.Parse(d.GetHosts()); err != nil {
		bad("hosts: %v", err)
	}
	for _, m := range d.GetModels() {
		if m.GetName() == "" || m.GetContextTokens() < 0 || m.GetMaxOutputTokens() < 0 {
			bad("model %q: want a name, and sizes from 0 on", m.GetName())
		}
	}
	again, err := k.shared.describe(ctx)
	if err == nil && !gproto.Equal(d, again) {
		bad("a second Describe says something else")
	}
	return errors.Join(append(errs, err)...)
}

func checkSchema(_ context.Context, k *kit) error {
	raw := k.about.GetConfigSchema()
	if len(raw) == 0 {
		return errors.New("there is none; one without fields is {\"type\":\"object\",\"properties\":{}}")
	}
	var s schema
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("it is not JSON: %v: %s", err, clip(string(raw)))
	}
	if s.Type != "object" {
		return fmt.Errorf("its type is %q; want object", s.Type)
	}
	for name, p := range s.Properties {
		if p != nil && p.Type != "" && !slices.Contains([]string{"string", "number", "integer", "boolean", "array", "object", "null"}, p.Type) {
			return fmt.Errorf("property %q has the type %q, which JSON schema does not have", name, p.Type)
		}
	}
	return nil
}

// misfit is a value that a type of JSON schema does not take.
var misfit = map[string]any{"string": 17, "number": "x", "integer": "x", "boolean": "x", "array": 17, "object": 17}

func checkRefuses(ctx context.Context, k *kit) error {
	return k.refuses(ctx, k.shared)
}

// refuses configures a badly, in several ways.
func (k *kit) refuses(ctx context.Context, a *adapter) error {
	var errs []error
	try := func(config map[string]any, field string) {
		_, err := a.configure(ctx, config, k.hosts())
		switch {
		case err == nil:
			raw, _ := json.Marshal(config)
			errs = append(errs, fmt.Errorf("its Configure accepts %s", raw))
		case !strings.Contains(err.Error(), field):
			errs = append(errs, fmt.Errorf("the message does not name %q: %s", field, reason(err)))
		}
	}
	bad := k.config()
	bad["conform_unknown"] = true
	try(bad, "conform_unknown")
	for _, name := range slices.Sorted(keysOf(k.about.schema.Properties)) {
		p := k.about.schema.Properties[name]
		if p == nil || misfit[p.Type] == nil {
			continue
		}
		bad := k.config()
		bad[name] = misfit[p.Type]
		try(bad, name)
		break
	}
	return errors.Join(errs...)
}

func keysOf[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

func checkConfigure(ctx context.Context, k *kit) error {
	got, err := k.shared.configure(ctx, k.config(), k.hosts())
	if err != nil {
		return fmt.Errorf("its Configure fails: %s%s", reason(err), k.shared.stderr.last())
	}
	if list := got.GetModels(); len(list) > 0 {
		k.about.Models = list
	}
	return nil
}

func checkEndpoints(ctx context.Context, k *kit) error {
	s, err := k.shared.rpc.Endpoints(ctx, &pb.EndpointsRequest{})
	if err != nil {
		return err
	}
	set, err := s.Recv()
	if err != nil {
		return fmt.Errorf("no set of leases comes: %s", reason(err))
	}
	if len(set.GetLeases()) == 0 {
		return errors.New("the set is empty")
	}
	for _, l := range set.GetLeases() {
		k.take(l)
	}
	if _, err := k.shared.configure(ctx, k.config(), k.hosts()); err != nil {
		return fmt.Errorf("its Configure with the same configuration fails: %s", reason(err))
	}
	if _, err := s.Recv(); err != nil {
		return fmt.Errorf("no set comes after Configure: %s", reason(err))
	}
	return nil
}

// take remembers a lease and what can be asked through it.
func (k *kit) take(p *pb.Lease) {
	l := lease{p, wire.ParseOp(p.GetOperation()), wire.ParseDialect(p.GetDialect())}
	k.leases = append(k.leases, l)
	if p.GetSocket() == "" {
		return
	}
	k.shared.socket = p.GetSocket()
	if f := forms[kind{l.op, l.dialect}]; f != nil {
		k.targets = append(k.targets, &target{op: l.op, dialect: l.dialect, form: f, lease: l})
	}
}

func checkLeases(_ context.Context, k *kit) error {
	hosts, err := egress.Parse(k.hosts())
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range k.leases {
		errs = append(errs, k.checkLease(l, hosts))
	}
	return errors.Join(errs...)
}

// each runs f in n goroutines and joins their errors.
func each(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
