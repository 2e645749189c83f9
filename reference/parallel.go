package reference

import (
	"runtime"
	"slices"
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

// worthAGoroutine is how many elements a goroutine is begun for.
const worthAGoroutine = 1 << 12

// each calls f for 0 to n-1 on all processors; every call is about so many elements. f may call undefined for values that have
// room for figures, and must not touch the meter otherwise.
func (c *call) each(n, elements int, f func(i int)) {
	said := len(c.notes)
	stretch := max(1, worthAGoroutine/max(1, elements))
	err := parallel(c.meter, tiles(n, stretch), func() struct{} { return struct{}{} }, func(_ struct{}, s int) {
		for i := s * stretch; i < min((s+1)*stretch, n); i++ {
			f(i)
		}
	})
	slices.Sort(c.notes[said:]) // whichever was first
	try(err)
}
