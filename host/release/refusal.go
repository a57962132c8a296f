package release

import (
	"net/http"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Errors that callers are shown as they are.

func notFound(format string, args ...any) error {
	return wire.Errorf(http.StatusNotFound, "not_found", format, args...)
}

func conflict(format string, args ...any) error {
	return wire.Errorf(http.StatusConflict, "conflict", format, args...)
}

func invalid(format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, "invalid_request", format, args...)
}

// refused is of a module that cannot be taken.
func refused(format string, args ...any) error {
	return wire.Errorf(http.StatusUnprocessableEntity, "module_refused", format, args...)
}

// unproven is of a step whose proof is missing.
func unproven(format string, args ...any) error {
	return wire.Errorf(http.StatusConflict, "unproven", format, args...)
}
