package reference

import "fmt"

// opCol2Im adds blocks up to an image: input (N, C taps, blocks) has in every column
// the elements of a block, input 1 is the spatial shape of the image, input 2 that of
// a block. ONNX Col2Im, opset 18.
var opCol2Im = operator{
	name: "Col2Im",
	in:   []port{lacking(bools | texts), sizing, sizing},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		image, _ := c.intInput(1)
		block, _ := c.intInput(2)
		must(product(image)) // within what can be addressed
		w := c.newWindow(image, block, false)
		taps, blocks := w.taps(), size(w.out)
		if len(x.Dims) != 3 || x.Dims[1]%taps != 0 || x.Dims[2] != blocks {
			fail(fmt.Errorf("input of shape %v for %d blocks of shape %v in an image of shape %v", x.Dims, blocks, block, image))
		}
		planes := x.Dims[0] * (x.Dims[1] / taps)
		isFloat := floats&setOf(x) != 0
		out := c.zeros(x.Type, isFloat, append([]int{x.Dims[0], x.Dims[1] / taps}, image...)...)
		f, area, from := c.format(x), size(image), make([]int, taps)
		c.afford(planes+1, area, taps)
		for p := range area {
			c.spend(int64(taps) * int64(planes+1))
			w.sources(p, from)
			for n := range planes {
				add, store := sums.line(f, x, out)
				for k, b := range from {
					if b >= 0 {
						add((n*taps+k)*blocks + b)
					}
				}
				store(n*area + p)
			}
		}
		return out
	}),
}
