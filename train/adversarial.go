package train

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/random"
)

// Adversarial trains a generator against a discriminator (Goodfellow et al. 2014, the non-saturating form). Losses are
// binary cross-entropies of the logits.
//
// In one iteration the discriminator takes one step on a real batch with label 1 and one on a generated batch with label
// 0; then the generator takes one, with fresh noise, towards label 1 of the frozen discriminator.
//
// With Joint the discriminator takes a single step, along the sum of the gradients of both batches, each of which is
// normalised separately if the net has batch statistics; the generator's step then uses the same images again, with the
// updated discriminator (Radford et al. 2016, in the form of PyTorch's tutorial).
//
// Nets that take a class are conditional (Mirza and Osindero 2014): for a real image they get its class, for a generated one
// the requested class, which is drawn with the frequencies of the data set.
type Adversarial struct {
	Generator     string // net: standard normal noise, and perhaps a class, to images
	Discriminator string // net: images, and perhaps the class, to probabilities
	Logit         string // row of the discriminator that computes the logits, before its sigmoid
	Joint         bool
}

// Roles says what the nets are to each other.
func (o Adversarial) Roles() model.Roles {
	return model.Roles{
		Images:  o.Discriminator,
		Flows:   []model.Flow{{From: o.Generator, To: o.Discriminator}},
		Sampler: o.Generator,
		Figures: []string{"d_loss", "d_accuracy", "g_loss"},
	}
}

// Start builds three graphs over the same parameters.
func (o Adversarial) Start(t *Trainer) (Iteration, error) {
	g, err := t.Net(o.Generator)
	if err != nil {
		return nil, err
	}
	d, err := t.Net(o.Discriminator)
	if err != nil {
		return nil, err
	}
	p := &opponents{of: o, trainer: t, generator: g, discriminator: d, batches: t.Batches(), noise: t.Stream("noise")}
	if t.class.Count > 0 {
		p.classes = t.Stream("class")
	}
	if o.Joint {
		return p.joint()
	}
	return p.separate()
}

// opponents are a generator and a discriminator: what both forms share.
type opponents struct {
	of                       Adversarial
	trainer                  *Trainer
	generator, discriminator *Net
	batches                  *Batches
	noise                    *random.Stream
	classes                  *random.Stream // of generated images; nil where nets take none

	real, fake, gen        *Update
	realLogits, fakeLogits []float32
}

// judge adds the discriminator's logits of the images x, and what becomes of their loss against a target.
func (p *opponents) judge(g *Graph, x *G.Node, target float64) (u *Update, logits []float32, err error) {
	out, err := g.Apply(p.discriminator, x, p.of.Logit)
	if err != nil {
		return nil, nil, err
	}
	loss, err := gop.BCEWithLogits(g.learners[0].plan.Net.Name+".loss", out[0], target)
	if err != nil {
		return nil, nil, err
	}
	if u, err = g.Learn(loss, out[0]); err != nil {
		return nil, nil, err
	}
	return u, out[0].Value().Data().([]float32), nil
}

// report writes the figures of an iteration.
func (p *opponents) report(figures []float64, realLoss, fakeLoss, genLoss float64) {
	right := 0
	for i := range p.realLogits {
		if p.realLogits[i] > 0 {
			right++
		}
		if !(p.fakeLogits[i] > 0) {
			right++
		}
	}
	figures[0] = (realLoss + fakeLoss) / 2
	figures[1] = float64(right) / float64(2*len(p.realLogits))
	figures[2] = genLoss
}

// Line writes the figures for a log.
func (p *opponents) Line(f []float64) string {
	return fmt.Sprintf("[D loss: %f, acc.: %.2f%%] [G loss: %f]", f[0], 100*f[1], f[2])
}

// Evaluate measures nothing.
func (p *opponents) Evaluate() ([]Metric, error) { return nil, nil }

// Pictures are what the generator makes of noise. One that takes a class has a row for each, or for some of many, all of the
// same noise.
func (p *opponents) Pictures(n int) ([]Picture, error) {
	if p.generator.plan.Net.Class.Count > 0 {
		samples, columns, err := p.trainer.decodeClasses(p.generator, n)
		return []Picture{{Name: "samples", Title: "samples, a row for each class", Images: samples, Columns: columns}}, err
	}
	samples, err := p.trainer.decodeNoise(p.generator, n)
	return []Picture{{Name: "samples", Title: "samples", Images: samples}}, err
}

