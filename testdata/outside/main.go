// An outside program: layers, an objective and a model of its own, over petrify's public packages alone.
package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/random"
	"github.com/petrify-ml/petrify/train"
)

// Square is y = x x, element by element, by operators of Gorgonia's own.
type Square struct{}

func (Square) OutShape(in ...layer.Shape) (layer.Shape, error) { return in[0], nil }
func (Square) Params(...layer.Shape) []layer.Param             { return nil }

func (Square) Build(s layer.Scope, x ...*G.Node) (*G.Node, error) {
	y, err := G.Square(x[0])
	if err == nil {
		G.WithName(s.Name)(y)
	}
	return y, err
}

func (Square) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	return e.Node("Mul", "", append(x, x[0]))
}

// Linear is a dense layer with weights that begin as He and others (2015) have it. It applies the activation after it.
type Linear struct{ Units int }

var fused int

func (l Linear) dense(in layer.Shape) layer.Dense {
	return layer.Dense{Out: l.Units, Init: layer.Init(func(r *random.Stream, w []float32) {
		layer.Normal(0, math.Sqrt(2/float64(in.Len())))(r, w)
	})}
}

func (l Linear) OutShape(in ...layer.Shape) (layer.Shape, error) {
	return l.dense(in[0]).OutShape(in...)
}
func (l Linear) Params(in ...layer.Shape) []layer.Param { return l.dense(in[0]).Params(in...) }
func (l Linear) Fuses(next layer.Layer) bool            { return layer.Dense{}.Fuses(next) }

func (l Linear) Build(s layer.Scope, x ...*G.Node) (*G.Node, error) {
	if s.Then != nil {
		fused++
	}
	return layer.Dense{Out: l.Units}.Build(s, x...)
}

func (l Linear) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	return layer.Dense{Out: l.Units}.Emit(e, x...)
}

// Imitation teaches a net to give back what goes in, by the mean squared error.
type Imitation struct{ Net string }

func (o Imitation) Roles() model.Roles {
	return model.Roles{Images: o.Net, Flows: []model.Flow{{From: o.Net, To: o.Net}}, Sampler: o.Net, Figures: []string{"mse"}}
}

func (o Imitation) Start(t *train.Trainer) (train.Iteration, error) {
	net, err := t.Net(o.Net)
	if err != nil {
		return nil, err
	}
	i := &imitation{trainer: t, net: net, batches: t.Batches()}
	g := t.NewGraph(net)
	x, input := g.Input(net, t.Config().Batch)
	i.x = input
	y, err := g.Apply(net, x, "")
	if err != nil {
		return nil, err
	}
	loss, err := G.Mean(G.Must(G.Square(G.Must(G.Sub(y[0], x)))))
	if err != nil {
		return nil, err
	}
	i.update, err = g.Learn(loss)
	return i, err
}

type imitation struct {
	trainer *train.Trainer
	net     *train.Net
	batches *train.Batches
	update  *train.Update
	x       []float32
}

func (i *imitation) Step(figures []float64) (err error) {
	i.batches.Next(i.x)
	figures[0], err = i.update.Run()
	return err
}

func (i *imitation) Line(figures []float64) string     { return fmt.Sprintf("[MSE: %f]", figures[0]) }
func (i *imitation) Evaluate() ([]train.Metric, error) { return nil, nil }
func (i *imitation) Pictures(n int) ([]train.Picture, error) {
	out, err := i.net.Infer(n, random.New(1, "pictures").Uniform)
	if err != nil {
		return nil, err
	}
	return []train.Picture{{Name: "samples", Images: i.trainer.Images(out[0])}}, nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	image := layer.Shape{1, 4, 4}
	m := model.Model{
		Name: "imitator",
		Nets: []layer.Net{{
			Name: "imitator", Input: layer.Input{Name: "image", Shape: image},
			Rows: []layer.Row{
				{Name: "flat", Layer: layer.Flatten{}},
				{Name: "fc1", Layer: Linear{Units: 24}},
				{Name: "act1", Layer: layer.Tanh{}},
				{Name: "square", Layer: Square{}},
				{Name: "both", Layer: layer.Concat{}, From: []string{"square", "flat"}},
				{Name: "fc2", Layer: Linear{Units: 16}},
				{Name: "made", Layer: layer.Reshape{To: image}},
			},
		}},
		Objective: Imitation{Net: "imitator"},
		Recipe:    model.Recipe{Steps: 200, Batch: 16, SampleEvery: 100, Adam: model.Adam{LR: 3e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}, Pixels: model.Pixels{High: 1}},
	}
	set, err := dataset.Synthetic(1, 64, 1, 4, 4)
	if err != nil {
		return err
	}
	t, err := train.New(train.Config{Model: m, Data: set, Seed: 1})
	if err != nil {
		return err
	}
	var first, last float64
	for ev, err := range t.Steps(context.Background()) {
		if err != nil {
			return err
		}
		if last = ev.Metrics[0].Value; ev.Step == 1 {
			first = last
		}
	}
	snapshot, err := t.Snapshot()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "outside")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	written, err := export.Folder(dir, m, snapshot, export.Options{})
	if err != nil {
		return err
	}
	file, err := wire.Read(written[0].Model, wire.Limits{})
	if err != nil {
		return err
	}
	session, err := load.Open(file)
	if err != nil {
		return err
	}
	defer session.Close()
	x, err := onnx.NewTensor("image", make([]float32, 16), 1, 1, 4, 4)
	if err != nil {
		return err
	}
	out, err := session.Run(context.Background(), []*onnx.Tensor{x})
	if err != nil {
		return err
	}
	fmt.Printf("%s gives %v; learnt: %v; fused: %v\n", filepath.Base(written[0].Model), out[0].Dims, last < first/4, fused > 0)
	return nil
}
