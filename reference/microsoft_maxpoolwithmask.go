package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
)

// opMicrosoftMaxpoolWithMask is the largest element under a sliding kernel, of each row of which what follows an element
// whose mask is zero does not count, but the first element of the image always does; the least finite number where none
// does. The mask is one for all images. ONNX Runtime's com.microsoft MaxpoolWithMask.
var opMicrosoftMaxpoolWithMask = operator{
	name: "MaxpoolWithMask", domain: microsoft, in: []port{derived, blind},
	eval: single(func(c *call) *Value {
		x, mask := c.in[0], c.in[1]
		w, dims := c.poolWindow(x)
		if len(mask.Dims) != len(x.Dims) || !slices.Equal(mask.Dims[2:], x.Dims[2:]) {
			fail(fmt.Errorf("mask of shape %v for an input of shape %v", mask.Dims, x.Dims))
		}
		if mask.Dims[0] != 1 || mask.Dims[1] != 1 {
			fail(&onnx.UnsupportedError{Op: "MaxpoolWithMask", Domain: microsoft, Why: "a mask of several images or channels, of which ONNX Runtime reads other elements than its own"})
		}
		kept := elems[int64](mask)
		out, area, row := c.numbers(x.Type, dims...), size(w.in), w.kernel[len(w.kernel)-1]
		first := len(w.kernel) == 1 // along one axis the first element has a mask, too
		c.pool(w, size(x.Dims[:2]), func(channel, at int, patch []int) {
			y, undefined := exact(-formatOf(x.Type).max), false
			for k := 0; k < len(patch); k += row {
				for _, p := range patch[k : k+row] {
					if p < 0 {
						continue
					}
					if kept[p] == 0 && (p > 0 || first) {
						break
					}
					v := x.at(channel*area + p)
					undefined = undefined || math.IsNaN(v.v)
					y = larger(y, v)
				}
			}
			if out.set(at, y); undefined {
				c.undefined(out, at, orderOfNaN)
			}
		})
		return out
	}),
}
