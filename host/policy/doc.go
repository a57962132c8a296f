// Package policy decides whether a request is allowed and under which
// obligations, by Rego units that OPA evaluates in process.
//
// A bundle's units (packages data.signalbox.units.*) are compiled, analysed
// for what of the input they can read, and evaluated at most once per distinct
// value of just that; their verdicts are merged, and merging only restricts.
// Whatever goes wrong (an error, a deadline, an undefined permit, an
// obligation that nobody knows) is a denial that is never remembered.
package policy
