//go:build noavx512

package kernel

// narrow rules out registers of 16 elements.
const narrow = true
