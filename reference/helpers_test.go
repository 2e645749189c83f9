package reference

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

func asUnsupported(err error) (*onnx.UnsupportedError, bool) {
	return errors.AsType[*onnx.UnsupportedError](err)
}

func asFormat(err error) (*onnx.FormatError, bool) { return errors.AsType[*onnx.FormatError](err) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// graph makes a model of lines:
//
//	in x float N,3      an input: name, type, dimensions ("-" for a scalar, "?" for unknown rank)
//	y, z = Op(a, , b) alpha=0.5 perm=0,1 mode="edge"
//	out y
//
// The tensors are initializers. A list attribute has a comma, a float has a dot.
func graph(t testing.TB, opset int64, src string, inits ...*onnx.Tensor) *onnx.Model {
	t.Helper()
	g := &pb.GraphProto{Name: proto.String("g")}
	for _, line := range strings.Split(strings.TrimSpace(src), "\n") {
		line = strings.TrimSpace(line)
		switch f := strings.Fields(line); {
		case f[0] == "in":
			g.Input = append(g.Input, &pb.ValueInfoProto{Name: proto.String(f[1]), Type: typeOf(t, f[2], f[3])})
		case f[0] == "out":
			for _, name := range f[1:] {
				g.Output = append(g.Output, &pb.ValueInfoProto{Name: proto.String(name)})
			}
		default:
			g.Node = append(g.Node, node(t, line))
		}
	}
	for _, x := range inits {
		g.Initializer = append(g.Initializer, x.Proto())
	}
	return &onnx.Model{Proto: &pb.ModelProto{
		IrVersion: proto.Int64(8), Graph: g,
		OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(opset)}},
	}}
}

func typeOf(t testing.TB, elem, dims string) *pb.TypeProto {
	code, ok := pb.TensorProto_DataType_value[strings.ToUpper(elem)]
	if !ok {
		t.Fatalf("no type %q", elem)
	}
	typ := onnx.Type{Elem: pb.TensorProto_DataType(code)}
	if dims != "?" {
		typ.Dims = []onnx.Dim{}
	}
	for _, d := range strings.Split(dims, ",") {
		if n, err := strconv.Atoi(d); err == nil {
			typ.Dims = append(typ.Dims, onnx.Fixed(int64(n)))
		} else if d != "-" && d != "?" {
			typ.Dims = append(typ.Dims, onnx.Symbolic(d))
		}
	}
	return typ.Proto()
}

func node(t testing.TB, line string) *pb.NodeProto {
	outs, rest, ok := strings.Cut(line, " = ")
	op, rest, ok2 := strings.Cut(rest, "(")
	ins, attributes, ok3 := strings.Cut(rest, ")")
	if !ok || !ok2 || !ok3 {
		t.Fatalf("no node: %q", line)
	}
	n := &pb.NodeProto{OpType: proto.String(op)}
	list := func(s string) []string {
		if s == "" {
			return nil
		}
		return convert(strings.Split(s, ","), strings.TrimSpace)
	}
	n.Input, n.Output = list(ins), list(outs)
	for _, a := range strings.Fields(attributes) {
		name, v, _ := strings.Cut(a, "=")
		n.Attribute = append(n.Attribute, attribute(t, name, v))
	}
	return n
}

func attribute(t testing.TB, name, v string) *pb.AttributeProto {
	a := &pb.AttributeProto{Name: proto.String(name)}
	parse := func(s string) float64 {
		x, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatalf("attribute %s: %v", name, err)
		}
		return x
	}
	switch {
	case strings.HasPrefix(v, `"`):
		a.Type, a.S = pb.AttributeProto_STRING.Enum(), []byte(strings.Trim(v, `"`))
	case strings.Contains(v, ","):
		a.Type = pb.AttributeProto_INTS.Enum()
		for _, s := range strings.Split(strings.TrimSuffix(v, ","), ",") {
			a.Ints = append(a.Ints, int64(parse(s)))
		}
	case strings.Contains(v, "."):
		a.Type, a.F = pb.AttributeProto_FLOAT.Enum(), proto.Float32(float32(parse(v)))
	default:
		a.Type, a.I = pb.AttributeProto_INT.Enum(), proto.Int64(int64(parse(v)))
	}
	return a
}

// tensor makes a tensor, or fails the test.
func tensor[T onnx.Element](t testing.TB, name string, data []T, dims ...int) *onnx.Tensor {
	t.Helper()
	x, err := onnx.NewTensor(name, data, dims...)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// run evaluates a model, or fails the test.
func run(t testing.TB, m *onnx.Model, inputs ...*onnx.Tensor) []*Value {
	t.Helper()
	out, err := Run(m, inputs)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
