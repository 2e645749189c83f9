package reference

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftMurmurHash3 is a hash of 32 bits of every element: of its bytes in memory, or
// of the text. It has no sign unless positive is 0. The function is MurmurHash3_x86_32 by
// Austin Appleby. ONNX Runtime's com.microsoft MurmurHash3.
var opMicrosoftMurmurHash3 = operator{
	name: "MurmurHash3", domain: microsoft, in: []port{blind},
	eval: single(func(c *call) *Value {
		x, seed := c.in[0], uint32(c.int("seed"))
		t := pb.TensorProto_UINT32
		if c.int("positive") == 0 {
			t = pb.TensorProto_INT32
		}
		out := c.zeros(t, false, x.Dims...)
		for i := range x.Len() {
			bytes := memoryOf(x, i)
			c.spend(textCost(string(bytes)))
			if h := murmur3(bytes, seed); t == pb.TensorProto_UINT32 {
				elems[uint64](out)[i] = uint64(h)
			} else {
				elems[int64](out)[i] = int64(int32(h))
			}
		}
		return out
	}),
}

// memoryOf is element i as the bytes that it has in the memory of a processor that stores
// the lowest byte first.
func memoryOf(x *Value, i int) []byte {
	switch x.Type {
	case pb.TensorProto_STRING:
		return []byte(elems[string](x)[i])
	case pb.TensorProto_FLOAT:
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(x.Float(i))))
	case pb.TensorProto_DOUBLE:
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(x.Float(i)))
	case pb.TensorProto_INT32:
		return binary.LittleEndian.AppendUint32(nil, uint32(elems[int64](x)[i]))
	case pb.TensorProto_INT64:
		return binary.LittleEndian.AppendUint64(nil, uint64(elems[int64](x)[i]))
	case pb.TensorProto_UINT32:
		return binary.LittleEndian.AppendUint32(nil, uint32(elems[uint64](x)[i]))
	case pb.TensorProto_UINT64:
		return binary.LittleEndian.AppendUint64(nil, elems[uint64](x)[i])
	}
	panic(failure{fmt.Errorf("%s has no hash", x)})
}

func murmur3(data []byte, seed uint32) uint32 {
	mixed := func(k uint32) uint32 { return bits.RotateLeft32(k*0xcc9e2d51, 15) * 0x1b873593 }
	h, length := seed, uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		h = bits.RotateLeft32(h^mixed(binary.LittleEndian.Uint32(data)), 13)*5 + 0xe6546b64
	}
	if len(data) > 0 {
		var rest [4]byte
		copy(rest[:], data)
		h ^= mixed(binary.LittleEndian.Uint32(rest[:]))
	}
	h ^= length
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}
