package train

import (
	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/random"
)

// batches draws images at random, with replacement, and scales their pixels.
type batches struct {
	set    *dataset.Set
	rows   []int
	stream *random.Stream
	scale  scale
}

func newBatches(set *dataset.Set, to model.Pixels, size int, stream *random.Stream) *batches {
	return &batches{set: set, rows: make([]int, size), stream: stream, scale: newScale(to)}
}

// next fills x, (N,C,H,W), with the next batch.
func (b *batches) next(x []float32) {
	for i := range b.rows {
		b.rows[i] = b.stream.Intn(b.set.N)
	}
	b.scale.rows(x, b.set, b.rows)
}

// scale maps the 256 levels of a pixel to the range of a model.
type scale struct{ factor, offset float32 }

func newScale(to model.Pixels) scale {
	return scale{float32((to.High - to.Low) / 255), float32(to.Low)}
}

// rows fills x, (N,C,H,W), with the images of those indices.
func (s scale) rows(x []float32, set *dataset.Set, rows []int) {
	kernel.GatherRows(x, set.Pixels, rows, set.C*set.H*set.W, s.factor, s.offset)
}

// images fills x, (N,C,H,W), with the images of a set from index first on.
func (s scale) images(x []float32, set *dataset.Set, first int) {
	rows := make([]int, len(x)/(set.C*set.H*set.W))
	for i := range rows {
		rows[i] = first + i
	}
	s.rows(x, set, rows)
}
