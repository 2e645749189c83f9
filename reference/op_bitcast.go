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
	eval: single(func(c *call) (*Value, error) {
		x, to := c.in[0], pb.TensorProto_DataType(c.int("to"))
		t, err := x.Tensor()
		if err != nil {
			return nil, err
		}
		have, _ := onnx.RawBytes(x.Type, 64)
		if want, ok := onnx.RawBytes(to, 64); !ok || have != want {
			return nil, fmt.Errorf("the bits of %s taken for those of type %s, which has another width", x, typeName(to))
		}
		if err := c.take(int64(x.Len())); err != nil {
			return nil, err
		}
		p := t.Proto()
		p.DataType = proto.Int32(int32(to))
		out, err := FromProto(p)
		if err != nil {
			return nil, err
		}
		for i := range x.Len() {
			if floats&setOf(x) != 0 && math.IsNaN(x.Float(i)) {
				c.undefined(out, i, bitsOfNaN)
			}
		}
		return out, nil
	}),
}
