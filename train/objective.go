package train

import (
	"github.com/petrify-ml/petrify/model"
)

// Objectives lists the objectives that petrify comes with, one file each.
func Objectives() []Objective {
	return []Objective{Adversarial{}, Reconstruction{}, Variational{}}
}

// An Objective is a model.Objective that can be trained. Your own objective is a struct that names nets of the model; put
// it into a model.Model.
type Objective interface {
	model.Objective
	// Start builds the graphs of an iteration over the nets, images and streams of a run: see Trainer.Net, Batches, Stream
	// and NewGraph.
	Start(t *Trainer) (Iteration, error)
}

// Iteration is an objective at work in a run.
type Iteration interface {
	// Step makes one iteration. It reports one figure for each name in Roles().Figures.
	Step(figures []float64) error
	// Line writes the figures for a log, without the number of the step.
	Line(figures []float64) string
	// Pictures shows what the model can do by now: see Trainer.Pictures. There is at least one, named "samples".
	Pictures(n int) ([]Picture, error)
	// Evaluate measures the model, as it behaves in inference, on the images of Config.Test, which are there. It is nil where
	// there is nothing to measure.
	Evaluate() ([]Metric, error)
}
