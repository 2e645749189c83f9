package check

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/onnx/wire"
)

// firstIR is the IR version that each data type came with, where that is not
// the first one.
var firstIR = map[pb.TensorProto_DataType]int64{
	pb.TensorProto_BFLOAT16:       4,
	pb.TensorProto_FLOAT8E4M3FN:   9,
	pb.TensorProto_FLOAT8E4M3FNUZ: 9,
	pb.TensorProto_FLOAT8E5M2:     9,
	pb.TensorProto_FLOAT8E5M2FNUZ: 9,
	pb.TensorProto_UINT4:          10,
	pb.TensorProto_INT4:           10,
	pb.TensorProto_FLOAT4E2M1:     11,
	pb.TensorProto_FLOAT8E8M0:     12,
	pb.TensorProto_UINT2:          13,
	pb.TensorProto_INT2:           13,
}

// dataType checks a code of a data type, and reports whether it is one.
func (c *checker) dataType(code int32, at *rule.Place, what string) bool {
	typ := pb.TensorProto_DataType(code)
	if !onnx.IsElem(typ) {
		c.Report(at, "tensor-data-type", "%s is %d, which is none of ONNX's data types", what, code)
		return false
	}
	if first := firstIR[typ]; c.ir < first {
		c.Report(at, "data-type-requires-newer-ir-version", "%s is %s, which begins at IR version %d; the model is of version %d", what, onnx.ElemName(typ), first, c.ir)
	}
	return true
}

// tensor checks a tensor of the file.
func (c *checker) tensor(t *pb.TensorProto, at *rule.Place) {
	c.metadata(t.MetadataProps, at)
	if t.DataType == nil {
		c.Report(at, "required-field-missing", "the tensor has no data type")
		return
	}
	if !c.dataType(t.GetDataType(), at, "data_type") {
		return
	}
	if t.Segment != nil {
		c.Report(at, "tensor-segment", "the tensor is one segment of several, which no runtime reads")
		return
	}
	n, err := onnx.ElementCount(t.Dims)
	if err != nil {
		c.Report(at, "tensor-dims", "%v", err)
		return
	}
	if t.GetDataLocation() == pb.TensorProto_EXTERNAL || len(t.ExternalData) > 0 {
		c.external(t, n, at)
		return
	}
	if code, what := onnx.CheckElements(t, n); code != "" {
		c.Report(at, code, "%s", what)
		return
	}
	if f := checkRange(t); f != nil {
		c.Report(at, f.Code, "%s", f.What)
	}
}

// checkRange looks for elements beyond their data type, without a copy of them.
func checkRange(t *pb.TensorProto) *rule.Fault {
	beyond := func(i int, v any) *rule.Fault {
		return rule.Faultf("tensor-range", "element %d is %v, beyond its type %s", i, v, onnx.ElemName(pb.TensorProto_DataType(t.GetDataType())))
	}
	typ := pb.TensorProto_DataType(t.GetDataType())
	if typ == pb.TensorProto_BOOL {
		for i, v := range t.RawData {
			if v > 1 {
				return beyond(i, v)
			}
		}
	}
	if typ == pb.TensorProto_UINT32 {
		for i, v := range t.Uint64Data {
			if v > math.MaxUint32 {
				return beyond(i, v)
			}
		}
	}
	least, most := int32Range(typ)
	for i, v := range t.Int32Data {
		if v < least || v > most {
			return beyond(i, v)
		}
	}
	return nil
}

// int32Range is what one entry of int32_data may be for a data type.
func int32Range(typ pb.TensorProto_DataType) (least, most int32) {
	switch typ {
	case pb.TensorProto_BOOL:
		return 0, 1
	case pb.TensorProto_INT8:
		return math.MinInt8, math.MaxInt8
	case pb.TensorProto_INT16:
		return math.MinInt16, math.MaxInt16
	case pb.TensorProto_INT32:
		return math.MinInt32, math.MaxInt32
	case pb.TensorProto_UINT16, pb.TensorProto_FLOAT16, pb.TensorProto_BFLOAT16:
		return 0, math.MaxUint16
	case pb.TensorProto_INT4, pb.TensorProto_INT2:
		return math.MinInt8, math.MaxUint8 // packed bytes, signed or not
	}
	return 0, math.MaxUint8
}

// numbers reports what weights had better not be: NaN, infinite, subnormal.
// Attributes are left alone: constants are infinite, or NaN, for a purpose.
func (c *checker) numbers(t *pb.TensorProto, at *rule.Place) {
	n, err := onnx.ElementCount(t.Dims)
	if err != nil {
		return
	}
	nan, inf, sub := countOdd(t)
	if nan > 0 {
		c.Report(at, "weight-nan", "%d of %d elements are NaN", nan, n)
	}
	if inf > 0 && n > 1 { // a single one is a constant, such as the fill of a mask
		c.Report(at, "weight-infinite", "%d of %d elements are infinite", inf, n)
	}
	if sub*100 > n {
		c.Report(at, "weight-subnormal", "%d of %d elements are subnormal", sub, n)
	}
}

