package load

import (
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/internal/kernel"
)

// convolution is a Conv or a ConvTranspose over one or two axes, with the activation behind it where that is alone. One axis is the
// width of an image of height 1.
func convolution(b *builder, c call) error {
	transposed := c.op.name == "ConvTranspose"
	xs, ws := c.in[0].dims, c.in[1].dims
	if len(xs) < 3 || len(ws) != len(xs) {
		return fmt.Errorf("%s: %s of %v by %v, want (N, C, ...) and weights of as many axes", c.name(), c.op.name, xs, ws)
	}
	if len(xs) > 4 {
		return c.unsupported("over %d axes, load has it over one and two", len(xs)-2)
	}
	groups, err := attribute[int64](c.op, "group", 1)
	if err != nil {
		return err
	}
	if groups < 1 || groups > math.MaxInt32 {
		return fmt.Errorf("%s: %d groups", c.name(), groups)
	}
	w, err := windowOf(c, xs[2:], ws[2:])
	if err != nil {
		return err
	}
	more := make([]int, len(xs)-2)
	if transposed {
		if more, err = w.widen(c); err != nil {
			return err
		}
	}
	win := kernel.Window{Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: int(groups)}
	for k := range w.kernel {
		at := 2 - len(w.kernel) + k
		win.Kernel[at], win.Stride[at], win.Dilation[at], win.OutputPad[at] = w.kernel[k], w.stride[k], w.dilation[k], more[k]
		win.Pads[at], win.Pads[at+2] = w.before[k], w.after[k]
	}
	in, err := b.nodes(c)
	if err != nil {
		return err
	}
	for k, dims := range [][]int{xs, ws} {
		if len(dims) == 3 {
			if in[k], err = gop.Reshape(c.name()+".image", in[k], dims[0], dims[1], 1, dims[2]); err != nil {
				return err
			}
		}
	}
	var bias *G.Node
	if c.has(2) {
		bias = in[2]
	}
	name := c.name()
	act := b.activationAfter(&name)
	outs, err := convolved(c, win, xs, ws, transposed)
	if err != nil {
		return err
	}
	if err := b.account(name, outs, 8); err != nil {
		return err
	}
	var y *G.Node
	if transposed {
		y, err = gop.ConvTranspose(name, in[0], in[1], bias, win, act, gop.Need{})
	} else {
		y, err = gop.Conv(name, in[0], in[1], bias, win, act, gop.Need{})
	}
	if err != nil {
		return err
	}
	if c.in[1].fixed != nil {
		gop.KeepWeights(y)
	}
	dims := []int(y.Shape())
	if len(xs) == 3 {
		dims = slices.Delete(slices.Clone(dims), 2, 3)
		y, err = gop.Reshape(name, y, dims...)
	}
	return b.set(name, y, err, dims...)
}

// convolved is the shape of the output, known before any of it is made.
func convolved(c call, win kernel.Window, xs, ws []int, transposed bool) ([]int, error) {
	height := 1
	if len(xs) == 4 {
		height = xs[2]
	}
	size, channels := win.Output, ws[0]
	if transposed {
		size, channels = win.TransposedOutput, ws[1]*win.Groups
	}
	h, w, err := size(height, xs[len(xs)-1])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name(), err)
	}
	return []int{xs[0], channels, h, w}, nil
}

// widen settles the padding of a transposed convolution, from output_shape or auto_pad where one is given, and returns what its output has
// beyond the windows' places at each end.
func (w *window) widen(c call) (more []int, err error) {
	n := len(w.in)
	more = make([]int, n)
	list, err := attribute[[]int64](c.op, "output_padding", nil)
	if err != nil {
		return nil, err
	}
	shape, err := attribute[[]int64](c.op, "output_shape", nil)
	if err != nil {
		return nil, err
	}
	if list != nil && len(list) != n || shape != nil && len(shape) != n {
		return nil, fmt.Errorf("%s: output_padding %v and output_shape %v over %d axes", c.name(), list, shape, n)
	}
	for k := range n {
		if list != nil {
			if list[k] < 0 || list[k] > math.MaxInt32 {
				return nil, fmt.Errorf("%s: output_padding is %v", c.name(), list)
			}
			more[k] = int(list[k])
		}
		want := -1
		switch {
		case shape != nil:
			if shape[k] < 1 || shape[k] > math.MaxInt32 {
				return nil, fmt.Errorf("%s: output_shape is %v", c.name(), shape)
			}
			want = int(shape[k])
		case w.auto == "SAME_UPPER" || w.auto == "SAME_LOWER":
			want = w.in[k] * w.stride[k]
		}
		if want < 0 {
			continue
		}
		total := (w.in[k]-1)*w.stride[k] + more[k] + w.reach(k) - want
		if total < 0 { // the windows do not reach that far
			more[k], total = more[k]-total, 0
		}
		w.before[k] = total - total/2
		if w.auto == "SAME_UPPER" {
			w.before[k] = total / 2
		}
		w.after[k] = total - w.before[k]
	}
	return more, nil
}
