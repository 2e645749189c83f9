package train

import (
	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/internal/gop"
)

// Evaluate measures the model, as it behaves in inference, on the held-out images of Config.Test: the mean absolute error
// of an autoencoder (test_mae), the negative evidence lower bound of a variational one in nats for an image
// (test_negative_elbo, the sum of test_reconstruction and test_kl). It is empty without such images, and for models that
// have no such figure.
func (t *Trainer) Evaluate() ([]Metric, error) {
	if t.config.Test == nil {
		return nil, nil
	}
	s := newScale(t.config.Model.Recipe.Pixels)
	return t.objective.evaluate(&dataSplit{set: t.config.Test, scale: &s})
}

// dataSplit are images to measure on.
type dataSplit struct {
	set   *dataset.Set
	scale *scale
}

// measure computes some means over a batch.
type measure struct {
	x       []float32 // (N,C,H,W)
	prepare func()    // fills other inputs; may be nil
	machine *gop.Machine
	means   []*G.Node
}

func newMeasure(x []float32, prepare func(), means ...*G.Node) (*measure, error) {
	m, err := gop.NewMachine(means...)
	if err != nil {
		return nil, err
	}
	return &measure{x: x, prepare: prepare, machine: m, means: means}, nil
}

// mean is what a measure gives for the whole set, which it sees in batches.
func (s *dataSplit) mean(graph func(batch int) (*measure, error)) ([]float64, error) {
	const most = 250
	var total []float64
	var m *measure
	for lo, batch := 0, 0; lo < s.set.N; lo += batch {
		if n := min(most, s.set.N-lo); n != batch {
			var err error
			if m, err = graph(n); err != nil {
				return nil, err
			}
			batch = n
		}
		s.scale.images(m.x, s.set, lo)
		if m.prepare != nil {
			m.prepare()
		}
		if err := m.machine.RunAll(); err != nil {
			return nil, err
		}
		if total == nil {
			total = make([]float64, len(m.means))
		}
		for i, node := range m.means {
			total[i] += scalar(node) * float64(batch) / float64(s.set.N)
		}
	}
	return total, nil
}
