//go:build !noasm

package kernel

import (
	"fmt"
	"testing"
)

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

// A convolution is one product or the transposed one, with the same sums: both are among those of the wide path, in either direction,
// and the narrow path has the one only.
func TestTransposedProductsHaveTheSameBits(t *testing.T) {
	if !wide {
		t.Skip("no AVX-512 here")
	}
	seen := map[string]bool{}
	for i, p := range pairs {
		c, err := NewConvolution[float32](p.n, p.small, p.large, p.win)
		if err != nil {
			t.Fatal(err)
		}
		seen[fmt.Sprint("down ", c.down.transposes())] = true
		if !c.taps.pays() {
			seen[fmt.Sprint("up ", c.up.transposes())] = true
		}
		down, up, _ := convolve[float32](t, i)
		narrowly(func() {
			d, u, _ := convolve[float32](t, i)
			mustMatch(t, fmt.Sprint("pair ", i, ", down"), d, down)
			mustMatch(t, fmt.Sprint("pair ", i, ", up"), u, up)
		})
	}
	if len(seen) != 4 {
		t.Errorf("there are only %v", seen)
	}
}
