package check

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"google.golang.org/protobuf/proto"
)

// pick returns a random element, the zero value of an empty list.
func pick[T any](r *rand.Rand, list []T) (v T) {
	if len(list) > 0 {
		v = list[r.IntN(len(list))]
	}
	return v
}

// oddInts are numbers that attributes and dims are set to.
var oddInts = []int64{-2, -1, 0, 1, 2, 3, 5, 100, 1 << 31, math.MaxInt64, math.MinInt64}

// mutations each spoil one thing of a model, or nothing where there is no such
// thing.
var mutations = []struct {
	name string
	do   func(r *rand.Rand, m *pb.ModelProto)
}{
	{"input left out", func(r *rand.Rand, m *pb.ModelProto) { setAny(r, pick(r, m.Graph.Node).GetInput(), "") }},
	{"input undefined", func(r *rand.Rand, m *pb.ModelProto) { setAny(r, pick(r, m.Graph.Node).GetInput(), "nowhere") }},
	{"input of another node", func(r *rand.Rand, m *pb.ModelProto) {
		setAny(r, pick(r, m.Graph.Node).GetInput(), pick(r, pick(r, m.Graph.Node).GetInput()))
	}},
	{"output renamed", func(r *rand.Rand, m *pb.ModelProto) { setAny(r, pick(r, m.Graph.Node).GetOutput(), "other") }},
	{"output taken", func(r *rand.Rand, m *pb.ModelProto) {
		setAny(r, pick(r, m.Graph.Node).GetOutput(), pick(r, m.Graph.Input).GetName())
	}},
	{"node twice", func(r *rand.Rand, m *pb.ModelProto) { m.Graph.Node = append(m.Graph.Node, pick(r, m.Graph.Node)) }},
	{"nodes swapped", func(r *rand.Rand, m *pb.ModelProto) {
		if n := m.Graph.Node; len(n) > 1 {
			i, j := r.IntN(len(n)), r.IntN(len(n))
			n[i], n[j] = n[j], n[i]
		}
	}},
	{"node dropped", func(r *rand.Rand, m *pb.ModelProto) { m.Graph.Node = without(r, m.Graph.Node) }},
	{"input more", func(r *rand.Rand, m *pb.ModelProto) {
		if n := pick(r, m.Graph.Node); n != nil {
			n.Input = append(n.Input, pick(r, m.Graph.Input).GetName())
		}
	}},
	{"input less", func(r *rand.Rand, m *pb.ModelProto) {
		if n := pick(r, m.Graph.Node); n != nil {
			n.Input = without(r, n.Input)
		}
	}},
	{"output more", func(r *rand.Rand, m *pb.ModelProto) {
		if n := pick(r, m.Graph.Node); n != nil {
			n.Output = append(n.Output, "more")
		}
	}},
	{"operator changed", func(r *rand.Rand, m *pb.ModelProto) {
		if n := pick(r, m.Graph.Node); n != nil {
			n.OpType = proto.String(pick(r, []string{"Relu", "Add", "MatMul", "Conv", "Concat", "Reshape", "NoSuch", "Cast", "Softmax", "Gemm", "MaxPool", "Squeeze", ""}))
		}
	}},
	{"domain changed", func(r *rand.Rand, m *pb.ModelProto) {
		if n := pick(r, m.Graph.Node); n != nil {
			n.Domain = proto.String(pick(r, []string{"x", "ai.onnx.ml", "ai.onnx"}))
		}
	}},
	{"attribute dropped", func(r *rand.Rand, m *pb.ModelProto) {
		if n := pick(r, m.Graph.Node); n != nil {
			n.Attribute = without(r, n.Attribute)
		}
	}},
	{"attribute added", func(r *rand.Rand, m *pb.ModelProto) {
		if n := pick(r, m.Graph.Node); n != nil {
			n.Attribute = append(n.Attribute, onnx.Int(pick(r, []string{"axis", "foo", "keepdims", "group"}), pick(r, oddInts)).Proto())
		}
	}},
	{"attribute twice", func(r *rand.Rand, m *pb.ModelProto) {
		if n := pick(r, m.Graph.Node); n != nil && len(n.Attribute) > 0 {
			n.Attribute = append(n.Attribute, n.Attribute[0])
		}
	}},
	{"attribute of another type", func(r *rand.Rand, m *pb.ModelProto) {
		if a := anyAttribute(r, m); a != nil {
			a.Type = pb.AttributeProto_AttributeType(r.IntN(15)).Enum()
		}
	}},
	{"attribute renamed", func(r *rand.Rand, m *pb.ModelProto) {
		if a := anyAttribute(r, m); a != nil {
			a.Name = proto.String(pick(r, []string{"", "bar", "axis", "axes"}))
		}
	}},
	{"attribute with another value", func(r *rand.Rand, m *pb.ModelProto) {
		switch a := anyAttribute(r, m); {
		case a == nil:
		case a.I != nil:
			a.I = proto.Int64(pick(r, oddInts))
		case len(a.Ints) > 0:
			a.Ints[r.IntN(len(a.Ints))] = pick(r, oddInts)
		case a.S != nil:
			a.S = []byte(pick(r, []string{"", "SAME_UPPER", "bogus"}))
		}
	}},
	{"attribute with more or fewer values", func(r *rand.Rand, m *pb.ModelProto) {
		if a := anyAttribute(r, m); a != nil && len(a.Ints) > 0 {
			if r.IntN(2) == 0 {
				a.Ints = append(a.Ints, pick(r, oddInts))
			} else {
				a.Ints = a.Ints[1:]
			}
		}
	}},
	{"attribute with two values", func(r *rand.Rand, m *pb.ModelProto) {
		if a := anyAttribute(r, m); a != nil {
			a.F, a.I = proto.Float32(1), proto.Int64(1)
		}
	}},
	{"opset changed", func(r *rand.Rand, m *pb.ModelProto) {
		if len(m.OpsetImport) > 0 {
			m.OpsetImport[0].Version = proto.Int64(r.Int64N(18))
		}
	}},
	{"import dropped", func(r *rand.Rand, m *pb.ModelProto) { m.OpsetImport = without(r, m.OpsetImport) }},
	{"IR changed", func(r *rand.Rand, m *pb.ModelProto) { m.IrVersion = proto.Int64(r.Int64N(11) - 1) }},
	{"graph without a name", func(r *rand.Rand, m *pb.ModelProto) { m.Graph.Name = nil }},
	{"graph input dropped", func(r *rand.Rand, m *pb.ModelProto) { m.Graph.Input = without(r, m.Graph.Input) }},
	{"graph input twice", func(r *rand.Rand, m *pb.ModelProto) {
		if len(m.Graph.Input) > 0 {
			m.Graph.Input = append(m.Graph.Input, m.Graph.Input[0])
		}
	}},
	{"graph output renamed", func(r *rand.Rand, m *pb.ModelProto) {
		if v := pick(r, m.Graph.Output); v != nil {
			v.Name = proto.String(pick(r, []string{"", "elsewhere"}))
		}
	}},
	{"length changed", func(r *rand.Rand, m *pb.ModelProto) {
		if s := anyValue(r, m).GetType().GetTensorType().GetShape(); s != nil && len(s.Dim) > 0 {
			pick(r, s.Dim).Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: pick(r, []int64{0, 1, 2, 3, 5, 7})}
		}
	}},
	{"rank changed", func(r *rand.Rand, m *pb.ModelProto) {
		if s := anyValue(r, m).GetType().GetTensorType().GetShape(); s != nil {
			if r.IntN(2) == 0 {
				s.Dim = without(r, s.Dim)
			} else {
				s.Dim = append(s.Dim, &pb.TensorShapeProto_Dimension{Value: &pb.TensorShapeProto_Dimension_DimValue{DimValue: 3}})
			}
		}
	}},
	{"element type changed", func(r *rand.Rand, m *pb.ModelProto) {
		if t := anyValue(r, m).GetType().GetTensorType(); t != nil {
			t.ElemType = proto.Int32(r.Int32N(18))
		}
	}},
	{"element type dropped", func(r *rand.Rand, m *pb.ModelProto) {
		if t := anyValue(r, m).GetType().GetTensorType(); t != nil {
			t.ElemType = nil
		}
	}},
	{"shape dropped", func(r *rand.Rand, m *pb.ModelProto) {
		if t := anyValue(r, m).GetType().GetTensorType(); t != nil {
			t.Shape = nil
		}
	}},
	{"type dropped", func(r *rand.Rand, m *pb.ModelProto) {
		if v := anyValue(r, m); v != nil {
			v.Type = nil
		}
	}},
	{"tensor of another shape", func(r *rand.Rand, m *pb.ModelProto) {
		if t := anyTensor(r, m); t != nil {
			t.Dims = append(slices.Clone(t.Dims), pick(r, oddInts))
		}
	}},
	{"tensor of another type", func(r *rand.Rand, m *pb.ModelProto) {
		if t := anyTensor(r, m); t != nil {
			t.DataType = proto.Int32(r.Int32N(18))
		}
	}},
	{"tensor without its elements", func(r *rand.Rand, m *pb.ModelProto) {
		if t := anyTensor(r, m); t != nil {
			t.RawData, t.FloatData, t.Int32Data, t.Int64Data = nil, nil, nil, nil
		}
	}},
	{"tensor with elements twice", func(r *rand.Rand, m *pb.ModelProto) {
		if t := anyTensor(r, m); t != nil {
			t.RawData, t.DoubleData = []byte{0}, []float64{1}
		}
	}},
	{"tensor without a name", func(r *rand.Rand, m *pb.ModelProto) {
		if t := pick(r, m.Graph.Initializer); t != nil {
			t.Name = nil
		}
	}},
}

