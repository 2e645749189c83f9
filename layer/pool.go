package layer

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/onnx"
)

var maxPoolKind = Kind{
	Name: "MaxPool",
	Doc:  "The greatest value of every window.",
	Ops:  []string{"MaxPool"},
	New:  func() Layer { return MaxPool{Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}} },
	Try: []Trial{
		{Layer: MaxPool{Kernel: [2]int{2, 3}, Stride: [2]int{2, 1}}, In: Shape{3, 5, 7}},
		{Layer: MaxPool{Kernel: [2]int{3, 2}, Stride: [2]int{1, 2}, Pads: [4]int{1, 0, 2, 1}}, In: Shape{3, 5, 7}},
	},
}

var averagePoolKind = Kind{
	Name: "AveragePool",
	Doc:  "The mean of every window; what lies outside of the image does not count.",
	Ops:  []string{"AveragePool"},
	New:  func() Layer { return AveragePool{Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}} },
	Try: []Trial{
		{Layer: AveragePool{Kernel: [2]int{2, 3}, Stride: [2]int{2, 1}}, In: Shape{3, 5, 7}},
		{Layer: AveragePool{Kernel: [2]int{3, 2}, Stride: [2]int{1, 2}, Pads: [4]int{1, 0, 2, 1}}, In: Shape{3, 5, 7}},
	},
}

var globalAveragePoolKind = Kind{
	Name: "GlobalAveragePool",
	Doc:  "The mean of every channel, as an image of one pixel.",
	Ops:  []string{"GlobalAveragePool"},
	New:  func() Layer { return GlobalAveragePool{} },
	Try:  []Trial{{Layer: GlobalAveragePool{}, In: Shape{3, 5, 7}}},
}

// MaxPool takes the greatest value of every window.
// x is (N, C, H, W), y is (N, C, OH, OW).
type MaxPool struct {
	noParams
	Kernel [2]int // height, width
	Stride [2]int // zeros mean 1
	Pads   [4]int // rows and columns that never win: top, left, bottom, right
}

func (m MaxPool) window() kernel.Window {
	return kernel.Window{Kernel: m.Kernel, Stride: m.Stride, Pads: m.Pads}
}

// OutShape takes images (C, H, W).
func (m MaxPool) OutShape(in ...Shape) (Shape, error) { return pooled("maximum", in[0], m.window()) }

// Build makes one operator.
func (m MaxPool) Build(s Scope, x ...*G.Node) (*G.Node, error) {
	return gop.MaxPool(s.Name, x[0], m.window())
}

// Emit writes MaxPool.
func (m MaxPool) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	return e.Node("MaxPool", "", x, poolAttrs(m.window())...)
}

// AveragePool takes the mean of every window, not counting padding. x is (N, C, H, W), y is (N, C,
// OH, OW).
type AveragePool struct {
	noParams
	Kernel [2]int // height, width
	Stride [2]int // zeros mean 1
	Pads   [4]int // top, left, bottom, right
}

func (a AveragePool) window() kernel.Window {
	return kernel.Window{Kernel: a.Kernel, Stride: a.Stride, Pads: a.Pads}
}

// OutShape takes images (C, H, W).
func (a AveragePool) OutShape(in ...Shape) (Shape, error) {
	return pooled("average", in[0], a.window())
}

// Build makes one operator.
func (a AveragePool) Build(s Scope, x ...*G.Node) (*G.Node, error) {
	return gop.AveragePool(s.Name, x[0], a.window())
}

// Emit writes AveragePool.
func (a AveragePool) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	return e.Node("AveragePool", "", x, append(poolAttrs(a.window()), onnx.Int("count_include_pad", 0))...)
}

// pooled is the shape after pooling. A window must not lie in the padding as a whole: it would have no value.
func pooled(what string, in Shape, w kernel.Window) (Shape, error) {
	if err := wantImages(what+" pooling", in); err != nil {
		return nil, err
	}
	if w.Kernel[0] < 1 || w.Kernel[1] < 1 {
		return nil, fmt.Errorf("%s pooling under a window of %dx%d, want at least 1x1", what, w.Kernel[0], w.Kernel[1])
	}
	for i, pad := range w.Pads {
		if pad >= w.Kernel[i%2] {
			return nil, fmt.Errorf("%s pooling under a window of %dx%d with padding %v, want less padding than window", what, w.Kernel[0], w.Kernel[1], w.Pads)
		}
	}
	height, width, err := w.Output(in[1], in[2])
	if err != nil {
		return nil, fmt.Errorf("%s pooling of %v: %w", what, in, err)
	}
	return Shape{in[0], height, width}, nil
}

// GlobalAveragePool takes the mean of every channel.
// x is (N, C, H, W), y is (N, C, 1, 1).
type GlobalAveragePool struct{ noParams }

// OutShape takes images (C, H, W).
func (GlobalAveragePool) OutShape(in ...Shape) (Shape, error) {
	if err := wantImages("average pooling", in[0]); err != nil {
		return nil, err
	}
	return Shape{in[0][0], 1, 1}, nil
}

// Build makes one operator.
func (GlobalAveragePool) Build(s Scope, x ...*G.Node) (*G.Node, error) {
	return gop.GlobalAveragePool(s.Name, x[0])
}

// Emit writes GlobalAveragePool.
func (GlobalAveragePool) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	return e.Node("GlobalAveragePool", "", x)
}
