package train

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/random"
)

// opponents are a generator and a discriminator: what the forms of adversarial training share.
type opponents struct {
	config                   Config
	generator, discriminator *netState
	logit                    string
	batches                  *batches
	noise                    *random.Stream
	figures                  [3]Metric
}

func newOpponents(t *Trainer, o Adversarial) (*opponents, error) {
	g, err := t.net(o.Generator)
	if err != nil {
		return nil, err
	}
	d, err := t.net(o.Discriminator)
	if err != nil {
		return nil, err
	}
	if err := t.fits(d); err != nil {
		return nil, err
	}
	p := &opponents{config: t.config, generator: g, discriminator: d, logit: o.Logit, noise: t.stream("noise")}
	p.batches = newBatches(t.config.Data, t.config.Model.Recipe.Pixels, t.config.Batch, t.stream("batch"))
	p.figures = [3]Metric{{Name: "d_loss"}, {Name: "d_accuracy"}, {Name: "g_loss"}}
	return p, nil
}

// judge adds the discriminator's logits of the images x, and their loss against a target.
func (p *opponents) judge(d *bound, x *G.Node, need layer.Need, target float64, learns *netState) (loss, logits *G.Node, err error) {
	out, err := d.build(x, true, need, p.logit)
	if err != nil {
		return nil, nil, err
	}
	loss, err = gop.BCEWithLogits(learns.plan.Net.Name+".loss", out[0], target)
	return loss, out[0], err
}

// record keeps the figures of an iteration.
func (p *opponents) record(realLoss, fakeLoss, genLoss float64, realLogits, fakeLogits []float32) {
	right := 0
	for i := range realLogits {
		if realLogits[i] > 0 {
			right++
		}
		if !(fakeLogits[i] > 0) {
			right++
		}
	}
	p.figures[0].Value = (realLoss + fakeLoss) / 2
	p.figures[1].Value = float64(right) / float64(2*len(realLogits))
	p.figures[2].Value = genLoss
}

func (p *opponents) metrics() []Metric { return p.figures[:] }

func (p *opponents) layout(e Event) string {
	return fmt.Sprintf("%d [D loss: %f, acc.: %.2f%%] [G loss: %f]", e.Step, e.Metrics[0].Value, 100*e.Metrics[1].Value, e.Metrics[2].Value)
}

func (p *opponents) evaluate(*dataSplit) ([]Metric, error) { return nil, nil }

func (p *opponents) pictures(n int) ([]Picture, error) {
	samples, err := decodeNoise(p.config, p.generator, n)
	return []Picture{{Name: "samples", Title: "samples", Images: samples}}, err
}

// decodeNoise makes n images of standard normal noise, the same at every call.
func decodeNoise(c Config, net *netState, n int) (*Images, error) {
	inf, err := net.plan.NewInference(n, net.weights)
	if err != nil {
		return nil, err
	}
	random.New(c.Seed, "samples").Normal(inf.Input())
	out, err := inf.Run()
	if err != nil {
		return nil, err
	}
	return c.images(slices.Clone(out[0]), n), nil
}
