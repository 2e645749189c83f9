// Package models lists the architectures that petrify trains, one file each: a table of layers and an objective.
package models

import (
	"errors"
	"fmt"
	"strings"

	"github.com/petrify-ml/petrify/internal/suggest"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/train"
)

// Options are the sizes of a model. Zero values mean the architecture's own; what a size stands for is said by the
// function that builds the model.
type Options struct {
	Image  layer.Shape `json:"image,omitempty"`  // channels, height, width
	Latent int         `json:"latent,omitempty"` // dimensions of the latent space, or of the noise
	Width  int         `json:"width,omitempty"`  // units or channels of the layers within
	Depth  int         `json:"depth,omitempty"`  // number of hidden layers, or of steps between resolutions
	Beta   *float64    `json:"beta,omitempty"`   // weight of the divergence of a variational autoencoder; 0 counts as a value

	Classes int `json:"classes,omitempty"` // of the images, for a model that learns them
}

// or fills zero values from the sizes that an architecture has by itself.
func (o Options) or(own Options) Options {
	if o.Image == nil {
		o.Image = own.Image
	}
	for _, p := range []struct{ to, from *int }{{&o.Latent, &own.Latent}, {&o.Width, &own.Width}, {&o.Depth, &own.Depth}, {&o.Classes, &own.Classes}} {
		if *p.to == 0 {
			*p.to = *p.from
		}
	}
	return o
}

// The limits keep a mistyped number from taking all memory.
const (
	maxSide, maxLatent, maxWidth, maxDepth, maxClasses = 1024, 1 << 16, 1 << 14, 16, 1024
)

func (o Options) check() error {
	var problems []error
	fail := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if o.Image != nil {
		if len(o.Image) != 3 || o.Image[0] != 1 && o.Image[0] != 3 {
			fail("image is %v, want 1 (grey) or 3 (red, green, blue) channels, height and width, such as 1x28x28", o.Image)
		}
		for _, d := range o.Image {
			if d < 1 || d > maxSide {
				fail("image is %v, want sides from 1 to %d", o.Image, maxSide)
				break
			}
		}
	}
	for _, p := range []struct {
		name      string
		got, most int
	}{{"latent", o.Latent, maxLatent}, {"width", o.Width, maxWidth}, {"depth", o.Depth, maxDepth}, {"classes", o.Classes, maxClasses}} {
		if p.got < 0 || p.got > p.most {
			fail("%s is %d, want 1 to %d, or 0 for the model's own", p.name, p.got, p.most)
		}
	}
	if o.Beta != nil && !(*o.Beta >= 0 && *o.Beta <= 1e6) {
		fail("beta is %v, want 0 to 1e6", *o.Beta)
	}
	return errors.Join(problems...)
}

// convDepth is the number of steps of convolutional models, unless told otherwise.
const convDepth = 2

// checkSteps says whether the image can be halved so often without a remainder.
func (o Options) checkSteps() error {
	o = o.or(Options{Image: layer.Shape{1, 28, 28}, Depth: convDepth})
	if unit := 1 << o.Depth; o.Image[1]%unit != 0 || o.Image[2]%unit != 0 {
		return fmt.Errorf("image is %v, want height and width that %d divides, for %d steps of halving", o.Image, unit, o.Depth)
	}
	return nil
}

// architectures lists every model.
var architectures = []struct {
	name  string
	build func(Options) model.Model
	steps bool // Depth counts steps that halve the image
}{
	{"gan", gan, false},
	{"cgan", cgan, false},
	{"autoencoder", autoencoder, false},
	{"vae", vae, false},
	{"dcgan", dcgan, true},
	{"conv-autoencoder", convAutoencoder, true},
	{"conv-vae", convVAE, true},
}

// All lists every model in its own sizes.
func All() []model.Model {
	var list []model.Model
	for _, a := range architectures {
		list = append(list, a.build(Options{}))
	}
	return list
}

// Find looks a model up by name, in its own sizes.
func Find(name string) (model.Model, error) { return Build(name, Options{}) }

// Build makes a model of the given sizes. The error says which of them do not fit together.
func Build(name string, o Options) (model.Model, error) {
	var names []string
	for _, a := range architectures {
		names = append(names, a.name)
		if a.name != name {
			continue
		}
		if err := o.check(); err != nil {
			return model.Model{}, fmt.Errorf("%s: %w", name, err)
		}
		if a.steps {
			if err := o.checkSteps(); err != nil {
				return model.Model{}, fmt.Errorf("%s: %w", name, err)
			}
		}
		m := a.build(o)
		if _, variational := m.Objective.(train.Variational); o.Beta != nil && !variational {
			return model.Model{}, fmt.Errorf("%s: beta has no effect: it weighs the divergence of a variational autoencoder", name)
		}
		switch learnt := m.Class().Count; {
		case o.Classes != 0 && learnt == 0:
			return model.Model{}, fmt.Errorf("%s: classes has no effect: it learns none", name)
		case o.Classes == 1:
			return model.Model{}, fmt.Errorf("%s: classes is 1, want at least 2 to tell apart", name)
		}
		if err := m.Check(); err != nil {
			return model.Model{}, fmt.Errorf("%s: %w", name, err)
		}
		return m, nil
	}
	return model.Model{}, fmt.Errorf("unknown model %q, want one of %s%s", name, strings.Join(names, ", "), suggest.DidYouMean(name, names))
}

// numbered is the name of a row among several of its sort.
func numbered(name string, i int) string { return fmt.Sprintf("%s%d", name, i) }

// hidden is a stack of dense layers of one width, each followed by an activation: fc1, act1, fc2, act2 ...
func hidden(depth, width int, act layer.Layer) []layer.Row {
	var rows []layer.Row
	for i := range depth {
		rows = append(rows,
			layer.Row{Name: numbered("fc", i+1), Layer: layer.Dense{Out: width}},
			layer.Row{Name: numbered("act", i+1), Layer: act},
		)
	}
	return rows
}