// A floatFormat has the bits of the exponent and of the fraction.
type floatFormat struct{ exponent, fraction uint64 }

func (f floatFormat) count(bits uint64, nan, inf, sub *int64) {
	switch bits & f.exponent {
	case f.exponent:
		if bits&f.fraction != 0 {
			*nan++
		} else {
			*inf++
		}
	case 0:
		if bits&f.fraction != 0 {
			*sub++
		}
	}
}

// countOdd counts the elements of a tensor of floats that are NaN, infinite,
// and subnormal.
func countOdd(t *pb.TensorProto) (nan, inf, sub int64) {
	b := t.RawData
	switch pb.TensorProto_DataType(t.GetDataType()) {
	case pb.TensorProto_FLOAT, pb.TensorProto_COMPLEX64:
		f := floatFormat{0x7f800000, 0x7fffff}
		for ; len(b) >= 4; b = b[4:] {
			f.count(uint64(binary.LittleEndian.Uint32(b)), &nan, &inf, &sub)
		}
		for _, v := range t.FloatData {
			f.count(uint64(math.Float32bits(v)), &nan, &inf, &sub)
		}
	case pb.TensorProto_DOUBLE, pb.TensorProto_COMPLEX128:
		f := floatFormat{0x7ff << 52, 1<<52 - 1}
		for ; len(b) >= 8; b = b[8:] {
			f.count(binary.LittleEndian.Uint64(b), &nan, &inf, &sub)
		}
		for _, v := range t.DoubleData {
			f.count(math.Float64bits(v), &nan, &inf, &sub)
		}
	case pb.TensorProto_FLOAT16, pb.TensorProto_BFLOAT16:
		f := floatFormat{0x7c00, 0x3ff}
		if t.GetDataType() == int32(pb.TensorProto_BFLOAT16) {
			f = floatFormat{0x7f80, 0x7f}
		}
		for ; len(b) >= 2; b = b[2:] {
			f.count(uint64(binary.LittleEndian.Uint16(b)), &nan, &inf, &sub)
		}
		for _, v := range t.Int32Data {
			f.count(uint64(v), &nan, &inf, &sub)
		}
	}
	return nan, inf, sub
}

// external checks what a tensor says of the file that has its elements. The
// file itself is not looked at.
func (c *checker) external(t *pb.TensorProto, n int64, at *rule.Place) {
	typ := pb.TensorProto_DataType(t.GetDataType())
	if t.GetDataLocation() != pb.TensorProto_EXTERNAL {
		c.Report(at, "tensor-external", "there are entries of external_data, and data_location is not EXTERNAL")
	}
	if typ == pb.TensorProto_STRING {
		c.Report(at, "tensor-external", "elements of type string cannot be external")
	}
	for _, field := range onnx.ElementFields(t) {
		c.Report(at, "tensor-external", "the elements are external, and %s has some", field)
	}
	e, faults := wire.ParseExternal(t.ExternalData)
	for _, f := range faults {
		c.Report(at, f.Code, "%s", f.What)
	}
	if want, ok := onnx.RawBytes(typ, n); ok && e.Length >= 0 && e.Length != want {
		c.Report(at, "tensor-length", "shape %s wants %d bytes, external data says %d", onnx.Few(t.Dims), want, e.Length)
	}
}

// sparse checks a sparse tensor.
func (c *checker) sparse(t *pb.SparseTensorProto, at *rule.Place) {
	wrong := func(format string, args ...any) { c.Report(at, "sparse-tensor", format, args...) }
	if t.Values == nil {
		c.Report(at, "required-field-missing", "the sparse tensor has no values")
		return
	}
	before := len(c.List)
	c.tensor(t.Values, at)
	if t.Indices != nil {
		c.tensor(t.Indices, at)
	}
	if c.Full || rule.Errors(c.List[before:]) {
		return
	}
	size, err := onnx.ElementCount(t.Dims)
	switch {
	case len(t.Dims) == 0:
		wrong("a sparse tensor has one axis at least")
		return
	case err != nil:
		c.Report(at, "tensor-dims", "%v", err)
		return
	case len(t.Values.Dims) != 1:
		wrong("values have shape %s, want one axis", onnx.Few(t.Values.Dims))
		return
	}
	for i, d := range t.Dims {
		if d == 0 {
			wrong("axis %d has no elements", i)
			return
		}
	}
	nnz := t.Values.Dims[0]
	if t.Indices == nil {
		if nnz > 0 {
			wrong("there are %d values and no indices", nnz)
		}
		return
	}
	if f := checkIndices(t, nnz, size); f != "" {
		wrong("%s", f)
	}
}

