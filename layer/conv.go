package layer

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/onnx"
)

var conv2DKind = Kind{
	Name: "Conv2D",
	Doc:  "Convolution over height and width: y = W * x + b, with W (Out, C/Groups, KH, KW) and b (Out).",
	Ops:  []string{"Conv"},
	New:  func() Layer { return Conv2D{Out: 1, Kernel: [2]int{3, 3}} },
	Try: []Trial{
		{Layer: Conv2D{Out: 4, Kernel: [2]int{2, 3}}, In: Shape{3, 5, 7}},
		{Layer: Conv2D{Out: 2, Kernel: [2]int{4, 3}, Stride: [2]int{2, 1}, Pads: [4]int{1, 0, 2, 1}, NoBias: true}, In: Shape{3, 5, 7}},
		{Layer: Conv2D{Out: 6, Kernel: [2]int{2, 3}, Dilation: [2]int{2, 1}, Pads: [4]int{1, 1, 1, 1}, Groups: 2}, In: Shape{4, 5, 7}},
	},
}

var convTranspose2DKind = Kind{
	Name: "ConvTranspose2D",
	Doc:  "The transpose of a convolution, which enlarges an image: W is (C, Out/Groups, KH, KW) and b (Out).",
	Ops:  []string{"ConvTranspose"},
	New:  func() Layer { return ConvTranspose2D{Out: 1, Kernel: [2]int{3, 3}} },
	Try: []Trial{
		{Layer: ConvTranspose2D{Out: 4, Kernel: [2]int{2, 3}}, In: Shape{3, 4, 5}},
		{Layer: ConvTranspose2D{Out: 2, Kernel: [2]int{4, 3}, Stride: [2]int{2, 3}, Pads: [4]int{1, 0, 2, 1}, OutputPad: [2]int{1, 2}, NoBias: true}, In: Shape{3, 4, 5}},
		{Layer: ConvTranspose2D{Out: 6, Kernel: [2]int{2, 3}, Dilation: [2]int{2, 1}, Pads: [4]int{1, 1, 1, 1}, Groups: 2}, In: Shape{4, 4, 5}},
	},
}

// Conv2D is a convolution (a cross-correlation, as everywhere in the field) over images.
// x is (N, C, H, W), W is (Out, C/Groups, KH, KW), b is (Out), y is (N, Out, OH, OW).
type Conv2D struct {
	applies
	Out      int    // channels
	Kernel   [2]int // height, width
	Stride   [2]int // zeros mean 1
	Dilation [2]int // zeros mean 1
	Pads     [4]int // rows and columns of zeros: top, left, bottom, right
	Groups   int    // 0 means 1
	NoBias   bool   // leave b out, as in front of a BatchNorm
	Init     Init   // of W; nil means GlorotUniform
	Bias     Init   // of b; nil means Zeros
}

func (c Conv2D) window() kernel.Window {
	return kernel.Window{Kernel: c.Kernel, Stride: c.Stride, Dilation: c.Dilation, Pads: c.Pads, Groups: c.Groups}
}

// OutShape takes images (C, H, W).
func (c Conv2D) OutShape(in ...Shape) (Shape, error) {
	return convolved("convolution", in[0], c.Out, c.window(), kernel.Window.Output)
}

// Params are weight (Out, C/Groups, KH, KW) and bias (Out).
func (c Conv2D) Params(in ...Shape) []Param {
	shape := Shape{c.Out, in[0][0] / max(c.Groups, 1), c.Kernel[0], c.Kernel[1]}
	return convParams(shape, c.Out, c.Groups, c.NoBias, c.Init, c.Bias)
}

// Build makes one operator.
func (c Conv2D) Build(s Scope, x ...*G.Node) (*G.Node, error) {
	w, b, err := s.weights(c.NoBias)
	if err != nil {
		return nil, err
	}
	return gop.Conv(s.Name, x[0], w, b, c.window(), s.then(), gop.Need(s.Need))
}

// Emit writes Conv with every attribute, since runtimes differ in their defaults.
func (c Conv2D) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	return e.Node("Conv", "", withWeights(e, x, c.NoBias), windowAttrs(c.window())...)
}

// ConvTranspose2D is the transpose of a convolution: every pixel of x spreads over a window of y.
// x is (N, C, H, W), W is (C, Out/Groups, KH, KW), b is (Out), y is (N, Out, OH, OW).
type ConvTranspose2D struct {
	applies
	Out       int    // channels
	Kernel    [2]int // height, width
	Stride    [2]int // zeros mean 1
	Dilation  [2]int // zeros mean 1
	Pads      [4]int // rows and columns cut off: top, left, bottom, right
	OutputPad [2]int // additional rows and columns at the bottom and on the right
	Groups    int    // 0 means 1
	NoBias    bool   // leave b out, as in front of a BatchNorm
	Init      Init   // of W; nil means GlorotUniform
	Bias      Init   // of b; nil means Zeros
}

