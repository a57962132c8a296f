package postgres

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
	"github.com/signalbox-ai/signalbox/host/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		url := pgtest.New(t)
		return func() store.Store { return open(t, url, "node") }
	})
}
