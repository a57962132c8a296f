// Package clients holds the vendors' own clients, unmodified, against a
// gateway: scripts for node to read and run by hand, and tests that run them
// and the clients for Go against the built gateway.
package clients
