package train

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/layer"
)

// adversarial is layer.Adversarial at work. It holds three graphs over the same parameters:
//
//	real       x -> D -> loss to 1, gradients of D
//	fake       z -> G -> D -> loss to 0, gradients of D
//	generator  z -> G -> D -> loss to 1, gradients of G
type adversarial struct {
	config    Config
	generator *netState
	batches   *batches
	noise     *kernel.Stream

	real, fake, gen        *update
	realLogits, fakeLogits []float32
	x, zFake, zGen         []float32

	figures [3]Metric
}

func newAdversarial(t *Trainer, o layer.Adversarial) (*adversarial, error) {
	c := t.config
	g, err := t.net(o.Generator)
	if err != nil {
		return nil, err
	}
	d, err := t.net(o.Discriminator)
	if err != nil {
		return nil, err
	}
	image := d.plan.Net.Input.Shape
	if set := (layer.Shape{c.Data.C, c.Data.H, c.Data.W}); set.String() != image.String() {
		return nil, fmt.Errorf("%s takes images of %v, %s has %v", d.plan.Net.Name, image, c.Data.Name, set)
	}
	a := &adversarial{config: c, generator: g, noise: t.stream("noise")}
	a.batches = newBatches(c.Data, c.Model.Recipe.Pixels, c.Batch, t.stream("batch"))
	a.figures = [3]Metric{{Name: "d_loss"}, {Name: "d_accuracy"}, {Name: "g_loss"}}

	var logits *G.Node
	if a.real, a.x, logits, err = a.graph(nil, d, o.Logit, 1, d); err != nil {
		return nil, err
	}
	a.realLogits = logits.Value().Data().([]float32)
	if a.fake, a.zFake, logits, err = a.graph(g, d, o.Logit, 0, d); err != nil {
		return nil, err
	}
	a.fakeLogits = logits.Value().Data().([]float32)
	if a.gen, a.zGen, _, err = a.graph(g, d, o.Logit, 1, g); err != nil {
		return nil, err
	}
	return a, nil
}

// graph builds input -> g (when given) -> d -> loss against target, with the gradients of the net that learns.
func (a *adversarial) graph(g, d *netState, logit string, target float64, learns *netState) (*update, []float32, *G.Node, error) {
	graph := G.NewGraph()
	nets := []*netState{d}
	if g != nil {
		nets = []*netState{g, d}
	}
	port := nets[0].plan.Net.Input
	x, input := layer.InputNode[float32](graph, port.Name, append(layer.Shape{a.config.Batch}, port.Shape...))
	var learner *bound
	through := gop.Need{} // gradients are wanted only from the net that learns onwards
	if g != nil {
		b, err := g.bind(graph)
		if err != nil {
			return nil, nil, nil, err
		}
		if x, err = b.build(x, gop.Need{Params: learns == g}, ""); err != nil {
			return nil, nil, nil, err
		}
		if learns == g {
			learner, through = b, gop.Need{Input: true}
		}
	}
	b, err := d.bind(graph)
	if err != nil {
		return nil, nil, nil, err
	}
	if learns == d {
		learner, through = b, gop.Need{Params: true}
	}
	logits, err := b.build(x, through, logit)
	if err != nil {
		return nil, nil, nil, err
	}
	loss, err := gop.BCEWithLogits(learns.plan.Net.Name+".loss", logits, target)
	if err != nil {
		return nil, nil, nil, err
	}
	u, err := newUpdate(loss, learner, nets, a.config.Adam, logits)
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
	right := 0
	for i := range a.realLogits {
		if a.realLogits[i] > 0 {
			right++
		}
		if !(a.fakeLogits[i] > 0) {
			right++
		}
	}
	a.figures[0].Value = (realLoss + fakeLoss) / 2
	a.figures[1].Value = float64(right) / float64(2*len(a.realLogits))
	a.figures[2].Value = genLoss
	return nil
}

func (a *adversarial) metrics() []Metric { return a.figures[:] }

func (a *adversarial) layout(e Event) string {
	return fmt.Sprintf("%d [D loss: %f, acc.: %.2f%%] [G loss: %f]", e.Step, e.Metrics[0].Value, 100*e.Metrics[1].Value, e.Metrics[2].Value)
}

func (a *adversarial) samples(n int) (*Images, error) {
	inf, err := a.generator.plan.NewInference(n, a.generator.weights)
	if err != nil {
		return nil, err
	}
	kernel.NewStream(a.config.Seed, "samples").Normal(inf.Input())
	out, err := inf.Run()
	if err != nil {
		return nil, err
	}
	pixels := slices.Clone(out[0])
	a.config.Model.Recipe.Pixels.ToUnit(pixels)
	return &Images{Pixels: pixels, N: n, C: a.config.Data.C, H: a.config.Data.H, W: a.config.Data.W}, nil
}