func (c ConvTranspose2D) window() kernel.Window {
	return kernel.Window{Kernel: c.Kernel, Stride: c.Stride, Dilation: c.Dilation, Pads: c.Pads, OutputPad: c.OutputPad, Groups: c.Groups}
}

// OutShape takes images (C, H, W).
func (c ConvTranspose2D) OutShape(in ...Shape) (Shape, error) {
	return convolved("transposed convolution", in[0], c.Out, c.window(), kernel.Window.TransposedOutput)
}

// Params are weight (C, Out/Groups, KH, KW) and bias (Out).
func (c ConvTranspose2D) Params(in ...Shape) []Param {
	shape := Shape{in[0][0], c.Out / max(c.Groups, 1), c.Kernel[0], c.Kernel[1]}
	return convParams(shape, c.Out, c.Groups, c.NoBias, c.Init, c.Bias)
}

// Build makes one operator.
func (c ConvTranspose2D) Build(s Scope, x ...*G.Node) (*G.Node, error) {
	w, b, err := s.weights(c.NoBias)
	if err != nil {
		return nil, err
	}
	return gop.ConvTranspose(s.Name, x[0], w, b, c.window(), s.then(), gop.Need(s.Need))
}

// Emit writes ConvTranspose with every attribute but output_shape, which would override the others.
func (c ConvTranspose2D) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	attrs := append(windowAttrs(c.window()), onnx.Ints("output_padding", int64(c.OutputPad[0]), int64(c.OutputPad[1])))
	return e.Node("ConvTranspose", "", withWeights(e, x, c.NoBias), attrs...)
}

// convolved is the shape after a convolution, with the rule output for height and width.
func convolved(what string, in Shape, out int, win kernel.Window, output func(kernel.Window, int, int) (int, int, error)) (Shape, error) {
	if err := wantImages(what, in); err != nil {
		return nil, err
	}
	if out < 1 || win.Kernel[0] < 1 || win.Kernel[1] < 1 {
		return nil, fmt.Errorf("%s to %d channels with a kernel of %dx%d, want at least 1 of each", what, out, win.Kernel[0], win.Kernel[1])
	}
	if g := max(win.Groups, 1); win.Groups < 0 || in[0]%g != 0 || out%g != 0 {
		return nil, fmt.Errorf("%s of %d to %d channels in %d groups, want groups that divide both", what, in[0], out, win.Groups)
	}
	h, w, err := output(win, in[1], in[2])
	if err != nil {
		return nil, fmt.Errorf("%s of %v: %w", what, in, err)
	}
	return Shape{out, h, w}, nil
}

// wantImages says what is wrong with the samples of a layer that takes images.
func wantImages(what string, in Shape) error {
	if len(in) != 3 {
		return fmt.Errorf("%s takes images (channels, height, width), got %v", what, in)
	}
	return nil
}

// convParams are the parameters of both convolutions. Each output sees, and each input reaches, the weights of one group.
func convParams(weight Shape, out, groups int, noBias bool, init, bias Init) []Param {
	area := weight[2] * weight[3]
	glorot := GlorotUniform(weight[1]*area, weight[0]/max(groups, 1)*area)
	p := []Param{{Name: "weight", Shape: weight, Init: init.or(glorot)}}
	if !noBias {
		p = append(p, Param{Name: "bias", Shape: Shape{out}, Init: bias.or(Zeros)})
	}
	return p
}

// weights are the nodes of a step's weight and bias, the latter nil where there is none.
func (s Scope) weights(noBias bool) (w, b *G.Node, err error) {
	if w, err = s.Param("weight"); err != nil || noBias {
		return w, nil, err
	}
	b, err = s.Param("bias")
	return w, b, err
}

func withWeights(e *onnx.Emitter, x []onnx.Value, noBias bool) []onnx.Value {
	x = append(x, e.Param("weight"))
	if !noBias {
		x = append(x, e.Param("bias"))
	}
	return x
}

// windowAttrs writes a window as the attributes that Conv and ConvTranspose share.
func windowAttrs(w kernel.Window) []onnx.Attr {
	return append(poolAttrs(w),
		onnx.Ints("dilations", one(w.Dilation[0]), one(w.Dilation[1])),
		onnx.Int("group", one(w.Groups)))
}

// one reads a size of which 0 means 1.
func one(v int) int64 { return int64(max(v, 1)) }

// poolAttrs writes those that pooling has too.
func poolAttrs(w kernel.Window) []onnx.Attr {
	return []onnx.Attr{
		onnx.Ints("kernel_shape", one(w.Kernel[0]), one(w.Kernel[1])),
		onnx.Ints("strides", one(w.Stride[0]), one(w.Stride[1])),
		onnx.Ints("pads", int64(w.Pads[0]), int64(w.Pads[1]), int64(w.Pads[2]), int64(w.Pads[3])),
	}
}
