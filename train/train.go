// Package train binds the plans of a model to Gorgonia graphs and runs its objective.
//
// Training is an iterator of events; printing, saving and stopping belong to the caller:
//
//	t, err := train.New(train.Config{Model: model, Data: images, Seed: 1})
//	for ev, err := range t.Steps(ctx) { ... }
//
// The model's objective defines what an iteration is. petrify comes with Adversarial, Reconstruction and Variational;
// your own objective implements Objective, using graphs that the Trainer makes.
//
// Randomness is an input: every draw comes from a named stream of the seed, and nothing reads the clock. A seed
// determines the result, bit for bit, whatever the number of threads, and a run that was stopped and restored continues
// as if it had not been. In the steady state, a step allocates nothing.
package train

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/random"
)

// Config says what to train, on what, and how. Zero values of Steps, Batch and Adam mean the model's recipe.
type Config struct {
	Model model.Model
	Data  *dataset.Set
	Test  *dataset.Set // held-out images of the same size, for Evaluate and for pictures; may be nil
	Steps int          // total iterations, including those before a Restore
	Batch int
	Adam  model.Adam
	Seed  uint64
}

// Metric is one figure of an iteration.
type Metric struct {
	Name  string
	Value float64
}

// Event is one finished iteration.
type Event struct {
	Step    int      // 1 is the first
	Metrics []Metric // overwritten by the next iteration
	of      *Trainer
}

// String writes the event as a line of a training log, such as
// "1000 [D loss: 0.129656, acc.: 96.09%] [G loss: 3.387729]".
func (e Event) String() string {
	figures := make([]float64, len(e.Metrics))
	for i, m := range e.Metrics {
		figures[i] = m.Value
	}
	return fmt.Sprintf("%d %s", e.Step, e.of.iteration.Line(figures))
}

// Trainer holds the parameters of a model, the state of its optimisers and streams, and the graphs of one iteration.
//
// Net, Stream, Batches, NewGraph and Images are the building blocks of your own objective.
type Trainer struct {
	config    Config
	step      int
	iteration Iteration
	figures   []float64
	metrics   []Metric // the same with their names
	nets      []*Net
	streams   []namedStream

	class   layer.Class // what nets take beside their input; the zero value is none
	classes []int       // of the training images; nil where no net takes them
	names   []string    // of the classes
}

// DivergedError reports a loss that is not a finite number.
type DivergedError struct {
	Step   int
	Tensor string // the first tensor found with a value that is not finite
	Index  int
	Value  float64
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("step %d: %s holds %v at index %d: training diverged (try a smaller learning rate)", e.Step, e.Tensor, e.Value, e.Index)
}

// New prepares a run: plans, initial parameters, graphs.
func New(c Config) (*Trainer, error) {
	if c.Steps == 0 {
		c.Steps = c.Model.Recipe.Steps
	}
	if c.Batch == 0 {
		c.Batch = c.Model.Recipe.Batch
	}
	if c.Adam == (model.Adam{}) {
		c.Adam = c.Model.Recipe.Adam
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	if err := c.Model.Check(); err != nil {
		return nil, err
	}
	o, ok := c.Model.Objective.(Objective)
	if !ok {
		return nil, fmt.Errorf("%s: the objective %T cannot be trained: want a train.Objective", c.Model.Name, c.Model.Objective)
	}
	if err := c.checkMemory(); err != nil {
		return nil, err
	}
	t := &Trainer{config: c}
	for _, n := range c.Model.Nets {
		s, err := newNet(n, c.Seed)
		if err != nil {
			return nil, err
		}
		t.nets = append(t.nets, s)
	}
	roles := o.Roles()
	for _, name := range roles.Figures {
		t.metrics = append(t.metrics, Metric{Name: name})
	}
	t.figures = make([]float64, len(t.metrics))
	if err := t.classify(); err != nil {
		return nil, err
	}
	images, err := t.Net(roles.Images)
	if err != nil {
		return nil, err
	}
	if err := t.fits(images); err != nil {
		return nil, err
	}
	if t.iteration, err = o.Start(t); err != nil {
		return nil, err
	}
	return t, nil
}

func (c Config) validate() error {
	var problems []error
	fail := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.Steps < 1 {
		fail("steps is %d, want at least 1", c.Steps)
	}
	if c.Batch < 1 {
		fail("batch is %d, want at least 1", c.Batch)
	}
	if !(c.Adam.LR > 0) || math.IsInf(c.Adam.LR, 0) {
		fail("learning rate is %v, want a positive number", c.Adam.LR)
	}
	if c.Data == nil || c.Data.N < 1 {
		fail("no training images")
	} else if c.Test != nil && (c.Test.N < 1 || imageShape(c.Test).String() != imageShape(c.Data).String()) {
		fail("%d test images of %v, want at least one of %v as in training", c.Test.N, imageShape(c.Test), imageShape(c.Data))
	}
	return errors.Join(problems...)
}

// Config returns the configuration with the model's recipe filled in.
func (t *Trainer) Config() Config { return t.config }

// Step returns the number of iterations done.
func (t *Trainer) Step() int { return t.step }

// Steps trains until the configured number of steps is reached, the context ends, or something fails: an error is the
// last thing it yields. When the context is cancelled, its error is yielded between two iterations, where Snapshot is
// consistent.
func (t *Trainer) Steps(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for t.step < t.config.Steps {
			if err := ctx.Err(); err != nil {
				yield(Event{}, err)
				return
			}
			if err := t.iteration.Step(t.figures); err != nil {
				if d, ok := errors.AsType[*DivergedError](err); ok {
					d.Step = t.step + 1
				}
				yield(Event{}, err)
				return
			}
			t.step++
			for i, v := range t.figures {
				t.metrics[i].Value = v
			}
			if !yield(Event{Step: t.step, Metrics: t.metrics, of: t}, nil) {
				return
			}
		}
	}
}

// Net finds a net of the model by its name.
func (t *Trainer) Net(name string) (*Net, error) {
	for _, s := range t.nets {
		if s.plan.Net.Name == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%s: the objective names a net %q that the model lacks", t.config.Model.Name, name)
}

// fits says whether the images are what a net takes.
func (t *Trainer) fits(s *Net) error {
	if want, set := s.plan.Net.Input.Shape, imageShape(t.config.Data); set.String() != want.String() {
		return fmt.Errorf("%s takes images of %v, %s has %v", s.plan.Net.Name, want, t.config.Data.Name, set)
	}
	return nil
}

// classify finds the classes of the training images, where the model learns them.
func (t *Trainer) classify() error {
	t.class = t.config.Model.Class()
	if t.class.Count == 0 {
		return nil
	}
	t.names, t.classes = t.config.Data.Classes()
	if len(t.names) != t.class.Count {
		return fmt.Errorf("%s learns %d classes, %s has %d", t.config.Model.Name, t.class.Count, t.config.Data.Name, len(t.names))
	}
	return nil
}

func imageShape(s *dataset.Set) layer.Shape { return layer.Shape{s.C, s.H, s.W} }

// namedStream is a random stream whose position is part of a snapshot.
type namedStream struct {
	name   string
	stream *random.Stream
}

// Stream returns the run's random stream of that name. Repeated calls return the same stream, and its position is part of a
// snapshot.
func (t *Trainer) Stream(name string) *random.Stream {
	for _, s := range t.streams {
		if s.name == name {
			return s.stream
		}
	}
	s := random.New(t.config.Seed, name)
	t.streams = append(t.streams, namedStream{name, s})
	return s
}
