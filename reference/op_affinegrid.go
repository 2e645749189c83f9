package reference

import (
	"fmt"
	"slices"
)

// opAffineGrid is the positions that matrices (N, 2, 3) or (N, 3, 4) move those of an
// image of the size (N, C, H, W) or (N, C, D, H, W) to: (N, H, W, 2) or (N, D, H, W,
// 3), x first. -1 and 1 are the outer edges of the image, or the middles of its
// outermost pixels by attribute align_corners. ONNX AffineGrid, opset 20.
var opAffineGrid = operator{
	name: "AffineGrid",
	in:   []port{derived, sizing},
	eval: single(func(c *call) *Value {
		theta := c.in[0]
		size, _ := c.intInput(1)
		axes := len(size) - 2
		if axes != 2 && axes != 3 || !slices.Equal(theta.Dims, []int{size[0], axes, axes + 1}) {
			fail(fmt.Errorf("matrices of shape %v for a size of %v", theta.Dims, size))
		}
		dims := append([]int{size[0]}, size[2:]...)
		out := c.numbers(theta.Type, append(dims, axes)...)
		f, p := c.format(theta), c.products(theta)
		places := make([][]number, axes) // along each axis of the image
		in := f
		if stored := c.profile.stored(theta.Type); stored != nil {
			in = *stored // as a runtime has them that evaluates ONNX's function
		}
		for a, n := range size[2:] {
			places[a] = c.places(in, n)
		}
		aligned := c.int("align_corners") != 0
		at := make([]int, len(dims))
		for i := range out.Len() / axes {
			unravel(i, dims, at)
			alone := false
			for row := range axes {
				s := p.dot()
				for x := range axes { // x is along the last axis of the image
					a := axes - 1 - x
					s.add(theta.at((at[0]*axes+row)*(axes+1)+x), places[a][at[a+1]])
					alone = alone || aligned && size[2+a] == 1
				}
				s.term(theta.at((at[0]*axes+row)*(axes+1) + axes))
				if out.set(i*axes+row, s.sum(p, 0)); alone {
					c.undefined(out, i*axes+row, onePixel)
				}
			}
		}
		return out
	}),
}

// places are the positions of n pixels along an axis.
func (c *call) places(f format, n int) []number {
	c.take(4 * int64(n))
	list := make([]number, n)
	aligned := c.int("align_corners") != 0
	for i := range list {
		// Runtimes add steps of 2/n to -1 + 1/n, or scale a grid with aligned corners:
		// a rounding more.
		step, first := f.div(exact(2), exact(float64(n))), f.add(exact(-1), f.div(exact(1), exact(float64(n))))
		if aligned {
			step, first = f.div(exact(2), exact(float64(max(n-1, 1)))), exact(-1)
		}
		list[i] = f.rounded(f.add(first, f.mul(exact(float64(i)), step)), 1)
	}
	return list
}
