package layer

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/random"
)

// BuildOptions say how a Plan becomes part of a Gorgonia graph.
type BuildOptions struct {
	Input    *G.Node                          // (N, in...)
	Class    *G.Node                          // one-hot (N, Class.Count), where the net takes a class
	Param    func(Param) (*G.Node, error)     // the node of a parameter, by its full name
	Training bool                             // behave as in training, where a layer makes a difference
	Latest   bool                             // in training, tracked parameters become those of the latest batch, whatever they were
	Need     Need                             // gradients with respect to the net's input, to its parameters
	Stream   func(step string) *random.Stream // random numbers of a step, in training; may be nil where no layer draws
	Until    string                           // row name: stop there and return its node alone; "" builds all
}

// Build adds the plan to the graph of its input and returns the output nodes, each (N, out...).
//
// A Fuser applies the following layer in its own operator if nothing else uses the value in
// between.
func (p *Plan) Build(o BuildOptions) ([]*G.Node, error) {
	outputs := p.Outputs
	steps := p.Steps
	if o.Until != "" {
		i := p.stepOf(o.Until)
		if i < 0 {
			return nil, fmt.Errorf("%s: no row %q to stop at", p.Net.Name, o.Until)
		}
		outputs, steps = []int{i}, p.Steps[:i+1]
	}
	uses := make([]int, len(steps)) // a value used once, by the next step, may disappear into that step
	for _, s := range steps {
		for _, from := range s.From {
			if from >= 0 {
				uses[from]++
			}
		}
	}
	for _, i := range outputs {
		uses[i]++
	}
	if p.Net.Class.Count > 0 && o.Class == nil {
		return nil, fmt.Errorf("%s: takes a class, and none is given", p.Net.Name)
	}
	nodes := make([]*G.Node, len(steps))
	wanted := make([]bool, len(steps)) // is the gradient of this step's value wanted?
	for i := 0; i < len(steps); i++ {
		s := steps[i]
		var in []*G.Node
		need := Need{Params: o.Need.Params && len(s.Params) > 0}
		for _, from := range s.From {
			switch from {
			case fromInput:
				in, need.Input = append(in, o.Input), need.Input || o.Need.Input
			case fromClass:
				in = append(in, o.Class)
			default:
				in, need.Input = append(in, nodes[from]), need.Input || wanted[from]
			}
		}
		wanted[i] = need.Input || need.Params
		scope := Scope{Name: s.Name, Out: s.Out, Training: o.Training, Latest: o.Latest, Need: need, Stream: o.Stream, Param: paramsOf(s, o)}
		at := i
		if f, ok := s.Layer.(Fuser); ok && i+1 < len(steps) && uses[i] == 1 {
			if next := steps[i+1]; len(next.From) == 1 && next.From[0] == i && f.Fuses(next.Layer) {
				at = i + 1
				scope.Name, scope.Out, scope.Then, wanted[at] = next.Name, next.Out, next.Layer, wanted[i]
			}
		}
		var err error
		if nodes[at], err = s.Layer.Build(scope, in...); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		i = at
	}
	result := make([]*G.Node, len(outputs))
	for i, out := range outputs {
		result[i] = nodes[out]
	}
	return result, nil
}

func (p *Plan) stepOf(row string) int {
	for i, s := range p.Steps {
		if s.Name == p.Net.Name+"."+row {
			return i
		}
	}
	return -1
}

// paramsOf finds a step's parameters by their short names.
func paramsOf(s Step, o BuildOptions) func(string) (*G.Node, error) {
	return func(short string) (*G.Node, error) {
		for _, q := range s.Params {
			if q.Name == s.Name+"."+short {
				return o.Param(q)
			}
		}
		return nil, fmt.Errorf("the layer lists no parameter %q", short)
	}
}
