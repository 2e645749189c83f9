package train

import (
	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/random"
)

// Batches draws training images at random, with replacement, and scales their pixels to the range of the model.
type Batches struct {
	set    *dataset.Set
	picked []int
	stream *random.Stream
	scale  scale

	class layer.Class
	of    []int // the class of each image; nil where the model takes none
	drawn []int // of the latest batch
}

// Batches returns the run's source of training batches, which draws from the stream of that name.
func (t *Trainer) Batches() *Batches { return t.batchesOf(t.Stream("batch")) }

func (t *Trainer) batchesOf(s *random.Stream) *Batches {
	n := t.config.Batch
	return &Batches{set: t.config.Data, picked: make([]int, n), stream: s, scale: t.scale(), class: t.class, of: t.classes, drawn: make([]int, n)}
}

// Next fills x, (N,C,H,W), with the next batch.
func (b *Batches) Next(x []float32) {
	for i := range b.picked {
		b.picked[i] = b.stream.Intn(b.set.N)
	}
	b.scale.gather(x, b.set, b.picked)
}

// Classes fills x, one-hot (N, Count), with the classes of the images of the latest batch. Without classes x is nil and stays
// nil.
func (b *Batches) Classes(x []float32) {
	if x == nil {
		return
	}
	for i, k := range b.picked {
		b.drawn[i] = b.of[k]
	}
	b.class.OneHot(x, b.drawn)
}

// Draw fills x, one-hot (N, Count), with classes drawn from a stream with the frequencies of the training images. Without
// classes x is nil, and nothing is drawn.
func (b *Batches) Draw(x []float32, s *random.Stream) {
	if x == nil {
		return
	}
	for i := range b.drawn {
		b.drawn[i] = b.of[s.Intn(len(b.of))]
	}
	b.class.OneHot(x, b.drawn)
}

// scale maps the 256 levels of a pixel to the range of a model.
type scale struct{ factor, offset float32 }

func (t *Trainer) scale() scale { return newScale(t.config.Model.Recipe.Pixels) }

func newScale(to model.Pixels) scale {
	return scale{float32((to.High - to.Low) / 255), float32(to.Low)}
}

// gather fills x, (N,C,H,W), with the images of those indices.
func (s scale) gather(x []float32, set *dataset.Set, indices []int) {
	kernel.GatherRows(x, set.Pixels, indices, set.C*set.H*set.W, s.factor, s.offset)
}

// images fills x, (N,C,H,W), with the images of a set from index first on.
func (s scale) images(x []float32, set *dataset.Set, first int) {
	indices := make([]int, len(x)/(set.C*set.H*set.W))
	for i := range indices {
		indices[i] = first + i
	}
	s.gather(x, set, indices)
}
