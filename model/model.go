// Package model defines what a model is: some nets, an objective that says how they learn, and a recipe with its
// settings.
//
// A Model is data. Package models lists those that petrify comes with; one of your own is a value of type Model over layers
// of package layer and an objective of package train. Package train trains it, package export writes its nets as ONNX files.
package model

import (
	"errors"
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/layer"
)

// Model is one architecture: its nets, how they learn, and with which settings by default.
type Model struct {
	Name      string // "gan"
	Title     string // "Dense GAN"
	Doc       string // a few sentences for who chooses a model
	Source    string // paper or recipe
	Nets      []layer.Net
	Chains    []layer.Net // nets whose Parts are among Nets: they learn nothing of their own and are exported beside them
	Objective Objective
	Recipe    Recipe
}

// Exports are all nets that become files.
func (m Model) Exports() []layer.Net { return slices.Concat(m.Nets, m.Chains) }

// Net finds a net by name, one that learns or a chain.
func (m Model) Net(name string) (layer.Net, bool) {
	for _, n := range m.Exports() {
		if n.Name == name {
			return n, true
		}
	}
	return layer.Net{}, false
}

// Class is the class that nets of the model take beside their input; its zero value where none does.
func (m Model) Class() layer.Class {
	for _, n := range m.Nets {
		if n.Class.Count > 0 {
			return n.Class
		}
	}
	return layer.Class{}
}

// Check plans every net and says whether they fit together: the images that one makes are those that another takes. The
// error names every problem found.
func (m Model) Check() error {
	var problems []error
	plans := map[string]*layer.Plan{}
	for _, n := range m.Exports() {
		p, err := n.Plan()
		if err != nil {
			problems = append(problems, err)
			continue
		}
		plans[n.Name] = p
	}
	for _, n := range m.Nets {
		if c := m.Class(); n.Class.Count > 0 && n.Class != c {
			problems = append(problems, fmt.Errorf("%s: %s takes the class %q of %d, another net %q of %d", m.Name, n.Name, n.Class.Name, n.Class.Count, c.Name, c.Count))
		}
	}
	if m.Objective == nil {
		problems = append(problems, fmt.Errorf("%s: no objective", m.Name))
	}
	if problems != nil {
		return errors.Join(problems...)
	}
	for _, f := range m.Objective.Roles().Flows {
		from, to := plans[f.From], plans[f.To]
		if from == nil || to == nil {
			problems = append(problems, fmt.Errorf("%s: the objective names %s and %s, of which one is not a net", m.Name, f.From, f.To))
			continue
		}
		for _, i := range from.Outputs {
			if got, want := from.Steps[i].Out, to.Net.Input.Shape; got.String() != want.String() {
				problems = append(problems, fmt.Errorf("%s gives %v, %s takes %v", from.Steps[i].Name, got, f.To, want))
			}
		}
	}
	return errors.Join(problems...)
}

// Recipe is how a model is trained unless told otherwise.
type Recipe struct {
	Steps       int // iterations
	Batch       int // images in an iteration
	SampleEvery int // iterations between two reports with samples and checkpoint
	Adam        Adam
	Pixels      Pixels
}

// Adam holds the hyper-parameters of the optimiser (Kingma and Ba 2015), in Keras's form: Epsilon is added to the root of the
// second moment before its bias is corrected. All are used as given.
type Adam struct{ LR, Beta1, Beta2, Epsilon float64 }

// Pixels is the range that the 0 to 255 of an image are mapped to.
type Pixels struct{ Low, High float64 }

// ToUnit maps values of the range back to 0 (black) to 1 (white), in place.
func (p Pixels) ToUnit(x []float32) {
	for i, v := range x {
		x[i] = float32((float64(v) - p.Low) / (p.High - p.Low))
	}
}

// Objective is how the nets of a model learn. Package train has those that petrify comes with, and says what one of your own
// must do to be trained.
type Objective interface {
	// Roles is what the nets are to each other.
	Roles() Roles
}

// Roles is what an objective declares to the rest of the program.
type Roles struct {
	Images  string   // the net that the images of the data set enter
	Flows   []Flow   // between nets, which must fit
	Sampler string   // the net that makes images, of noise or of points of a latent space
	HeldOut bool     // measured by, or shown with, images that training does not see
	Figures []string // what every iteration reports, in order
}

// Flow says that a net takes what another one makes, both by their names.
type Flow struct{ From, To string }
