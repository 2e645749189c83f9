package onnx

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// A nodeCase is one node, with the types of its inputs (a type like
// "float[N,3]", or the elements of an int64 constant like "{1,-1}"), and the
// types of its outputs, or what is said of it.
type nodeCase struct {
	op    string
	opset int64
	in    []string
	attrs []Attr
	want  []string // types of outputs; or one "CODE: part of the message"
}

// parseType reads what Type.String writes.
func parseType(t *testing.T, s string) *pb.TypeProto {
	name, dims, ok := strings.Cut(strings.TrimSuffix(s, "]"), "[")
	code, known := pb.TensorProto_DataType_value[strings.ToUpper(name)]
	if !ok || !known {
		t.Fatalf("%q is no type", s)
	}
	typ := Type{Elem: pb.TensorProto_DataType(code), Dims: []Dim{}}
	if dims == "..." {
		typ.Dims = nil
	} else if dims != "" {
		for d := range strings.SplitSeq(dims, ",") {
			var n int64
			if _, err := fmt.Sscan(d, &n); err == nil {
				typ.Dims = append(typ.Dims, Fixed(n))
			} else if d == "?" {
				typ.Dims = append(typ.Dims, Unknown())
			} else {
				typ.Dims = append(typ.Dims, Symbolic(d))
			}
		}
	}
	return typ.Proto()
}

func int64s(name string, v []int64) *pb.TensorProto {
	return &pb.TensorProto{Name: proto.String(name), DataType: proto.Int32(7), Dims: []int64{int64(len(v))}, Int64Data: v}
}

func (c nodeCase) model(t *testing.T, outputs int) *pb.ModelProto {
	g := &pb.GraphProto{Name: proto.String("g")}
	n := node(c.op, nil, nil, c.attrs...)
	n.Name = proto.String("n")
	for i, s := range c.in {
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
			g.Initializer = append(g.Initializer, int64s(name, v))
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
			g.Initializer = append(g.Initializer, floats(name, []int64{int64(len(v))}, v...))
		default:
			g.Input = append(g.Input, &pb.ValueInfoProto{Name: proto.String(name), Type: parseType(t, s)})
		}
		n.Input = append(n.Input, name)
	}
	for i := range outputs {
		n.Output = append(n.Output, fmt.Sprintf("y%d", i))
	}
	g.Node = []*pb.NodeProto{n}
	opset := c.opset
	if opset == 0 {
		opset = 13
	}
	return &pb.ModelProto{IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(opset)}}, Graph: g}
}

func is(s ...string) []string { return s }

var kernel23 = Ints("kernel_shape", 2, 3)

