// Package meter knows what requests cost: a dated catalogue of prices, the
// bound of a request before it is sent, its usage afterwards.
package meter
