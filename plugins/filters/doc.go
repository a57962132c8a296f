// Package filters holds the shipped filters, a folder each: source, manifest,
// module and README. Its tests run them as the gateway does.
package filters
