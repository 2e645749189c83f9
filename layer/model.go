package layer

import (
	"errors"
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Model is one architecture: its nets, how they learn, and with which settings by default.
type Model struct {
	Name      string // "gan"
	Title     string // "Dense GAN"
	Doc       string // a few sentences for who chooses a model
	Source    string // paper or recipe
	Nets      []Net  // what learns
	Wholes    []Net  // chains of Nets, exported beside them
	Objective Objective
	Recipe    Recipe
}

// Exports are all nets that become files.
func (m Model) Exports() []Net { return slices.Concat(m.Nets, m.Wholes) }

// Net finds a net by name, one that learns or a whole.
func (m Model) Net(name string) (Net, bool) {
	for _, n := range m.Exports() {
		if n.Name == name {
			return n, true
		}
	}
	return Net{}, false
}

// Check plans every net and says whether they fit together: the images that one makes are those that another takes.
func (m Model) Check() error {
	var problems []error
	plans := map[string]*Plan{}
	for _, n := range m.Exports() {
		p, err := n.Plan()
		if err != nil {
			problems = append(problems, err)
			continue
		}
		plans[n.Name] = p
	}
	if problems != nil {
		return errors.Join(problems...)
	}
	fits := func(from, to string) {
		a, b := plans[from], plans[to]
		if a == nil || b == nil {
			problems = append(problems, fmt.Errorf("the objective names %s and %s, of which one is no net", from, to))
			return
		}
		for _, i := range a.Outputs {
			if got, want := a.Steps[i].Out, b.Net.Input.Shape; got.String() != want.String() {
				problems = append(problems, fmt.Errorf("%s gives %v, %s takes %v", a.Steps[i].Name, got, to, want))
			}
		}
	}
	switch o := m.Objective.(type) {
	case Adversarial:
		fits(o.Generator, o.Discriminator)
	case Reconstruction:
		fits(o.Encoder, o.Decoder)
		fits(o.Decoder, o.Encoder)
	case Variational:
		fits(o.Encoder, o.Decoder)
		fits(o.Decoder, o.Encoder)
	}
	return errors.Join(problems...)
}

// Recipe is how a model is trained unless told otherwise.
type Recipe struct {
	Steps       int // iterations
	Batch       int
	SampleEvery int // iterations between two reports with samples and checkpoint
	Adam        kernel.AdamConfig
	Pixels      Pixels
}

// Pixels is the range that the 0 to 255 of an image are mapped to.
type Pixels struct{ Low, High float64 }

// ToUnit maps values of the range back to 0 (black) to 1 (white), in place.
func (p Pixels) ToUnit(x []float32) {
	for i, v := range x {
		x[i] = float32((float64(v) - p.Low) / (p.High - p.Low))
	}
}

// Objective is how the nets of a model learn. Package train knows what each of them means.
type Objective interface{ objective() }

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

// Reconstruction trains an encoder and a decoder to give back the image that went in: the loss is the mean absolute error
// of the pixels.
type Reconstruction struct {
	Encoder string // net: images to points of the latent space
	Decoder string // net: points of the latent space to images
}

// Variational trains a variational autoencoder (Kingma and Welling 2014): the encoder gives the mean and the logarithm of
// the variance of a normal distribution, the decoder reconstructs the image from a draw, mean + exp(logvar/2) noise. The
// loss of an image is the binary cross-entropy of its pixels plus Beta times the divergence of the distribution from the
// standard normal one, each a sum; that of a batch is the mean. With Beta 1 it is the negative evidence lower bound.
type Variational struct {
	Encoder string // net: images to mean and log-variance, its two outputs in this order
	Decoder string // net: standard normal noise, the prior, to images
	Logit   string // row of the decoder that holds the logits of the pixels, in front of its sigmoid
	Beta    float64
}

func (Adversarial) objective()    {}
func (Reconstruction) objective() {}
func (Variational) objective()    {}
