package reference

import "fmt"

// opSTFT is the transform of frames of a signal (N, length, 1 or 2), each times a
// window: (N, frames, bins, 2). A signal (N, length) is real, too, as ONNX Runtime
// reads it. ONNX STFT, opset 17.
var opSTFT = operator{
	name: "STFT",
	in:   []port{derived, sizing, derived, sizing},
	eval: single(func(c *call) *Value {
		x, window := c.in[0], c.in[2]
		width := 1
		if len(x.Dims) == 3 {
			width = x.Dims[2]
		}
		if len(x.Dims) < 2 || len(x.Dims) > 3 || width < 1 || width > 2 {
			fail(fmt.Errorf("signal of shape %v, want [N,length,1] or [N,length,2]", x.Dims))
		}
		step := c.intScalar(1)
		length := x.Dims[1]
		switch {
		case c.given(3):
			length = c.intScalar(3)
		case window != nil:
			length = window.Len()
		}
		if step < 1 || length < 1 || length > x.Dims[1] || window != nil && window.Len() != length {
			fail(fmt.Errorf("frames of %d, %d apart, of a signal of %d", length, step, x.Dims[1]))
		}
		bins := length
		if c.int("onesided") != 0 {
			bins = length/2 + 1
		}
		frames := (x.Dims[1]-length)/step + 1
		out := c.numbers(x.Type, x.Dims[0], frames, bins, 2)
		f := c.format(x)
		re, im := make([]number, length), make([]number, length)
		for n := range x.Dims[0] {
			for t := range frames {
				c.spend(int64(length) * int64(bins))
				for k := range length {
					at := (n*x.Dims[1] + t*step + k) * width
					re[k], im[k] = x.at(at), number{}
					if width == 2 {
						im[k] = x.at(at + 1)
					}
					if window != nil {
						re[k], im[k] = f.mul(re[k], window.at(k)), f.mul(im[k], window.at(k))
					}
				}
				for b := range bins {
					for p, y := range f.fourier(re, im, b, false) {
						out.set(((n*frames+t)*bins+b)*2+p, y)
					}
				}
			}
		}
		return out
	}),
}
