package reference

import "fmt"

// opCol2Im adds blocks up to an image: input (N, C taps, blocks) has in every column
// the elements of a block, input 1 is the spatial shape of the image, input 2 that of
// a block. ONNX Col2Im, opset 18.
var opCol2Im = operator{
	name: "Col2Im",
	in:   []port{lacking(bools | texts), sizing, sizing},
	eval: single(func(c *call) (*Value, error) {
		x := c.in[0]
		image, _, err := c.intInput(1)
		if err != nil {
			return nil, err
		}
		block, _, err := c.intInput(2)
		if err != nil {
			return nil, err
		}
		if _, err := product(image); err != nil {
			return nil, err
		}
		w, err := c.newWindow(image, block, false)
		if err != nil {
			return nil, err
		}
		taps, blocks := w.taps(), size(w.out)
		if len(x.Dims) != 3 || x.Dims[1]%taps != 0 || x.Dims[2] != blocks {
			return nil, fmt.Errorf("input of shape %v for %d blocks of shape %v in an image of shape %v", x.Dims, blocks, block, image)
		}
		planes := x.Dims[0] * (x.Dims[1] / taps)
		isFloat := floats&setOf(x) != 0
		out, err := c.zeros(x.Type, isFloat, append([]int{x.Dims[0], x.Dims[1] / taps}, image...)...)
		if err != nil {
			return nil, err
		}
		f, area, from := c.format(x), size(image), make([]int, taps)
		if err := c.afford(planes+1, area, taps); err != nil {
			return nil, err
		}
		for p := range area {
			if err := c.spend(int64(taps) * int64(planes+1)); err != nil {
				return nil, err
			}
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
		return out, nil
	}),
}
