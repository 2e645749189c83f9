package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
)

// ONNX wants axes of one name to have one length. Some exports name the axes of a picture and of a state like each other, though the
// state starts with a single element (r1i of Robust Video Matting), and ONNX Runtime runs them.

// part gives the axes of inputs names of their own, where several inputs have one of the same name, and says so. The first one keeps
// it, and so do batches. It reports whether there are such axes.
func (j *job) part() bool {
	parted, names := withOwnAxes(j.model.Proto)
	if len(names) == 0 {
		return false
	}
	b, err := onnx.Marshal(parted)
	if err != nil {
		return false
	}
	m := *j.model
	m.Proto, m.Bytes = parted, b
	program, err := reference.Compile(&m, j.options.Reference)
	if err != nil {
		return false
	}
	j.model, j.program = &m, program
	j.report.Notes = append(j.report.Notes, fmt.Sprintf("axes called %s have different lengths in different inputs, which ONNX does not allow and ONNX Runtime does; judged with names of their own, as in %s", strings.Join(names, ", "), ownAxis("INPUT", names[0])))
	return true
}

func ownAxis(input, name string) string { return input + "." + name }

// withOwnAxes renames axes of inputs that have the name of another input's, and returns these names.
func withOwnAxes(m *pb.ModelProto) (parted *pb.ModelProto, names []string) {
	owner := map[string]string{}
	parted = shallow(m)
	parted.Graph = shallow(m.GetGraph())
	parted.Graph.Input = slices.Clone(m.GetGraph().GetInput())
	for i, v := range parted.Graph.Input {
		t, ok := onnx.TypeOf(v.GetType())
		if !ok {
			continue
		}
		own := slices.Clone(t.Dims)
		for k, d := range t.Dims {
			switch first, taken := owner[d.Symbol]; {
			case d.Known() || d.Symbol == "" || k == 0 || batched(d.Symbol):
			case !taken:
				owner[d.Symbol] = v.GetName()
			case first != v.GetName():
				own[k] = onnx.Symbolic(ownAxis(v.GetName(), d.Symbol))
				if !slices.Contains(names, d.Symbol) {
					names = append(names, d.Symbol)
				}
			}
		}
		parted.Graph.Input[i] = shallow(v)
		parted.Graph.Input[i].Type = onnx.Type{Elem: t.Elem, Dims: own}.Proto()
	}
	return parted, names
}

// clash reports whether values give axes of one name different lengths.
func clash(inputs []reference.Input, values []*reference.Value) bool {
	length := map[string]int{}
	for _, v := range values {
		k := slices.IndexFunc(inputs, func(in reference.Input) bool { return in.Name == v.Name })
		if k < 0 || len(inputs[k].Type.Dims) != len(v.Dims) {
			continue
		}
		for i, d := range inputs[k].Type.Dims {
			if n, ok := length[d.Symbol]; ok && n != v.Dims[i] && d.Symbol != "" {
				return true
			}
			length[d.Symbol] = v.Dims[i]
		}
	}
	return false
}
