// Package peak exercises the multipliers and adders of the machine, as the
// yardstick for package kernel: fused multiply-adds of AVX2 on float32, in
// registers, without a memory access. Nothing that a core computes with these
// instructions is faster.
package peak

// Supported tells whether the machine has AVX2 with FMA.
func Supported() bool { return supported }

// Burn does n rounds of fused multiply-adds and returns the number of floating
// point operations that were; zero where they are not supported. A round takes
// some 2 nanoseconds. Clocks change with the load and the neighbours, so
// alternate short bursts with what is measured.
func Burn(n int) (flop float64) {
	if !supported || n < 1 {
		return 0
	}
	fma(n)
	return 12 * 8 * 2 * float64(n) // chains of 8 lanes, a product and a sum each
}
