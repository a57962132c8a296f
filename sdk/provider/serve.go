package provider

import (
	"fmt"
	"os"

	"github.com/signalbox-ai/signalbox/sdk/provider/internal/plug"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
)

// Serve runs p as an adapter of the gateway that started this process. It
// returns when the gateway has ended it.
func Serve(p Provider) {
	if os.Getenv(proto.CookieKey) != proto.CookieValue {
		m := p.Manifest()
		fmt.Fprintf(os.Stderr, "%s %s is a provider adapter of Signalbox. Name it in the configuration's providers; the gateway starts it.\n", m.Name, m.Version)
		os.Exit(2)
	}
	c, err := newControl(p)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	plug.Serve(c)
}
