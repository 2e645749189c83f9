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

// A Net is a table of layers between one input and one or more outputs, or a chain of other nets.
type Net struct {
	Name    string // "generator"
	Doc     string // one sentence: what goes in, what comes out
	Input   Input
	Class   Class // a second input; the zero value is none
	Rows    []Row
	Outputs []string // row names; none means the last row

	Parts []Net // of a chain: each continues the one before, under its own names. Input, Rows and Outputs stay empty
}

// Input is the named input of a net.
type Input struct {
	Name  string
	Shape Shape // of one sample
	Noise bool  // standard normal noise, not pixels
}

// Row is one line of the table.
//
// A row reads the output of the one before it, unless From says otherwise. Where branches meet, From names all of them: a
// residual block reads
//
//	{Name: "conv1", Layer: Conv2D{...}},
//	{Name: "act1", Layer: ReLU{}},
//	{Name: "sum", Layer: Add{}, From: []string{"act1", "conv1"}},
type Row struct {
	Name  string // short: "fc1"
	Layer Layer
	From  []string // earlier rows, or the net's input or class by its name; none means the row before, or the input for the first
}

// A Plan is a Net with everything determined: shapes, full names, and which step reads which.
type Plan struct {
	Net     Net
	Steps   []Step // in an order in which every step comes after those that it reads
	Outputs []int  // indices of Steps
}

// Step is one layer of a Plan.
type Step struct {
	Name   string // full: "generator.fc1"
	ONNX   string // of its result in an ONNX file: the full name, or the row's where it is an output of the net
	Layer  Layer
	From   []int   // indices of the steps that this one continues; -1 is the net's input, -2 its class
	In     []Shape // of one sample, as From
	Out    Shape   // of one sample
	Params []Param // full names
}

var validName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Plan determines all shapes and names of the net. The error names every problem found.
func (n Net) Plan() (*Plan, error) {
	if n.Parts != nil {
		return n.chain()
	}
	d := &drafting{plan: &Plan{Net: n}, rows: map[string]int{}}
	d.head()
	for i := range n.Rows {
		d.row(i)
	}
	d.outputs()
	if d.problems != nil {
		return nil, errors.Join(d.problems...)
	}
	return d.plan, nil
}

// drafting is a plan while it is made.
type drafting struct {
	plan     *Plan
	rows     map[string]int // index of a row by its name
	problems []error
}

func (d *drafting) fail(format string, args ...any) {
	d.problems = append(d.problems, fmt.Errorf(format, args...))
}

// head checks what does not depend on the layers.
func (d *drafting) head() {
	n := d.plan.Net
	if !validName.MatchString(n.Name) {
		d.fail("net %q: a name is a lower-case letter, then letters, digits and underscores", n.Name)
	}
	if len(n.Rows) == 0 {
		d.fail("%s: no layers", n.Name)
	}
	for _, size := range n.Input.Shape {
		if size < 1 {
			d.fail("%s: input %q has shape %v: dimensions must be at least 1", n.Name, n.Input.Name, n.Input.Shape)
		}
	}
	d.class()
}

// row settles one row.
func (d *drafting) row(i int) {
	n := d.plan.Net
	row := n.Rows[i]
	s := Step{Name: n.Name + "." + row.Name, Layer: row.Layer, From: []int{i - 1}} // fromInput for the first
	s.ONNX = s.Name
	if slices.Contains(n.outputNames(), row.Name) {
		s.ONNX = row.Name
	}
	switch _, taken := d.rows[row.Name]; {
	case !validName.MatchString(row.Name):
		d.fail("%s: row %d is named %q: a name is a lower-case letter, then letters, digits and underscores", n.Name, i+1, row.Name)
	case taken || row.Name == n.Input.Name || n.Class.Count > 0 && row.Name == n.Class.Name:
		d.fail("%s: the name is used twice", s.Name)
	}
	for k, name := range row.From {
		s.From = append(s.From[:k], d.source(s, name))
	}
	d.shapes(&s)
	d.rows[row.Name] = i
	d.plan.Steps = append(d.plan.Steps, s)
}

