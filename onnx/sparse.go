package onnx

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx/internal/sat"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// mostDense is the most elements of a sparse tensor that is written out: a few values say nothing about how many there are.
const mostDense = 1 << 26

// Dense converts a sparse tensor to a dense one: its values at the positions given by its indices, which are (NNZ) linear or
// (NNZ, rank) per axis, and zero elsewhere. It has the name of the values.
func Dense(p *pb.SparseTensorProto) (*Tensor, error) {
	values, err := FromProto(p.GetValues())
	if err != nil {
		return nil, err
	}
	wrong := func(format string, args ...any) error {
		return &FormatError{Offset: -1, Where: "sparse tensor " + Quote(values.Name), What: fmt.Sprintf(format, args...)}
	}
	size, err := ElementCount(p.GetDims())
	switch {
	case err != nil:
		return nil, wrong("%v", err)
	case size > mostDense:
		return nil, &UnsupportedError{Why: fmt.Sprintf("a sparse tensor of %d elements, of which %d at most are written out", size, mostDense)}
	}
	var at Slice[int64]
	dims := p.GetDims()
	rank := 1
	if p.GetIndices() != nil {
		indices, err := FromProto(p.GetIndices())
		if err != nil {
			return nil, err
		}
		ok := false
		if at, ok = indices.Data.(Slice[int64]); !ok {
			return nil, wrong("indices are of type %s, want int64", ElemName(indices.Type()))
		}
		if len(indices.Dims) == 2 {
			rank = len(dims)
		}
	}
	if len(at) != values.Len()*rank || rank == 0 {
		return nil, wrong("%d indices for %d values of %d axes", len(at), values.Len(), len(dims))
	}
	data := values.Data.Make(int(size))
	for i := range values.Len() {
		k := int64(0)
		for axis, x := range at[i*rank : (i+1)*rank] {
			length := size
			if rank > 1 {
				length = dims[axis]
			}
			if x < 0 || x >= length {
				return nil, wrong("index %d is %d, want 0 to %d", i, x, length-1)
			}
			k = sat.Add(sat.Mul(k, length), x)
		}
		data.Copy(int(k), values.Data, i, 1)
	}
	whole := make([]int, len(dims))
	for i, d := range dims {
		whole[i] = int(d)
	}
	return TensorOf(values.Name, data, whole...)
}