func setAny(r *rand.Rand, list []string, to string) {
	if len(list) > 0 {
		list[r.IntN(len(list))] = to
	}
}

func without[T any](r *rand.Rand, list []T) []T {
	if len(list) == 0 {
		return list
	}
	i := r.IntN(len(list))
	return slices.Delete(slices.Clone(list), i, i+1)
}

func anyAttribute(r *rand.Rand, m *pb.ModelProto) *pb.AttributeProto {
	return pick(r, pick(r, m.Graph.Node).GetAttribute())
}

func anyValue(r *rand.Rand, m *pb.ModelProto) *pb.ValueInfoProto {
	return pick(r, slices.Concat(m.Graph.Input, m.Graph.Output, m.Graph.ValueInfo))
}

func anyTensor(r *rand.Rand, m *pb.ModelProto) *pb.TensorProto {
	return pick(r, slices.Collect(onnx.Tensors(m)))
}

// notOurs is what onnx 1.12 says of models that have no fault.
var notOurs = []string{
	"No opset import for domain 'ai.onnx'", // which is the default domain by another name
	"is higher than the checker's",         // IR versions 9 and 10 came later
	"grid has inconsistent type",           // the types of GridSample were exchanged
}

// Whatever the onnx package's checker finds in a spoiled model, ours must find
// too, or there must be a reason.
func TestCheckRejectsWhatTheONNXPackageRejects(t *testing.T) {
	models := onnxtest.Models(t)
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 12))
	var paths []string
	ours := make(map[string]string)
	how := make(map[string]string)
	count := 3000
	if testing.Short() {
		count = 300
	}
	for i := range count {
		source := pick(r, models)
		m, err := wire.Read(source, wire.Limits{})
		if err != nil || len(m.Bytes) > 100_000 {
			continue
		}
		c := proto.CloneOf(m.Proto)
		mutation := pick(r, mutations)
		mutation.do(r, c)
		if proto.Equal(c, m.Proto) {
			continue
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.onnx", i))
		if err := os.WriteFile(path, onnxtest.Bytes(t, c), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
		how[path] = mutation.name + " of " + filepath.Base(filepath.Dir(source))
		ours[path] = judge(path).Why
	}
	both, onlyOurs, onlyTheirs, neither := 0, 0, 0, 0
	for line := range strings.Lines(onnxtest.Python(t, "check.py", paths)) {
		path, said, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		for _, not := range notOurs {
			if strings.Contains(said, not) {
				said = "ok"
			}
		}
		switch why := ours[path]; {
		case said == "ok" && why == "":
			neither++
		case said == "ok":
			onlyOurs++
		case why != "":
			both++
		default:
			onlyTheirs++
			t.Errorf("%s: accepted, and the onnx package says %s", how[path], said)
		}
	}
	t.Logf("%d mutants: %d rejected by both, %d by us alone, %d by neither, %d by the onnx package alone", len(paths), both, onlyOurs, neither, onlyTheirs)
}