var nodeCases = []nodeCase{
	{"Relu", 0, is("float[N,3,5,7]"), nil, is("float[N,3,5,7]")},
	{"Relu", 0, is("string[3]"), nil, is("type-mismatch: string[3], which Relu of opset 13 does not take")},
	{"Relu", 0, is("float[...]"), nil, is("float[...]")},
	{"Identity", 0, is("{4,5}"), nil, is("int64[2]")},
	{"Softmax", 0, is("float[2,3]"), []Attr{Int("axis", 2)}, is("attribute-range: axis 2 of a value with 2 axes")},
	{"Softmax", 11, is("float[2,3]"), []Attr{Int("axis", 2)}, is("float[2,3]")},
	{"Cast", 0, is("float[N]"), []Attr{Int("to", 7)}, is("int64[N]")},
	{"Cast", 0, is("float[N]"), []Attr{Int("to", 99)}, is(`attribute-range: "to" is 99`)},
	{"Dropout", 0, is("float[N,2]"), nil, is("float[N,2]", "bool[N,2]")},

	{"Add", 0, is("float[N,3,1]", "float[7]"), nil, is("float[N,3,7]")},
	{"Add", 0, is("float[N,3]", "float[N,1]"), nil, is("float[N,3]")},
	{"Add", 0, is("float[N]", "float[M]"), nil, is("float[?]")},
	{"Add", 0, is("float[2,3]", "float[2]"), nil, is("shape-mismatch: does not broadcast")},
	{"Add", 0, is("float[2]", "double[2]"), nil, is("type-mismatch: another input for T is float[2]")},
	{"Add", 6, is("float[2,3,4]", "float[3]"), []Attr{Int("broadcast", 1), Int("axis", 1)}, is("float[2,3,4]")},
	{"Less", 0, is("float[N,3]", "float[3]"), nil, is("bool[N,3]")},
	{"Where", 0, is("bool[N,1]", "float[1,3]", "float[]"), nil, is("float[N,3]")},
	{"PRelu", 0, is("float[N,3,5]", "float[3,1]"), nil, is("float[N,3,5]")},
	{"PRelu", 0, is("float[3]", "float[2,3]"), nil, is("shape-mismatch: does not broadcast to float[3]")},
	{"Expand", 0, is("float[3,1]", "{2,1,6}"), nil, is("float[2,3,6]")},
	{"Expand", 0, is("float[3]", "{-1}"), nil, is("attribute-range: negative length -1")},

	{"MatMul", 0, is("float[N,3]", "float[3,2]"), nil, is("float[N,2]")},
	{"MatMul", 0, is("float[5,1,2,3]", "float[7,3,4]"), nil, is("float[5,7,2,4]")},
	{"MatMul", 0, is("float[3]", "float[3]"), nil, is("float[]")},
	{"MatMul", 0, is("float[3]", "float[5,3,2]"), nil, is("float[5,2]")},
	{"MatMul", 0, is("float[N,3]", "float[4,2]"), nil, is("shape-mismatch: inner axes of float[N,3] and float[4,2] differ: 3 and 4")},
	{"MatMul", 0, is("float[]", "float[2]"), nil, is("shape-mismatch: is float[], want 1 at least axes")},
	{"Gemm", 0, is("float[3,N]", "float[2,3]", "float[2]"), []Attr{Int("transA", 1), Int("transB", 1)}, is("float[N,2]")},
	{"Gemm", 0, is("float[N,3]", "float[3,2]", "float[3]"), nil, is("shape-mismatch: C is float[3]")},
	{"Einsum", 0, is("float[N,2,3]", "float[N,3,4]"), []Attr{String("equation", "bij, bjk -> bik")}, is("float[N,2,4]")},
	{"Einsum", 0, is("float[5,2,3]"), []Attr{String("equation", "...ij->...ji")}, is("float[5,3,2]")},
	{"Einsum", 0, is("float[2,3]", "float[2]"), []Attr{String("equation", "ij,j->i")}, is("shape-mismatch: has lengths 3 and 2")},
	{"Det", 0, is("float[N,2,2]"), nil, is("float[N]")},

	{"Conv", 0, is("float[N,3,5,7]", "float[4,3,2,3]", "float[4]"), nil, is("float[N,4,4,5]")},
	{"Conv", 0, is("float[N,4,5,7]", "float[6,2,2,3]"), []Attr{Int("group", 2), Ints("strides", 2, 3), Ints("pads", 1, 0, 1, 2), Ints("dilations", 2, 1), kernel23}, is("float[N,6,3,3]")},
	{"Conv", 0, is("float[N,3,H,W]", "float[4,3,3,3]"), []Attr{Ints("pads", 1, 1, 1, 1)}, is("float[N,4,H,W]")},
	{"Conv", 0, is("float[N,3,5,7]", "float[4,3,2,3]"), []Attr{String("auto_pad", "SAME_UPPER"), Ints("strides", 2, 2)}, is("float[N,4,3,4]")},
	{"Conv", 0, is("float[N,3,5,7]", "float[4,2,2,3]"), nil, is("shape-mismatch: channels")},
	{"Conv", 0, is("float[N,3,5,7]", "float[4,3,6,3]"), nil, is("shape-mismatch: a window of 6 on spatial axis 0 of 5")},
	{"Conv", 0, is("float[N,3,5,7]", "float[4,3,2,3]"), []Attr{Ints("kernel_shape", 3, 3)}, is("shape-mismatch: kernel_shape")},
	{"Conv", 0, is("float[N,3,5,7]", "float[4,3,2,3]"), []Attr{Ints("strides", 0, 1)}, is("attribute-range: strides")},
	{"Conv", 0, is("float[N,3,5,7]", "float[4,3,2,3]"), []Attr{Ints("pads", 1, 1)}, is("attribute-range: has 2 entries for 2 spatial axes, want 4")},
	{"Conv", 0, is("float[N,3,5,7]", "float[4,3,2,3]"), []Attr{Ints("pads", -1, 0, 0, 0)}, is("attribute-range: pads")},
	{"Conv", 0, is("float[N,3,5,7]", "float[4,3,2,3]"), []Attr{Int("group", 0)}, is("attribute-range: group")},
	{"Conv", 0, is("float[N,3,5,7]", "float[4,3,2,3]"), []Attr{String("auto_pad", "SAME")}, is(`attribute-range: "auto_pad" is "SAME"`)},
	{"Conv", 0, is("float[N,4,5,7]", "float[5,2,2,3]"), []Attr{Int("group", 2)}, is("shape-mismatch: 2 groups do not divide")},
	{"Conv", 0, is("float[N,3]", "float[4,3]"), nil, is("shape-mismatch: want 3 at least axes")},
	{"Conv", 0, is("float[N,3,5,7]", "float[4,3,2,3]", "float[3]"), nil, is("shape-mismatch: bias")},
	{"ConvTranspose", 0, is("float[N,3,5,7]", "float[3,4,2,3]", "float[4]"), []Attr{Ints("strides", 2, 2), Ints("pads", 1, 0, 0, 1), Ints("output_padding", 1, 0)}, is("float[N,4,10,14]")},
	{"ConvTranspose", 0, is("float[N,3,5,7]", "float[3,4,2,3]"), []Attr{Int("group", 3), Ints("output_shape", 11, 12)}, is("float[N,12,11,12]")},
	{"ConvTranspose", 0, is("float[N,2,5,7]", "float[3,4,2,3]"), nil, is("shape-mismatch: channels")},
	{"MaxPool", 0, is("float[N,3,5,7]"), []Attr{kernel23, Ints("strides", 2, 2)}, is("float[N,3,2,3]", "int64[N,3,2,3]")},
	{"MaxPool", 0, is("float[1,1,6]"), []Attr{Ints("kernel_shape", 3), Ints("strides", 2), Int("ceil_mode", 1)}, is("float[1,1,3]")},
	{"MaxPool", 0, is("float[1,1,2,2]"), []Attr{Ints("kernel_shape", 3, 3)}, is("shape-mismatch: a window of 3")},
	{"GlobalAveragePool", 0, is("float[N,3,H,W]"), nil, is("float[N,3,1,1]")},
	{"BatchNormalization", 0, is("float[N,3,5,7]", "float[3]", "float[3]", "float[3]", "float[3]"), nil, is("float[N,3,5,7]")},
	{"BatchNormalization", 0, is("float[N,3,5,7]", "float[3]", "float[2]", "float[3]", "float[3]"), nil, is("shape-mismatch: channels of float[N,3,5,7] differ: 3 and 2")},
	{"LayerNormalization", 17, is("float[N,3,5]", "float[5]", "float[5]"), nil, is("float[N,3,5]", "float[N,3,1]", "float[N,3,1]")},
	{"LayerNormalization", 17, is("float[N,3,5]", "float[3]"), nil, is("shape-mismatch: does not broadcast")},
	{"InstanceNormalization", 0, is("float[N,3,5]", "float[3]", "float[4]"), nil, is("shape-mismatch: differ: 3 and 4")},
	{"GroupNormalization", 21, is("float[N,6,5]", "float[6]", "float[6]"), []Attr{Int("num_groups", 4)}, is("attribute-range: num_groups")},
	{"LSTM", 0, is("float[S,N,5]", "float[1,12,5]", "float[1,12,3]"), []Attr{Int("hidden_size", 3)}, is("float[S,1,N,3]", "float[1,N,3]", "float[1,N,3]")},
	{"LSTM", 0, is("float[S,N,5]", "float[1,12,4]", "float[1,12,3]"), []Attr{Int("hidden_size", 3)}, is("shape-mismatch: last axis")},

	{"Shape", 0, is("float[N,3]"), nil, is("int64[2]")},
	{"Size", 0, is("float[N,3]"), nil, is("int64[]")},
	{"Reshape", 0, is("float[N,784]", "{0,1,28,28}"), nil, is("float[N,1,28,28]")},
	{"Reshape", 0, is("float[N,784]", "{-1,1,28,28}"), nil, is("float[N,1,28,28]")},
	{"Reshape", 0, is("float[N,1,28,28]", "{0,-1}"), nil, is("float[N,784]")},
	{"Reshape", 0, is("float[2,3]", "{3,-1}"), nil, is("float[3,2]")},
	{"Reshape", 0, is("float[2,3]", "{4,-1}"), nil, is("shape-mismatch: 4 does not divide 6")},
	{"Reshape", 0, is("float[2,3]", "{7}"), nil, is("shape-mismatch: 6 elements and 7")},
	{"Reshape", 0, is("float[2,3]", "{-1,-1}"), nil, is("attribute-range: -1 twice")},
	{"Reshape", 0, is("float[2,3]", "{-2}"), nil, is("attribute-range: the length -2")},
	{"Reshape", 0, is("float[2,3]", "{6,1,0}"), nil, is("shape-mismatch: keeps axis 2")},
	{"Reshape", 14, is("float[0,3]", "{3,0}"), []Attr{Int("allowzero", 1)}, is("float[3,0]")},
	{"Reshape", 0, is("float[2,3]", "int64[3]"), nil, is("float[?,?,?]")},
	{"Flatten", 0, is("float[N,1,28,28]"), nil, is("float[N,784]")},
	{"Flatten", 0, is("float[N,3,H]"), nil, is("float[N,?]")},
	{"Flatten", 0, is("float[2,3,4]"), []Attr{Int("axis", -1)}, is("float[6,4]")},
	{"Flatten", 0, is("float[2,3,4]"), []Attr{Int("axis", 4)}, is("attribute-range: axis 4")},
	{"Squeeze", 0, is("float[N,1,3]", "{1}"), nil, is("float[N,3]")},
	{"Squeeze", 0, is("float[1,3]", "{1}"), nil, is("shape-mismatch: has not length 1")},
	{"Squeeze", 11, is("float[1,3]"), []Attr{Ints("axes", -2)}, is("float[3]")},
	{"Unsqueeze", 0, is("float[N,3]", "{0,-1}"), nil, is("float[1,N,3,1]")},
	{"Unsqueeze", 0, is("float[N]", "{0,0}"), nil, is("attribute-range: an axis comes twice")},
	{"Transpose", 0, is("float[N,3,5]"), []Attr{Ints("perm", 2, 0, 1)}, is("float[5,N,3]")},
	{"Transpose", 0, is("float[N,3,5]"), nil, is("float[5,3,N]")},
	{"Transpose", 0, is("float[N,3,5]"), []Attr{Ints("perm", 0, 1, 1)}, is("attribute-range: no permutation of the 3 axes")},
	{"Transpose", 0, is("float[N,3,5]"), []Attr{Ints("perm", 0, 1)}, is("attribute-range: no permutation")},
	{"Concat", 0, is("float[N,3]", "float[N,4]"), []Attr{Int("axis", -1)}, is("float[N,7]")},
	{"Concat", 0, is("float[N,3]", "float[0,3]"), []Attr{Int("axis", 0)}, is("float[N,3]")},
	{"Concat", 0, is("float[2,3]", "float[3,4]"), []Attr{Int("axis", 1)}, is("shape-mismatch: axis 0 of input 1")},
	{"Concat", 0, is("float[2,3]", "float[2]"), []Attr{Int("axis", 0)}, is("shape-mismatch: input 0 is float[2,3]")},
	{"Split", 0, is("float[N,6]"), []Attr{Int("axis", 1)}, is("float[N,3]", "float[N,3]")},
	{"Split", 0, is("float[N,6]", "{2,4}"), []Attr{Int("axis", 1)}, is("float[N,2]", "float[N,4]")},
	{"Split", 0, is("float[N,6]", "{2,5}"), []Attr{Int("axis", 1)}, is("shape-mismatch: comes to 7", "")},
	{"Split", 0, is("float[N,6]", "{6}"), []Attr{Int("axis", 1)}, is("attribute-range: 1 parts, and there are 2 outputs", "")},
	{"Split", 0, is("float[7]"), nil, is("shape-mismatch: does not split into 2", "")},
	{"Split", 18, is("float[7]"), []Attr{Int("num_outputs", 2)}, is("float[4]", "float[3]")},
	{"Slice", 0, is("float[N,10]", "{1}", "{-1}", "{1}", "{3}"), nil, is("float[N,3]")},
	{"Slice", 0, is("float[N,10]", "{-1}", "{-11}", "{1}", "{-2}"), nil, is("float[N,5]")},
	{"Slice", 0, is("float[N,10]", "{0}", "{9223372036854775807}", "{0}"), nil, is("float[N,10]")},
	{"Slice", 0, is("float[10]", "{0}", "{5}", "{0}", "{0}"), nil, is("attribute-range: a step of 0")},
	{"Slice", 0, is("float[10]", "{0,1}", "{5}"), nil, is("shape-mismatch: 2 starts, 1 ends")},
	{"Pad", 0, is("float[N,3]", "{0,1,0,2}"), nil, is("float[N,6]")},
	{"Pad", 0, is("float[N,3]", "{0,1,0}"), nil, is("shape-mismatch: 3 pads for 2 axes")},
	{"Pad", 0, is("float[3]", "{-2,-2}"), nil, is("shape-mismatch: leave nothing")},
	{"Tile", 0, is("float[N,3]", "{1,4}"), nil, is("float[N,12]")},
	{"Tile", 0, is("float[3]", "{-1}"), nil, is("attribute-range: none negative")},
	{"Resize", 0, is("float[N,3,5,7]", "", "<1,1,2,2.5>"), nil, is("float[N,3,10,17]")},
	{"Resize", 0, is("float[N,3,10,7]", "", "<1,1,0.7,2.5>"), nil, is("float[N,3,7,17]")}, // 10 x 0.7 in float32
	{"Resize", 0, is("float[N,3,5,7]", "", "", "{4,3,9,9}"), nil, is("float[4,3,9,9]")},
	{"Resize", 0, is("float[N,3,5,7]", "", "<1,1,0,2>"), nil, is("attribute-range: a scale of 0")},
	{"Resize", 0, is("float[N,3,5,7]", "", "<1,1,2>"), nil, is("shape-mismatch: 3 scales for 4 axes")},
	{"Upsample", 9, is("float[N,3,5,7]", "<1,1,2,3>"), nil, is("float[N,3,10,21]")},
	{"DepthToSpace", 0, is("float[N,12,5,7]"), []Attr{Int("blocksize", 2)}, is("float[N,3,10,14]")},
	{"DepthToSpace", 0, is("float[N,3,5,7]"), []Attr{Int("blocksize", 2)}, is("shape-mismatch: do not divide")},
	{"SpaceToDepth", 0, is("float[N,3,4,6]"), []Attr{Int("blocksize", 2)}, is("float[N,12,2,3]")},
	{"Constant", 0, nil, []Attr{Ints("value_ints", 1, 2)}, is("int64[2]")},
	{"Constant", 0, nil, []Attr{Float("value_float", 1)}, is("float[]")},
	{"ConstantOfShape", 0, is("{2,3}"), nil, is("float[2,3]")},
	{"ConstantOfShape", 0, is("{1048576,1048576}"), nil, is("value-too-large: more than 2147483648 elements")},
	{"Expand", 0, is("float[1]", "{4294967296,4294967296,4294967296}"), nil, is("value-too-large: ")},
	{"Tile", 0, is("float[65536]", "{65536}"), nil, is("value-too-large: ")},
	{"MatMul", 0, is("float[40000,4000000]", "float[4000000,40000]"), nil, is("work-too-large: more than 1125899906842624")},
	{"Range", 0, is("(2)", "(9)", "(3)"), nil, is("int64[3]")},
	{"Range", 0, is("(2)", "(9)", "(0)"), nil, is("attribute-range: steps of 0")},
	{"Range", 0, is("(0)", "(9223372036854775807)", "(1)"), nil, is("value-too-large: ")},

	{"Gather", 0, is("float[N,5]", "int64[2,3]"), []Attr{Int("axis", 1)}, is("float[N,2,3]")},
	{"Gather", 0, is("float[5]", "(2)"), nil, is("float[]")},
	{"Gather", 0, is("float[5]", "{7}"), nil, is("attribute-range: index 7")},
	{"GatherElements", 0, is("float[5,2]", "int64[3,2]"), nil, is("float[3,2]")},
	{"GatherND", 0, is("float[5,2,7]", "int64[N,2]"), nil, is("float[N,7]")},
	{"GatherND", 0, is("float[5]", "int64[N,2]"), nil, is("shape-mismatch: indices")},
	{"ScatterND", 0, is("float[5,2]", "int64[N,1]", "float[N,2]"), nil, is("float[5,2]")},
	{"OneHot", 0, is("int64[N]", "(10)", "float[2]"), nil, is("float[N,10]")},
	{"TopK", 0, is("float[N,5]", "{3}"), nil, is("float[N,3]", "int64[N,3]")},
	{"TopK", 0, is("float[N,5]", "{6}"), nil, is("shape-mismatch: the top 6")},
	{"NonZero", 0, is("float[N,5]"), nil, is("int64[2,?]")},
	{"ReduceSum", 0, is("float[N,3,5]", "{1,-1}"), nil, is("float[N,1,1]")},
	{"ReduceSum", 0, is("float[N,3,5]"), []Attr{Int("keepdims", 0)}, is("float[]")},
	{"ReduceMean", 0, is("float[N,3,5]"), []Attr{Ints("axes", 1), Int("keepdims", 0)}, is("float[N,5]")},
	{"ReduceMean", 0, is("float[N,3,5]"), []Attr{Ints("axes", 3)}, is("attribute-range: axis 3")},
	{"ArgMax", 0, is("float[N,3]"), []Attr{Int("axis", 1)}, is("int64[N,1]")},
	{"NegativeLogLikelihoodLoss", 0, is("float[N,3,5]", "int64[N,5]"), nil, is("float[]")},
	{"NegativeLogLikelihoodLoss", 0, is("float[N,3]", "int64[N,3]"), nil, is("shape-mismatch: one axis less")},
	{"HannWindow", 17, is("(7)"), nil, is("float[7]")},
	{"DFT", 17, is("float[N,8,1]"), nil, is("float[N,8,2]")},
	{"Attention", 23, is("float[N,4,5,8]", "float[N,4,7,8]", "float[N,4,7,9]"), nil, is("float[N,4,5,9]")},
}

