package op

import (
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func constants() map[string]Rule {
	return map[string]Rule{
		"Bernoulli":         ruleRandomLike,
		"Constant":          ruleConstant,
		"ConstantOfShape":   ruleConstantOfShape,
		"EyeLike":           ruleEyeLike,
		"Multinomial":       ruleMultinomial,
		"RandomNormal":      ruleRandom,
		"RandomNormalLike":  ruleRandomLike,
		"RandomUniform":     ruleRandom,
		"RandomUniformLike": ruleRandomLike,
		"Range":             ruleRange,
	}
}

func ruleConstant(n *Node) {
	if len(n.out) == 0 {
		return
	}
	for _, a := range n.proto.Attribute {
		resolved := n.host.Resolve(a)
		if resolved == nil {
			return
		}
		switch a.GetName() {
		case "value":
			if resolved.T != nil {
				n.out[0] = ConstantOf(resolved.T)
			}
		case "sparse_value":
			if t := resolved.SparseTensor; t != nil {
				dims := make([]onnx.Dim, len(t.Dims))
				for i, d := range t.Dims {
					dims[i] = onnx.Dim{Size: max(d, -1)}
				}
				n.set(0, pb.TensorProto_DataType(t.GetValues().GetDataType()), dims)
			}
		case "value_int":
			n.set(0, pb.TensorProto_INT64, []onnx.Dim{})
			n.keepInts([]Number{Known(resolved.GetI())})
		case "value_ints":
			n.set(0, pb.TensorProto_INT64, []onnx.Dim{onnx.Fixed(int64(len(resolved.Ints)))})
			if len(resolved.Ints) <= mostKnown {
				n.keepInts(numbers(resolved.Ints))
			}
		case "value_float":
			n.set(0, pb.TensorProto_FLOAT, []onnx.Dim{})
		case "value_floats":
			n.set(0, pb.TensorProto_FLOAT, []onnx.Dim{onnx.Fixed(int64(len(resolved.Floats)))})
			if len(resolved.Floats) <= mostKnown {
				n.out[0].Data = &pb.TensorProto{DataType: int32of(pb.TensorProto_FLOAT), Dims: []int64{int64(len(resolved.Floats))}, FloatData: resolved.Floats}
			}
		case "value_string":
			n.set(0, pb.TensorProto_STRING, []onnx.Dim{})
		case "value_strings":
			n.set(0, pb.TensorProto_STRING, []onnx.Dim{onnx.Fixed(int64(len(resolved.Strings)))})
		}
	}
}

func ruleConstantOfShape(n *Node) {
	elem := pb.TensorProto_FLOAT
	var fill Number
	a := n.attr("value")
	if a != nil && a.T != nil {
		v := ConstantOf(a.T)
		if count, err := onnx.ElementCount(a.T.Dims); err != nil || count != 1 {
			n.wrong("attribute-range", "attribute \"value\" has %d elements, want 1", count)
			return
		}
		elem = v.Elem
		if len(v.Ints) == 1 {
			fill = v.Ints[0]
		}
	}
	dims, ok := n.shapeInput(0)
	if !ok {
		n.set(0, elem, nil)
		return
	}
	n.set(0, elem, dims)
	if len(dims) == 1 && dims[0].Known() && dims[0].Size <= mostKnown && fill.Known {
		n.keepInts(slices.Repeat([]Number{fill}, int(dims[0].Size)))
	}
}

func ruleRange(n *Node) {
	n.shape(0, []onnx.Dim{onnx.Unknown()})
	var start, limit, delta float64
	for i, into := range []*float64{&start, &limit, &delta} {
		if i == 2 && !n.given(i) { // in com.microsoft it may be left out
			delta = 1
		} else if v, ok := n.knownInts(i); ok && len(v) == 1 {
			*into = float64(v[0])
		} else if v, ok := n.arg(i).floats(); ok && len(v) == 1 {
			*into = v[0]
		} else {
			return
		}
	}
	if delta == 0 {
		n.wrong("attribute-range", "a range in steps of 0")
		return
	}
	count := math.Ceil((limit - start) / delta)
	switch {
	case math.IsNaN(count) || math.IsInf(count, 0):
		n.wrong("attribute-range", "a range from %g to %g in steps of %g", start, limit, delta)
	case count <= 0:
		n.shape(0, []onnx.Dim{onnx.Fixed(0)})
	default:
		n.shape(0, []onnx.Dim{onnx.Fixed(int64(min(count, 1<<62)))})
	}
}

func ruleRandom(n *Node) {
	shape, ok := n.ints("shape")
	if !ok {
		return
	}
	dims := make([]onnx.Dim, len(shape))
	for i, v := range shape {
		if v < 0 {
			n.wrong("attribute-range", "attribute \"shape\" is %s, which has a negative length", onnx.Few(shape))
			return
		}
		dims[i] = onnx.Fixed(v)
	}
	n.set(0, n.elemAttr("dtype", pb.TensorProto_UNDEFINED), dims)
}

func ruleRandomLike(n *Node) {
	n.set(0, n.elemAttr("dtype", n.arg(0).Elem), n.dims(0))
}

// ruleMultinomial draws samples for each row of probabilities.
func ruleMultinomial(n *Node) {
	rows := onnx.Unknown()
	if d := n.dims(0); len(d) == 2 {
		rows = d[0]
	}
	n.set(0, n.elemAttr("dtype", pb.TensorProto_UNDEFINED), []onnx.Dim{rows, onnx.Fixed(n.int("sample_size"))})
}

func ruleEyeLike(n *Node) {
	elem := n.elemAttr("dtype", n.arg(0).Elem)
	if n.dims(0) == nil {
		n.set(0, elem, nil)
	} else if n.rank(0, 2, 2) {
		n.set(0, elem, n.dims(0))
	}
}
