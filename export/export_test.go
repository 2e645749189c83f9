package export_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/filetest"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

var provenance = export.Provenance{Version: "v1.2.3", Seed: 1<<63 + 5, DataName: "digits", DataDigest: "d1"}

// digests are the sha256 of every file below dir.
func digests(t *testing.T, dir string) map[string]string {
	t.Helper()
	sums := filetest.Contents(t, dir)
	for name, b := range sums {
		sum := sha256.Sum256([]byte(b))
		sums[name] = hex.EncodeToString(sum[:])
	}
	return sums
}

// A checkpoint that has been to disk and back gives the bytes that it gave before, in another folder, over an older export.
func TestSameCheckpointSameBytes(t *testing.T) {
	m := small(t, "gan")
	s := drawn(t, m)
	first, second := t.TempDir(), filepath.Join(t.TempDir(), "deeper")
	file := filepath.Join(t.TempDir(), "saved.safetensors")
	if err := checkpoint.WriteFile(file, s); err != nil {
		t.Fatal(err)
	}
	read, err := checkpoint.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	o := export.Options{Provenance: provenance}
	if _, err := export.Folder(first, m, s, o); err != nil {
		t.Fatal(err)
	}
	if _, err := export.Folder(second, m, s, export.Options{Opset: 18}); err != nil {
		t.Fatal(err)
	}
	if other := digests(t, second); other["generator/generator.onnx"] == digests(t, first)["generator/generator.onnx"] {
		t.Error("another opset gave the same file")
	}
	if _, err := export.Folder(second, m, read, o); err != nil {
		t.Fatal(err)
	}
	want := digests(t, first)
	if got := digests(t, second); !maps.Equal(got, want) {
		t.Errorf("files of the second export:\n%v\nwant\n%v", got, want)
	}
	const files = 2 * (1 + 3*2) // nets, each a model and three inputs with their outputs
	if len(want) != files {
		t.Errorf("%d files, want %d: %v", len(want), files, slices.Sorted(maps.Keys(want)))
	}
	read.Tensors[0].Data[0] += 1
	if _, err := export.Folder(second, m, read, o); err != nil {
		t.Fatal(err)
	}
	if maps.Equal(digests(t, second), want) {
		t.Error("other weights gave the same bytes")
	}
}

// What a file says of itself, and what its values are called, is what other programs hold on to.
func TestFileOfTheGenerator(t *testing.T) {
	m := small(t, "gan")
	s := drawn(t, m)
	s.Step = 7
	for _, opset := range []int64{0, export.MinOpset, 15, export.MaxOpset} {
		p, err := export.Model(m, m.Nets[0], s, export.Options{Opset: opset, Provenance: provenance})
		if err != nil {
			t.Fatal(err)
		}
		wantOpset := opset
		if opset == 0 {
			wantOpset = 13
		}
		if len(p.OpsetImport) != 1 || p.OpsetImport[0].GetDomain() != "" || p.OpsetImport[0].GetVersion() != wantOpset || p.GetIrVersion() != 8 {
			t.Errorf("opset %d: imports %v, IR %d", opset, p.OpsetImport, p.GetIrVersion())
		}
		if p.GetProducerName() != "petrify" || p.GetProducerVersion() != "v1.2.3" {
			t.Errorf("producer is %s %s", p.GetProducerName(), p.GetProducerVersion())
		}
		text := fmt.Sprint(ports(p.Graph.Input), ports(p.Graph.Output))
		if want := "[z float[N,100]] [image float[N,1,28,28]]"; text != want {
			t.Errorf("inputs and outputs are %s, want %s", text, want)
		}
		names := map[string]bool{}
		for _, init := range p.Graph.Initializer {
			names[init.GetName()] = true
			if init.GetDataType() != int32(pb.TensorProto_FLOAT) || strings.HasSuffix(init.GetName(), ".shape") {
				continue
			}
			if want := 4 * elements(init.Dims); len(init.RawData) != want || len(init.FloatData) != 0 {
				t.Errorf("%s: %d raw bytes and %d floats, want %d and none", init.GetName(), len(init.RawData), len(init.FloatData), want)
			}
			if strings.HasSuffix(init.GetName(), ".bias") && (len(init.Dims) != 2 || init.Dims[0] != 1) {
				t.Errorf("%s: shape %v, want [1,N]", init.GetName(), init.Dims)
			}
		}
		plan, err := m.Nets[0].Plan()
		if err != nil {
			t.Fatal(err)
		}
		for q := range plan.Params() {
			if !names[q.Name] {
				t.Errorf("no initializer is called %s", q.Name)
			}
		}
		made := map[string]bool{}
		for _, n := range p.Graph.Node {
			for _, out := range n.Output {
				made[out] = true
			}
			if n.GetOpType() == "Gemm" {
				t.Errorf("node %s is a Gemm, want MatMul and Add", n.GetName())
			}
		}
		for _, step := range plan.Steps {
			if !made[step.ONNX] {
				t.Errorf("no node computes %s", step.ONNX)
			}
		}
		meta := map[string]string{}
		for _, e := range p.MetadataProps {
			meta[e.GetKey()] = e.GetValue()
		}
		want := map[string]string{
			export.MetaModel: "gan", export.MetaNet: "generator", export.MetaSeed: "9223372036854775813", export.MetaStep: "7",
			export.MetaData: "digits", export.MetaDataSum: "d1", export.MetaPixels: "-1,1",
			export.MetaWeights: checkpoint.Digest(s.Weights()[:4]),
		}
		if !maps.Equal(meta, want) {
			t.Errorf("metadata is %v, want %v", meta, want)
		}
	}
}

