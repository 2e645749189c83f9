//go:build !noavx512

package kernel

// narrow rules out registers of 16 elements: build with the tag noavx512.
const narrow = false
