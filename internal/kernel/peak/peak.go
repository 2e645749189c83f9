// Package peak measures how fast the machine can multiply and add float32, as
// the yardstick for package kernel: fused multiply-adds of AVX2 in registers,
// without a memory access.
package peak

import "time"

// Slice does about a tenth of a millisecond of work and returns the rate of one
// core in FLOP/s; zero where there is no AVX2 with FMA. Clocks change with the
// load and the neighbours, so alternate slices with what is measured and
// compare the best of both.
func Slice() float64 {
	if !supported {
		return 0
	}
	const n = 50_000
	start := time.Now()
	fma(n)
	return flops * n / time.Since(start).Seconds()
}

// flops of one round of fma: 12 chains of 8 lanes, a product and a sum each.
const flops = 12 * 8 * 2