// checkIndices says what is wrong with the indices of nnz values of a sparse
// tensor of size elements.
func checkIndices(t *pb.SparseTensorProto, nnz, size int64) string {
	if t.Indices.GetDataType() != int32(pb.TensorProto_INT64) {
		return fmt.Sprintf("indices are of type %s, want int64", onnx.ElemName(pb.TensorProto_DataType(t.Indices.GetDataType())))
	}
	rank := int64(len(t.Dims))
	switch dims := t.Indices.Dims; {
	case len(dims) == 1 && dims[0] == nnz:
	case len(dims) == 2 && dims[0] == nnz && dims[1] == rank:
	default:
		return fmt.Sprintf("indices have shape %s, want [%d] or [%d %d]", onnx.Few(dims), nnz, nnz, rank)
	}
	index := func(i int64) int64 {
		if t.Indices.RawData != nil {
			return int64(binary.LittleEndian.Uint64(t.Indices.RawData[8*i:]))
		}
		return t.Indices.Int64Data[i]
	}
	if t.Indices.GetDataLocation() == pb.TensorProto_EXTERNAL {
		return ""
	}
	last := int64(-1)
	for i := range nnz {
		at := int64(0)
		if len(t.Indices.Dims) == 1 {
			if at = index(i); at < 0 || at >= size {
				return fmt.Sprintf("index %d is %d, want 0 to %d", i, at, size-1)
			}
		} else {
			for j, d := range t.Dims {
				v := index(i*rank + int64(j))
				if v < 0 || v >= d {
					return fmt.Sprintf("index %d is %d on axis %d, want 0 to %d", i, v, j, d-1)
				}
				at = at*d + v // below size
			}
		}
		if at <= last {
			return fmt.Sprintf("index %d does not come after the one before it", i)
		}
		last = at
	}
	return ""
}

// valueInfo checks the declaration of a value. Those of the main graph's inputs
// and outputs must say everything.
func (c *checker) valueInfo(v *pb.ValueInfoProto, at *rule.Place, whole bool) {
	if v.GetName() == "" {
		c.Report(at, "required-field-empty", "the value has no name")
	}
	c.name(v.GetName(), at, "the name")
	c.metadata(v.MetadataProps, at)
	if v.Type == nil {
		if whole {
			c.Report(at, "required-field-missing", "the value has no type")
		}
		return
	}
	if v.Type.GetValue() == nil && !whole {
		c.Report(at, "type-empty", "the type is empty")
		return
	}
	c.typeProto(v.Type, at, whole)
}

// typeProto checks a type and those inside it.
func (c *checker) typeProto(t *pb.TypeProto, at *rule.Place, whole bool) {
	missing := func(what string) { c.Report(at, "required-field-missing", "the type has no %s", what) }
	inner := func(t *pb.TypeProto) {
		if t == nil {
			missing("element type")
			return
		}
		c.typeProto(t, at, false)
	}
	tensor := func(elem *int32, shape *pb.TensorShapeProto) {
		switch {
		case elem == nil:
			missing("element type")
		default:
			c.dataType(*elem, at, "the element type")
		}
		if shape == nil && whole {
			missing("shape")
		}
		for i, d := range shape.GetDim() {
			if d.GetDimValue() < 0 {
				c.Report(at, "dim-negative", "axis %d has length %d", i, d.GetDimValue())
			}
		}
	}
	switch v := t.GetValue().(type) {
	case *pb.TypeProto_TensorType:
		tensor(v.TensorType.ElemType, v.TensorType.Shape)
	case *pb.TypeProto_SparseTensorType:
		tensor(v.SparseTensorType.ElemType, v.SparseTensorType.Shape)
	case *pb.TypeProto_SequenceType:
		inner(v.SequenceType.ElemType)
	case *pb.TypeProto_OptionalType:
		inner(v.OptionalType.ElemType)
	case *pb.TypeProto_MapType:
		if key := v.MapType.GetKeyType(); !isMapKey(pb.TensorProto_DataType(key)) {
			c.Report(at, "type-invalid", "the keys of a map are of data type %d, want an integer or string", key)
		}
		inner(v.MapType.ValueType)
	case *pb.TypeProto_OpaqueType:
	default:
		missing("value")
	}
}

func isMapKey(t pb.TensorProto_DataType) bool {
	switch t {
	case pb.TensorProto_INT8, pb.TensorProto_INT16, pb.TensorProto_INT32, pb.TensorProto_INT64,
		pb.TensorProto_UINT8, pb.TensorProto_UINT16, pb.TensorProto_UINT32, pb.TensorProto_UINT64, pb.TensorProto_STRING:
		return true
	}
	return false
}
