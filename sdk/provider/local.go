package provider

import (
	"context"
	"os"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/provider/internal/local"
)

func init() {
	local.Start = func(p any, config []byte, hosts []string, socket string) (any, func(), error) {
		allowed, err := egress.Parse(hosts)
		if err != nil {
			return nil, nil, err
		}
		s := newServer()
		setup, _, err := s.configure(p.(Provider), Config{JSON: config, Hosts: allowed})
		if err != nil {
			return nil, nil, err
		}
		l, err := listen(socket, os.Getpid())
		if err != nil {
			return nil, nil, err
		}
		done := make(chan error, 1)
		go func() { done <- s.listen(l) }()
		return setup, func() {
			_ = s.drain(context.Background())
			_ = l.Close() // one that serve has not got to yet
			<-done
		}, nil
	}
}
