package verify

import (
	"fmt"
	"path/filepath"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/reference"
)

// A dataSet is inputs for a model, and what is known of its outputs.
type dataSet struct {
	name     string
	values   []*reference.Value // the inputs
	inputs   []*onnx.Tensor     // the same for a Session, nil if one is not a tensor
	recorded []*reference.Value // outputs as in the files; nil where there are none
	want     []*reference.Value
	made     []*reference.Value // by the nodes of the graph, without the elements
	flow     flow
	notes    []string
	files    []string // where it was read from
	chance   []string // labels of nodes that drew random numbers
	drawn    []origin // what its inputs are, where they were drawn or given
	reached  int      // nodes that the reference evaluated
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

// readValue reads a file of recorded data: a tensor, a sequence, an optional, or a map.
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
	case t.GetMapType() != nil:
		p := &pb.MapProto{}
		if err := wire.ReadMessageFile(path, p, lim); err != nil {
			return nil, err
		}
		v, err = reference.FromMap(p)
	case t.GetValue() != nil && t.GetTensorType() == nil:
		return nil, &onnx.UnsupportedError{Why: path + ": neither a tensor, nor a sequence, an optional or a map"}
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

// tensorsOf returns values as a Session takes them, nil if one is not a tensor.
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
