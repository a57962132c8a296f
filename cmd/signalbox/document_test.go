package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/openapi"
	"github.com/signalbox-ai/signalbox/host/openapi/inspect"
)

// admins sees what passes between the commands of tests and the admin addresses
// of gateways.
var admins *inspect.Inspector

// unasked are operations of the admin address that no command of these tests has
// had answered well.
var unasked = []string{
	"GET /assets/{path}",             // of browsers, which are told the names
	"POST /admin/nodes/{node}/fence", // of gateways that share a store
}

// inspected runs tests and compares what has passed with the admin document.
type inspected struct{ *testing.M }

func (m inspected) Run() int {
	var err error
	if admins, err = inspect.New(openapi.Admin(), true); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.M.Run()
	faults := admins.Faults()
	if code == 0 && flag.Lookup("test.run").Value.String() == "" {
		for _, op := range admins.Unseen() {
			if !slices.Contains(unasked, op) {
				faults = append(faults, op+": no test has had it answered well")
			}
		}
	}
	for _, fault := range faults {
		fmt.Fprintln(os.Stderr, fault)
		code = 1
	}
	return code
}

// before stands before the admin address of a gateway, which need not be there
// yet, and returns its own and what ends it.
func before(address string) (string, func(), error) {
	srv, err := admins.Before("http://" + address)
	if err != nil {
		return "", nil, err
	}
	return strings.TrimPrefix(srv.URL, "http://"), func() { srv.CloseClientConnections(); srv.Close() }, nil
}
