package verify

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/reference"
)

// A dataSet is inputs for a model, and what is known of its outputs.
type dataSet struct {
	name     string
	values   []*reference.Value // the inputs
	inputs   []*onnx.Tensor     // the same for a Session, nil if one is no tensor
	recorded []*reference.Value // outputs as in the files; nil where there are none
	want     []*reference.Value
	notes    []string
	files    []string // where it was read from
}

// readSet reads recorded inputs and outputs: input_K.pb is the K-th input of
// the graph, output_K.pb its K-th output.
func readSet(dir string, g *pb.GraphProto, lim wire.Limits) (dataSet, error) {
	d := dataSet{name: filepath.Base(dir)}
	var err error
	if d.values, err = d.read(dir, "input", g.GetInput(), lim); err != nil {
		return d, err
	}
	if d.inputs, err = tensorsOf(d.values); err != nil {
		return d, err
	}
	d.recorded, err = d.read(dir, "output", g.GetOutput(), lim)
	return d, err
}

func (d *dataSet) read(dir, what string, ports []*pb.ValueInfoProto, lim wire.Limits) ([]*reference.Value, error) {
	var values []*reference.Value
	for k := 0; ; k++ {
		path := filepath.Join(dir, fmt.Sprintf("%s_%d.pb", what, k))
		if ok, err := exists(path); !ok {
			return values, err
		}
		if k >= len(ports) {
			return nil, fmt.Errorf("%s: the graph has %d %ss", path, len(ports), what)
		}
		v, err := readValue(path, ports[k].GetType(), lim)
		if err != nil {
			return nil, err
		}
		v.Name = ports[k].GetName()
		values = append(values, v)
		d.files = append(d.files, path)
	}
}

