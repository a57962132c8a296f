//go:build race

package provider

// hostileMemory leaves room for what the race detector needs.
const hostileMemory = 1 << 30
