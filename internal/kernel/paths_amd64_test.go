//go:build !noasm

package kernel

import "testing"

// onPaths runs a test on every path that the machine has: the assembly with
// registers of 16 and of 8 elements, and portable Go.
func onPaths(t *testing.T, f func(t *testing.T)) {
	if wide {
		t.Run("avx512", f)
	}
	if simd {
		t.Run("avx2", func(t *testing.T) { narrowly(func() { f(t) }) })
	}
	t.Run("portable", func(t *testing.T) { portably(func() { f(t) }) })
}

// narrowly calls f with the registers of 16 elements switched off.
func narrowly(f func()) {
	defer use(simd, wide)
	use(simd, false)
	f()
}

// portably calls f with the assembly switched off.
func portably(f func()) {
	defer use(simd, wide)
	use(false, false)
	f()
}

func TestBothPathsOfAssemblyGiveTheSameBits(t *testing.T) {
	if !wide {
		t.Skip("no AVX-512 here")
	}
	want := everyKernel()
	narrowly(func() {
		for name, got := range everyKernel() {
			mustMatch(t, name, got, want[name])
		}
	})
}