func TestInferKnowsEachOperator(t *testing.T) {
	for i, c := range nodeCases {
		t.Run(fmt.Sprintf("%s %d", c.op, i), func(t *testing.T) {
			types, found := Infer(c.model(t, len(c.want)))
			if code, what, ok := strings.Cut(c.want[0], ": "); ok {
				if !slices.ContainsFunc(found, func(f Finding) bool {
					return f.Code == code && strings.Contains(f.Message, what) && f.Where == `node "n" (`+c.op+`)`
				}) {
					t.Errorf("%v %v: got %s, want %s", c.in, types, lines(found), c.want[0])
				}
				return
			}
			if len(found) > 0 {
				t.Errorf("%v: got %s", c.in, lines(found))
			}
			for i, want := range c.want {
				if got := types[fmt.Sprintf("y%d", i)]; got.String() != want {
					t.Errorf("%v: output %d is %v, want %s", c.in, i, got, want)
				}
			}
		})
	}
}

// chain is a model whose nodes are given in short: "y = Op(a, b)".
func chain(t *testing.T, inputs map[string]string, constants map[string][]int64, nodes ...string) *pb.ModelProto {
	g := &pb.GraphProto{Name: proto.String("g")}
	for name, typ := range inputs {
		g.Input = append(g.Input, &pb.ValueInfoProto{Name: proto.String(name), Type: parseType(t, typ)})
	}
	for name, v := range constants {
		g.Initializer = append(g.Initializer, int64s(name, v))
	}
	for _, s := range nodes {
		out, call, _ := strings.Cut(s, " = ")
		op, args, _ := strings.Cut(strings.TrimSuffix(call, ")"), "(")
		n := node(op, strings.Split(args, ", "), names(out))
		if op == "Concat" {
			n.Attribute = append(n.Attribute, Int("axis", 0).proto)
		}
		g.Node = append(g.Node, n)
	}
	return &pb.ModelProto{IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(13)}}, Graph: g}
}