// separate has a step of the discriminator for each of its batches:
//
//	real       x -> D -> loss to 1, gradients of D
//	fake       z -> G -> D -> loss to 0, gradients of D
//	generator  z -> G -> D -> loss to 1, gradients of G
type separate struct {
	*opponents
	x, zFake, zGen     []float32
	cReal, cFake, cGen []float32 // classes, nil where nets take none
}

func (p *opponents) separate() (s *separate, err error) {
	s = &separate{opponents: p}
	batch := p.trainer.config.Batch
	g := p.trainer.NewGraph(p.discriminator)
	x, data := g.Input(p.discriminator, batch)
	s.x, s.cReal = data, g.Class(batch)
	if p.real, p.realLogits, err = p.judge(g, x, 1); err != nil {
		return nil, err
	}
	if p.fake, s.zFake, s.cFake, p.fakeLogits, err = p.generated(p.discriminator, 0); err != nil {
		return nil, err
	}
	p.gen, s.zGen, s.cGen, _, err = p.generated(p.generator, 1)
	return s, err
}

// generated is z -> G -> D -> loss against a target, with the gradients of the net that learns.
func (p *opponents) generated(learner *Net, target float64) (u *Update, z, classes, logits []float32, err error) {
	g := p.trainer.NewGraph(learner)
	noise, z := g.Input(p.generator, p.trainer.config.Batch)
	classes = g.Class(p.trainer.config.Batch)
	images, err := g.Apply(p.generator, noise, "")
	if err != nil {
		return nil, nil, nil, nil, err
	}
	u, logits, err = p.judge(g, images[0], target)
	return u, z, classes, logits, err
}

// ask draws noise and classes for a batch of images.
func (p *opponents) ask(z, classes []float32) {
	p.noise.Normal(z)
	p.batches.Draw(classes, p.classes)
}

// Step makes one iteration.
func (s *separate) Step(figures []float64) error {
	s.batches.Next(s.x)
	s.batches.Classes(s.cReal)
	realLoss, err := s.real.Run()
	if err != nil {
		return err
	}
	s.ask(s.zFake, s.cFake)
	fakeLoss, err := s.fake.Run()
	if err != nil {
		return err
	}
	s.ask(s.zGen, s.cGen)
	genLoss, err := s.gen.Run()
	if err != nil {
		return err
	}
	s.report(figures, realLoss, fakeLoss, genLoss)
	return nil
}

// joint has one step of the discriminator along the sum of two gradients, and the same images for both steps:
//
//	real       x -> D -> loss to 1, gradients of D
//	fake       images -> D -> loss to 0, gradients of D
//	generator  z -> G -> images -> D -> loss to 1, gradients of G
//
// The third runs in two halves, up to the images and from there, with the step of D between them.
type joint struct {
	*opponents
	draw G.VM // z -> G -> images
	x, z []float32

	cReal, cFake, cGen []float32 // classes, nil where nets take none; the last two are the same
}

func (p *opponents) joint() (j *joint, err error) {
	j = &joint{opponents: p}
	batch := p.trainer.config.Batch
	g := p.trainer.NewGraph(p.generator)
	z, noise := g.Input(p.generator, batch)
	j.cGen = g.Class(batch)
	images, err := g.Apply(p.generator, z, "")
	if err != nil {
		return nil, err
	}
	if j.draw, err = g.Compute(images...); err != nil {
		return nil, err
	}
	if p.gen, _, err = p.judge(g, images[0], 1); err != nil {
		return nil, err
	}
	g = p.trainer.NewGraph(p.discriminator)
	x, data := g.Input(p.discriminator, batch)
	j.x, j.z, j.cReal = data, noise, g.Class(batch)
	if p.real, p.realLogits, err = p.judge(g, x, 1); err != nil {
		return nil, err
	}
	g = p.trainer.NewGraph(p.discriminator)
	j.cFake = g.Class(batch)
	p.fake, p.fakeLogits, err = p.judge(g, g.Borrow(images[0]), 0)
	return j, err
}

// Step makes one iteration.
func (j *joint) Step(figures []float64) error {
	j.batches.Next(j.x)
	j.batches.Classes(j.cReal)
	j.ask(j.z, j.cGen)
	copy(j.cFake, j.cGen)
	if err := j.draw.RunAll(); err != nil {
		return err
	}
	realLoss, err := j.real.Compute()
	if err != nil {
		return err
	}
	fakeLoss, err := j.fake.Compute()
	if err != nil {
		return err
	}
	j.real.Add(j.fake)
	j.real.Move()
	genLoss, err := j.gen.Run()
	if err != nil {
		return err
	}
	j.report(figures, realLoss, fakeLoss, genLoss)
	return nil
}
