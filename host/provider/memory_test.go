//go:build !race

package provider

// hostileMemory is what the hostile adapter may have.
const hostileMemory = 256 << 20
