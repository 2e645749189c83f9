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
	scale  scale
}

func newBatches(set *dataset.Set, to layer.Pixels, size int, stream *kernel.Stream) *batches {
	return &batches{set: set, rows: make([]int, size), stream: stream, scale: newScale(to)}
}

// next fills x, (N,C,H,W), with the next batch.
func (b *batches) next(x []float32) {
	for i := range b.rows {
		b.rows[i] = b.stream.Intn(b.set.N)
	}
	size := b.set.C * b.set.H * b.set.W
	for i, row := range b.rows {
		b.scale.image(x[i*size:(i+1)*size], b.set.Image(row))
	}
}

// scale maps the 256 levels of a pixel to the range of a model.
type scale [256]float32

func newScale(to layer.Pixels) (s scale) {
	for i := range s {
		s[i] = float32(to.Low + float64(i)*(to.High-to.Low)/255)
	}
	return s
}

func (s *scale) image(dst []float32, src []uint8) {
	for i, p := range src {
		dst[i] = s[p]
	}
}

// images fills x, (N,C,H,W), with the images of a set from index first on.
func (s *scale) images(x []float32, set *dataset.Set, first int) {
	size := set.C * set.H * set.W
	for i := range len(x) / size {
		s.image(x[i*size:(i+1)*size], set.Image(first+i))
	}
}