func TestShapesAreFollowedThroughTheArithmeticOfShapes(t *testing.T) {
	inputs := map[string]string{"x": "float[N,3,4,5]"}
	constants := map[string][]int64{"zero": {0}, "one": {1}, "two": {2}, "three": {3}, "four": {4}, "all": {-1}}
	for _, c := range []struct {
		name  string
		nodes []string
		want  string
	}{
		{"batch, and the rest in one", []string{"s = Shape(x)", "n = Gather(s, zero)", "t = Concat(n, all)", "y = Reshape(x, t)"}, "float[N,60]"},
		{"a slice of the shape", []string{"s = Shape(x)", "hw = Slice(s, two, four, zero)", "t = Concat(all, hw)", "y = Reshape(x, t)"}, "float[?,4,5]"},
		{"products of lengths", []string{"s = Shape(x)", "h = Gather(s, two)", "w = Gather(s, three)", "hw = Mul(h, w)", "t = Concat(zero, three, hw)", "y = Reshape(x, t)"}, "float[N,3,20]"},
		{"half the channels", []string{"s = Shape(x)", "h = Gather(s, two)", "half = Div(h, two)", "t = Concat(zero, three, two, half, all)", "y = Reshape(x, t)"}, "float[N,3,2,2,5]"},
		{"a shape from nowhere", []string{"y = Reshape(x, x)"}, "float[...]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			types, found := Infer(chain(t, inputs, constants, c.nodes...))
			if got := types["y"].String(); got != c.want {
				t.Errorf("got %s (%s), want %s", got, lines(found), c.want)
			}
		})
	}
}

