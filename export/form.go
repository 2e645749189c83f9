package export

import (
	"slices"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A Form is one way to put the nets of a model into files: which files there are, and what their inputs and
// outputs are.
type Form struct {
	Name string // "image"
	Doc  string // one sentence
	// files lists what a model has in this form. That it has nothing is an error.
	files func(m model.Model, o Options) ([]file, error)
}

// Forms lists every form.
func Forms() []Form { return []Form{rawForm, imageForm, sampleForm, latentForm} }

// FormsOf returns the names of the forms that a model has.
func FormsOf(m model.Model) (names []string) {
	for _, f := range Forms() {
		if _, err := f.files(m, Options{}); err == nil {
			names = append(names, f.Name)
		}
	}
	return names
}

// A file is one ONNX model on its way out.
type file struct {
	form   string // the name of the Form
	name   string // of its folder, itself and its graph
	doc    string
	nets   []layer.Net // whose weights it holds
	layout Layout      // of its images as bytes, "" where it has none
	// emit writes inputs, nodes and outputs. The bodies are those of nets.
	emit func(e *onnx.Emitter, bodies []*body)
	// record makes golden vectors, in the precision of the options.
	record func(s *source) ([]Vector, error)
}

// takesImages tells whether pixels enter a net: the one that the model's images enter, or a chain that begins with it.
func takesImages(m model.Model, net layer.Net) bool {
	for net.Parts != nil {
		net = net.Parts[0]
	}
	return net.Name == m.Objective.Roles().Images
}

// makesImages tells whether pixels come out of a net: the one that makes the model's images, or a chain that ends with it.
func makesImages(m model.Model, net layer.Net) bool {
	for net.Parts != nil {
		net = net.Parts[len(net.Parts)-1]
	}
	return net.Name == m.Objective.Roles().Sampler
}

// body is the plan of a net, and where its nodes have gone in a graph.
type body struct {
	*layer.Plan
	input   string            // the value that the net takes
	class   string            // its class, one-hot; "" where it takes none
	results []string          // the values that it gives
	steps   map[string]string // by the name of a step's value, the name of the step
}

// Emit is Plan.Emit, and takes down where the nodes are.
func (b *body) Emit(e *onnx.Emitter) {
	b.Plan.Emit(e)
	var results []onnx.Value
	for _, i := range b.Outputs {
		results = append(results, onnx.Value{Name: b.Steps[i].ONNX})
	}
	b.note(onnx.Value{Name: b.Net.Input.Name}, results, func(i int) string { return b.Steps[i].ONNX })
}

// EmitNodes is Plan.EmitNodes, and takes down where the nodes are. numbers are the classes, int64 (N), of a net that takes them.
func (b *body) EmitNodes(e *onnx.Emitter, x, numbers onnx.Value, steps []int, name func(step int) string) []onnx.Value {
	var class onnx.Value
	if b.Net.Class.Count > 0 {
		class = b.EmitClass(e, numbers)
	}
	results := b.Plan.EmitNodes(e, x, class, steps, name)
	b.note(x, results, name)
	return results
}

func (b *body) note(x onnx.Value, results []onnx.Value, name func(step int) string) {
	b.input, b.class, b.steps = x.Name, b.ClassValue(), map[string]string{}
	for _, y := range results {
		b.results = append(b.results, y.Name)
	}
	for i, s := range b.Steps {
		b.steps[name(i)] = s.Name
	}
}

// value is what a value of the body is called in every graph: "" is the input.
func (b *body) value(name string) string {
	if name == b.input {
		return ""
	}
	if step, ok := b.steps[name]; ok {
		return step
	}
	return name
}

// within are the nodes of a graph that lie between the inputs of the body and its results.
func (b *body) within(g *pb.GraphProto) map[*pb.NodeProto]bool {
	makers := map[string]*pb.NodeProto{}
	for _, n := range g.GetNode() {
		for _, out := range n.GetOutput() {
			makers[out] = n
		}
	}
	nodes := map[*pb.NodeProto]bool{}
	for todo := slices.Clone(b.results); len(todo) > 0; {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if n := makers[name]; n != nil && name != b.input && name != b.class && !nodes[n] {
			nodes[n] = true
			todo = append(todo, n.GetInput()...)
		}
	}
	return nodes
}
