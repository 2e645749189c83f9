//go:build !noasm

package kernel

import "testing"

// onPaths runs a test on the assembly, where the machine has what it needs,
// and on portable Go.
func onPaths(t *testing.T, f func(t *testing.T)) {
	if simd {
		t.Run("assembly", f)
	}
	t.Run("portable", func(t *testing.T) { portably(func() { f(t) }) })
}

// portably calls f with the assembly switched off.
func portably(f func()) {
	was := simd
	defer func() { simd = was }()
	simd = false
	f()
}
