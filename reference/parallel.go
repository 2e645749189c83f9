package reference

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel calls f for 0 to n-1 on all processors, each worker with a value of its own that start makes. What f computes
// must not depend on which worker it runs on, and f must not touch the meter. It ends early when the context does, and
// panics where f does.
func parallel[W any](m *meter, n int, start func() W, f func(w W, i int)) error {
	workers := min(runtime.GOMAXPROCS(0), n)
	if workers <= 1 {
		for i, w := 0, start(); i < n; i++ {
			if err := m.ctx.Err(); err != nil {
				return err
			}
			f(w, i)
		}
		return m.ctx.Err()
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan any, workers)
	for range workers {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					next.Store(int64(n))
					failed <- p
				}
			}()
			w := start()
			for i := next.Add(1) - 1; i < int64(n) && m.ctx.Err() == nil; i = next.Add(1) - 1 {
				f(w, int(i))
			}
		})
	}
	wg.Wait()
	select {
	case p := <-failed:
		panic(p)
	default:
		return m.ctx.Err()
	}
}

// stretchOfWork is how many elements are worth a goroutine.
const stretchOfWork = 1 << 12

// overElements calls f for stretches that together are 0 to n-1, on all processors. f must not touch the meter.
func (m *meter) overElements(n int, f func(from, to int)) error {
	count := (n + stretchOfWork - 1) / stretchOfWork
	return parallel(m, count, func() struct{} { return struct{}{} }, func(_ struct{}, i int) {
		f(i*stretchOfWork, min((i+1)*stretchOfWork, n))
	})
}