var inferCases = []ruleCase{
	{"inputs of the wrong type", func(m *pb.ModelProto) {
		m.Graph.Input[0].Type = Type{Elem: pb.TensorProto_DOUBLE, Dims: []Dim{Fixed(1), Fixed(3)}}.Proto()
	},
		"type-mismatch", `node "net.fc1.matmul" (MatMul)`, "another input for T is double[1,3]"},
	{"inputs of the wrong shape", func(m *pb.ModelProto) { setDim(m.Graph.Input[0], 1, 4) }, "shape-mismatch", `node "net.fc1.matmul" (MatMul)`, "4 and 3"},
	{"an axis that does not exist", func(m *pb.ModelProto) {
		n := m.Graph.Node[2]
		n.OpType, n.Attribute = proto.String("Softmax"), []*pb.AttributeProto{Int("axis", 5).proto}
	}, "attribute-range", `node "y" (Softmax)`, "axis 5"},
	{"an output of another shape than declared", func(m *pb.ModelProto) { setDim(m.Graph.Output[0], 1, 3) },
		"declared-shape-mismatch", lastPlace, `output "y" is declared as float[N,3], and is float[N,2]`},
	{"an output of another rank than declared", func(m *pb.ModelProto) {
		m.Graph.Output[0].Type = Type{Elem: pb.TensorProto_FLOAT, Dims: []Dim{Fixed(2)}}.Proto()
	},
		"declared-shape-mismatch", lastPlace, `output "y" is declared as float[2], and is float[N,2]`},
	{"an output of another type than declared", func(m *pb.ModelProto) { m.Graph.Output[0].Type.GetTensorType().ElemType = proto.Int32(7) },
		"declared-type-mismatch", lastPlace, `output "y" is declared as int64[N,2], and is float[N,2]`},
	{"a value info of another shape", func(m *pb.ModelProto) {
		m.Graph.ValueInfo = []*pb.ValueInfoProto{valueInfo("net.fc1", pb.TensorProto_FLOAT, []Dim{Symbolic("N"), Fixed(5)})}
	},
		"declared-shape-mismatch", `node "net.fc1" (Add)`, "is declared as float[N,5]"},
	{"an input of another shape than its default", func(m *pb.ModelProto) {
		m.Graph.Initializer = append(m.Graph.Initializer, floats("x", []int64{1, 4}, 1, 2, 3, 4))
	}, "declared-shape-mismatch", `initializer "x"`, "is declared as float[N,3], and is float[1,4]"},
	{"an input passed out under another shape", func(m *pb.ModelProto) {
		m.Graph.Output[0] = valueInfo("x", pb.TensorProto_FLOAT, []Dim{Fixed(2), Fixed(4)})
	}, "declared-shape-mismatch", `output "x"`, "is declared as float[2,4]"},
	{"a shape that contradicts in a nested graph", func(m *pb.ModelProto) { withIf(m); setDim(branch(m).Output[0], 1, 3) },
		"declared-shape-mismatch", `node "y" (If) / attribute "then_branch" / graph "then_branch" / node of "r" (Relu)`, "float[N,3]"},
	{"a shape that contradicts in a function", func(m *pb.ModelProto) {
		withFunction(m)
		m.Functions[0].Node = append(m.Functions[0].Node, node("MatMul", names("b", "a"), names("c")))
		setDim(m.Graph.Input[0], 0, 7)
	}, "shape-mismatch", `node "y" (act) / node of "c" (MatMul)`, "inner axes"},
	{"lengths doubled again and again", func(m *pb.ModelProto) {
		at := "net.fc1"
		for i := range 40 {
			next := fmt.Sprint("d", i)
			m.Graph.Node = append(m.Graph.Node, node("Concat", names(at, at), names(next), Int("axis", 1)))
			at = next
		}
	}, "value-too-large", `node of "d30" (Concat)`, "more than 2147483648 elements"},
	{"large values that are all read at the end", func(m *pb.ModelProto) {
		m.Graph.Initializer = append(m.Graph.Initializer, int64s("s", []int64{1 << 30}))
		var all []string
		for i := range 20 {
			name := fmt.Sprint("c", i)
			all = append(all, name)
			m.Graph.Node = append(m.Graph.Node, node("ConstantOfShape", names("s"), names(name)))
		}
		m.Graph.Node = append(m.Graph.Node, node("Sum", all, names("sum")))
	}, "memory-too-large", `node of "c15" (ConstantOfShape)`, "more than 68719476736"},
	{"a loop that never ends", func(m *pb.ModelProto) {
		m.Graph.Initializer = append(m.Graph.Initializer, &pb.TensorProto{Name: proto.String("M"), DataType: proto.Int32(7), Int64Data: []int64{math.MaxInt64 - 1}})
		body := &pb.GraphProto{
			Name: proto.String("body"),
			Input: []*pb.ValueInfoProto{
				valueInfo("i", pb.TensorProto_INT64, nil), valueInfo("c", pb.TensorProto_BOOL, nil), valueInfo("v", pb.TensorProto_FLOAT, []Dim{Unknown(), Fixed(2)}),
			},
			Node:   []*pb.NodeProto{node("Identity", names("c"), names("c2")), node("Relu", names("v"), names("v2"))},
			Output: []*pb.ValueInfoProto{{Name: proto.String("c2")}, {Name: proto.String("v2")}},
		}
		m.Graph.Node = append(m.Graph.Node, node("Loop", names("M", "", "net.fc1"), names("out"), Attr{&pb.AttributeProto{Name: proto.String("body"), Type: pb.AttributeProto_GRAPH.Enum(), G: body}}))
	}, "work-too-large", `node of "out" (Loop) / attribute "body" / graph "body" / node of "c2" (Identity)`, "more than 1125899906842624 mult"},
	{"functions that call each other twice, 60 deep", func(m *pb.ModelProto) {
		withFunction(m)
		for i := range 60 {
			f := reluFunction()
			f.Name = proto.String(fmt.Sprint("f", i))
			f.Attribute, f.OpsetImport = nil, append(f.OpsetImport, m.OpsetImport[1])
			call := func(in, out string) *pb.NodeProto {
				n := node(fmt.Sprint("f", i-1), names(in), names(out))
				n.Domain = proto.String("local")
				if i == 0 {
					n.OpType, n.Attribute = proto.String("act"), []*pb.AttributeProto{Float("slope", 1).proto}
				}
				return n
			}
			f.Node = []*pb.NodeProto{call("a", "t"), call("t", "b")}
			m.Functions = append(m.Functions, f)
		}
		m.Graph.Node[2].OpType, m.Graph.Node[2].Attribute = proto.String("f59"), nil
	}, "inference-budget", "", "4194304 steps"},
	{"a function that calls itself, inferred", func(m *pb.ModelProto) {
		withFunction(m)
		f := m.Functions[0]
		f.OpsetImport = append(f.OpsetImport, m.OpsetImport[1])
		f.Node[0].OpType, f.Node[0].Domain = proto.String("act"), proto.String("local")
	}, "inference-budget", "", "100 deep"},
}

