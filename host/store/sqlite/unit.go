package sqlite

import (
	"zombiezen.com/go/sqlite"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store/report"
)

// bindUnits binds what r used beside text tokens as JSON, NULL if nothing.
func bindUnits(s *sqlite.Stmt, param int, r *call.Record) {
	var buf [512]byte
	b := report.AppendUnits(buf[:0], r)
	if len(b) == 0 {
		s.BindNull(param)
		return
	}
	s.BindText(param, string(b))
}

// bindAttempts binds attempts as JSON; a single one says nothing that the row does not.
func bindAttempts(s *sqlite.Stmt, param int, attempts []call.Attempt) error {
	text, err := report.Attempts(attempts)
	if text == nil {
		s.BindNull(param)
		return err
	}
	s.BindText(param, string(text))
	return err
}

func bindAddress(s *sqlite.Stmt, param int, address string) {
	if address == "" {
		s.BindNull(param)
		return
	}
	s.BindText(param, address)
}

func bindParent(s *sqlite.Stmt, param int, parent call.ID) {
	if parent == 0 {
		s.BindNull(param)
		return
	}
	s.BindInt64(param, int64(parent))
}
