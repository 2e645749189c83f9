package load

import (
	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/onnx/op"
)

// convolution is a Conv or a ConvTranspose over one or two axes, with the activation after it where that is alone. One axis is the
// width of an image of height 1.
func convolution(b *builder, c call) {
	transposed := c.op.name == "ConvTranspose"
	xs, ws := c.in[0].dims, c.in[1].dims
	if len(xs) > 4 {
		fail(c.unsupported("over %d axes, load has it over one and two", len(xs)-2))
	}
	dims := c.dims(0)
	groups := c.int("group")
	windows := c.op.schema.Windows(c.op.node, xs[2:], ws[2:])
	win := kernel.Window{Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: int(groups)}
	for k, w := range windows {
		more := 0
		if transposed {
			more = spread(c, &w, k, dims[2+k])
		}
		at := 2 - len(windows) + k
		win.Kernel[at], win.Stride[at], win.Dilation[at], win.OutputPad[at] = w.Kernel, w.Stride, w.Dilation, more
		win.Pads[at], win.Pads[at+2] = w.Before, w.After
	}
	in := b.nodes(c)
	for k, dims := range [][]int{xs, ws} {
		if len(dims) == 3 {
			in[k] = must(gop.Reshape(c.name()+".image", in[k], dims[0], dims[1], 1, dims[2]))
		}
	}
	var bias *G.Node
	if c.has(2) {
		bias = in[2]
	}
	name := c.name()
	act := b.activationAfter(&name)
	b.account(name, dims, 8)
	convolve := gop.Conv
	if transposed {
		convolve = gop.ConvTranspose
	}
	y := must(convolve(name, in[0], in[1], bias, win, act, gop.Need{}))
	if c.in[1].fixed != nil {
		gop.KeepWeights(y)
	}
	if len(xs) == 3 {
		y = must(gop.Reshape(name, y, dims...))
	}
	b.set(name, y, dims...)
}

// spread settles the padding of axis k of a transposed convolution that is to come out with a length, where output_shape or auto_pad
// says so, and returns what its output has beyond the windows' places at its end.
func spread(c call, w *op.Window, k, length int) (more int) {
	list := c.ints("output_padding")
	if len(list) > 0 {
		more = int(list[k])
	}
	if c.ints("output_shape") == nil && w.Same == "" {
		return more
	}
	w.Before, w.After = 0, 0
	total := w.Spread() + more - length
	if total < 0 { // the windows do not reach that far
		more, total = more-total, 0
	}
	w.Share(total)
	if w.Same == "" { // the odd one goes to the beginning
		w.Before, w.After = w.After, w.Before
	}
	return more
}
