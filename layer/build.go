package layer

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/random"
)

// BuildOptions say how a Plan becomes part of a Gorgonia graph.
type BuildOptions struct {
	Input    *G.Node                          // (N, in...)
	Param    func(Param) (*G.Node, error)     // the node of a parameter, by its full name
	Training bool                             // behave as in training, where a layer makes a difference
	Need     gop.Need                         // gradients with respect to the net's input, to its parameters
	Stream   func(step string) *random.Stream // random numbers of a step, in training; may be nil where no layer draws
	Until    string                           // row name: stop there and return its node alone; "" builds all
}

// Build adds the plan to the graph of its input and returns the output nodes, each (N, out...).
//
// A layer with weights takes the activation behind it into its own operator where nothing else uses the value between.
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
		for _, from := range s.Inputs() {
			if from >= 0 {
				uses[from]++
			}
		}
	}
	for _, i := range outputs {
		uses[i]++
	}
	nodes := make([]*G.Node, len(steps))
	wanted := make([]bool, len(steps)) // is the gradient of this step's value wanted?
	for i := 0; i < len(steps); i++ {
		s := steps[i]
		var in []*G.Node
		need := gop.Need{Params: o.Need.Params && len(s.Params) > 0}
		for _, from := range s.Inputs() {
			if from < 0 {
				in, need.Input = append(in, o.Input), need.Input || o.Need.Input
			} else {
				in, need.Input = append(in, nodes[from]), need.Input || wanted[from]
			}
		}
		wanted[i] = need.Input || need.Params
		scope := Scope{Name: s.Name, In: s.In, Out: s.Out, Training: o.Training, Need: need, Stream: o.Stream, Param: paramsOf(s, o)}
		var err error
		if next := i + 1; next < len(steps) && steps[next].From == i && uses[i] == 1 {
			f, ok1 := s.Layer.(fuser)
			a, ok2 := steps[next].Layer.(activation)
			if ok1 && ok2 {
				scope.Name = steps[next].Name
				if nodes[next], err = f.buildFused(scope, in[0], a.activation()); err != nil {
					return nil, fmt.Errorf("%s: %w", s.Name, err)
				}
				wanted[next] = wanted[i]
				i = next
				continue
			}
		}
		if j, ok := s.Layer.(Joint); ok && len(in) > 1 {
			nodes[i], err = j.BuildJoin(scope, in...)
		} else {
			nodes[i], err = s.Layer.Build(scope, in[0])
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
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