func TestInferFindsContradictions(t *testing.T) {
	testRules(t, inferCases, func(m *pb.ModelProto) []Finding {
		_, found := Infer(m)
		return found
	})
}

func TestInferOfTheDenseModel(t *testing.T) {
	types, found := Infer(denseModel(t))
	want := map[string]string{
		"x": "float[N,3]", "net.fc1.weight": "float[3,2]", "net.fc1.bias": "float[1,2]",
		"net.fc1.matmul": "float[N,2]", "net.fc1": "float[N,2]", "y": "float[N,2]",
	}
	for name, w := range want {
		if types[name].String() != w {
			t.Errorf("%s is %v, want %s", name, types[name], w)
		}
	}
	if len(types) != len(want) || len(found) > 0 {
		t.Errorf("%d types, want %d; %s", len(types), len(want), lines(found))
	}
}

// withoutOutputTypes is a copy of a model that does not say what comes out.
func withoutOutputTypes(m *pb.ModelProto) *pb.ModelProto {
	c := proto.Clone(m).(*pb.ModelProto)
	for _, o := range c.Graph.Output {
		o.Type = nil
	}
	return c
}

// What a model computed for ONNX's test data must be what is inferred for it,
// also when the inputs are known and shapes follow from their elements.
func TestInferAgreesWithWhatTheModelsOfONNXCompute(t *testing.T) {
	var whole, part, none, models int
	for _, path := range worldModels(t) {
		m, err := Read(path, Limits{})
		if err != nil {
			t.Error(err)
			continue
		}
		if _, found := Infer(m.Proto); len(found) > 0 {
			t.Errorf("%s: %s", path, lines(found))
		}
		c := withoutOutputTypes(m.Proto)
		set := filepath.Join(filepath.Dir(path), "test_data_set_0")
		inputs := c.Graph.Input
		c.Graph.Input = nil
		for i, in := range inputs {
			x, err := ReadTensorFile(filepath.Join(set, fmt.Sprintf("input_%d.pb", i)), Limits{})
			if err != nil || in.Type.GetTensorType() == nil { // a sequence, or an initializer
				c.Graph.Input = append(c.Graph.Input, in)
				continue
			}
			p := x.Proto()
			p.Name = in.Name
			c.Graph.Initializer = append(c.Graph.Initializer, p)
		}
		types, found := Infer(c)
		if len(found) > 0 {
			t.Errorf("%s with its inputs: %s", path, lines(found))
		}
		models++
		for i, out := range c.Graph.Output {
			y, err := ReadTensorFile(filepath.Join(set, fmt.Sprintf("output_%d.pb", i)), Limits{})
			if err != nil || m.Proto.Graph.Output[i].Type.GetTensorType() == nil {
				continue
			}
			got, ok := types[out.GetName()]
			actual := make([]Dim, len(y.Dims))
			for j, d := range y.Dims {
				actual[j] = Fixed(int64(d))
			}
			want := Type{y.Type(), actual}
			if want.Elem == pb.TensorProto_UINT16 && got.Elem == pb.TensorProto_BFLOAT16 {
				want.Elem = got.Elem // as the test data of onnx 1.12 keeps it
			}
			if _, fits := mergeDims(got.Dims, actual); ok && (got.Elem != want.Elem || !fits) {
				t.Errorf("%s: %s is %v, inferred %v", path, Quote(out.GetName()), want, got)
			}
			switch {
			case !ok:
				none++
			case got.String() == want.String():
				whole++
			default:
				part++
			}
		}
	}
	if whole < 9*(part+none) {
		t.Errorf("%d outputs of %d models inferred whole, %d in part, %d not at all; want nine in ten whole", whole, models, part, none)
	}
	t.Logf("%d models: %d outputs inferred whole, %d in part, %d not at all", models, whole, part, none)
}

