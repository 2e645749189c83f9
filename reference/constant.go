package reference

import (
	"encoding/binary"
	"math"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// decodedOnce is how many elements an initializer has at most that is decoded when the program is compiled. Longer ones stay
// what the file has, and are decoded for every node that reads them, so that there is one such node's at a time.
const decodedOnce = 1 << 12

// constant makes a value of an initializer, within the budget. Where elements stay in the file, only operators that name the
// input in asStored are given the value as it is.
func (c *compiler) constant(p *pb.TensorProto) (*Value, error) {
	if v := storedFloats(p); v != nil {
		return v, nil
	}
	v, err := decoded(p)
	if err != nil {
		return nil, err
	}
	if v.Len() > decodedOnce {
		v.Data, v.file = nil, p
		return v, nil
	}
	return v, c.take(int64(v.Len()))
}

func decoded(p *pb.TensorProto) (*Value, error) {
	t, err := onnx.FromProto(p)
	if err != nil {
		return nil, err
	}
	return FromTensor(t)
}

// storedFloats is the value of many numbers of float32 in raw_data, nil for any other tensor: these need not be decoded to
// know that they can be.
func storedFloats(p *pb.TensorProto) *Value {
	raw := len(p.GetRawData())
	if p.GetDataType() != int32(pb.TensorProto_FLOAT) || raw <= 4*decodedOnce || p.Segment != nil ||
		p.GetDataLocation() == pb.TensorProto_EXTERNAL || len(p.GetExternalData())+len(p.GetFloatData()) > 0 {
		return nil
	}
	dims := make([]int, len(p.GetDims()))
	for i, d := range p.GetDims() {
		if d < 1 || d > math.MaxInt32 {
			return nil
		}
		dims[i] = int(d)
	}
	if n, err := product(dims); err != nil || n != raw/4 || raw%4 != 0 {
		return nil
	}
	return &Value{Name: p.GetName(), Type: pb.TensorProto_FLOAT, Dims: dims, file: p}
}

// whole returns v with its elements decoded, within the budget.
func (m *meter) whole(v *Value) (*Value, error) {
	if v == nil || v.file == nil {
		return v, nil
	}
	if err := m.take(int64(v.Len())); err != nil {
		return nil, err
	}
	w, err := decoded(v.file)
	if err != nil {
		return nil, err
	}
	w.Name = v.Name
	return w, nil
}

// A numbersOf gives the numbers of a floating-point value one by one, decoded or not.
type numbersOf struct {
	floats []float64
	raw    []byte // float32, little-endian
}

// numbers returns the numbers of v; whole says that v must be decoded first.
func (v *Value) numbers() (n numbersOf, ok bool) {
	if raw := v.file.GetRawData(); v.file != nil && v.Type == pb.TensorProto_FLOAT && len(raw) == 4*v.Len() {
		return numbersOf{raw: raw}, true
	}
	n.floats, ok = v.Data.(onnx.Slice[float64])
	return n, ok
}

func (n numbersOf) at(i int) float64 {
	if n.raw == nil {
		return n.floats[i]
	}
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(n.raw[4*i:])))
}

func (n numbersOf) len() int { return max(len(n.floats), len(n.raw)/4) }
