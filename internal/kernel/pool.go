package kernel

import (
	"runtime"
	"sync/atomic"
)

var threads atomic.Int32

// SetThreads sets how many goroutines, the caller's included, a kernel may
// work on, and returns the number before. n < 1 stands for GOMAXPROCS, the
// default. It never changes a bit of any result.
func SetThreads(n int) (old int) {
	old = Threads()
	threads.Store(int32(max(n, 0)))
	return old
}

// Threads returns how many goroutines a kernel may work on.
func Threads() int {
	if n := threads.Load(); n > 0 {
		return int(n)
	}
	return runtime.GOMAXPROCS(0)
}

// Parallel calls f for ranges [lo, hi) that cover [0, n) without overlap, on
// several goroutines at once where that helps, and returns when all calls
// have. Each lo is a multiple of grain. f must write to its own range only,
// and what it writes must not depend on where a range begins or ends.
func Parallel(n, grain int, f func(lo, hi int)) {
	if n > 0 {
		f(0, n)
	}
}
