package reference

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opHannWindow is (1 - cos a)/2 for angles a from 0 to 2 pi. ONNX HannWindow,
// opset 17.
var opHannWindow = cosineWindow("HannWindow", 0.5, 0.5, 0)

// opHammingWindow is 25/46 - 21/46 cos a. ONNX HammingWindow, opset 17.
var opHammingWindow = cosineWindow("HammingWindow", 25./46, 21./46, 0)

// opBlackmanWindow is 0.42 - 0.5 cos a + 0.08 cos 2a. ONNX BlackmanWindow, opset
// 17.
var opBlackmanWindow = cosineWindow("BlackmanWindow", 0.42, 0.5, 0.08)

// cosineWindow is a - b cos t + c cos 2t, where t runs over a whole turn: up to
// its last element, or, if attribute periodic is set, up to the one after it.
func cosineWindow(name string, a, b, c float64) operator {
	return operator{
		name: name,
		in:   []port{sizing},
		eval: single(func(call *call) *Value {
			n := call.intScalar(0)
			if n < 1 {
				fail(fmt.Errorf("a window of length %d", n))
			}
			out := call.floatResult(pb.TensorProto_DataType(call.int("output_datatype")), []int{n})
			f := call.format(out)
			turn := float64(n)
			if call.int("periodic") == 0 {
				turn = float64(n - 1)
			}
			for i := range n {
				// 2 pi, the product with i, the quotient: three roundings
				angle := f.rounded(exact(2*math.Pi*float64(i)/turn), 3)
				if i == 0 {
					angle = exact(0)
				}
				var s dot
				s.term(f.constant(a))
				s.add(f.constant(-b), cosFunction.at(f, angle))
				if c != 0 {
					s.add(f.constant(c), cosFunction.at(f, scaled(angle, 2)))
				}
				out.set(i, s.sum(f, 0))
			}
			return out
		}),
	}
}
