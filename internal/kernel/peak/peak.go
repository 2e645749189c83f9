// Package peak exercises the multipliers and adders of the machine, as the
// yardstick for package kernel: fused multiply-adds on float32, in registers,
// without a memory access. Nothing that a core computes with instructions of
// the same width is faster.
package peak

// Lanes is the number of float32 in the widest vectors that the machine
// multiplies and adds in one instruction: 16 with AVX-512, 8 with AVX2 and FMA,
// 0 where neither is available.
func Lanes() int { return lanes }

// Burn does n rounds of fused multiply-adds on vectors of so many lanes, 8 or
// 16, and returns the number of floating point operations that were; zero where
// the machine lacks such vectors. A round takes some 2 nanoseconds. Clocks
// change with the load and the neighbours, so alternate short bursts with what
// is measured.
func Burn(width, n int) (flop float64) {
	if width > lanes || n < 1 {
		return 0
	}
	switch width {
	case 8:
		fma8(n)
	case 16:
		fma16(n)
	default:
		return 0
	}
	const chains = 12
	return 2 * chains * float64(width) * float64(n) // a product and a sum each
}
