package train

import (
	"context"
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/random"
)

// StandingStatistics replaces the running statistics of every batch normalisation by their mean over the given number of
// batches, all computed with the present weights: running statistics lag behind changing weights (Brock, Donahue and Simonyan
// 2019, section 3.1). Generators get noise, other nets training images, drawn from separate streams, so that training
// continues as it would have otherwise. Models without batch normalisation are not changed, nor is a net for which this fails
// or the context ends.
func (t *Trainer) StandingStatistics(ctx context.Context, batches int) error {
	if batches < 1 {
		return fmt.Errorf("standing statistics of %d batches, want at least 1", batches)
	}
	for _, s := range t.nets {
		if err := t.standing(ctx, s, batches); err != nil {
			return fmt.Errorf("%s: standing statistics: %w", s.plan.Net.Name, err)
		}
	}
	return nil
}

func (t *Trainer) standing(ctx context.Context, s *Net, count int) (err error) {
	var tracked []param
	for _, p := range s.params {
		if p.Tracked {
			tracked = append(tracked, p)
		}
	}
	if tracked == nil {
		return nil
	}
	fill, err := t.filler(s)
	if err != nil {
		return err
	}
	graph := G.NewGraph()
	x, input := layer.InputNode[float32](graph, "x", append(layer.Shape{t.config.Batch}, s.plan.Net.Input.Shape...))
	var class *G.Node
	var classes []float32
	if c := s.plan.Net.Class; c.Count > 0 {
		class, classes = layer.InputNode[float32](graph, "class", append(layer.Shape{t.config.Batch}, c.Shape()...))
	}
	out, err := s.plan.Build(layer.BuildOptions{
		Input: x, Class: class,
		Param: func(q layer.Param) (*G.Node, error) {
			w, err := s.weights(q)
			if err != nil {
				return nil, err
			}
			return layer.ParamNode(graph, q, w)
		},
		Training: true,
		Latest:   true,
		Stream:   func(step string) *random.Stream { return random.New(t.config.Seed, "standing/"+step) },
	})
	if err != nil {
		return err
	}
	m, err := gop.NewMachine(out...)
	if err != nil {
		return err
	}
	before, sums := make([][]float32, len(tracked)), make([][]float64, len(tracked))
	for i, p := range tracked {
		before[i], sums[i] = slices.Clone(p.w), make([]float64, len(p.w))
	}
	defer func() {
		for i, p := range tracked {
			if err != nil {
				copy(p.w, before[i])
			}
		}
	}()
	for range count {
		if err := ctx.Err(); err != nil {
			return err
		}
		fill(input, classes)
		if err := m.RunAll(); err != nil {
			return err
		}
		for i, p := range tracked {
			for j, v := range p.w {
				sums[i][j] += float64(v)
			}
		}
	}
	for i, p := range tracked {
		for j, sum := range sums[i] {
			p.w[j] = float32(sum / float64(count))
		}
	}
	return nil
}

// filler draws batches of what a net is made for, and their classes, where those are not nil.
func (t *Trainer) filler(s *Net) (func(x, classes []float32), error) {
	stream := random.New(t.config.Seed, "standing/"+s.plan.Net.Name)
	batches := t.batchesOf(stream)
	if s.plan.Net.Input.Noise {
		return func(x, classes []float32) {
			stream.Normal(x)
			batches.Draw(classes, stream)
		}, nil
	}
	return func(x, classes []float32) {
		batches.Next(x)
		batches.Classes(classes)
	}, t.fits(s)
}
