// Package pipeline runs several models as one call: steps in a row, beside each
// other and over lists, with inputs and outputs whose types are known before
// anything runs.
//
// A pipeline is compiled once (compile.go), with the type of every expression
// checked (expr.go, value.go) and of every field of every operation (ops.go). A
// run (run.go) asks for each step through a Caller, within what its purse holds
// (purse.go), and keeps a record of it (record.go). plan.go tells what a run
// may cost before there is one.
package pipeline
