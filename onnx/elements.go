package onnx

import "github.com/petrify-ml/petrify/onnx/pb"

// IsElem reports whether a type is one of ONNX's element types.
func IsElem(typ pb.TensorProto_DataType) bool {
	_, ok := storages[typ]
	return ok
}

// RawBytes returns the length of raw_data for n elements of a type. It is false
// for strings, which raw_data does not hold, for unknown types and beyond 2^63.
func RawBytes(typ pb.TensorProto_DataType, n int64) (int64, bool) {
	s := storages[typ]
	if s.bits == 0 {
		return 0, false
	}
	return s.rawBytes(n)
}

// ElementFields returns the names of the fields of a tensor that hold elements.
func ElementFields(t *pb.TensorProto) []string {
	var names []string
	for f := range numFields {
		if n, _ := fieldLen(t, f); n > 0 {
			names = append(names, fieldNames[f])
		}
	}
	return names
}

// CheckElements says what is wrong with the elements of a tensor that has n of
// them by its shape, and under the code of which rule; both are empty where
// nothing is. The elements are in one of the fields that their type allows, and
// as many as the shape wants.
func CheckElements(t *pb.TensorProto, n int64) (code, what string) {
	if f := checkStorage(t, storages[pb.TensorProto_DataType(t.GetDataType())], n); f != nil {
		return f.code, f.what
	}
	return "", ""
}

// IsExternal reports whether the elements of a tensor are in another file.
func IsExternal(t *pb.TensorProto) bool {
	return t.GetDataLocation() == pb.TensorProto_EXTERNAL || len(t.ExternalData) > 0
}
