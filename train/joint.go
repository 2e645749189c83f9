package train

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/layer"
)

// joint is Adversarial at work in its Joint form: one step of the discriminator along the sum of two gradients, and
// the same images for both steps. It holds three graphs over the same parameters:
//
//	real       x -> D -> loss to 1, gradients of D
//	fake       images -> D -> loss to 0, gradients of D
//	generator  z -> G -> images -> D -> loss to 1, gradients of G
//
// The third runs in two halves, up to the images and from there, with the step of D between them.
type joint struct {
	*opponents
	real, fake, gen        *update
	draw                   *gop.Machine // z -> G -> images
	realLogits, fakeLogits []float32
	x, z                   []float32
}

func newJoint(t *Trainer, o Adversarial) (*joint, error) {
	p, err := newOpponents(t, o)
	if err != nil {
		return nil, err
	}
	j := &joint{opponents: p}
	images, err := j.second()
	if err != nil {
		return nil, err
	}
	graph := G.NewGraph()
	x, input := inputOf(graph, p.discriminator, p.config.Batch)
	j.x = input
	if j.real, j.realLogits, err = j.first(graph, x, 1); err != nil {
		return nil, err
	}
	graph = G.NewGraph()
	if j.fake, j.fakeLogits, err = j.first(graph, valueOf(graph, images), 0); err != nil {
		return nil, err
	}
	return j, nil
}

// first builds x -> D -> loss against target, with the gradients of D.
func (j *joint) first(graph *G.ExprGraph, x *G.Node, target float64) (*update, []float32, error) {
	d, err := j.discriminator.bind(graph)
	if err != nil {
		return nil, nil, err
	}
	loss, logits, err := j.judge(d, x, layer.Need{Params: true}, target, j.discriminator)
	if err != nil {
		return nil, nil, err
	}
	u, err := newUpdate(updateConfig{
		loss: loss, learners: []*bound{d}, nets: []*netState{j.discriminator}, also: G.Nodes{logits}, adam: j.config.Adam,
	})
	if err != nil {
		return nil, nil, err
	}
	return u, logits.Value().Data().([]float32), nil
}

// second builds the generator's graph in its two halves and returns the images between them.
func (j *joint) second() (*G.Node, error) {
	graph := G.NewGraph()
	z, input := inputOf(graph, j.generator, j.config.Batch)
	j.z = input
	g, err := j.generator.bind(graph)
	if err != nil {
		return nil, err
	}
	images, err := g.build(z, true, layer.Need{Params: true}, "")
	if err != nil {
		return nil, err
	}
	if j.draw, err = gop.NewMachine(images...); err != nil {
		return nil, err
	}
	d, err := j.discriminator.bind(graph)
	if err != nil {
		return nil, err
	}
	loss, _, err := j.judge(d, images[0], layer.Need{Input: true}, 1, j.generator)
	if err != nil {
		return nil, err
	}
	j.gen, err = newUpdate(updateConfig{
		loss: loss, learners: []*bound{g}, nets: []*netState{j.generator, j.discriminator}, given: j.draw, adam: j.config.Adam,
	})
	return images[0], err
}

// valueOf is an input of another graph that shares the storage of a computed node.
func valueOf(graph *G.ExprGraph, n *G.Node) *G.Node {
	t := n.Value().(*tensor.Dense)
	return G.NewTensor(graph, t.Dtype(), t.Dims(), G.WithShape(t.Shape()...), G.WithName(n.Name()), G.WithValue(t))
}

func (j *joint) iterate() error {
	j.batches.next(j.x)
	j.noise.Normal(j.z)
	if err := j.draw.RunAll(); err != nil {
		return err
	}
	realLoss, err := j.real.compute()
	if err != nil {
		return err
	}
	fakeLoss, err := j.fake.compute()
	if err != nil {
		return err
	}
	j.real.add(j.fake)
	j.real.move()
	genLoss, err := j.gen.run()
	if err != nil {
		return err
	}
	j.record(realLoss, fakeLoss, genLoss, j.realLogits, j.fakeLogits)
	return nil
}
