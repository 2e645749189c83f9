package train

import (
	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
)

// Adversarial trains a generator against a discriminator (Goodfellow et al. 2014, the non-saturating form). Losses are
// binary cross-entropies of the logits.
//
// In one iteration the discriminator takes one step on a real batch with label 1 and one on a generated batch with label
// 0; then the generator takes one, with fresh noise, towards label 1 of the frozen discriminator.
//
// With Joint the discriminator takes a single step, along the sum of the gradients of both batches, each of which is
// normalised by itself where the net has batch statistics; the generator's step then takes the same images once more, to
// the discriminator as it has become (Radford et al. 2016, in the form of PyTorch's tutorial).
type Adversarial struct {
	Generator     string // net: standard normal noise to images
	Discriminator string // net: images to probabilities
	Logit         string // row of the discriminator that holds the logits, in front of its sigmoid
	Joint         bool
}

// Roles is what the nets are to each other.
func (o Adversarial) Roles() model.Roles {
	return model.Roles{
		Flows:   []model.Flow{{From: o.Generator, To: o.Discriminator}},
		Sampler: o.Generator,
		Figures: []string{"d_loss", "d_accuracy", "g_loss"},
	}
}

// adversarial is Adversarial at work, with a step of the discriminator for each of its batches. It holds three graphs
// over the same parameters:
//
//	real       x -> D -> loss to 1, gradients of D
//	fake       z -> G -> D -> loss to 0, gradients of D
//	generator  z -> G -> D -> loss to 1, gradients of G
type adversarial struct {
	*opponents
	real, fake, gen        *update
	realLogits, fakeLogits []float32
	x, zFake, zGen         []float32
}

func newAdversarial(t *Trainer, o Adversarial) (*adversarial, error) {
	p, err := newOpponents(t, o)
	if err != nil {
		return nil, err
	}
	a := &adversarial{opponents: p}
	var logits *G.Node
	if a.real, a.x, logits, err = a.graph(nil, p.discriminator, 1, p.discriminator); err != nil {
		return nil, err
	}
	a.realLogits = logits.Value().Data().([]float32)
	if a.fake, a.zFake, logits, err = a.graph(p.generator, p.discriminator, 0, p.discriminator); err != nil {
		return nil, err
	}
	a.fakeLogits = logits.Value().Data().([]float32)
	if a.gen, a.zGen, _, err = a.graph(p.generator, p.discriminator, 1, p.generator); err != nil {
		return nil, err
	}
	return a, nil
}

// graph builds input -> g (when given) -> d -> loss against target, with the gradients of the net that learns.
func (a *adversarial) graph(g, d *netState, target float64, learns *netState) (*update, []float32, *G.Node, error) {
	graph := G.NewGraph()
	nets := []*netState{d}
	if g != nil {
		nets = []*netState{g, d}
	}
	x, input := inputOf(graph, nets[0], a.config.Batch)
	var learner *bound
	through := layer.Need{} // gradients are wanted only from the net that learns onwards
	if g != nil {
		b, err := g.bind(graph)
		if err != nil {
			return nil, nil, nil, err
		}
		images, err := b.build(x, true, layer.Need{Params: learns == g}, "")
		if err != nil {
			return nil, nil, nil, err
		}
		x = images[0]
		if learns == g {
			learner, through = b, layer.Need{Input: true}
		}
	}
	b, err := d.bind(graph)
	if err != nil {
		return nil, nil, nil, err
	}
	if learns == d {
		learner, through = b, layer.Need{Params: true}
	}
	loss, logits, err := a.judge(b, x, through, target, learns)
	if err != nil {
		return nil, nil, nil, err
	}
	u, err := newUpdate(updateConfig{loss: loss, learners: []*bound{learner}, nets: nets, also: G.Nodes{logits}, adam: a.config.Adam})
	return u, input, logits, err
}

func (a *adversarial) iterate() error {
	a.batches.next(a.x)
	realLoss, err := a.real.run()
	if err != nil {
		return err
	}
	a.noise.Normal(a.zFake)
	fakeLoss, err := a.fake.run()
	if err != nil {
		return err
	}
	a.noise.Normal(a.zGen)
	genLoss, err := a.gen.run()
	if err != nil {
		return err
	}
	a.record(realLoss, fakeLoss, genLoss, a.realLogits, a.fakeLogits)
	return nil
}
