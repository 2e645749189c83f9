package export

import (
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/raster"
	"github.com/petrify-ml/petrify/random"
)

// Layout is the order of the axes of images as bytes.
type Layout = raster.Layout

// The layouts, see package raster.
const (
	NHWC = raster.NHWC
	NCHW = raster.NCHW
)

// pictures are the images of a model as bytes, 0 for black and 255 for white.
type pictures struct {
	shape  layer.Shape // channels, height, width
	levels model.Pixels
	layout Layout
}

func picturesOf(m model.Model, shape layer.Shape, o Options) pictures {
	if o.Layout == "" {
		o.Layout = NHWC
	}
	return pictures{shape: shape, levels: m.Recipe.Pixels, layout: o.Layout}
}

// axes is the type of n of them.
func (p pictures) axes(n onnx.Dim) []onnx.Dim {
	c, h, w := onnx.Fixed(int64(p.shape[0])), onnx.Fixed(int64(p.shape[1])), onnx.Fixed(int64(p.shape[2]))
	if p.layout == NHWC {
		return []onnx.Dim{n, h, w, c}
	}
	return []onnx.Dim{n, c, h, w}
}

// dims is the shape of n of them.
func (p pictures) dims(n int) (dims []int) {
	for _, d := range p.axes(onnx.Fixed(int64(n))) {
		dims = append(dims, int(d.Size))
	}
	return dims
}

// input declares an input of pictures.
func (p pictures) input(e *onnx.Emitter, name string, n onnx.Dim) onnx.Value {
	return e.Input(name, pb.TensorProto_UINT8, p.axes(n)...)
}

// net makes of pictures x what a net takes, float32 (N, C, H, W) in the range of the model, as training does: one product
// and one sum. Values are called NAME.planes and so on.
func (p pictures) net(e *onnx.Emitter, name string, x onnx.Value) onnx.Value {
	e.Step(name, name+".net")
	if p.layout == NHWC {
		x = e.Node("Transpose", "planes", []onnx.Value{x}, onnx.Ints("perm", 0, 3, 1, 2))
	}
	factor, offset := float32((p.levels.High-p.levels.Low)/255), float32(p.levels.Low)
	x = e.Node("Cast", "float", []onnx.Value{x}, onnx.Int("to", int64(pb.TensorProto_FLOAT)))
	if offset == 0 {
		return e.Node("Mul", "", []onnx.Value{x, number(e, "factor", factor)})
	}
	x = e.Node("Mul", "scaled", []onnx.Value{x, number(e, "factor", factor)})
	return e.Node("Add", "", []onnx.Value{x, number(e, "offset", offset)})
}

// output makes pictures of what a net gives, and the output NAME of them: scaled, clamped to [0, 255], rounded to the nearest
// whole number, halves to the even one.
func (p pictures) output(e *onnx.Emitter, name string, y onnx.Value) {
	e.Step(name, name)
	factor, offset := raster.Levels(p.levels).ToBytes()
	y = e.Node("Mul", "scaled", []onnx.Value{y, number(e, "factor", factor)})
	if offset != 0 {
		y = e.Node("Add", "shifted", []onnx.Value{y, number(e, "offset", offset)})
	}
	y = e.Node("Clip", "clamped", []onnx.Value{y, number[float32](e, "black", 0), number[float32](e, "white", 255)})
	y = e.Node("Round", "rounded", []onnx.Value{y})
	to := onnx.Int("to", int64(pb.TensorProto_UINT8))
	if p.layout == NHWC {
		y = e.Node("Cast", "bytes", []onnx.Value{y}, to)
		y = e.Node("Transpose", "", []onnx.Value{y}, onnx.Ints("perm", 0, 2, 3, 1))
	} else {
		y = e.Node("Cast", "", []onnx.Value{y}, to)
	}
	e.Output(y, pb.TensorProto_UINT8, p.axes(onnx.Symbolic("N"))...)
}

// bytes does in Go what output does in a graph.
func (p pictures) bytes(x []float32) []uint8 {
	b := make([]uint8, len(x))
	for i, v := range x {
		b[p.place(i)] = raster.Levels(p.levels).Byte(v)
	}
	return b
}

// floats does in Go what net does in a graph.
func (p pictures) floats(b []uint8) []float32 {
	x := make([]float32, len(b))
	for i := range x {
		x[i] = raster.Levels(p.levels).Float(b[p.place(i)])
	}
	return x
}

// place is where element i of (N, C, H, W) lies in pictures.
func (p pictures) place(i int) int {
	if p.layout != NHWC {
		return i
	}
	c, area := p.shape[0], p.shape[1]*p.shape[2]
	n, k, at := i/(c*area), i/area%c, i%area
	return (n*area+at)*c + k
}

// draw makes n pictures of noise; of extremes, one of a few levels in a row, black and white among them.
func (p pictures) draw(r *random.Stream, n int, extreme bool) []uint8 {
	b := make([]uint8, n*p.shape.Len())
	for i := range b {
		if b[i] = uint8(r.Intn(256)); extreme {
			b[i] = [...]uint8{0, 255, 1, 254, b[i]}[i%5]
		}
	}
	return b
}

// tensor is pictures as a value of a graph.
func (p pictures) tensor(name string, n int, b []uint8) *onnx.Tensor {
	return &onnx.Tensor{Name: name, Dims: p.dims(n), Data: onnx.Slice[uint8](b)}
}

// number is a constant without axes.
func number[T onnx.Element](e *onnx.Emitter, short string, v T) onnx.Value {
	return e.Const(short, &onnx.Tensor{Data: onnx.Slice[T]{v}})
}

// numbers are a constant of one axis.
func numbers[T onnx.Element](e *onnx.Emitter, short string, v ...T) onnx.Value {
	return e.Const(short, &onnx.Tensor{Dims: []int{len(v)}, Data: onnx.Slice[T](v)})
}