// source finds what a row names as its input.
func (d *drafting) source(s Step, name string) int {
	n := d.plan.Net
	switch {
	case name == n.Input.Name:
		return fromInput
	case n.Class.Count > 0 && name == n.Class.Name:
		return fromClass
	}
	i, known := d.rows[name]
	if !known {
		d.fail("%s: continues %q, which is not an earlier row", s.Name, name)
		return fromInput
	}
	return i
}

// shapes settles what goes into a step, what comes out, and its parameters.
func (d *drafting) shapes(s *Step) {
	if s.Layer == nil {
		d.fail("%s: no layer", s.Name)
		return
	}
	for _, i := range s.From {
		shape := d.plan.Net.Input.Shape
		switch {
		case i == fromClass:
			shape = d.plan.Net.Class.Shape()
		case i >= 0:
			shape = d.plan.Steps[i].Out
		}
		if shape == nil {
			return // the step that this one continues has failed already
		}
		s.In = append(s.In, shape)
	}
	if _, joins := s.Layer.(Joiner); joins && len(s.In) == 1 {
		d.fail("%s: joins several inputs, got one (name all of them in From)", s.Name)
		return
	} else if !joins && len(s.In) > 1 {
		d.fail("%s: takes one input, got %d", s.Name, len(s.In))
		return
	}
	out, err := s.Layer.OutShape(s.In...)
	if err != nil {
		d.fail("%s: %w", s.Name, err)
		return
	}
	s.Out = out
	for _, q := range s.Layer.Params(s.In...) {
		q.Name = s.Name + "." + q.Name
		s.Params = append(s.Params, q)
	}
}

func (d *drafting) outputs() {
	for _, name := range d.plan.Net.outputNames() {
		i, known := d.rows[name]
		if !known {
			d.fail("%s: output %q is not a row", d.plan.Net.Name, name)
		}
		d.plan.Outputs = append(d.plan.Outputs, i)
	}
}

// outputNames are the rows that give the net's outputs.
func (n Net) outputNames() []string {
	if len(n.Outputs) == 0 && len(n.Rows) > 0 {
		return []string{n.Rows[len(n.Rows)-1].Name}
	}
	return n.Outputs
}

// Params iterates over all parameters, in the order of the steps.
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

// ParamCount returns the number of learnt values.
func (p *Plan) ParamCount() int {
	n := 0
	for q := range p.Params() {
		if !q.Tracked {
			n += q.Shape.Len()
		}
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
	var class onnx.Value
	if c := p.Net.Class; c.Count > 0 {
		class = p.EmitClass(e, e.Input(c.Name, pb.TensorProto_INT64, onnx.Symbolic("N")))
	}
	all := make([]bool, len(p.Steps))
	for i := range all {
		all[i] = true
	}
	values := p.emitNodes(e, x, class, all, func(step int) string { return p.Steps[step].ONNX })
	for _, i := range p.Outputs {
		e.Output(values[i], pb.TensorProto_FLOAT, dims(p.Steps[i].Out)...)
	}
}

// EmitNodes writes the nodes of the given steps and of all steps that they need, with x as the net's input and, if it
// takes one, class as the result of EmitClass, and returns the results of the given steps. name returns the name of a
// step's result.
func (p *Plan) EmitNodes(e *onnx.Emitter, x, class onnx.Value, steps []int, name func(step int) string) []onnx.Value {
	needed := make([]bool, len(p.Steps))
	for _, i := range steps {
		needed[i] = true
	}
	for i := len(p.Steps) - 1; i >= 0; i-- {
		for _, from := range p.Steps[i].From {
			if needed[i] && from >= 0 {
				needed[from] = true
			}
		}
	}
	values := p.emitNodes(e, x, class, needed, name)
	results := make([]onnx.Value, len(steps))
	for k, i := range steps {
		results[k] = values[i]
	}
	return results
}

func (p *Plan) emitNodes(e *onnx.Emitter, x, class onnx.Value, needed []bool, name func(step int) string) []onnx.Value {
	values := make([]onnx.Value, len(p.Steps))
	for i, s := range p.Steps {
		if !needed[i] {
			continue
		}
		var in []onnx.Value
		for _, from := range s.From {
			switch from {
			case fromInput:
				in = append(in, x)
			case fromClass:
				in = append(in, class)
			default:
				in = append(in, values[from])
			}
		}
		e.Step(s.Name, name(i))
		values[i] = s.Layer.Emit(e, in...)
	}
	return values
}
