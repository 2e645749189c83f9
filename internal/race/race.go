// Package race tells tests whether they run under Go's race detector, which allocates on its own and slows programs down about
// tenfold: there tests count no allocations, and the largest of them do less, or nothing.
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

// Pick is the first of two sizes or limits, and the second under the race detector.
func Pick[T any](plain, watched T) T {
	if Enabled {
		return watched
	}
	return plain
}

// Skip skips a long test that has no goroutines of its own to watch, or none that a shorter one does not have, too.
func Skip(t testing.TB) {
	t.Helper()
	if Enabled {
		t.Skip("long, and nothing for the race detector that other tests do not show")
	}
}
