// Package race tells tests whether they run under Go's race detector, which allocates on its own and slows programs down about
// tenfold: there tests count no allocations, and the largest of them do less of the same.
package race

import "testing"

// AllocsPerRun is testing.AllocsPerRun. Under the race detector it runs f, counts nothing and returns 0.
func AllocsPerRun(runs int, f func()) float64 {
	if Enabled {
		f()
		return 0
	}
	return testing.AllocsPerRun(runs, f)
}

// Fewer is n, and under the race detector less, for tests that do one thing n times.
func Fewer[N ~int | ~int64 | ~uint64](n, less N) N {
	if Enabled {
		return less
	}
	return n
}
