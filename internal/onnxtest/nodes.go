package onnxtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// A NodeCase is one node, with the types of its inputs (a type like
// "float[N,3]", or the elements of an int64 constant like "{1,-1}"), and the
// types of its outputs, or what is said of it.
type NodeCase struct {
	Op    string // with its domain, "ai.onnx.ml.Scaler", where that is not ONNX's own
	Opset int64  // of that domain
	In    []string
	Attrs []onnx.Attr
	Want  []string // types of outputs; or one "CODE: part of the message"
}

// ParseType reads what Type.String writes.
func ParseType(t testing.TB, s string) *pb.TypeProto {
	name, dims, ok := strings.Cut(strings.TrimSuffix(s, "]"), "[")
	code, known := pb.TensorProto_DataType_value[strings.ToUpper(name)]
	if !ok || !known {
		t.Fatalf("%q is not a type", s)
	}
	typ := onnx.Type{Elem: pb.TensorProto_DataType(code), Dims: []onnx.Dim{}}
	if dims == "..." {
		typ.Dims = nil
	} else if dims != "" {
		for d := range strings.SplitSeq(dims, ",") {
			var n int64
			if _, err := fmt.Sscan(d, &n); err == nil {
				typ.Dims = append(typ.Dims, onnx.Fixed(n))
			} else if d == "?" {
				typ.Dims = append(typ.Dims, onnx.Unknown())
			} else {
				typ.Dims = append(typ.Dims, onnx.Symbolic(d))
			}
		}
	}
	return typ.Proto()
}

// Int64s is a tensor of one axis.
func Int64s(name string, v []int64) *pb.TensorProto {
	return &pb.TensorProto{Name: proto.String(name), DataType: proto.Int32(7), Dims: []int64{int64(len(v))}, Int64Data: v}
}

// Model is the node alone in a model, with a number of outputs y0, y1 ...
func (c NodeCase) Model(t testing.TB, outputs int) *pb.ModelProto {
	g := &pb.GraphProto{Name: proto.String("g")}
	dot := strings.LastIndexByte(c.Op, '.')
	n := Node(c.Op[dot+1:], nil, nil, c.Attrs...)
	n.Name = proto.String("n")
	for i, s := range c.In {
		name := fmt.Sprintf("x%d", i)
		switch {
		case s == "":
			name = ""
		case s[0] == '{':
			var v []int64
			for e := range strings.SplitSeq(s[1:len(s)-1], ",") {
				var k int64
				if _, err := fmt.Sscan(e, &k); err != nil && len(s) > 2 {
					t.Fatal(err)
				} else if err == nil {
					v = append(v, k)
				}
			}
			g.Initializer = append(g.Initializer, Int64s(name, v))
		case s[0] == '(': // a scalar, or a constant of floats
			var k int64
			if _, err := fmt.Sscan(s[1:len(s)-1], &k); err != nil {
				t.Fatal(err)
			}
			g.Initializer = append(g.Initializer, &pb.TensorProto{Name: proto.String(name), DataType: proto.Int32(7), Int64Data: []int64{k}})
		case s[0] == '<':
			var v []float32
			for e := range strings.SplitSeq(s[1:len(s)-1], ",") {
				var k float32
				if _, err := fmt.Sscan(e, &k); err != nil {
					t.Fatal(err)
				}
				v = append(v, k)
			}
			g.Initializer = append(g.Initializer, Floats(name, []int64{int64(len(v))}, v...))
		default:
			g.Input = append(g.Input, &pb.ValueInfoProto{Name: proto.String(name), Type: ParseType(t, s)})
		}
		n.Input = append(n.Input, name)
	}
	for i := range outputs {
		n.Output = append(n.Output, fmt.Sprintf("y%d", i))
	}
	g.Node = []*pb.NodeProto{n}
	opset := c.Opset
	if opset == 0 {
		opset = 13
	}
	m := &pb.ModelProto{IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(opset)}}, Graph: g}
	if dot > 0 {
		n.Domain = proto.String(c.Op[:dot])
		m.OpsetImport[0].Domain = n.Domain
	}
	return m
}

var kernel23 = onnx.Ints("kernel_shape", 2, 3)

