package reference

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMelWeightMatrix is the weights by which the bins of a spectrum go into bands
// that are evenly spaced on the mel scale, 2595 log10(1 + f/700): triangles over the
// bins, (bins, bands). ONNX MelWeightMatrix, opset 17.
//
// The triangles have their corners at whole bins; errors in finding a bin are not
// followed.
var opMelWeightMatrix = operator{
	name: "MelWeightMatrix",
	in:   []port{sizing, sizing, derived, blind, blind},
	eval: single(func(c *call) *Value {
		for i, v := range c.in {
			if v.Len() != 1 {
				fail(fmt.Errorf("input %d is %s, want a scalar", i, v))
			}
		}
		bands, length, rate := int(c.in[0].Float(0)), int(c.in[1].Float(0)), c.in[2].Float(0)
		if bands < 1 || length < 0 || bands > math.MaxInt32 || length > math.MaxInt32 || rate <= 0 {
			fail(fmt.Errorf("%d bands of a transform of %d at a rate of %v", bands, length, rate))
		}
		bins := length/2 + 1
		out := c.floatResult(pb.TensorProto_DataType(c.int("output_datatype")), []int{bins, bands})
		mel := func(f float64) float64 { return 2595 * math.Log10(1+f/700) }
		low, high := mel(c.in[3].Float(0)), mel(c.in[4].Float(0))
		corners := make([]int, bands+2)
		for i := range corners {
			hertz := 700 * (math.Pow(10, (low+float64(i)*(high-low)/float64(bands+2))/2595) - 1)
			k := math.Floor(float64(length+1) * hertz / rate)
			if !(k >= 0 && k < math.MaxInt32) {
				fail(fmt.Errorf("band %d begins at bin %v", i, k))
			}
			corners[i] = int(k)
		}
		f := c.format(out)
		for band := range bands {
			a, b, d := corners[band], corners[band+1], corners[band+2]
			if a == b && b < bins {
				out.set(b*bands+band, exact(1))
			}
			for k := a; k <= b && a < b && k < bins; k++ {
				out.set(k*bands+band, f.div(exact(float64(k-a)), exact(float64(b-a))))
			}
			for k := b; k < d && k < bins; k++ {
				out.set(k*bands+band, f.div(exact(float64(d-k)), exact(float64(d-b))))
			}
		}
		return out
	}),
}
