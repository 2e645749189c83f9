package onnx_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"google.golang.org/protobuf/proto"
)

var update = flag.Bool("update", false, "write the golden files anew")

func textOf(t testing.TB, m *pb.ModelProto) string {
	var b bytes.Buffer
	if err := onnx.Text(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTextIsGolden(t *testing.T) {
	path := filepath.Join("testdata", "everything.txt")
	got := textOf(t, onnxtest.Everything(t))
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
	if got := textOf(t, onnxtest.DenseModel(t)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDigestDoesNotDependOnTheField(t *testing.T) {
	for _, s := range onnx.Samples {
		a, err := onnx.Digest(s.Proto())
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		b, err := onnx.Digest(onnx.Typed(s))
		if err != nil || a != b {
			t.Errorf("%s: %s from raw_data, %s from its other field (%v)", s.Name, a, b, err)
		}
		if _, isBF16 := s.Data.(onnx.Slice[onnx.BFloat16]); !isBF16 && a != digest(s) { // digest widens those
			t.Errorf("%s: %s, want %s", s.Name, a, digest(s))
		}
	}
	if _, err := onnx.Digest(&pb.TensorProto{DataType: proto.Int32(1), Dims: []int64{2}, RawData: []byte{1}}); err == nil {
		t.Error("a tensor of the wrong length has a digest")
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestTextReportsErrorsOfTheWriter(t *testing.T) {
	if err := onnx.Text(fullDisk{}, onnxtest.DenseModel(t)); err == nil || err.Error() != "disk full" {
		t.Errorf("got %v, want the writer's error", err)
	}
}

func TestTextOfAnyModelIsPlain(t *testing.T) {
	for _, c := range append(onnxtest.CheckCases, onnxtest.InferCases...) {
		m := onnxtest.DenseModel(t)
		c.Break(m)
		if i := strings.IndexFunc(textOf(t, m), func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }); i >= 0 {
			t.Errorf("%s: a control character at %d", c.Name, i)
		}
	}
	if got := textOf(t, &pb.ModelProto{}); got != "ir 0\n" {
		t.Errorf("an empty model is %q", got)
	}
}

func TestTextOfEveryModelOfONNX(t *testing.T) {
	for _, path := range onnxtest.Models(t) {
		m, err := wire.Read(path, wire.Limits{})
		if err != nil {
			t.Error(err)
			continue
		}
		if s := textOf(t, m.Proto); !strings.Contains(s, "graph ") || strings.Contains(s, " invalid") {
			t.Errorf("%s:\n%s", path, s)
		}
	}
}
