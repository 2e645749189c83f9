package train

import (
	G "gorgonia.org/gorgonia"
)

// Evaluate measures the model, as it behaves in inference, on the held-out images of Config.Test: the mean absolute error
// of an autoencoder (test_mae), the negative evidence lower bound of a variational one in nats for an image
// (test_negative_elbo, the sum of test_reconstruction and test_kl). It is empty without such images, and for models that
// have no such figure.
func (t *Trainer) Evaluate() ([]Metric, error) {
	if t.config.Test == nil {
		return nil, nil
	}
	return t.iteration.Evaluate()
}

// measure computes some means over a batch.
type measure struct {
	x       []float32 // (N,C,H,W)
	prepare func()    // fills other inputs; may be nil
	machine G.VM
	means   []*G.Node
}

func newMeasure(g *Graph, x []float32, prepare func(), means ...*G.Node) (*measure, error) {
	m, err := g.Compute(means...)
	return &measure{x: x, prepare: prepare, machine: m, means: means}, err
}

// overTest is what a measure gives for all held-out images, which it sees in batches.
func (c *coder) overTest(graph func(batch int) (*measure, error)) ([]float64, error) {
	const most = 250
	set, scale := c.trainer.config.Test, c.trainer.scale()
	var total []float64
	var m *measure
	for lo, batch := 0, 0; lo < set.N; lo += batch {
		if n := min(most, set.N-lo); n != batch {
			var err error
			if m, err = graph(n); err != nil {
				return nil, err
			}
			batch = n
		}
		scale.images(m.x, set, lo)
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
			total[i] += Scalar(node) * float64(batch) / float64(set.N)
		}
	}
	return total, nil
}
