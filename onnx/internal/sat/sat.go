// Package sat is arithmetic of counts that stays at the largest number where
// the true result is beyond it. No count here is negative.
package sat

import (
	"math"
	"math/bits"
)

// Mul is a times b.
func Mul(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

// Add is a plus b.
func Add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
