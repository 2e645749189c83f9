package layer

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/gop"
)

// An Inference is a Plan bound to weights and a batch size: the training graph in inference mode, without
// gradients.
type Inference struct {
	input   []float32
	class   []float32
	outputs []*G.Node
	machine *gop.Machine
}

// NewInference builds the graph. weights returns the storage of a parameter, which is not copied: later changes
// affect later runs.
func (p *Plan) NewInference(batch int, weights func(Param) ([]float32, error)) (*Inference, error) {
	if batch < 1 {
		return nil, fmt.Errorf("%s: batch is %d, want at least 1", p.Net.Name, batch)
	}
	g := G.NewGraph()
	x, input := InputNode[float32](g, p.Net.Input.Name, append(Shape{batch}, p.Net.Input.Shape...))
	var class *G.Node
	var classes []float32
	if c := p.Net.Class; c.Count > 0 {
		class, classes = InputNode[float32](g, c.Name, append(Shape{batch}, c.Shape()...))
	}
	outputs, err := p.Build(BuildOptions{
		Input: x, Class: class,
		Param: func(q Param) (*G.Node, error) {
			w, err := weights(q)
			if err != nil {
				return nil, err
			}
			return ParamNode(g, q, w)
		},
	})
	if err != nil {
		return nil, err
	}
	m, err := gop.NewMachine(outputs...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Net.Name, err)
	}
	return &Inference{input: input, class: classes, outputs: outputs, machine: m}, nil
}

// Input returns the buffer from which the next run reads its batch: (N, in...), row-major. The
// caller fills it.
func (r *Inference) Input() []float32 { return r.input }

// Class returns the buffer from which the next run reads the classes of its batch: one-hot (N, Class.Count), see
// Class.OneHot. It is nil if the net takes none.
func (r *Inference) Class() []float32 { return r.class }

// Run computes the outputs, each (N, out...). They are overwritten by the next run.
func (r *Inference) Run() ([][]float32, error) {
	if err := r.machine.RunAll(); err != nil {
		return nil, err
	}
	out := make([][]float32, len(r.outputs))
	for i, n := range r.outputs {
		out[i] = n.Value().Data().([]float32)
	}
	return out, nil
}

// InputNode makes an input of a graph, and also returns its storage.
func InputNode[T float32 | float64](g *G.ExprGraph, name string, shape Shape) (*G.Node, []T) {
	data := make([]T, shape.Len())
	return valueNode(g, name, shape, data), data
}

// ParamNode makes the node of a parameter over existing storage.
func ParamNode[T float32 | float64](g *G.ExprGraph, q Param, w []T) (*G.Node, error) {
	if len(w) != q.Shape.Len() {
		return nil, fmt.Errorf("%s: %d values, want %d for shape %v", q.Name, len(w), q.Shape.Len(), q.Shape)
	}
	return valueNode(g, q.Name, q.Shape, w), nil
}

func valueNode[T float32 | float64](g *G.ExprGraph, name string, shape Shape, data []T) *G.Node {
	t := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))
	return G.NewTensor(g, t.Dtype(), len(shape), G.WithShape(shape...), G.WithName(name), G.WithValue(t))
}