// NodeCases has nodes of every operator whose types are inferred.
var NodeCases = []NodeCase{
	{"Relu", 0, Names("float[N,3,5,7]"), nil, Names("float[N,3,5,7]")},
	{"Relu", 0, Names("string[3]"), nil, Names("type-mismatch: string[3], which Relu of opset 13 does not take")},
	{"Relu", 0, Names("float[...]"), nil, Names("float[...]")},
	{"Identity", 0, Names("{4,5}"), nil, Names("int64[2]")},
	{"Softmax", 0, Names("float[2,3]"), []onnx.Attr{onnx.Int("axis", 2)}, Names("attribute-range: axis 2 of a value with 2 axes")},
	{"Softmax", 11, Names("float[2,3]"), []onnx.Attr{onnx.Int("axis", 2)}, Names("attribute-range: axis 2 of a value with 2 axes")},
	{"Cast", 0, Names("float[N]"), []onnx.Attr{onnx.Int("to", 7)}, Names("int64[N]")},
	{"Cast", 0, Names("float[N]"), []onnx.Attr{onnx.Int("to", 99)}, Names(`attribute-range: "to" is 99`)},
	{"Dropout", 0, Names("float[N,2]"), nil, Names("float[N,2]", "bool[N,2]")},

	{"Add", 0, Names("float[N,3,1]", "float[7]"), nil, Names("float[N,3,7]")},
	{"Add", 0, Names("float[N,3]", "float[N,1]"), nil, Names("float[N,3]")},
	{"Add", 0, Names("float[N]", "float[M]"), nil, Names("float[?]")},
	{"Add", 0, Names("float[2,3]", "float[2]"), nil, Names("shape-mismatch: does not broadcast")},
	{"Add", 0, Names("float[2]", "double[2]"), nil, Names("type-mismatch: another input for T is float[2]")},
	{"Add", 6, Names("float[2,3,4]", "float[3]"), []onnx.Attr{onnx.Int("broadcast", 1), onnx.Int("axis", 1)}, Names("float[2,3,4]")},
	{"Less", 0, Names("float[N,3]", "float[3]"), nil, Names("bool[N,3]")},
	{"Where", 0, Names("bool[N,1]", "float[1,3]", "float[]"), nil, Names("float[N,3]")},
	{"PRelu", 0, Names("float[N,3,5]", "float[3,1]"), nil, Names("float[N,3,5]")},
	{"PRelu", 0, Names("float[3]", "float[2,3]"), nil, Names("shape-mismatch: does not broadcast to float[3]")},
	{"Expand", 0, Names("float[3,1]", "{2,1,6}"), nil, Names("float[2,3,6]")},
	{"Expand", 0, Names("float[3]", "{-1}"), nil, Names("attribute-range: negative length -1")},

	{"MatMul", 0, Names("float[N,3]", "float[3,2]"), nil, Names("float[N,2]")},
	{"MatMul", 0, Names("float[5,1,2,3]", "float[7,3,4]"), nil, Names("float[5,7,2,4]")},
	{"MatMul", 0, Names("float[3]", "float[3]"), nil, Names("float[]")},
	{"MatMul", 0, Names("float[3]", "float[5,3,2]"), nil, Names("float[5,2]")},
	{"MatMul", 0, Names("float[N,3]", "float[4,2]"), nil, Names("shape-mismatch: inner axes of float[N,3] and float[4,2] differ: 3 and 4")},
	{"MatMul", 0, Names("float[]", "float[2]"), nil, Names("shape-mismatch: is float[], want 1 at least axes")},
	{"Gemm", 0, Names("float[3,N]", "float[2,3]", "float[2]"), []onnx.Attr{onnx.Int("transA", 1), onnx.Int("transB", 1)}, Names("float[N,2]")},
	{"Gemm", 0, Names("float[N,3]", "float[3,2]", "float[3]"), nil, Names("shape-mismatch: is float[3], which does not broadcast to [N,2]")},
	{"Einsum", 0, Names("float[N,2,3]", "float[N,3,4]"), []onnx.Attr{onnx.String("equation", "bij, bjk -> bik")}, Names("float[N,2,4]")},
	{"Einsum", 0, Names("float[5,2,3]"), []onnx.Attr{onnx.String("equation", "...ij->...ji")}, Names("float[5,3,2]")},
	{"Einsum", 0, Names("float[2,3]", "float[2]"), []onnx.Attr{onnx.String("equation", "ij,j->i")}, Names("shape-mismatch: has lengths 3 and 2")},
	{"Det", 0, Names("float[N,2,2]"), nil, Names("float[N]")},

	{"Conv", 0, Names("float[N,3,5,7]", "float[4,3,2,3]", "float[4]"), nil, Names("float[N,4,4,5]")},
	{"Conv", 0, Names("float[N,4,5,7]", "float[6,2,2,3]"), []onnx.Attr{onnx.Int("group", 2), onnx.Ints("strides", 2, 3), onnx.Ints("pads", 1, 0, 1, 2), onnx.Ints("dilations", 2, 1), kernel23}, Names("float[N,6,3,3]")},
	{"Conv", 0, Names("float[N,3,H,W]", "float[4,3,3,3]"), []onnx.Attr{onnx.Ints("pads", 1, 1, 1, 1)}, Names("float[N,4,H,W]")},
	{"Conv", 0, Names("float[N,3,5,7]", "float[4,3,2,3]"), []onnx.Attr{onnx.String("auto_pad", "SAME_UPPER"), onnx.Ints("strides", 2, 2)}, Names("float[N,4,3,4]")},
	{"Conv", 0, Names("float[N,3,5,7]", "float[4,2,2,3]"), nil, Names("shape-mismatch: channels")},
	{"Conv", 0, Names("float[N,3,5,7]", "float[4,3,6,3]"), nil, Names("shape-mismatch: a window of 6 on spatial axis 0 of 5")},
	{"Conv", 0, Names("float[N,3,5,7]", "float[4,3,2,3]"), []onnx.Attr{onnx.Ints("kernel_shape", 3, 3)}, Names("shape-mismatch: kernel_shape")},
	{"Conv", 0, Names("float[N,3,5,7]", "float[4,3,2,3]"), []onnx.Attr{onnx.Ints("strides", 0, 1)}, Names("attribute-range: strides")},
	{"Conv", 0, Names("float[N,3,5,7]", "float[4,3,2,3]"), []onnx.Attr{onnx.Ints("pads", 1, 1)}, Names("attribute-range: has 2 entries for 2 spatial axes, want 4")},
	{"Conv", 0, Names("float[N,3,5,7]", "float[4,3,2,3]"), []onnx.Attr{onnx.Ints("pads", -1, 0, 0, 0)}, Names("attribute-range: pads")},
	{"Conv", 0, Names("float[N,3,5,7]", "float[4,3,2,3]"), []onnx.Attr{onnx.Int("group", 0)}, Names("attribute-range: group")},
	{"Conv", 0, Names("float[N,3,5,7]", "float[4,3,2,3]"), []onnx.Attr{onnx.String("auto_pad", "SAME")}, Names(`attribute-range: "auto_pad" is "SAME"`)},
	{"Conv", 0, Names("float[N,4,5,7]", "float[5,2,2,3]"), []onnx.Attr{onnx.Int("group", 2)}, Names("shape-mismatch: 2 groups do not divide")},
	{"Conv", 0, Names("float[N,3]", "float[4,3]"), nil, Names("shape-mismatch: want 3 at least axes")},
	{"Conv", 0, Names("float[N,3,5,7]", "float[4,3,2,3]", "float[3]"), nil, Names("shape-mismatch: bias")},
	{"ConvTranspose", 0, Names("float[N,3,5,7]", "float[3,4,2,3]", "float[4]"), []onnx.Attr{onnx.Ints("strides", 2, 2), onnx.Ints("pads", 1, 0, 0, 1), onnx.Ints("output_padding", 1, 0)}, Names("float[N,4,10,14]")},
	{"ConvTranspose", 0, Names("float[N,3,5,7]", "float[3,4,2,3]"), []onnx.Attr{onnx.Int("group", 3), onnx.Ints("output_shape", 11, 12)}, Names("float[N,12,11,12]")},
	{"ConvTranspose", 0, Names("float[N,2,5,7]", "float[3,4,2,3]"), nil, Names("shape-mismatch: channels")},
	{"MaxPool", 0, Names("float[N,3,5,7]"), []onnx.Attr{kernel23, onnx.Ints("strides", 2, 2)}, Names("float[N,3,2,3]", "int64[N,3,2,3]")},
	{"MaxPool", 0, Names("float[1,1,6]"), []onnx.Attr{onnx.Ints("kernel_shape", 3), onnx.Ints("strides", 2), onnx.Int("ceil_mode", 1)}, Names("float[1,1,3]")},
	{"MaxPool", 0, Names("float[1,1,2,2]"), []onnx.Attr{onnx.Ints("kernel_shape", 3, 3)}, Names("shape-mismatch: a window of 3")},
	{"GlobalAveragePool", 0, Names("float[N,3,H,W]"), nil, Names("float[N,3,1,1]")},
	{"BatchNormalization", 0, Names("float[N,3,5,7]", "float[3]", "float[3]", "float[3]", "float[3]"), nil, Names("float[N,3,5,7]")},
	{"BatchNormalization", 0, Names("float[N,3,5,7]", "float[3]", "float[2]", "float[3]", "float[3]"), nil, Names("shape-mismatch: channels of float[N,3,5,7] differ: 3 and 2")},
	{"LayerNormalization", 17, Names("float[N,3,5]", "float[5]", "float[5]"), nil, Names("float[N,3,5]", "float[N,3,1]", "float[N,3,1]")},
	{"LayerNormalization", 17, Names("float[N,3,5]", "float[3]"), nil, Names("shape-mismatch: does not broadcast")},
	{"InstanceNormalization", 0, Names("float[N,3,5]", "float[3]", "float[4]"), nil, Names("shape-mismatch: is float[4], want the shape [3]")},
	{"GroupNormalization", 21, Names("float[N,6,5]", "float[6]", "float[6]"), []onnx.Attr{onnx.Int("num_groups", 4)}, Names("attribute-range: num_groups")},
	{"LSTM", 0, Names("float[S,N,5]", "float[1,12,5]", "float[1,12,3]"), []onnx.Attr{onnx.Int("hidden_size", 3)}, Names("float[S,1,N,3]", "float[1,N,3]", "float[1,N,3]")},
	{"LSTM", 0, Names("float[S,N,5]", "float[1,12,4]", "float[1,12,3]"), []onnx.Attr{onnx.Int("hidden_size", 3)}, Names("shape-mismatch: last axis")},

	{"Shape", 0, Names("float[N,3]"), nil, Names("int64[2]")},
	{"Size", 0, Names("float[N,3]"), nil, Names("int64[]")},
	{"Reshape", 0, Names("float[N,784]", "{0,1,28,28}"), nil, Names("float[N,1,28,28]")},
	{"Reshape", 0, Names("float[N,784]", "{-1,1,28,28}"), nil, Names("float[N,1,28,28]")},
	{"Reshape", 0, Names("float[N,1,28,28]", "{0,-1}"), nil, Names("float[N,784]")},
	{"Reshape", 0, Names("float[2,3]", "{3,-1}"), nil, Names("float[3,2]")},
	{"Reshape", 0, Names("float[2,3]", "{4,-1}"), nil, Names("shape-mismatch: 4 does not divide 6")},
	{"Reshape", 0, Names("float[2,3]", "{7}"), nil, Names("shape-mismatch: 6 elements and 7")},
	{"Reshape", 0, Names("float[2,3]", "{-1,-1}"), nil, Names("attribute-range: -1 twice")},
	{"Reshape", 0, Names("float[2,3]", "{-2}"), nil, Names("attribute-range: the length -2")},
	{"Reshape", 0, Names("float[2,3]", "{6,1,0}"), nil, Names("shape-mismatch: keeps axis 2")},
	{"Reshape", 14, Names("float[0,3]", "{3,0}"), []onnx.Attr{onnx.Int("allowzero", 1)}, Names("float[3,0]")},
	{"Reshape", 0, Names("float[2,3]", "int64[3]"), nil, Names("float[?,?,?]")},
	{"Flatten", 0, Names("float[N,1,28,28]"), nil, Names("float[N,784]")},
	{"Flatten", 0, Names("float[N,3,H]"), nil, Names("float[N,?]")},
	{"Flatten", 0, Names("float[2,3,4]"), []onnx.Attr{onnx.Int("axis", -1)}, Names("float[6,4]")},
	{"Flatten", 0, Names("float[2,3,4]"), []onnx.Attr{onnx.Int("axis", 4)}, Names("attribute-range: axis 4")},
	{"Squeeze", 0, Names("float[N,1,3]", "{1}"), nil, Names("float[N,3]")},
	{"Squeeze", 0, Names("float[1,3]", "{1}"), nil, Names("shape-mismatch: does not have length 1")},
	{"Squeeze", 11, Names("float[1,3]"), []onnx.Attr{onnx.Ints("axes", -2)}, Names("float[3]")},
	{"Unsqueeze", 0, Names("float[N,3]", "{0,-1}"), nil, Names("float[1,N,3,1]")},
	{"Unsqueeze", 0, Names("float[N]", "{0,0}"), nil, Names("attribute-range: an axis comes twice")},
	{"Transpose", 0, Names("float[N,3,5]"), []onnx.Attr{onnx.Ints("perm", 2, 0, 1)}, Names("float[5,N,3]")},
	{"Transpose", 0, Names("float[N,3,5]"), nil, Names("float[5,3,N]")},
	{"Transpose", 0, Names("float[N,3,5]"), []onnx.Attr{onnx.Ints("perm", 0, 1, 1)}, Names("attribute-range: not a permutation of the 3 axes")},
	{"Transpose", 0, Names("float[N,3,5]"), []onnx.Attr{onnx.Ints("perm", 0, 1)}, Names("attribute-range: not a permutation")},
	{"Concat", 0, Names("float[N,3]", "float[N,4]"), []onnx.Attr{onnx.Int("axis", -1)}, Names("float[N,7]")},
	{"Concat", 0, Names("float[N,3]", "float[0,3]"), []onnx.Attr{onnx.Int("axis", 0)}, Names("float[N,3]")},
	{"Concat", 0, Names("float[2,3]", "float[3,4]"), []onnx.Attr{onnx.Int("axis", 1)}, Names("shape-mismatch: axis 0 of input 1")},
	{"Concat", 0, Names("float[2,3]", "float[2]"), []onnx.Attr{onnx.Int("axis", 0)}, Names("shape-mismatch: input 0 is float[2,3]")},
	{"Split", 0, Names("float[N,6]"), []onnx.Attr{onnx.Int("axis", 1)}, Names("float[N,3]", "float[N,3]")},
	{"Split", 0, Names("float[N,6]", "{2,4}"), []onnx.Attr{onnx.Int("axis", 1)}, Names("float[N,2]", "float[N,4]")},
	{"Split", 0, Names("float[N,6]", "{2,5}"), []onnx.Attr{onnx.Int("axis", 1)}, Names("shape-mismatch: comes to 7", "")},
	{"Split", 0, Names("float[N,6]", "{6}"), []onnx.Attr{onnx.Int("axis", 1)}, Names("attribute-range: 1 parts, and there are 2 outputs", "")},
	{"Split", 0, Names("float[7]"), nil, Names("shape-mismatch: does not split into 2", "")},
	{"Split", 18, Names("float[7]"), []onnx.Attr{onnx.Int("num_outputs", 2)}, Names("float[4]", "float[3]")},
	{"Slice", 0, Names("float[N,10]", "{1}", "{-1}", "{1}", "{3}"), nil, Names("float[N,3]")},
	{"Slice", 0, Names("float[N,10]", "{-1}", "{-11}", "{1}", "{-2}"), nil, Names("float[N,5]")},
	{"Slice", 0, Names("float[N,10]", "{0}", "{9223372036854775807}", "{0}"), nil, Names("float[N,10]")},
	{"Slice", 0, Names("float[10]", "{0}", "{5}", "{0}", "{0}"), nil, Names("attribute-range: a step of 0")},
	{"Slice", 0, Names("float[10]", "{0,1}", "{5}"), nil, Names("shape-mismatch: has 1 elements, want 2")},
	{"Pad", 0, Names("float[N,3]", "{0,1,0,2}"), nil, Names("float[N,6]")},
	{"Pad", 0, Names("float[N,3]", "{0,1,0}"), nil, Names("shape-mismatch: has 3 elements, want 4")},
	{"Pad", 0, Names("float[3]", "{-2,-2}"), nil, Names("shape-mismatch: leave nothing")},
	{"Tile", 0, Names("float[N,3]", "{1,4}"), nil, Names("float[N,12]")},
	{"Tile", 0, Names("float[3]", "{-1}"), nil, Names("attribute-range: none negative")},
	{"Resize", 0, Names("float[N,3,5,7]", "", "<1,1,2,2.5>"), nil, Names("float[N,3,10,17]")},
	{"Resize", 0, Names("float[N,3,10,7]", "", "<1,1,0.7,2.5>"), nil, Names("float[N,3,7,17]")}, // 10 x 0.7 in float32
	{"Resize", 0, Names("float[N,3,5,7]", "", "", "{4,3,9,9}"), nil, Names("float[4,3,9,9]")},
	{"Resize", 0, Names("float[N,3,5,7]", "", "<1,1,0,2>"), nil, Names("attribute-range: a scale of 0")},
	{"Resize", 0, Names("float[N,3,5,7]", "", "<1,1,2>"), nil, Names("shape-mismatch: has 3 elements, want 4")},
	{"Upsample", 9, Names("float[N,3,5,7]", "<1,1,2,3>"), nil, Names("float[N,3,10,21]")},
	{"DepthToSpace", 0, Names("float[N,12,5,7]"), []onnx.Attr{onnx.Int("blocksize", 2)}, Names("float[N,3,10,14]")},
	{"DepthToSpace", 0, Names("float[N,3,5,7]"), []onnx.Attr{onnx.Int("blocksize", 2)}, Names("shape-mismatch: do not divide")},
	{"SpaceToDepth", 0, Names("float[N,3,4,6]"), []onnx.Attr{onnx.Int("blocksize", 2)}, Names("float[N,12,2,3]")},
	{"Constant", 0, nil, []onnx.Attr{onnx.Ints("value_ints", 1, 2)}, Names("int64[2]")},
	{"Constant", 0, nil, []onnx.Attr{onnx.Float("value_float", 1)}, Names("float[]")},
	{"ConstantOfShape", 0, Names("{2,3}"), nil, Names("float[2,3]")},
	{"ConstantOfShape", 0, Names("{1048576,1048576}"), nil, Names("value-too-large: more than 2147483648 elements")},
	{"Expand", 0, Names("float[1]", "{4294967296,4294967296,4294967296}"), nil, Names("value-too-large: ")},
	{"Tile", 0, Names("float[65536]", "{65536}"), nil, Names("value-too-large: ")},
	{"MatMul", 0, Names("float[40000,4000000]", "float[4000000,40000]"), nil, Names("work-too-large: more than 1125899906842624")},
	{"Range", 0, Names("(2)", "(9)", "(3)"), nil, Names("int64[3]")},
	{"Range", 0, Names("(2)", "(9)", "(0)"), nil, Names("attribute-range: steps of 0")},
	{"Range", 0, Names("(0)", "(9223372036854775807)", "(1)"), nil, Names("value-too-large: ")},

	{"Gather", 0, Names("float[N,5]", "int64[2,3]"), []onnx.Attr{onnx.Int("axis", 1)}, Names("float[N,2,3]")},
	{"Gather", 0, Names("float[5]", "(2)"), nil, Names("float[]")},
	{"Gather", 0, Names("float[5]", "{7}"), nil, Names("attribute-range: index 7")},
	{"GatherElements", 0, Names("float[5,2]", "int64[3,2]"), nil, Names("float[3,2]")},
	{"GatherND", 0, Names("float[5,2,7]", "int64[N,2]"), nil, Names("float[N,7]")},
	{"GatherND", 0, Names("float[5]", "int64[N,2]"), nil, Names("shape-mismatch: indices")},
	{"ScatterND", 0, Names("float[5,2]", "int64[N,1]", "float[N,2]"), nil, Names("float[5,2]")},
	{"OneHot", 0, Names("int64[N]", "(10)", "float[2]"), nil, Names("float[N,10]")},
	{"TopK", 0, Names("float[N,5]", "{3}"), nil, Names("float[N,3]", "int64[N,3]")},
	{"TopK", 0, Names("float[N,5]", "{6}"), nil, Names("shape-mismatch: the top 6")},
	{"NonZero", 0, Names("float[N,5]"), nil, Names("int64[2,?]")},
	{"ReduceSum", 0, Names("float[N,3,5]", "{1,-1}"), nil, Names("float[N,1,1]")},
	{"ReduceSum", 0, Names("float[N,3,5]"), []onnx.Attr{onnx.Int("keepdims", 0)}, Names("float[]")},
	{"ReduceMean", 0, Names("float[N,3,5]"), []onnx.Attr{onnx.Ints("axes", 1), onnx.Int("keepdims", 0)}, Names("float[N,5]")},
	{"ReduceMean", 0, Names("float[N,3,5]"), []onnx.Attr{onnx.Ints("axes", 3)}, Names("attribute-range: axis 3")},
	{"ArgMax", 0, Names("float[N,3]"), []onnx.Attr{onnx.Int("axis", 1)}, Names("int64[N,1]")},
	{"NegativeLogLikelihoodLoss", 0, Names("float[N,3,5]", "int64[N,5]"), nil, Names("float[]")},
	{"NegativeLogLikelihoodLoss", 0, Names("float[N,3]", "int64[N,3]"), nil, Names("shape-mismatch: one axis less")},
	{"HannWindow", 17, Names("(7)"), nil, Names("float[7]")},
	{"DFT", 17, Names("float[N,8,1]"), nil, Names("float[N,8,2]")},
	{"Attention", 23, Names("float[N,4,5,8]", "float[N,4,7,8]", "float[N,4,7,9]"), nil, Names("float[N,4,5,9]")},

	// Values of attributes that are named, or have a range.
	{"DepthToSpace", 13, Names("float[1,4,6,6]"), []onnx.Attr{onnx.Int("blocksize", 2), onnx.String("mode", "XYZ")}, Names(`attribute-range: "mode" is "XYZ"`)},
	{"DepthToSpace", 13, Names("float[1,4,6,6]"), []onnx.Attr{onnx.Int("blocksize", 0)}, Names(`attribute-range: "blocksize" is 0`)},
	{"Resize", 13, Names("float[1,4,6,6]", "", "<1,1,2,2>"), []onnx.Attr{onnx.String("mode", "bilinear")}, Names(`attribute-range: "mode" is "bilinear"`)},
	{"Resize", 13, Names("float[1,4,6,6]", "", "<1,1,2,2>"), []onnx.Attr{onnx.String("nearest_mode", "round")}, Names("attribute-range: nearest_mode")},
	{"Resize", 13, Names("float[1,4,6,6]", "", "<1,1,2,2>"), []onnx.Attr{onnx.String("coordinate_transformation_mode", "corners")}, Names("attribute-range: coordinate_transformation_mode")},
	{"Pad", 13, Names("float[2,3]", "{0,1,0,1}"), []onnx.Attr{onnx.String("mode", "mirror")}, Names(`attribute-range: "mode" is "mirror"`)},
	{"Pad", 18, Names("float[2,3]", "{0,1,0,1}"), []onnx.Attr{onnx.String("mode", "wrap")}, Names(`attribute-range: "mode" is "wrap"`)},
	{"GridSample", 16, Names("float[1,4,6,6]", "float[1,2,2,2]"), []onnx.Attr{onnx.String("mode", "linear")}, Names(`attribute-range: "mode" is "linear"`)},
	{"GridSample", 20, Names("float[1,4,6,6]", "float[1,2,2,2]"), []onnx.Attr{onnx.String("padding_mode", "wrap")}, Names("attribute-range: padding_mode")},
	{"RoiAlign", 16, Names("float[1,4,6,6]", "float[2,4]", "int64[2]"), []onnx.Attr{onnx.String("mode", "mean")}, Names(`attribute-range: "mode" is "mean"`)},
	{"ScatterElements", 16, Names("float[3]", "{0}", "float[1]"), []onnx.Attr{onnx.String("reduction", "max")}, Names(`attribute-range: "reduction" is "max"`)},
	{"ScatterND", 18, Names("float[3]", "int64[2,1]", "float[2]"), []onnx.Attr{onnx.String("reduction", "mean")}, Names(`attribute-range: "reduction" is "mean"`)},
	{"BitShift", 11, Names("uint8[3]", "uint8[3]"), []onnx.Attr{onnx.String("direction", "left")}, Names(`attribute-range: "direction" is "left"`)},
	{"LSTM", 14, Names("float[5,2,3]", "float[1,16,3]", "float[1,16,4]"), []onnx.Attr{onnx.Int("hidden_size", 4), onnx.String("direction", "backward")}, Names(`attribute-range: "direction" is "backward"`)},
	{"Gelu", 20, Names("float[3]"), []onnx.Attr{onnx.String("approximate", "erf")}, Names(`attribute-range: "approximate" is "erf"`)},
	{"NegativeLogLikelihoodLoss", 13, Names("float[2,3]", "int64[2]"), []onnx.Attr{onnx.String("reduction", "avg")}, Names(`attribute-range: "reduction" is "avg"`)},
	{"StringNormalizer", 10, Names("string[3]"), []onnx.Attr{onnx.String("case_change_action", "upper")}, Names("attribute-range: case_change_action")},
	{"TfIdfVectorizer", 9, Names("int64[3]"), []onnx.Attr{onnx.String("mode", "tf"), onnx.Int("min_gram_length", 1), onnx.Int("max_gram_length", 1), onnx.Int("max_skip_count", 0), onnx.Ints("ngram_counts", 0), onnx.Ints("ngram_indexes", 0, 1), onnx.Ints("pool_int64s", 1, 2)}, Names(`attribute-range: "mode" is "tf"`)},
	{"LpNormalization", 1, Names("float[2,3]"), []onnx.Attr{onnx.Int("p", 3)}, Names(`attribute-range: "p" is 3`)},
	{"LpNormalization", 1, Names("float[2,3]"), []onnx.Attr{onnx.Int("axis", 2)}, Names("attribute-range: axis 2")},
	{"GlobalLpPool", 2, Names("float[1,4,6,6]"), []onnx.Attr{onnx.Int("p", -1)}, Names(`attribute-range: "p" is -1`)},
	{"Conv", 13, Names("float[1,4,6,6]", "float[4,4,3,3]"), []onnx.Attr{onnx.Int("group", 0)}, Names(`attribute-range: "group" is 0`)},
	{"CumSum", 14, Names("float[3]", "(0)"), []onnx.Attr{onnx.Int("exclusive", 2)}, Names(`attribute-range: "exclusive" is 2`)},
	{"NonMaxSuppression", 11, Names("float[1,6,4]", "float[1,2,6]"), []onnx.Attr{onnx.Int("center_point_box", 2)}, Names("attribute-range: center_point_box")},
	{"Scan", 13, Names("float[2]", "float[3,2]"), []onnx.Attr{onnx.AttrOf(&pb.AttributeProto{Name: proto.String("body"), Type: pb.AttributeProto_GRAPH.Enum(), G: &pb.GraphProto{Name: proto.String("b")}}), onnx.Int("num_scan_inputs", 1), onnx.Ints("scan_input_directions", 2)}, Names("attribute-range: scan_input_directions")},
	{"Multinomial", 7, Names("float[2,3]"), []onnx.Attr{onnx.Int("dtype", 1)}, Names("type-mismatch: output 0 would be float")},
	{"RandomNormal", 1, Names(), []onnx.Attr{onnx.Ints("shape", 2), onnx.Int("dtype", 7)}, Names("type-mismatch: output 0 would be int64")},
	{"RandomNormalLike", 1, Names("int32[2]"), nil, Names("type-mismatch: output 0 would be int32")},
	{"EyeLike", 9, Names("float[2,2]"), []onnx.Attr{onnx.Int("dtype", 14)}, Names("type-mismatch: output 0 would be complex64")},

	// Inputs and attributes that exclude or need each other.
	{"Split", 18, Names("float[6]"), nil, Names("either-or: none of split or num_outputs", "")},
	{"Split", 18, Names("float[6]", "{3,3}"), []onnx.Attr{onnx.Int("num_outputs", 2)}, Names("either-or: split and num_outputs are given", "")},
	{"Resize", 13, Names("float[1,4,6,6]", "", "<1,1,2,2>", "{1,4,12,12}"), nil, Names("either-or: both given")},
	{"Resize", 13, Names("float[1,4,6,6]"), nil, Names("either-or: neither")},
	{"Optional", 15, Names(), nil, Names("either-or: none of input or type")},
	{"Conv", 13, Names("float[1,4,6,6]", "float[4,4,3,3]"), []onnx.Attr{onnx.String("auto_pad", "VALID"), onnx.Ints("pads", 0, 0, 0, 0)}, Names(`either-or: "pads" is given`)},
	{"MaxPool", 12, Names("float[1,4,6,6]"), []onnx.Attr{onnx.Ints("kernel_shape", 2, 2), onnx.String("auto_pad", "SAME_UPPER"), onnx.Ints("pads", 0, 0, 1, 1)}, Names(`either-or: "pads" is given`)},
	{"Constant", 13, Names(), nil, Names("either-or: none of value")},
	{"Constant", 13, Names(), []onnx.Attr{onnx.Int("value_int", 1), onnx.Float("value_float", 1)}, Names("either-or: value_float and value_int are given")},
	{"Reshape", 14, Names("float[0,3]", "{0,-1}"), []onnx.Attr{onnx.Int("allowzero", 1)}, Names("either-or: 0 and -1")},
	{"Attention", 23, Names("float[1,2,3,4]", "float[1,2,3,4]", "float[1,2,3,4]", "", "float[1,2,5,4]"), nil, Names("either-or: past_key is given")},
	{"Mod", 13, Names("float[3]", "float[3]"), nil, Names("either-or: fmod")},
	{"BatchNormalization", 15, Names("float[1,4,6,6]", "float[4]", "float[4]", "float[4]", "float[4]"), nil, Names("output-count: 3 outputs, want 1", "", "")},
	{"BatchNormalization", 15, Names("float[1,4,6,6]", "float[4]", "float[4]", "float[4]", "float[4]"), []onnx.Attr{onnx.Int("training_mode", 1)}, Names("training-mode: by its own mean", "", "")},

	// Shapes of inputs beside the first one.
	{"TopK", 11, Names("float[5]", "(2)"), nil, Names("shape-mismatch: want the shape [1] for K")},
	{"Tile", 13, Names("float[5]", "(2)"), nil, Names("shape-mismatch: want the shape [*] for repeats")},
	{"ReduceSum", 13, Names("float[5]", "(0)"), nil, Names("shape-mismatch: want the shape [*] for axes")},
	{"Slice", 13, Names("float[5]", "(0)", "(1)", "(0)"), nil, Names("shape-mismatch: for starts")},
	{"OneHot", 11, Names("int64[3]", "(4)", "float[3]"), nil, Names("shape-mismatch: want the shape [2] for values")},
	{"Clip", 13, Names("float[3]", "float[2]"), nil, Names("shape-mismatch: want the shape [] or [1] for min")},
	{"Compress", 11, Names("float[3]", "bool[2,2]"), nil, Names("shape-mismatch: for condition")},
	{"NonMaxSuppression", 11, Names("float[1,6,5]", "float[1,2,6]"), nil, Names("shape-mismatch: for boxes")},
	{"NonMaxSuppression", 11, Names("float[1,6,4]", "float[1,2,7]"), nil, Names("shape-mismatch: want the shape [1,?,6]")},
	{"RoiAlign", 16, Names("float[1,4,6,6]", "float[2,5]", "int64[2]"), nil, Names("shape-mismatch: for rois")},
	{"RoiAlign", 16, Names("float[1,4,6,6]", "float[2,4]", "int64[3]"), nil, Names("shape-mismatch: want the shape [2]")},
	{"MaxRoiPool", 1, Names("float[1,4,6,6]", "float[2,4]"), []onnx.Attr{onnx.Ints("pooled_shape", 2, 2)}, Names("shape-mismatch: for rois")},
	{"GridSample", 16, Names("float[1,4,6,6]", "float[1,2,2,3]"), nil, Names("shape-mismatch: the last axis of the grid")},
	{"ReverseSequence", 10, Names("float[4,3,2]", "int64[4]"), nil, Names("shape-mismatch: want the shape [3]")},
	{"Softmax", 13, Names("float[]"), nil, Names("attribute-range: axis -1")},
	{"MeanVarianceNormalization", 13, Names("float[2,3]"), nil, Names("attribute-range: axis 2")},
	{"ConvTranspose", 13, Names("float[1,3,5,5]", "float[3,1,2,2]"), []onnx.Attr{onnx.Int("group", 2)}, Names("shape-mismatch: 2 groups do not divide the 3 channels")},
	{"GatherElements", 13, Names("float[2]", "{5}"), nil, Names("attribute-range: index 5")},
	{"GatherElements", 13, Names("float[2,2]", "int64[3,1]"), []onnx.Attr{onnx.Int("axis", 1)}, Names("shape-mismatch: axis 0 is longer")},
	{"GatherND", 13, Names("float[2,2]", "{0,3}"), nil, Names("attribute-range: index 3")},
	{"ScatterElements", 13, Names("float[3]", "{0}", "float[2]"), nil, Names("shape-mismatch: want the shape [1]")},
	{"ScatterND", 13, Names("float[3,4]", "int64[2,1]", "float[2,3]"), nil, Names("shape-mismatch: want the shape [2,4]")},
	{"ScatterND", 13, Names("float[3]", "int64[2,2]", "float[2]"), nil, Names("shape-mismatch: with 2 axes")},
	{"TensorScatter", 24, Names("float[2,5,4]", "float[2,6,4]"), nil, Names("shape-mismatch: axis 1 is longer")},
	{"QuantizeLinear", 13, Names("float[2,4]", "float[3]"), []onnx.Attr{onnx.Int("axis", 1)}, Names("shape-mismatch: want the shape [4]")},
	{"QuantizeLinear", 10, Names("float[2,4]", "float[4]"), nil, Names("shape-mismatch: want one element")},
	{"QuantizeLinear", 21, Names("float[2,4]", "float[2,3]"), []onnx.Attr{onnx.Int("axis", 1), onnx.Int("block_size", 2)}, Names("shape-mismatch: want the shape [2,2]")},
	{"QuantizeLinear", 13, Names("float[2,4]", "float[]", "uint8[4]"), nil, Names("shape-mismatch: want the shape []")},
	{"QuantizeLinear", 21, Names("float[4]", "float[]", "uint8[]"), []onnx.Attr{onnx.Int("output_dtype", 3)}, Names("type-mismatch: output_dtype")},
	{"DequantizeLinear", 13, Names("uint8[2,4]", "float[3]"), []onnx.Attr{onnx.Int("axis", 1)}, Names("shape-mismatch: want the shape [4]")},
	{"DequantizeLinear", 13, Names("uint8[2,4]", "float[4]"), []onnx.Attr{onnx.Int("axis", 9)}, Names("attribute-range: axis 9")},
	{"BitCast", 26, Names("float[3]"), []onnx.Attr{onnx.Int("to", 7)}, Names("type-mismatch: another width")},
	{"MatMulInteger", 10, Names("uint8[2,3]", "uint8[3,4]", "uint8[]", "uint8[3]"), nil, Names("shape-mismatch: want the shape [4]")},
	{"QLinearConv", 10, Names("uint8[1,1,5,5]", "float[]", "uint8[]", "uint8[4,1,2,2]", "float[3]", "uint8[3]", "float[]", "uint8[]"), nil, Names("shape-mismatch: want the shape [4]")},
	{"LSTM", 14, Names("float[5,2,3]", "float[1,12,3]", "float[1,16,4]"), []onnx.Attr{onnx.Int("hidden_size", 4)}, Names("shape-mismatch: want the shape [1,16,3]")},
	{"LSTM", 14, Names("float[5,2,3]", "float[1,16,3]", "float[1,16,4]", "float[1,16]"), []onnx.Attr{onnx.Int("hidden_size", 4)}, Names("shape-mismatch: want the shape [1,32]")},
	{"GRU", 14, Names("float[5,2,3]", "float[1,12,3]", "float[1,12,4]", "", "int32[3]"), []onnx.Attr{onnx.Int("hidden_size", 4)}, Names("shape-mismatch: want the shape [2]")},
	{"RNN", 14, Names("float[5,2,3]", "float[1,4,3]", "float[1,4,4]", "", "", "float[2,2,4]"), []onnx.Attr{onnx.Int("hidden_size", 4)}, Names("shape-mismatch: want the shape [1,2,4]")},
	{"Gemm", 13, Names("float[1,3]", "float[3,4]", "float[3,4]"), nil, Names("shape-mismatch: does not broadcast to [1,4]")},
	{"LayerNormalization", 17, Names("float[2,5,4]", "float[3,4]"), nil, Names("shape-mismatch: does not broadcast to [2,5,4]")},
	{"RMSNormalization", 23, Names("float[2,5,4]", "float[5]"), nil, Names("shape-mismatch: does not broadcast to [2,5,4]")},
	{"GroupNormalization", 21, Names("float[2,6,5]", "float[3]", "float[6]"), []onnx.Attr{onnx.Int("num_groups", 3)}, Names("shape-mismatch: want the shape [6]")},
	{"Attention", 23, Names("float[1,2,3,4]", "float[1,2,3,4]", "float[1,2,3,4]", "float[2,3]"), nil, Names("shape-mismatch: does not broadcast to [1,2,3,3]")},
	{"Attention", 23, Names("float[1,3,3,4]", "float[1,2,3,4]", "float[1,2,3,4]"), nil, Names("shape-mismatch: do not divide the 3 of Q")},
	{"RotaryEmbedding", 23, Names("float[1,3,8]", "float[1,3,2]", "float[1,3,2]"), nil, Names("attribute-range: num_heads")},
	{"RotaryEmbedding", 23, Names("float[1,2,3,8]", "float[1,3,3]", "float[1,3,4]"), nil, Names("shape-mismatch: want the shape [1,3,4]")},
	{"Einsum", 12, Names("float[2,3]", "float[3,4]"), []onnx.Attr{onnx.String("equation", "ij,jk->i1")}, Names("attribute-range: more than letters")},
	{"Einsum", 12, Names("float[5,2,3]"), []onnx.Attr{onnx.String("equation", "...ij->ji")}, Names("attribute-range: no ellipsis")},
	{"Einsum", 12, Names("float[2,2]"), []onnx.Attr{onnx.String("equation", "ij->ii")}, Names("attribute-range: twice in its result")},
	{"NegativeLogLikelihoodLoss", 13, Names("float[2,3]", "int64[3]"), nil, Names("shape-mismatch: want the shape [2]")},
	{"NegativeLogLikelihoodLoss", 13, Names("float[2,3]", "int64[2]", "float[4]"), nil, Names("shape-mismatch: want the shape [3]")},
	{"Col2Im", 18, Names("float[1,5,5]", "{5,5}", "{1,2}"), nil, Names("shape-mismatch: do not divide the 5 rows")},
	{"DeformConv", 19, Names("float[1,1,3,3]", "float[1,1,2,2]", "float[1,7,2,2]"), nil, Names("shape-mismatch: want the shape [1,8,2,2]")},
	{"MaxUnpool", 11, Names("float[1,1,2,2]", "int64[1,1,2,3]"), []onnx.Attr{onnx.Ints("kernel_shape", 2, 2)}, Names("shape-mismatch: want the shape [1,1,2,2]")},
	{"AffineGrid", 20, Names("float[1,3,3]", "{1,1,2,2}"), nil, Names("shape-mismatch: for theta")},
	{"MatMulInteger", 10, Names("uint8[2,3]", "uint8[3,4]", "uint8[3]"), nil, Names("shape-mismatch: want the shape [2]")},
	{"LSTM", 14, Names("float[5,2,3]", "float[1,16,3]", "float[1,16,4]"), []onnx.Attr{onnx.Int("hidden_size", 4), Strings("activations", "Sigmoid", "Tanh")}, Names("attribute-range: has 2 entries, want 3")},
	{"LSTM", 14, Names("float[5,2,3]", "float[1,16,3]", "float[1,16,4]"), []onnx.Attr{onnx.Int("hidden_size", 4), Strings("activations", "Sigmoid", "Tanh", "Swish")}, Names(`attribute-range: "activations" is "Swish"`)},

	{"Pad", 13, Names("float[2,3]", "int64[3]"), nil, Names("shape-mismatch: has 3 elements, want 4")},
	{"Tile", 13, Names("float[2,3]", "int64[3]"), nil, Names("shape-mismatch: has 3 elements, want 2")},
	{"Split", 13, Names("float[6]", "int64[3]"), nil, Names("shape-mismatch: has 3 elements, want 2", "")},
	{"Slice", 13, Names("float[6]", "int64[1]", "int64[2]"), nil, Names("shape-mismatch: has 2 elements, want 1")},
	{"Resize", 13, Names("float[1,1,2,2]", "", "float[3]"), nil, Names("shape-mismatch: has 3 elements, want 4")},
	{"Upsample", 9, Names("float[1,1,2,2]", "float[3]"), nil, Names("shape-mismatch: has 3 elements, want 4")},

	// ONNX Runtime's own on bytes, and its fused products.
	{"com.microsoft.QLinearAdd", 1, Names("uint8[N,3,1]", "float[]", "uint8[]", "uint8[7]", "float[]", "uint8[]", "float[]", "uint8[]"), nil, Names("uint8[N,3,7]")},
	{"com.microsoft.QLinearAdd", 1, Names("uint8[N,3]", "float[]", "", "uint8[N,3]", "float[]", "", "float[]"), nil, Names("uint8[N,3]")},
	{"com.microsoft.QLinearAdd", 1, Names("uint8[2,3]", "float[]", "uint8[]", "uint8[2]", "float[]", "uint8[]", "float[]", "uint8[]"), nil, Names("shape-mismatch: does not broadcast")},
	{"com.microsoft.QLinearAdd", 1, Names("uint8[3]", "float[]", "uint8[]", "int8[3]", "float[]", "int8[]", "float[]", "uint8[]"), nil, Names("type-mismatch: another input for T is uint8[3]")},
	{"com.microsoft.QLinearMul", 1, Names("uint8[3]", "float[3]", "uint8[]", "uint8[3]", "float[]", "uint8[]", "float[]", "uint8[]"), nil, Names("shape-mismatch: want the shape [] for A_scale")},
	{"com.microsoft.QLinearAveragePool", 1, Names("uint8[N,5,7,3]", "float[]", "uint8[]", "float[]", "uint8[]"), []onnx.Attr{kernel23, onnx.Int("channels_last", 1)}, Names("uint8[N,4,5,3]")},
	{"com.microsoft.QLinearAveragePool", 1, Names("uint8[N,3,5,7]", "float[]", "uint8[]", "float[]", "uint8[]"), []onnx.Attr{kernel23}, Names("uint8[N,3,4,5]")},
	{"com.microsoft.QLinearAveragePool", 1, Names("uint8[N,1,7,3]", "float[]", "uint8[]", "float[]", "uint8[]"), []onnx.Attr{kernel23, onnx.Int("channels_last", 1)}, Names("shape-mismatch: a window of 2 on spatial axis 0 of 1")},
	{"com.microsoft.QLinearGlobalAveragePool", 1, Names("int8[N,H,W,3]", "float[]", "int8[]", "float[]", "int8[]"), []onnx.Attr{onnx.Int("channels_last", 1)}, Names("int8[N,1,1,3]")},
	{"com.microsoft.QLinearConcat", 1, Names("float[]", "uint8[]", "uint8[2,3]", "float[]", "uint8[]", "uint8[2,4]", "float[]", "uint8[]"), []onnx.Attr{onnx.Int("axis", 1)}, Names("uint8[2,7]")},
	{"com.microsoft.QLinearConcat", 1, Names("float[]", "uint8[]", "uint8[2,3]", "float[]", "uint8[]", "uint8[3,4]", "float[]", "uint8[]"), []onnx.Attr{onnx.Int("axis", 1)}, Names("shape-mismatch: axis 0 of input 5")},
	{"com.microsoft.QLinearConcat", 1, Names("float[]", "uint8[]", "uint8[2,3]", "float[]"), []onnx.Attr{onnx.Int("axis", 1)}, Names("input-count: 4 inputs")},
	{"com.microsoft.QLinearConcat", 1, Names("float[]", "uint8[]", "uint8[2,3]", "float[]", "int8[]"), []onnx.Attr{onnx.Int("axis", 1)}, Names("type-mismatch: want uint8")},
	{"com.microsoft.QLinearConv", 1, Names("uint8[N,5,7,3]", "float[]", "uint8[]", "int8[4,3,2,3]", "float[4]", "int8[4]", "float[]", "uint8[]", "int32[4]"), []onnx.Attr{onnx.Int("channels_last", 1)}, Names("uint8[N,4,5,4]")},
	{"com.microsoft.QLinearConv", 1, Names("uint8[N,5,7,4]", "float[]", "uint8[]", "int8[4,3,2,3]", "float[4]", "int8[4]", "float[]", "uint8[]"), []onnx.Attr{onnx.Int("channels_last", 1)}, Names("shape-mismatch: channels")},
	{"com.microsoft.QLinearReduceMean", 1, Names("uint8[2,3,N]", "float[]", "uint8[]", "float[]", "uint8[]"), []onnx.Attr{onnx.Ints("axes", 1), onnx.Int("keepdims", 0)}, Names("uint8[2,N]")},
	{"com.microsoft.QLinearSoftmax", 1, Names("uint8[2,3]", "float[]", "uint8[]", "float[]", "uint8[]"), []onnx.Attr{onnx.Int("axis", 2), onnx.Int("opset", 13)}, Names("attribute-range: axis 2 of a value with 2 axes")},
	{"com.microsoft.QLinearWhere", 1, Names("bool[N,1]", "uint8[3]", "float[]", "uint8[]", "uint8[1]", "float[]", "uint8[]", "float[]", "uint8[]"), nil, Names("uint8[N,3]")},
	{"com.microsoft.QGemm", 1, Names("uint8[3,N]", "float[]", "uint8[]", "int8[2,3]", "float[2]", "int8[2]", "int32[2]"), []onnx.Attr{onnx.Int("transA", 1), onnx.Int("transB", 1)}, Names("float[N,2]")},
	{"com.microsoft.QGemm", 1, Names("uint8[N,3]", "float[]", "uint8[]", "uint8[3,2]", "float[]", "uint8[]", "", "float[]", "uint8[]"), nil, Names("uint8[N,2]")},
	{"com.microsoft.QGemm", 1, Names("uint8[N,3]", "float[]", "uint8[]", "uint8[3,2]", "float[3]", "uint8[3]"), nil, Names("shape-mismatch: want the shape [2]")},
	{"com.microsoft.QGemm", 1, Names("uint8[N,3]", "float[]", "uint8[]", "uint8[3,2]", "float[]", "uint8[]", "", "float[]"), nil, Names("either-or: y_scale is given, and not all of")},
	{"com.microsoft.MatMulIntegerToFloat", 1, Names("uint8[N,2,3]", "int8[3,4]", "float[]", "float[4]", "uint8[]", "int8[4]", "float[4]"), nil, Names("float[N,2,4]")},
	{"com.microsoft.MatMulIntegerToFloat", 1, Names("uint8[2,3]", "int8[3,4]", "float[]", "float[3]"), nil, Names("shape-mismatch: want the shape [4]")},
	{"com.microsoft.MatMulInteger16", 1, Names("uint16[2,3]", "uint16[3,4]"), nil, Names("uint32[2,4]")},
	{"com.microsoft.MatMulInteger16", 1, Names("uint16[2,3]", "int16[3,4]"), nil, Names("int32[2,4]")},
	{"com.microsoft.DynamicQuantizeMatMul", 1, Names("float[N,3]", "uint8[3,4]", "float[]", "uint8[]", "float[4]"), nil, Names("float[N,4]")},
	{"com.microsoft.DynamicQuantizeMatMul", 1, Names("float[N,3]", "uint8[3,4]", "float[]", "", "float[3]"), nil, Names("shape-mismatch: want the shape [4]")},
	{"com.microsoft.DynamicQuantizeLSTM", 1, Names("float[5,N,3]", "uint8[1,3,16]", "uint8[1,4,16]", "", "", "", "", "", "float[1]", "uint8[1]", "float[1,16]", "uint8[1,16]"), []onnx.Attr{onnx.Int("hidden_size", 4)}, Names("float[5,1,N,4]", "float[1,N,4]", "float[1,N,4]")},
	{"com.microsoft.DynamicQuantizeLSTM", 1, Names("float[5,N,3]", "uint8[1,3,16]", "uint8[1,4,16]", "", "", "", "", "", "float[2]", "uint8[1]", "float[1]", "uint8[1]"), []onnx.Attr{onnx.Int("hidden_size", 4)}, Names("shape-mismatch: want the shape [1]")},
	{"com.microsoft.NhwcMaxPool", 1, Names("int8[N,5,7,3]"), []onnx.Attr{kernel23}, Names("int8[N,4,5,3]")},
	{"com.microsoft.FusedConv", 1, Names("float[N,3,5,7]", "float[4,3,2,3]", "", "float[N,4,4,5]"), []onnx.Attr{onnx.String("activation", "Relu")}, Names("float[N,4,4,5]")},
	{"com.microsoft.FusedConv", 1, Names("float[N,3,5,7]", "float[4,3,2,3]", "", "float[N,4,5,7]"), nil, Names("shape-mismatch: want the shape [N,4,4,5]")},
	{"com.microsoft.FusedConv", 1, Names("float[N,3,5,7]", "float[4,3,2,3]"), []onnx.Attr{onnx.String("activation", "Clip")}, Names(`attribute-range: "activation_params" has 0 entries, want 2 for Clip`)},
	{"com.microsoft.FusedConv", 1, Names("float[N,3,5,7]", "float[4,3,2,3]"), []onnx.Attr{onnx.String("activation", "relu")}, Names(`attribute-range: "activation" is "relu"`)},
	{"com.microsoft.NhwcFusedConv", 1, Names("float16[N,5,7,3]", "float16[4,3,2,3]", "float16[4]", "float16[N,4,5,4]"), nil, Names("float16[N,4,5,4]")},
	{"com.microsoft.FusedGemm", 1, Names("float[3,N]", "float[2,3]"), []onnx.Attr{onnx.Int("transA", 1), onnx.Int("transB", 1), onnx.String("activation", "Tanh")}, Names("float[N,2]")},
	{"com.microsoft.FusedMatMul", 1, Names("float[N,2,3]", "float[N,2,4]"), []onnx.Attr{onnx.Int("transA", 1)}, Names("float[N,3,4]")},
	{"com.microsoft.FusedMatMul", 1, Names("float[2,5,7,3]", "float[3,4]"), []onnx.Attr{onnx.Int("transBatchA", 1)}, Names("float[5,7,2,4]")},
	{"com.microsoft.FusedMatMul", 1, Names("float[2,3]", "float[3,4]"), []onnx.Attr{onnx.Int("transB", 1)}, Names("shape-mismatch: inner axes")},
	{"com.microsoft.FusedMatMulActivation", 1, Names("float[2,3]", "float[3,4]"), []onnx.Attr{onnx.String("activation", "Softmax")}, Names(`attribute-range: "activation" is "Softmax"`)},
	{"com.microsoft.TransposeMatMul", 1, Names("float[3,2]", "float[3,4]"), []onnx.Attr{onnx.Int("transA", 1)}, Names("float[2,4]")},
	{"com.microsoft.QAttention", 1, Names("uint8[N,5,6]", "uint8[6,24]", "float[24]", "float[]", "float[24]", "", "uint8[]", "uint8[24]", "float[2,N,2,3,4]"), []onnx.Attr{onnx.Int("num_heads", 2)}, Names("float[N,5,8]", "float[2,N,2,8,4]")},
	{"com.microsoft.QAttention", 1, Names("uint8[N,5,6]", "uint8[6,20]", "float[20]", "float[]", "float[]"), []onnx.Attr{onnx.Int("num_heads", 2)}, Names("shape-mismatch: not three times 2 heads")},
	{"com.microsoft.QuantizeLinear", 1, Names("float16[N,3]", "float16[3]", "int16[3]"), []onnx.Attr{onnx.Int("axis", 1)}, Names("int16[N,3]")},
	{"com.microsoft.QuantizeLinear", 1, Names("float[N,3]", "float[2]", "uint8[2]"), []onnx.Attr{onnx.Int("axis", 1)}, Names("shape-mismatch: want the shape [3]")},
	{"com.microsoft.DequantizeLinear", 1, Names("int4[N,3]", "float16[]"), nil, Names("float16[N,3]")},

	// Lists that make a model of ai.onnx.ml, with features and with each other.
	{"ai.onnx.ml.Scaler", 1, Names("float[2,3]"), []onnx.Attr{floats("offset", 3), floats("scale", 1)}, Names(`attribute-range: "offset" has 3 entries, and "scale" 1`)},
	{"ai.onnx.ml.Scaler", 1, Names("float[2,3]"), []onnx.Attr{floats("offset", 4), floats("scale", 4)}, Names(`attribute-range: "scale" has 4 entries, want 3, one for each feature`)},
	{"ai.onnx.ml.FeatureVectorizer", 1, Names("float[2,3]", "float[2,1]"), []onnx.Attr{onnx.Ints("inputdimensions", 3)}, Names(`attribute-range: "inputdimensions" has 1 entries, want 2`)},
	{"ai.onnx.ml.LinearRegressor", 1, Names("float[2,3]"), []onnx.Attr{onnx.Int("targets", 2), floats("coefficients", 5)}, Names(`attribute-range: "coefficients" has 5 entries, want 6`)},
	{"ai.onnx.ml.LinearClassifier", 1, Names("float[2,3]"), []onnx.Attr{onnx.Ints("classlabels_ints", 0, 1), floats("coefficients", 5), floats("intercepts", 2)}, Names("attribute-range: which is not a multiple of the 2 of", "")},
	{"ai.onnx.ml.LinearClassifier", 1, Names("float[2,3]"), []onnx.Attr{onnx.Ints("classlabels_ints", 0, 1), floats("coefficients", 9), floats("intercepts", 3)}, Names("attribute-range: has 3 entries for 2 labels", "")},
	{"ai.onnx.ml.LinearClassifier", 1, Names("float[2,3]"), []onnx.Attr{onnx.Ints("classlabels_ints", 0, 1, 2), floats("coefficients", 6), floats("intercepts", 3)}, Names("attribute-range: has 6 entries, want 9", "")},
	{"ai.onnx.ml.SVMRegressor", 1, Names("float[2,3]"), []onnx.Attr{onnx.Int("n_supports", 2), floats("support_vectors", 5), floats("coefficients", 2), floats("rho", 1)}, Names("attribute-range: which is not a multiple of 2 vectors")},
	{"ai.onnx.ml.SVMRegressor", 1, Names("float[2,3]"), []onnx.Attr{onnx.Int("n_supports", 2), floats("support_vectors", 6), floats("coefficients", 1), floats("rho", 1)}, Names(`attribute-range: "coefficients" has 1 entries, want 2`)},
	{"ai.onnx.ml.SVMRegressor", 1, Names("float[2,3]"), []onnx.Attr{floats("coefficients", 2), floats("rho", 1), floats("kernel_params", 2)}, Names(`attribute-range: "kernel_params" has 2 entries, want 3`)},
	{"ai.onnx.ml.SVMClassifier", 1, Names("float[2,3]"), []onnx.Attr{onnx.Ints("vectors_per_class", 1, 1), floats("support_vectors", 6), floats("coefficients", 1), onnx.Ints("classlabels_ints", 0, 1)}, Names(`attribute-range: "coefficients" has 1 entries, want 2`, "")},
	{"ai.onnx.ml.SVMClassifier", 1, Names("float[2,3]"), []onnx.Attr{onnx.Ints("vectors_per_class", 1, 1), floats("support_vectors", 6), floats("coefficients", 2), onnx.Ints("classlabels_ints", 0, 1, 2)}, Names(`attribute-range: "classlabels_ints" has 3 entries, want 2`, "")},
	{"ai.onnx.ml.SVMClassifier", 1, Names("float[2,3]"), []onnx.Attr{onnx.Ints("vectors_per_class", 1, 1, 1), floats("support_vectors", 9), floats("coefficients", 6), floats("rho", 2)}, Names(`attribute-range: "rho" has 2 entries, want 3`, "")},
	{"ai.onnx.ml.SVMClassifier", 1, Names("float[2,3]"), []onnx.Attr{floats("coefficients", 2), floats("prob_a", 1)}, Names(`attribute-range: "prob_a" has 1 entries, and "prob_b" 0`, "")},
	{"ai.onnx.ml.TreeEnsembleRegressor", 1, Names("float[2,3]"), tree(7, 2, 1, 0), Names("attribute-range: leads to node 7, which it does not have")},
	{"ai.onnx.ml.TreeEnsembleRegressor", 1, Names("float[2,3]"), tree(1, 1, 1, 0), Names("attribute-range: node 1 of tree 0 appears twice")},
	{"ai.onnx.ml.TreeEnsembleRegressor", 1, Names("float[2,3]"), tree(0, 2, 1, 0), Names("attribute-range: tree 0 leads from node 0 back to it")},
	{"ai.onnx.ml.TreeEnsembleRegressor", 1, Names("float[2,3]"), tree(1, 2, 9, 0), Names("attribute-range: a weight belongs to node 9")},
	{"ai.onnx.ml.TreeEnsembleRegressor", 1, Names("float[2,3]"), tree(1, 2, 1, 1), Names(`attribute-range: "target_ids" has 1, want 0 to 0`)},
	{"ai.onnx.ml.TreeEnsembleRegressor", 1, Names("float[2,3]"), append(tree(1, 2, 1, 0), floats("base_values", 2)), Names(`attribute-range: "base_values" has 2 entries, want 1`)},
	{"ai.onnx.ml.LabelEncoder", 4, Names("int64[3]"), []onnx.Attr{onnx.Ints("keys_int64s", 1, 2), tensorAttr("values_tensor", 3)}, Names("either-or: the lists keys_int64s, values_tensor have different lengths")},

	{"STFT", 17, Names("float[1,8,3]", "(2)"), nil, Names("shape-mismatch: want 1 (real) or 2 (complex) numbers")},
	{"DFT", 17, Names("float[1,8,3]"), nil, Names("shape-mismatch: want 1 (real) or 2 (complex) numbers")},
	{"QLinearMatMul", 10, Names("uint8[2,3]", "float[]", "uint8[]", "uint8[3,4]", "float[]", "uint8[]", "float[2]", "uint8[2]"), nil, Names("shape-mismatch: want the shape [] or [1] for y_scale")},

	// What looks odd, and is right.
	{"STFT", 17, Names("float[1,8]", "(2)"), nil, Names("float[1,?,?,2]")},
	{"ai.onnx.ml.TreeEnsembleRegressor", 1, Names("float[2,3]"), tree(1, 2, 1, 0), Names("float[2,1]")},
	{"ai.onnx.ml.LinearRegressor", 1, Names("float[2,3]"), []onnx.Attr{onnx.Int("targets", 2), floats("coefficients", 7)}, Names("float[2,2]")},
	{"ai.onnx.ml.Scaler", 1, Names("float[2,3]"), []onnx.Attr{floats("offset", 1), floats("scale", 1)}, Names("float[2,3]")},
	{"ai.onnx.ml.LabelEncoder", 2, Names("string[2,3]"), []onnx.Attr{onnx.Strings("keys_strings", "a"), onnx.Ints("values_int64s", 1)}, Names("int64[2,3]")},
	{"ai.onnx.ml.LabelEncoder", 1, Names("int64[3]"), []onnx.Attr{onnx.Strings("classes_strings", "a")}, Names("string[3]")},
	{"ai.onnx.ml.OneHotEncoder", 1, Names("int64[2,3]"), []onnx.Attr{onnx.Ints("cats_int64s", 1, 2)}, Names("float[2,3,2]")},
	{"ai.onnx.ml.ArrayFeatureExtractor", 1, Names("float[2,3]", "int64[2]"), nil, Names("float[2,2]")},
	{"ai.onnx.ml.LinearClassifier", 1, Names("float[2,3]"), []onnx.Attr{onnx.Strings("classlabels_strings", "a", "b"), floats("coefficients", 3), floats("intercepts", 1)}, Names("string[2]", "float[2,2]")},
	{"ai.onnx.ml.FeatureVectorizer", 1, Names("float[2,3]", "float[2,1]"), []onnx.Attr{onnx.Ints("inputdimensions", 3, 1)}, Names("float[2,4]")},
	{"LayerNormalization", 17, Names("float[2,3,4]", "float[2,1,4]"), nil, Names("float[2,3,4]")},
	{"RMSNormalization", 23, Names("float[2,5,4]", "float[5,4]"), nil, Names("float[2,5,4]")},
	{"MaxPool", 12, Names("float[1,1,3]"), []onnx.Attr{onnx.Ints("kernel_shape", 1), onnx.Ints("strides", 3), onnx.String("auto_pad", "VALID"), onnx.Int("ceil_mode", 1)}, Names("float[1,1,1]")},
	{"Resize", 13, Names("float[1,1,2,2]", "", "<1,1,2,2>"), []onnx.Attr{onnx.String("mode", "cubic")}, Names("float[1,1,4,4]")},
	{"Resize", 11, Names("float[1,1,2,2]", "float[0]", "float[0]", "{1,1,4,4}"), nil, Names("float[1,1,4,4]")},
	{"QuantizeLinear", 21, Names("float[2,5]", "float[2,3]"), []onnx.Attr{onnx.Int("axis", 1), onnx.Int("block_size", 2)}, Names("uint8[2,5]")},
	{"QuantizeLinear", 13, Names("float[2,4]", "float[1]", "int8[]"), []onnx.Attr{onnx.Int("axis", 7)}, Names("int8[2,4]")},
	{"Attention", 24, Names("float[1,2,3,4]", "float[1,2,6,4]", "float[1,2,6,4]", "float[3,5]"), nil, Names("float[1,2,3,4]")},
	{"Attention", 23, Names("float[1,2,3,4]", "float[1,2,3,4]", "float[1,2,3,4]", "", "float[1,2,5,4]", "float[1,2,5,4]"), nil, Names("float[1,2,3,4]", "float[1,2,8,4]", "float[1,2,8,4]")},
	{"Multinomial", 7, Names("float[2,3]"), []onnx.Attr{onnx.Int("sample_size", 4), onnx.Int("dtype", 7)}, Names("int64[2,4]")},
	{"DeformConv", 19, Names("float[1,1,3,3]", "float[1,1,2,2]", "float[1,8,2,2]"), nil, Names("float[1,1,2,2]")},
	{"LSTM", 14, Names("float[5,2,3]", "float[1,16,3]", "float[1,16,4]"), []onnx.Attr{onnx.Int("hidden_size", 4), Strings("activations", "sigmoid", "tanh", "TANH")}, Names("float[5,1,2,4]")},
}