func TestInferKnowsAtLeastWhatTheONNXPackageInfers(t *testing.T) {
	known := make(map[string]map[string]Type)
	less := make(map[string]int)
	lines := 0
	for line := range strings.Lines(python(t, "infer.py", worldModels(t))) {
		lines++
		f := strings.Split(strings.TrimSpace(line), "\t")
		types := known[f[0]]
		if types == nil {
			m, err := Read(f[0], Limits{})
			if err != nil {
				t.Fatal(err)
			}
			types, _ = Infer(withoutOutputTypes(m.Proto))
			known[f[0]] = types
		}
		got, ok := types[f[1]]
		if ok && f[2] != "0" && fmt.Sprint(int(got.Elem)) != f[2] {
			t.Errorf("%s: %s is %v, the onnx package says type %s", f[0], f[1], got, f[2])
		}
		if f[3] == "none" {
			continue
		}
		theirs, _ := TypeOf(parseType(t, "float"+f[3]))
		if _, fits := mergeDims(got.Dims, theirs.Dims); ok && !fits {
			t.Errorf("%s: %s is %v, the onnx package says %s", f[0], f[1], got, f[3])
		}
		for i, d := range theirs.Dims {
			if d.Known() && (i >= len(got.Dims) || !got.Dims[i].Known()) {
				less[filepath.Base(filepath.Dir(f[0]))]++
				break
			}
		}
	}
	// Scan of opset 8 is left alone.
	delete(less, "test_scan_sum")
	delete(less, "test_sequence_model5") // by way of a sequence of unequal tensors
	delete(less, "test_sequence_model4")
	if len(less) > 0 || lines < 1000 {
		t.Errorf("the onnx package knows more of %v (of %d outputs)", less, lines)
	}
}

func FuzzInfer(f *testing.F) {
	for _, c := range slices.Concat(checkCases, inferCases) {
		m := denseModel(f)
		c.break_(m)
		if b, err := Marshal(m); err == nil && len(b) < 4096 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse("m.onnx", b, Limits{})
		if err != nil {
			return
		}
		types, found := Infer(m.Proto)
		for name, typ := range types {
			for _, d := range typ.Dims {
				if d.Size < -1 || d.Known() && d.Symbol != "" {
					t.Fatalf("%s has the axis %+v", Quote(name), d)
				}
			}
		}
		for _, f := range found {
			if s, ok := severities[f.Code]; !ok || s != f.Severity {
				t.Fatalf("finding without a rule: %+v", f)
			}
		}
	})
}
