// Package host is the gateway. The path of a request reads from top to bottom:
//
//	server     reads the request, scans its body, writes the answer   host/server
//	auth       whose key is it                                        host/auth
//	policy     may they, and within which bounds                      host/policy
//	route      in which order are the candidates tried                host/route
//	budget     is the worst case of an attempt covered                host/budget
//	dispatch   attempts, until a target answers                       host/dispatch
//	meter      what was used and what it cost                         host/meter
//	ledger     the durable record                                     host/ledger
//	telemetry  counters                                               host/telemetry
//
// serve.go walks that path, account.go keeps its money, generation.go turns a
// configuration into what requests use, and host.go is the only file that
// wires the stages together. Stages share the vocabulary of host/call and never
// import each other.
package host