// readValue reads a file of recorded data: a tensor, a sequence, or an optional.
func readValue(path string, t *pb.TypeProto, lim wire.Limits) (*reference.Value, error) {
	var v *reference.Value
	var err error
	switch {
	case t.GetSequenceType() != nil:
		p := &pb.SequenceProto{}
		if err := wire.ReadMessageFile(path, p, lim); err != nil {
			return nil, err
		}
		v, err = reference.FromSequence(p)
	case t.GetOptionalType() != nil:
		p := &pb.OptionalProto{}
		if err := wire.ReadMessageFile(path, p, lim); err != nil {
			return nil, err
		}
		v, err = reference.FromOptional(p)
	case t.GetValue() != nil && t.GetTensorType() == nil:
		return nil, &onnx.UnsupportedError{Why: path + ": neither a tensor, nor a sequence, nor an optional"}
	default:
		x, e := wire.ReadTensorFile(path, lim)
		if e != nil {
			return nil, e
		}
		if x.Type() == pb.TensorProto_UINT16 && t.GetTensorType().GetElemType() == int32(pb.TensorProto_BFLOAT16) {
			// numpy has no bfloat16, so that ONNX's own test data hold the bits.
			x.Data = bfloat16s(x.Data.(onnx.Slice[uint16]))
		}
		v, err = reference.FromTensor(x)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

func bfloat16s(bits []uint16) onnx.Slice[onnx.BFloat16] {
	s := make(onnx.Slice[onnx.BFloat16], len(bits))
	for i, b := range bits {
		s[i] = onnx.BFloat16(b)
	}
	return s
}

// tensorsOf returns values as a Session takes them, nil if one is no tensor.
func tensorsOf(values []*reference.Value) ([]*onnx.Tensor, error) {
	tensors := make([]*onnx.Tensor, len(values))
	for i, v := range values {
		if v.Kind != reference.Tensor {
			return nil, nil
		}
		t, err := v.Tensor()
		if err != nil {
			return nil, err
		}
		tensors[i] = t
	}
	return tensors, nil
}

// seededSets draws inputs for a model that has no recorded ones. Axes without a
// length get 1, and in a second set 3.
func seededSets(p *reference.Program, seed uint64) ([]dataSet, error) {
	open := slices.ContainsFunc(p.Inputs(), func(in reference.Input) bool {
		return !in.Optional && slices.ContainsFunc(in.Type.Dims, func(d onnx.Dim) bool { return !d.Known() })
	})
	lengths := []int{1}
	if open {
		lengths = []int{1, 3}
	}
	var sets []dataSet
	for _, n := range lengths {
		d := dataSet{name: fmt.Sprintf("seed %d", seed)}
		if open {
			d.name += fmt.Sprintf(", batch %d", n)
		}
		for _, in := range p.Inputs() {
			if in.Optional {
				continue
			}
			t, err := draw(in, n, seed)
			if err != nil {
				return nil, fmt.Errorf("input %q: %w", in.Name, err)
			}
			v, err := reference.FromTensor(t)
			if err != nil {
				return nil, err
			}
			d.inputs, d.values = append(d.inputs, t), append(d.values, v)
		}
		sets = append(sets, d)
	}
	return sets, nil
}

// mostDrawn is the most elements of an input that is drawn.
const mostDrawn = 1 << 26

// draw makes a tensor for an input: standard normal numbers, zeros and ones for
// integers and booleans, which are safe as indices.
func draw(in reference.Input, n int, seed uint64) (*onnx.Tensor, error) {
	if in.Kind != reference.Tensor {
		return nil, &onnx.UnsupportedError{Why: "it is no tensor, so nothing can be drawn for it"}
	}
	if in.Type.Dims == nil {
		return nil, &onnx.UnsupportedError{Why: "its shape is not declared, so nothing can be drawn for it"}
	}
	dims := make([]int, len(in.Type.Dims))
	count := 1
	for i, d := range in.Type.Dims {
		dims[i] = n
		if d.Known() {
			dims[i] = int(d.Size)
		}
		if dims[i] < 0 || dims[i] > 0 && count > mostDrawn/dims[i] {
			return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("%s has more than %d elements", in, mostDrawn)}
		}
		count *= dims[i]
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", in.Name, n)
	r := rand.New(rand.NewPCG(seed, h.Sum64()))
	var wide onnx.Data
	if none, ok := onnx.MakeData(in.Type.Elem, count); ok {
		wide = none.Wide()
	}
	switch w := wide.(type) {
	case onnx.Slice[float64]:
		for i := range w {
			w[i] = r.NormFloat64()
		}
	case onnx.Slice[int64]:
		for i := range w {
			w[i] = int64(r.IntN(2))
		}
	case onnx.Slice[uint64]:
		for i := range w {
			w[i] = uint64(r.IntN(2))
		}
	case onnx.Slice[bool]:
		for i := range w {
			w[i] = r.IntN(2) == 1
		}
	default:
		return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("nothing can be drawn for %s", in)}
	}
	data, _ := onnx.Narrow(in.Type.Elem, wide)
	return onnx.TensorOf(in.Name, data, dims...)
}

// doubled returns the inputs with every entry of an open first axis twice: a
// batch of another size whose values are as valid as they were. It is nil if
// no input has such an axis.
func doubled(p *reference.Program, inputs []*onnx.Tensor) []*onnx.Tensor {
	out := clone(inputs)
	any := false
	for i, t := range out {
		k := slices.IndexFunc(p.Inputs(), func(in reference.Input) bool { return in.Name == t.Name })
		if k < 0 {
			continue
		}
		dims := p.Inputs()[k].Type.Dims
		if len(dims) == 0 || dims[0].Known() || len(t.Dims) == 0 {
			continue
		}
		any = true
		out[i].Dims[0] *= 2
		n := t.Len()
		twice := t.Data.Make(2 * n)
		twice.Copy(0, t.Data, 0, n)
		twice.Copy(n, t.Data, 0, n)
		out[i].Data = twice
	}
	if !any {
		return nil
	}
	return out
}
