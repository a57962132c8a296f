// Package e2e runs the gateway as users do, as a process with real adapters, a
// real store and an upstream on loopback, and holds it to what it promises
// under load, crashes and reloads. It has tests only. Those that wait more than
// they work run beside each other.
package e2e
