package config

// Dashboard is what browsers are shown at the admin address.
type Dashboard struct {
	Enabled bool `koanf:"enabled"` // default true
}
