package reference

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// opBitCast takes the bits of elements for those of another type of the same width.
// ONNX BitCast, opset 26.
var opBitCast = operator{
	name: "BitCast", in: []port{blind},
	eval: single(func(c *call) *Value {
		x, to := c.in[0], pb.TensorProto_DataType(c.int("to"))
		t := must(x.Tensor())
		have, _ := onnx.RawBytes(x.Type, 64)
		if want, ok := onnx.RawBytes(to, 64); !ok || have != want {
			fail(fmt.Errorf("the bits of %s taken for those of type %s, which has another width", x, typeName(to)))
		}
		c.take(int64(x.Len()))
		p := t.Proto()
		p.DataType = proto.Int32(int32(to))
		out := must(FromProto(p))
		for i := range x.Len() {
			if floats&setOf(x) != 0 && math.IsNaN(x.Float(i)) {
				c.undefined(out, i, bitsOfNaN)
			}
		}
		return out
	}),
}
