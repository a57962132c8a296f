// Package local is how package providertest reaches into package provider.
package local

// Start serves a provider.Provider on a socket for connections of this
// process. setup is the *provider.Setup that it was configured to.
// Package provider sets it.
var Start func(p any, config []byte, hosts []string, socket string) (setup any, stop func(), err error)
