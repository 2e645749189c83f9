package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/petrify-ml/petrify/onnx"
)

// Broken is the verdict on a runtime that is installed but cannot be started, or that failed by a
// fault known to be its own.
const Broken Verdict = "broken"

// errHung says that a runtime did not return in its time.
var errHung = errors.New("did not return in time")

// grace is how long a call that was asked to end may take to do so.
const grace = 2 * time.Second

// guarded calls f, which belongs to a runtime: a panic becomes an error, and so
// does a call that outlives limit. One that also ignores its context is left
// behind in its goroutine; nothing can end it.
func guarded[T any](ctx context.Context, limit time.Duration, f func(ctx context.Context) (T, error)) (T, error) {
	inner, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("panic: %v", p)
			}
			done <- r
		}()
		r.value, r.err = f(inner)
	}()
	hung := func(r result) (T, error) {
		if ctx.Err() != nil {
			return r.value, ctx.Err()
		}
		return r.value, fmt.Errorf("%w: %v", errHung, limit)
	}
	select {
	case r := <-done:
		if r.err != nil && inner.Err() != nil {
			return hung(r)
		}
		return r.value, r.err
	case <-inner.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case r := <-done:
		if r.err == nil {
			return r.value, nil
		}
		return hung(r)
	case <-timer.C:
		return hung(result{})
	}
}

// clone returns tensors that share no memory with ts.
func clone(ts []*onnx.Tensor) []*onnx.Tensor {
	out := make([]*onnx.Tensor, len(ts))
	for i, t := range ts {
		if t != nil {
			out[i] = t.Clone()
		}
	}
	return out
}

// sameBits reports whether two lists of tensors are equal to the last bit.
func sameBits(a, b []*onnx.Tensor) bool {
	return slices.EqualFunc(a, b, (*onnx.Tensor).SameBits)
}
