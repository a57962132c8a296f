package call

import "time"

// Kept is an object that a provider keeps for a tenant.
type Kept struct {
	Provider string
	ID       string // the provider's
	Tenant   string
	Kind     string // "file", "batch", "response", …
	Created  time.Time
}
