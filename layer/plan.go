package layer

import (
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// Net is a table of layers between one input and one or more outputs.
type Net struct {
	Name    string // "generator"
	Doc     string // one sentence: what goes in, what comes out
	Input   Port
	Rows    []Row
	Outputs []string // row names; none means the last row
}

// Port is a named input of a net.
type Port struct {
	Name  string
	Shape Shape // of one sample
	Noise bool  // standard normal noise, not pixels
}

// Row is one line of the table.
type Row struct {
	Name  string // short: "fc1"
	Layer Layer
	From  string // the row that this one continues; "" is the row before, or the net's input
}

// Plan is a Net with everything settled: shapes, full names, what continues what.
type Plan struct {
	Net     Net
	Steps   []Step // in an order in which every step follows the one it continues
	Outputs []int  // indices of Steps
}

// Step is one layer of a Plan.
type Step struct {
	Name    string // full: "generator.fc1"
	Value   string // what the step computes is called so: the full name, or the row's name where it is an output of the net
	Layer   Layer
	From    int // index of the step that this one continues; -1 is the net's input
	In, Out Shape
	Params  []Param // full names
}

var validName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Plan settles the net. The error names every problem found.
func (n Net) Plan() (*Plan, error) {
	p := &Plan{Net: n}
	var problems []error
	fail := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	if !validName.MatchString(n.Name) {
		fail("net %q: a name is a lower-case letter, then letters, digits and underscores", n.Name)
	}
	if len(n.Rows) == 0 {
		fail("%s: no layers", n.Name)
	}
	for _, d := range n.Input.Shape {
		if d < 1 {
			fail("%s: input %q has shape %v: dimensions must be at least 1", n.Name, n.Input.Name, n.Input.Shape)
		}
	}
	outputs := n.Outputs
	if len(outputs) == 0 && len(n.Rows) > 0 {
		outputs = []string{n.Rows[len(n.Rows)-1].Name}
	}
	index := map[string]int{}
	for i, row := range n.Rows {
		s := Step{Name: n.Name + "." + row.Name, Layer: row.Layer, From: i - 1}
		s.Value = s.Name
		if slices.Contains(outputs, row.Name) {
			s.Value = row.Name
		}
		switch _, taken := index[row.Name]; {
		case !validName.MatchString(row.Name):
			fail("%s: row %d is named %q: a name is a lower-case letter, then letters, digits and underscores", n.Name, i+1, row.Name)
		case taken || s.Value == n.Input.Name:
			fail("%s: the name is used twice", s.Name)
		}
		if row.From != "" {
			from, known := index[row.From]
			if !known {
				fail("%s: continues %q, which is no earlier row", s.Name, row.From)
				from = -1
			}
			s.From = from
		}
		s.In = n.Input.Shape
		if s.From >= 0 {
			s.In = p.Steps[s.From].Out
		}
		switch {
		case row.Layer == nil:
			fail("%s: no layer", s.Name)
		case s.In != nil: // else the step it continues has failed already
			out, err := row.Layer.OutShape(s.In)
			if err != nil {
				fail("%s: %w", s.Name, err)
				break
			}
			s.Out = out
			for _, q := range row.Layer.Params(s.In) {
				q.Name = s.Name + "." + q.Name
				s.Params = append(s.Params, q)
			}
		}
		index[row.Name] = i
		p.Steps = append(p.Steps, s)
	}
	for _, name := range outputs {
		i, known := index[name]
		if !known {
			fail("%s: output %q is no row", n.Name, name)
		}
		p.Outputs = append(p.Outputs, i)
	}
	if problems != nil {
		return nil, errors.Join(problems...)
	}
	return p, nil
}

// Params ranges over every parameter, in the order of the steps.
func (p *Plan) Params() iter.Seq[Param] {
	return func(yield func(Param) bool) {
		for _, s := range p.Steps {
			for _, q := range s.Params {
				if !yield(q) {
					return
				}
			}
		}
	}
}

// ParamCount is the number of learnt values.
func (p *Plan) ParamCount() int {
	n := 0
	for q := range p.Params() {
		n += q.Shape.Len()
	}
	return n
}

// Emit writes the plan's inputs, nodes and outputs, with N for the batch dimension.
func (p *Plan) Emit(e *onnx.Emitter) {
	dims := func(s Shape) []onnx.Dim {
		d := []onnx.Dim{onnx.Symbolic("N")}
		for _, n := range s {
			d = append(d, onnx.Fixed(int64(n)))
		}
		return d
	}
	x := e.Input(p.Net.Input.Name, pb.TensorProto_FLOAT, dims(p.Net.Input.Shape)...)
	values := make([]onnx.Value, len(p.Steps))
	for i, s := range p.Steps {
		from := x
		if s.From >= 0 {
			from = values[s.From]
		}
		e.Step(s.Name, s.Value)
		values[i] = s.Layer.Emit(e, from)
	}
	for _, i := range p.Outputs {
		e.Output(values[i], pb.TensorProto_FLOAT, dims(p.Steps[i].Out)...)
	}
}