func ports(list []*pb.ValueInfoProto) []string {
	var texts []string
	for _, v := range list {
		typ, _ := onnx.TypeOf(v.GetType())
		texts = append(texts, v.GetName()+" "+typ.String())
	}
	return texts
}

func elements(dims []int64) int {
	n := 1
	for _, d := range dims {
		n *= int(d)
	}
	return n
}

func TestOpsetsBeyondTheRange(t *testing.T) {
	m := small(t, "gan")
	for _, opset := range []int64{-1, 12, 19} {
		_, err := export.Model(m, m.Nets[0], drawn(t, m), export.Options{Opset: opset})
		if want := fmt.Sprintf("opset is %d, want 13 to 18", opset); err == nil || err.Error() != want {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

// The onnx package's own checker, with its shape inference, accepts every net of the GAN at every opset.
func TestOnnxAccepts(t *testing.T) {
	python := witnesstest.Python(t, "onnx", "numpy")
	m := small(t, "gan")
	s := drawn(t, m)
	dir := t.TempDir()
	var files []string
	for opset := int64(export.MinOpset); opset <= export.MaxOpset; opset++ {
		for _, net := range m.Exports() {
			p, err := export.Model(m, net, s, export.Options{Opset: opset})
			if err != nil {
				t.Fatal(err)
			}
			b, err := onnx.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, fmt.Sprintf("%s-%d.onnx", net.Name, opset))
			if err := os.WriteFile(file, b, 0o644); err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
	}
	const program = `
import sys, onnx
from onnx import checker, shape_inference
for path in sys.argv[1:]:
    model = onnx.load(path)
    checker.check_model(model, full_check=True)
    inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    print(path, [d.dim_param or d.dim_value for d in inferred.graph.output[0].type.tensor_type.shape.dim])
`
	out, err := exec.CommandContext(t.Context(), python, append([]string{"-c", program}, files...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), "['N', 1, 28, 28]"); n != len(files)/2 {
		t.Errorf("%d generators with images as outputs, want %d:\n%s", n, len(files)/2, out)
	}
}

// All that is wrong with a checkpoint is named at once, and nothing is written.
func TestBadCheckpointIsNamed(t *testing.T) {
	m := small(t, "gan")
	s := drawn(t, m)
	if s.Tensors[0].Name != "generator.fc1.weight" || s.Tensors[1].Name != "generator.fc1.bias" {
		t.Fatalf("the first tensors are %s and %s", s.Tensors[0].Name, s.Tensors[1].Name)
	}
	dims := s.Tensors[0].Dims
	s.Tensors[0].Dims = []int{dims[1], dims[0]}
	s.Tensors = slices.Delete(s.Tensors, 1, 2)
	dir := filepath.Join(t.TempDir(), "out")
	_, err := export.Folder(dir, m, s, export.Options{})
	if err == nil {
		t.Fatal("exported")
	}
	for _, want := range []string{
		fmt.Sprintf("generator.fc1.weight: shape %dx%d, want %dx%d", dims[1], dims[0], dims[0], dims[1]),
		"generator.fc1.bias: missing",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s was made", dir)
	}
}

// Recorded vectors are of batch 1, 2 and 7; the last has zeros of either sign, numbers below float32's normal ones and large
// ones. They are the same for every checkpoint.
func TestGoldenVectors(t *testing.T) {
	m := small(t, "gan")
	s := drawn(t, m)
	vectors, err := export.Golden(m, m.Nets[0], s)
	if err != nil {
		t.Fatal(err)
	}
	if len(vectors) != 3 {
		t.Fatalf("%d vectors, want 3", len(vectors))
	}
	for i, batch := range []int{1, 2, 7} {
		x, y := vectors[i].Inputs[0], vectors[i].Outputs[0]
		if x.Name != "z" || y.Name != "image" || !slices.Equal(x.Dims, []int{batch, 100}) || !slices.Equal(y.Dims, []int{batch, 1, 28, 28}) {
			t.Errorf("vector %d is of %s %v and %s %v", i, x.Name, x.Dims, y.Name, y.Dims)
		}
	}
	var zeros, negative, tiny, large int
	for _, v := range vectors[2].Inputs[0].Data.(onnx.Slice[float32]) {
		switch size := max(v, -v); {
		case v == 0 && 1/v < 0:
			negative++
		case v == 0:
			zeros++
		case size < 0x1p-126:
			tiny++
		case size > 30:
			large++
		}
	}
	if min(zeros, negative, tiny, large) < 10 {
		t.Errorf("the last input has %d zeros, %d negative zeros, %d subnormal and %d large numbers, want at least 10 of each", zeros, negative, tiny, large)
	}
	s.Tensors[0].Data[0] += 1
	again, err := export.Golden(m, m.Nets[0], s)
	if err != nil {
		t.Fatal(err)
	}
	for i := range vectors {
		if !proto.Equal(vectors[i].Inputs[0].Proto(), again[i].Inputs[0].Proto()) {
			t.Errorf("input %d depends on the weights", i)
		}
		if proto.Equal(vectors[i].Outputs[0].Proto(), again[i].Outputs[0].Proto()) {
			t.Errorf("output %d does not depend on the weights", i)
		}
	}
}