// floats is an attribute with n ones.
func floats(name string, n int) onnx.Attr {
	a := &pb.AttributeProto{Name: &name, Type: pb.AttributeProto_FLOATS.Enum()}
	for range n {
		a.Floats = append(a.Floats, 1)
	}
	return onnx.AttrOf(a)
}

// tensorAttr is an attribute that is a tensor of n integers.
func tensorAttr(name string, n int) onnx.Attr {
	return onnx.AttrOf(&pb.AttributeProto{Name: &name, Type: pb.AttributeProto_TENSOR.Enum(), T: Int64s(name, make([]int64, n))})
}

// tree is a regressor's tree of node 0, which leads to node yes, and two leaves, 1 and the last, whose weights are of the
// nodes leaf and 2, for a target.
func tree(yes, last, leaf, target int64) []onnx.Attr {
	return []onnx.Attr{
		onnx.Ints("nodes_treeids", 0, 0, 0), onnx.Ints("nodes_nodeids", 0, 1, last), onnx.Ints("nodes_featureids", 0, 0, 0), floats("nodes_values", 3),
		Strings("nodes_modes", "BRANCH_LEQ", "LEAF", "LEAF"), onnx.Ints("nodes_truenodeids", yes, 0, 0), onnx.Ints("nodes_falsenodeids", last, 0, 0),
		onnx.Ints("target_treeids", 0, 0), onnx.Ints("target_nodeids", leaf, last), onnx.Ints("target_ids", 0, target), floats("target_weights", 2), onnx.Int("n_targets", 1),
	}
}

// Strings is an attribute of type STRINGS.
func Strings(name string, v ...string) onnx.Attr {
	a := &pb.AttributeProto{Name: &name, Type: pb.AttributeProto_STRINGS.Enum()}
	for _, s := range v {
		a.Strings = append(a.Strings, []byte(s))
	}
	return onnx.AttrOf(a)
}
