package load

import (
	"context"
	"errors"
	"fmt"
	"image"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/petrify-ml/petrify/random"
)

// BatcherOptions say how a Batcher collects requests. The zero value works.
type BatcherOptions struct {
	// Images is the largest batch, 1 to 64. Zero means 64.
	Images int
	// Runs is the number of batches that run at the same time. Zero means one per processor.
	Runs int
	// Wait is how long the first image of a batch waits for more while fewer than Runs batches are running. Zero means that it does
	// not wait: a batch collects only requests that arrive while all runs are busy, so no request waits that would not have waited
	// anyway.
	Wait time.Duration
}

// A Batcher combines concurrent requests for images into shared runs of a generator, since a product with many rows reads the weights
// only once. The images are the same as without it. Its methods may be called from several goroutines at once.
//
// A caller whose context ends returns at once, and the others get their images. A Batcher need not be closed: whatever it starts
// ends with the requested runs.
type Batcher struct {
	generator *Generator
	most      int
	wait      time.Duration

	mu   sync.Mutex
	free int    // runs that may begin
	open *batch // what gathers, nil while nobody waits
	full []*batch
	pool sync.Pool
}

// batch is what goes through the model together.
type batch struct {
	parts  []portion
	images int
	begun  bool
	ripe   bool          // it has waited for as long as it should
	done   chan struct{} // closed when pixels and err are settled
	memory *[]byte
	pixels []byte // (images, H, W, C), in memory
	err    error
	users  int // callers that have not left; the last one gives pixels back
}

// portion is what one caller asks for.
type portion struct {
	noise random.Noise
	first int
	n     int

	classes []int // in turn; none means all
}

// NewBatcher returns a Batcher for a generator, which the caller remains responsible for closing.
func NewBatcher(g *Generator, o BatcherOptions) (*Batcher, error) {
	var problems []error
	if o.Images < 0 || o.Images > mostAtOnce {
		problems = append(problems, fmt.Errorf("%d images in a batch, want 1 to %d", o.Images, mostAtOnce))
	}
	if o.Runs < 0 {
		problems = append(problems, fmt.Errorf("%d runs at the same time, want 1 or more", o.Runs))
	}
	if o.Wait < 0 {
		problems = append(problems, fmt.Errorf("a wait of %v, want 0 or more", o.Wait))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if o.Images == 0 {
		o.Images = mostAtOnce
	}
	if o.Runs == 0 {
		o.Runs = runtime.GOMAXPROCS(0)
	}
	return &Batcher{generator: g, most: o.Images, wait: o.Wait, free: o.Runs}, nil
}

// Sample is Generator.Sample, batched.
func (b *Batcher) Sample(ctx context.Context, seed int64, n int) ([]image.Image, error) {
	return b.generator.sample(ctx, seed, n, b.Pixels, nil)
}

// SampleClass is Generator.SampleClass, batched.
func (b *Batcher) SampleClass(ctx context.Context, seed int64, n int, classes ...int) ([]image.Image, error) {
	return b.generator.sample(ctx, seed, n, b.Pixels, classes)
}

// Pixels is Generator.Pixels, batched.
func (b *Batcher) Pixels(ctx context.Context, dst []byte, noise random.Noise, first int, classes ...int) error {
	if err := knows(b.generator.model.Class, classes); err != nil {
		return err
	}
	size := b.generator.imageBytes()
	if len(dst)%size != 0 {
		return fmt.Errorf("room for %d bytes, want a multiple of %d", len(dst), size)
	}
	for done := 0; done < len(dst); {
		some := dst[done:min(done+b.most*size, len(dst))]
		if err := b.some(ctx, some, portion{noise, first + done/size, len(some) / size, slices.Clone(classes)}); err != nil {
			return err
		}
		done += len(some)
	}
	return nil
}

// some is Pixels for at most b.most images.
func (b *Batcher) some(ctx context.Context, dst []byte, p portion) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	at, batch := b.join(p)
	select {
	case <-batch.done:
	case <-ctx.Done():
		b.leave(batch)
		return context.Cause(ctx)
	}
	defer b.leave(batch)
	if batch.err != nil {
		return batch.err
	}
	copy(dst, batch.pixels[at:])
	return nil
}

// join puts a portion into the batch that gathers, or a new one, and returns where its pixels will be.
func (b *Batcher) join(p portion) (at int, joined *batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open != nil && b.open.images+p.n > b.most {
		b.full, b.open = append(b.full, b.open), nil
	}
	if b.open == nil {
		b.open = &batch{done: make(chan struct{}), ripe: b.wait == 0}
		if b.wait > 0 {
			gathers := b.open
			time.AfterFunc(b.wait, func() { b.ripen(gathers) })
		}
	}
	joined, at = b.open, b.open.images*b.generator.imageBytes()
	joined.parts = append(joined.parts, p)
	joined.images += p.n
	joined.users++
	b.begin()
	return at, joined
}

func (b *Batcher) ripen(gathers *batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	gathers.ripe = true
	b.begin()
}

// begin starts the runs that may start. The lock is held.
func (b *Batcher) begin() {
	for b.free > 0 {
		var next *batch
		switch {
		case len(b.full) > 0:
			next, b.full = b.full[0], b.full[1:]
		case b.open != nil && (b.open.ripe || b.open.images == b.most):
			next, b.open = b.open, nil
		default:
			return
		}
		if next.users == 0 { // all have left
			continue
		}
		b.free--
		next.begun = true
		var ok bool
		if next.memory, ok = b.pool.Get().(*[]byte); !ok {
			next.memory = new([]byte)
		}
		next.pixels = room(next.memory, next.images*b.generator.imageBytes())
		go b.run(next)
	}
}

// run makes the images of a batch. Nobody's context ends it: it is for several callers.
func (b *Batcher) run(r *batch) {
	err := b.generator.batch(context.Background(), r.pixels, r.parts)
	b.mu.Lock()
	r.err = err
	close(r.done)
	if r.users == 0 {
		b.pool.Put(r.memory)
	}
	b.free++
	b.begin()
	b.mu.Unlock()
}

// leave is called by each caller once. The last one gives back the memory, unless the run is still under way.
func (b *Batcher) leave(r *batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.users--
	if r.users > 0 || !r.begun {
		return
	}
	select {
	case <-r.done:
		b.pool.Put(r.memory)
	default:
	}
}
