package onnx

import (
	"bytes"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

var update = flag.Bool("update", false, "write the golden files anew")

func textOf(t testing.TB, m *pb.ModelProto) string {
	var b bytes.Buffer
	if err := Text(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// everything is a model with one of each thing that Text shows.
func everything(t testing.TB) *pb.ModelProto {
	m := denseModel(t)
	m.ProducerName, m.ProducerVersion = proto.String("petrify"), proto.String("0.1")
	m.DocString = proto.String("two lines\nof doc")
	m.MetadataProps = []*pb.StringStringEntryProto{{Key: proto.String("petrify.seed"), Value: proto.String("7")}}
	withIf(m)
	m.Functions = []*pb.FunctionProto{reluFunction()}
	g := m.Graph
	sparse(func(*pb.SparseTensorProto) {})(m)
	g.Initializer = append(g.Initializer,
		&pb.TensorProto{Name: proto.String("large weight"), DataType: proto.Int32(1), Dims: []int64{3, 3}, FloatData: []float32{1, 2, 3, 4, 5, 6, 7, 8, 9}},
		&pb.TensorProto{Name: proto.String("s"), DataType: proto.Int32(8), Dims: []int64{1}, StringData: [][]byte{[]byte("a b")}},
		&pb.TensorProto{Name: proto.String("broken"), DataType: proto.Int32(1), Dims: []int64{9}, RawData: []byte{1}},
		&pb.TensorProto{Name: proto.String("e"), DataType: proto.Int32(1), Dims: []int64{9}, DataLocation: pb.TensorProto_EXTERNAL.Enum(), ExternalData: []*pb.StringStringEntryProto{{Key: proto.String("location"), Value: proto.String("w.bin")}}},
	)
	g.ValueInfo = []*pb.ValueInfoProto{valueInfo("net.fc1", pb.TensorProto_FLOAT, []Dim{Unknown(), Fixed(2)})}
	h, err := NewTensor("", []Float16{NewFloat16(0.5)})
	if err != nil {
		t.Fatal(err)
	}
	custom := node("Many", names("x", "", "odd name\x1b"), names("p", "", "q"),
		Int("i", -1), Ints("is", 1, 2), Float("f", 0.1), Floats("fs", 1.5, float32(math.Inf(1))), String("s", "tab\t"), TensorAttr("t", h))
	custom.Name, custom.Domain, custom.Overload = proto.String("many"), proto.String("com.acme"), proto.String("o")
	g.Node = append(g.Node, custom)
	return m
}

func TestTextIsGolden(t *testing.T) {
	path := filepath.Join("testdata", "everything.txt")
	got := textOf(t, everything(t))
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s(go test ./onnx -run TextIsGolden -update writes it anew)", got, want)
	}
}

func TestTextOfTheDenseModel(t *testing.T) {
	want := `ir 8
opset ai.onnx 13
graph "net"
  input x float[N,3]
  output y float[N,2]
  initializer net.fc1.weight float[3,2]{1,2,3,4,5,6}
  initializer net.fc1.bias float[1,2]{-1,1}
  net.fc1.matmul = MatMul(x, net.fc1.weight)
  net.fc1 = Add(net.fc1.matmul, net.fc1.bias)
  y = LeakyRelu(net.fc1) alpha=0.01
`
	if got := textOf(t, denseModel(t)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDigestDoesNotDependOnTheField(t *testing.T) {
	for _, s := range samples {
		a, err := Digest(s.Proto())
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		b, err := Digest(typed(s))
		if err != nil || a != b {
			t.Errorf("%s: %s from raw_data, %s from its other field (%v)", s.Name, a, b, err)
		}
		if _, isBF16 := s.Data.([]BFloat16); !isBF16 && a != digest(s) { // digest widens those
			t.Errorf("%s: %s, want %s", s.Name, a, digest(s))
		}
	}
	if _, err := Digest(&pb.TensorProto{DataType: proto.Int32(1), Dims: []int64{2}, RawData: []byte{1}}); err == nil {
		t.Error("a tensor of the wrong length has a digest")
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestTextReportsErrorsOfTheWriter(t *testing.T) {
	if err := Text(fullDisk{}, denseModel(t)); err == nil || err.Error() != "disk full" {
		t.Errorf("got %v, want the writer's error", err)
	}
}

func TestTextOfAnyModelIsPlain(t *testing.T) {
	for _, c := range append(checkCases, inferCases...) {
		m := denseModel(t)
		c.break_(m)
		if i := strings.IndexFunc(textOf(t, m), func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }); i >= 0 {
			t.Errorf("%s: a control character at %d", c.name, i)
		}
	}
	if got := textOf(t, &pb.ModelProto{}); got != "ir 0\n" {
		t.Errorf("an empty model is %q", got)
	}
}

func TestTextOfEveryModelOfONNX(t *testing.T) {
	for _, path := range worldModels(t) {
		m, err := Read(path, Limits{})
		if err != nil {
			t.Error(err)
			continue
		}
		if s := textOf(t, m.Proto); !strings.Contains(s, "graph ") || strings.Contains(s, " invalid") {
			t.Errorf("%s:\n%s", path, s)
		}
	}
}
