package train

import (
	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/layer"
)

// batches draws images at random, with replacement, and scales their pixels.
type batches struct {
	set    *dataset.Set
	rows   []int
	stream *kernel.Stream
	scaled [256]float32
}

func newBatches(set *dataset.Set, to layer.Pixels, size int, stream *kernel.Stream) *batches {
	b := &batches{set: set, rows: make([]int, size), stream: stream}
	for i := range b.scaled {
		b.scaled[i] = float32(to.Low + float64(i)*(to.High-to.Low)/255)
	}
	return b
}

// next fills x, (N,C,H,W), with the next batch.
func (b *batches) next(x []float32) {
	for i := range b.rows {
		b.rows[i] = b.stream.Intn(b.set.N)
	}
	size := b.set.C * b.set.H * b.set.W
	for i, row := range b.rows {
		dst := x[i*size : (i+1)*size]
		for j, p := range b.set.Pixels[row*size : (row+1)*size] {
			dst[j] = b.scaled[p]
		}
	}
}
