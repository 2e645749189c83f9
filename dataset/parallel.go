package dataset

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel does work 0 to n-1 on all cores, and returns the error of the first one in their order that fails. When the
// context ends it returns at once: work under way ends by itself.
func parallel(ctx context.Context, n int, progress func(done, all int), work func(i int) error) error {
	type result struct {
		i   int
		err error
	}
	var (
		next    atomic.Int64
		failed  atomic.Bool
		workers sync.WaitGroup
		results = make(chan result)
	)
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for !failed.Load() && ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				r := result{i, work(i)}
				if r.err != nil {
					failed.Store(true)
				}
				select {
				case results <- r:
				case <-ctx.Done():
				}
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	first := result{i: n}
	for done := 0; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case r, more := <-results:
			if !more {
				if err := ctx.Err(); err != nil {
					return err
				}
				return first.err
			}
			if r.err != nil && r.i < first.i {
				first = r
			}
			if done++; progress != nil {
				progress(done, n)
			}
		}
	}
}
