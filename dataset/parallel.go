package dataset

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// enough errors are told at once.
const enough = 10

// parallel does work 0 to n-1 on all cores, and returns the errors in that order, the first ones where there are many. When
// the context ends it returns at once: work under way ends by itself.
func parallel(ctx context.Context, n int, progress func(done, all int), work func(i int) error) error {
	type result struct {
		i   int
		err error
	}
	var (
		next    atomic.Int64
		failed  atomic.Int64
		workers sync.WaitGroup
		results = make(chan result)
	)
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for failed.Load() < enough && ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				r := result{i, work(i)}
				if r.err != nil {
					failed.Add(1)
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
	var problems []result
	for done := 0; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case r, more := <-results:
			if !more {
				if err := ctx.Err(); err != nil {
					return err
				}
				slices.SortFunc(problems, func(a, b result) int { return a.i - b.i })
				var all []error
				for _, p := range problems[:min(enough, len(problems))] {
					all = append(all, p.err)
				}
				return errors.Join(all...)
			}
			if r.err != nil {
				problems = append(problems, r)
			}
			if done++; progress != nil {
				progress(done, n)
			}
		}
	}
}
