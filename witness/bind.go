package witness

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A Port is an input or output of a model: its name and type.
type Port struct {
	Name string
	Type onnx.Type // of a tensor
	// Optional says that an input has an initializer as its default.
	Optional bool
	// Other says that the port is not a tensor but a sequence, a map or an optional.
	Other bool
}

// String returns the port as in "z float[N,100]".
func (p Port) String() string {
	if p.Other {
		return p.Name + " (no tensor)"
	}
	return p.Name + " " + p.Type.String()
}

// A Signature lists the inputs and outputs of a model.
type Signature struct{ Inputs, Outputs []Port }

// SignatureOf returns the signature of a model.
func SignatureOf(m *onnx.Model) Signature {
	g := m.Proto.GetGraph()
	initialized := make(map[string]bool, len(g.GetInitializer()))
	for _, t := range g.GetInitializer() {
		initialized[t.GetName()] = true
	}
	for _, t := range g.GetSparseInitializer() {
		initialized[t.GetValues().GetName()] = true
	}
	port := func(v *pb.ValueInfoProto) Port {
		t, tensor := onnx.TypeOf(v.GetType())
		return Port{Name: v.GetName(), Type: t, Other: !tensor && v.GetType().GetValue() != nil}
	}
	var s Signature
	for _, v := range g.GetInput() {
		p := port(v)
		p.Optional = initialized[p.Name]
		s.Inputs = append(s.Inputs, p)
	}
	for _, v := range g.GetOutput() {
		s.Outputs = append(s.Outputs, port(v))
	}
	return s
}

// A Binding holds the inputs of a run in the order of the model's inputs. It may be reused for later runs, and then
// allocates nothing.
type Binding struct {
	Ordered []*onnx.Tensor // nil for an optional input that is not given
	sizes   map[string]int // that named dimensions have taken
}

// Bind puts the inputs of a run in the model's order and checks them against the declared types, so that all runtimes report
// the same mistakes in the same words. All problems are reported together.
func (s *Signature) Bind(b *Binding, inputs []*onnx.Tensor) error {
	if b.sizes == nil {
		b.Ordered, b.sizes = make([]*onnx.Tensor, len(s.Inputs)), map[string]int{}
	}
	clear(b.Ordered)
	clear(b.sizes)
	var problems []error
	for i, t := range inputs {
		if t == nil {
			return fmt.Errorf("input %d is nil", i)
		}
		switch k := slices.IndexFunc(s.Inputs, func(p Port) bool { return p.Name == t.Name }); {
		case k < 0:
			problems = append(problems, fmt.Errorf("%q is not an input of the model", t.Name))
		case b.Ordered[k] != nil:
			problems = append(problems, fmt.Errorf("input %q is given twice", t.Name))
		default:
			b.Ordered[k] = t
		}
	}
	for i := range s.Inputs {
		if t := b.Ordered[i]; t != nil {
			if err := s.Inputs[i].accept(t, b.sizes); err != nil {
				problems = append(problems, err)
			}
		} else if !s.Inputs[i].Optional {
			problems = append(problems, fmt.Errorf("input %q is missing", s.Inputs[i].Name))
		}
	}
	return errors.Join(problems...)
}

// accept compares a tensor with a port. sizes carries what named dimensions have taken in this run.
func (p *Port) accept(t *onnx.Tensor, sizes map[string]int) error {
	if p.Other {
		return &onnx.UnsupportedError{Why: fmt.Sprintf("input %s cannot be given as a tensor", p)}
	}
	if t.Type() != p.Type.Elem && p.Type.Elem != pb.TensorProto_UNDEFINED {
		return fmt.Errorf("input %s: got elements of type %s", p, strings.ToLower(t.Type().String()))
	}
	if !fits(t.Dims, t.Len()) {
		return fmt.Errorf("input %s: dims %v do not fit %d elements", p, t.Dims, t.Len())
	}
	if p.Type.Dims == nil {
		return nil
	}
	if len(t.Dims) != len(p.Type.Dims) {
		return fmt.Errorf("input %s: got dims %v", p, t.Dims)
	}
	for i, d := range p.Type.Dims {
		want := int(d.Size)
		if !d.Known() {
			if d.Symbol == "" {
				continue
			}
			if _, seen := sizes[d.Symbol]; !seen {
				sizes[d.Symbol] = t.Dims[i]
			}
			want = sizes[d.Symbol]
		}
		if t.Dims[i] != want {
			return fmt.Errorf("input %s: got dims %v, want %d on axis %d", p, t.Dims, want, i)
		}
	}
	return nil
}

// fits reports whether dims are those of n elements.
func fits(dims []int, n int) bool {
	if slices.ContainsFunc(dims, func(d int) bool { return d < 0 }) {
		return false
	}
	if slices.Contains(dims, 0) {
		return n == 0
	}
	for _, d := range dims {
		if n%d != 0 || n == 0 {
			return false
		}
		n /= d
	}
	return n == 1
}
