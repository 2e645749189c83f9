//go:build amd64 || arm64

package onnx

import (
	"unsafe"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// view reads raw_data where it lies: these machines have its order of bytes, and read numbers at any address. It is nil for
// types that are not numbers of whole bytes.
func view(typ pb.TensorProto_DataType, raw []byte) Data {
	switch typ {
	case pb.TensorProto_FLOAT:
		return viewAs[float32](raw)
	case pb.TensorProto_DOUBLE:
		return viewAs[float64](raw)
	case pb.TensorProto_INT64:
		return viewAs[int64](raw)
	case pb.TensorProto_INT32:
		return viewAs[int32](raw)
	case pb.TensorProto_INT8:
		return viewAs[int8](raw)
	case pb.TensorProto_UINT8:
		return viewAs[uint8](raw)
	case pb.TensorProto_FLOAT16:
		return viewAs[Float16](raw)
	case pb.TensorProto_BFLOAT16:
		return viewAs[BFloat16](raw)
	}
	return nil
}

func viewAs[T Element](raw []byte) Data {
	var one T
	return Slice[T](unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(raw))), len(raw)/int(unsafe.Sizeof(one))))
}
