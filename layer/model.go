package layer

import "github.com/petrify-ml/petrify/internal/kernel"

// Model is one architecture: its nets, how they learn, and with which settings by default.
type Model struct {
	Name      string // "gan"
	Title     string // "Dense GAN"
	Doc       string // a few sentences for who chooses a model
	Source    string // paper or recipe
	Nets      []Net
	Objective Objective
	Recipe    Recipe
}

// Net finds a net by name.
func (m Model) Net(name string) (Net, bool) {
	for _, n := range m.Nets {
		if n.Name == name {
			return n, true
		}
	}
	return Net{}, false
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

// Adversarial trains a generator against a discriminator (Goodfellow et al. 2014, the non-saturating form). In one
// iteration the discriminator takes one step on a real batch with label 1 and one on a generated batch with label 0;
// then the generator takes one, with fresh noise, towards label 1 of the frozen discriminator. Losses are binary
// cross-entropies of the logits.
type Adversarial struct {
	Generator     string // net: standard normal noise to images
	Discriminator string // net: images to probabilities
	Logit         string // row of the discriminator that holds the logits, in front of its sigmoid
}

func (Adversarial) objective() {}
