package web

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// axis is a direction of unit length in the latent space.
type axis struct {
	Name      string    `json:"name"`
	Direction []float32 `json:"direction"`
}

// mostWidth bounds the latent spaces whose principal axes are computed: their cost grows with its cube.
const mostWidth = 1024

// principalAxes are the directions that the layer which the input enters answers to most: the first eigenvectors of W W^T,
// where W (width, M) are its weights (Shen and Zhou, Closed-Form Factorization of Latent Semantics in GANs, 2021). It is nil
// where the input enters no such layer.
func principalAxes(g *pb.GraphProto, input string, width, most int) []axis {
	w := firstWeights(g, input, width)
	if w == nil || width > mostWidth || width < 2 {
		return nil
	}
	var product mat.SymDense
	product.SymOuterK(1, w)
	var eigen mat.EigenSym
	if !eigen.Factorize(&product, true) {
		return nil
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	values := eigen.Values(nil)
	total := 0.0
	for _, v := range values {
		total += v
	}
	if !(total > 0) || math.IsInf(total, 0) {
		return nil
	}
	var list []axis
	for k := range min(most, width) {
		at := width - 1 - k // they rise
		direction := make([]float32, width)
		largest := 0
		for i := range direction {
			direction[i] = float32(vectors.At(i, at))
			if math.Abs(vectors.At(i, at)) > math.Abs(vectors.At(largest, at)) {
				largest = i
			}
		}
		if direction[largest] < 0 { // an eigenvector has no sign of its own
			for i := range direction {
				direction[i] = -direction[i]
			}
		}
		list = append(list, axis{Name: fmt.Sprintf("Direction %d (%.0f %%)", k+1, 100*values[at]/total), Direction: direction})
	}
	return list
}

// plainAxes are the first latent numbers themselves.
func plainAxes(width, most int) []axis {
	var list []axis
	for k := range min(most, width) {
		direction := make([]float32, width)
		direction[k] = 1
		list = append(list, axis{Name: fmt.Sprintf("Number %d", k+1), Direction: direction})
	}
	return list
}

// firstWeights are those of the layer that a value of so many numbers enters, as (width, M); nil where it enters none.
func firstWeights(g *pb.GraphProto, value string, width int) *mat.Dense {
	for _, node := range g.GetNode() {
		at := slices.Index(node.GetInput(), value)
		if at != 0 {
			continue
		}
		switch op := node.GetOpType(); op {
		case "Flatten", "Reshape", "Identity", "Concat": // whose other inputs come after it
			return firstWeights(g, node.GetOutput()[0], width)
		case "MatMul", "Gemm", "ConvTranspose", "Conv":
			data := weights(g, node.GetInput()[1])
			if data == nil {
				return nil
			}
			inner, across := 0, op == "Conv" // which axis of the weights meets the input's numbers
			for _, a := range node.GetAttribute() {
				across = across || op == "Gemm" && a.GetName() == "transB" && a.GetI() != 0
			}
			if across {
				inner = 1
			}
			return asRows(data, inner, width)
		}
		return nil
	}
	return nil
}

// weights is a constant of float32, or what a Cast or a DequantizeLinear makes of one that is stored in less; nil where it is neither.
func weights(g *pb.GraphProto, name string) *onnx.Tensor {
	constant := func(name string) *onnx.Tensor {
		for _, t := range g.GetInitializer() {
			if t.GetName() == name {
				data, err := onnx.FromProto(t)
				if err != nil {
					return nil
				}
				return data
			}
		}
		return nil
	}
	if t := constant(name); t != nil {
		if half, ok := t.Data.(onnx.Slice[onnx.Float16]); ok {
			return wide(t, half)
		}
		return t
	}
	for _, node := range g.GetNode() {
		if !slices.Contains(node.GetOutput(), name) || len(node.GetInput()) == 0 {
			continue
		}
		t := constant(node.GetInput()[0])
		if t == nil {
			return nil
		}
		switch stored := t.Data.(type) {
		case onnx.Slice[onnx.Float16]:
			return wide(t, stored)
		case onnx.Slice[int8]:
			axis := 1
			for _, a := range node.GetAttribute() {
				if a.GetName() == "axis" {
					axis = int(a.GetI())
				}
			}
			if len(node.GetInput()) != 2 || axis < 0 || axis >= len(t.Dims) {
				return nil
			}
			scale := constant(node.GetInput()[1])
			if scale == nil {
				return nil
			}
			scales, ok := scale.Data.(onnx.Slice[float32])
			if !ok || len(scales) != t.Dims[axis] {
				return nil
			}
			run := 1
			for _, d := range t.Dims[axis+1:] {
				run *= d
			}
			data := make(onnx.Slice[float32], len(stored))
			for i, v := range stored {
				data[i] = float32(v) * scales[i/run%len(scales)]
			}
			return &onnx.Tensor{Name: name, Dims: t.Dims, Data: data}
		}
		return nil
	}
	return nil
}

// wide is a constant of float16 as float32.
func wide(t *onnx.Tensor, stored onnx.Slice[onnx.Float16]) *onnx.Tensor {
	data := make(onnx.Slice[float32], len(stored))
	for i, v := range stored {
		data[i] = v.Float32()
	}
	return &onnx.Tensor{Name: t.Name, Dims: t.Dims, Data: data}
}

// asRows lays weights out as (width, M), where the axis `inner` of the two first is of the length width, or longer where others come after.
func asRows(t *onnx.Tensor, inner, width int) *mat.Dense {
	data, ok := t.Data.(onnx.Slice[float32])
	if !ok || len(t.Dims) < 2 || t.Dims[inner] < width || len(data) == 0 {
		return nil
	}
	rest := len(data) / t.Dims[0] / t.Dims[1]
	other := t.Dims[1-inner]
	w := mat.NewDense(width, other*rest, nil)
	for i := range t.Dims[0] {
		for j := range t.Dims[1] {
			if max(i*(1-inner), j*inner) >= width {
				continue
			}
			for r := range rest {
				at, v := j*rest+r, float64(data[(i*t.Dims[1]+j)*rest+r])
				if inner == 0 {
					w.Set(i, at, v)
				} else {
					w.Set(j, i*rest+r, v)
				}
			}
		}
	}
	return w
}
