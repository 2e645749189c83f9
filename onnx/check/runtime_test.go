package check

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"google.golang.org/protobuf/proto"
)

// spoiled returns copies of a model of one node, each with one attribute, or the
// declared shape of one input, spoiled. What comes out is no longer declared.
func spoiled(m *pb.ModelProto) map[string]*pb.ModelProto {
	all := make(map[string]*pb.ModelProto)
	add := func(how string, change func(m *pb.ModelProto)) {
		c := proto.CloneOf(m)
		for _, o := range c.Graph.Output {
			for _, d := range o.Type.GetTensorType().GetShape().GetDim() {
				d.Value = nil
			}
		}
		change(c)
		all[how] = c
	}
	for i, a := range m.Graph.Node[0].Attribute {
		attr := func(how string, change func(a *pb.AttributeProto)) {
			add(fmt.Sprintf("%s %s", a.GetName(), how), func(m *pb.ModelProto) { change(m.Graph.Node[0].Attribute[i]) })
		}
		switch a.GetType() {
		case pb.AttributeProto_STRING:
			attr("BAD", func(a *pb.AttributeProto) { a.S = []byte("BAD") })
		case pb.AttributeProto_STRINGS:
			attr("one more", func(a *pb.AttributeProto) { a.Strings = append(a.Strings, []byte("BAD")) })
		case pb.AttributeProto_INT:
			attr("-77", func(a *pb.AttributeProto) { a.I = proto.Int64(-77) })
			attr("77", func(a *pb.AttributeProto) { a.I = proto.Int64(77) })
		case pb.AttributeProto_INTS:
			attr("one more", func(a *pb.AttributeProto) { a.Ints = append(a.Ints, 1) })
			if len(a.Ints) > 0 {
				attr("one less", func(a *pb.AttributeProto) { a.Ints = a.Ints[1:] })
				attr("negative", func(a *pb.AttributeProto) { a.Ints[0] = -77 })
				attr("zero", func(a *pb.AttributeProto) { a.Ints[0] = 0 })
			}
		}
	}
	for i, v := range m.Graph.Input {
		shape := func(how string, change func(s *pb.TensorShapeProto)) {
			add(fmt.Sprintf("%s %s", v.GetName(), how), func(m *pb.ModelProto) { change(m.Graph.Input[i].Type.GetTensorType().GetShape()) })
		}
		dims := v.Type.GetTensorType().GetShape().GetDim()
		if v.Type.GetTensorType() == nil {
			continue
		}
		shape("with an axis more", func(s *pb.TensorShapeProto) {
			s.Dim = append(s.Dim, &pb.TensorShapeProto_Dimension{Value: &pb.TensorShapeProto_Dimension_DimValue{DimValue: 3}})
		})
		if len(dims) > 0 {
			shape("with an axis less", func(s *pb.TensorShapeProto) { s.Dim = s.Dim[1:] })
			shape("longer", func(s *pb.TensorShapeProto) {
				last := s.Dim[len(s.Dim)-1]
				last.Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: last.GetDimValue() + 1}
			})
		}
	}
	return all
}

// ofRuntime is what ONNX Runtime refuses for reasons of its own.
var ofRuntime = []string{
	"Could not find an implementation", "not a registered function/op", "Unsupported data type", // what it lacks
	"layout_ == 0",             // batches first
	"StringNormalizer::Locale", // locales of the machine
}

// Whatever ONNX Runtime refuses to load of a model with one node spoiled, the
// checker must refuse, too, or there must be a reason.
func TestCheckRefusesWhatONNXRuntimeRefuses(t *testing.T) {
	node := witnesstest.Node(t, "onnxruntime-node")
	models, dir := onnxtest.Models(t), t.TempDir()
	seen := make(map[string]bool)
	how, ours := make(map[string]string), make(map[string]string)
	var paths []string
	for i, source := range models {
		m, err := wire.Read(source, wire.Limits{})
		if err != nil || len(m.Proto.GetGraph().GetNode()) != 1 || m.Proto.GetIrVersion() > 10 {
			continue
		}
		n := m.Proto.Graph.Node[0]
		all := spoiled(m.Proto)
		for _, what := range slices.Sorted(maps.Keys(all)) {
			c := all[what]
			key := fmt.Sprint(n.GetOpType(), m.Opset(), len(n.Input), what)
			if seen[key] || testing.Short() && len(seen)%10 != 0 {
				seen[key] = true
				continue
			}
			seen[key] = true
			path := filepath.Join(dir, fmt.Sprintf("%d-%d.onnx", i, len(paths)))
			if err := os.WriteFile(path, onnxtest.Bytes(t, c), 0o644); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, path)
			how[path] = filepath.Base(filepath.Dir(source)) + ": " + what
			ours[path] = judge(path).Why
		}
	}
	refused := 0
	for _, line := range loaded(t, node, paths) {
		path, said, _ := strings.Cut(line, "\t")
		own := said == "ok"
		for _, reason := range ofRuntime {
			own = own || strings.Contains(said, reason)
		}
		if own {
			continue
		}
		refused++
		if ours[path] == "" {
			t.Errorf("%s: accepted, and ONNX Runtime says %s", how[path], said)
		}
	}
	if refused < len(paths)/5 {
		t.Errorf("ONNX Runtime refuses %d of %d, want one in five at least", refused, len(paths))
	}
	t.Logf("%d models, of which ONNX Runtime refuses %d", len(paths), refused)
}

// loaded asks ONNX Runtime, which a model may crash, in as many processes as that
// takes.
func loaded(t *testing.T, node string, paths []string) []string {
	t.Helper()
	var all []string
	for len(all) < len(paths) {
		cmd := exec.CommandContext(t.Context(), node, filepath.Join("testdata", "load.js"))
		cmd.Env = append(os.Environ(), "ORT_DISABLE_TELEMETRY=1")
		cmd.Stdin = strings.NewReader(strings.Join(paths[len(all):], "\n"))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		if len(out) > 0 {
			all = append(all, lines...)
		}
		if err != nil && len(all) < len(paths) {
			if len(out) == 0 && len(all) == 0 {
				t.Fatalf("node: %v\n%s", err, stderr.String())
			}
			all = append(all, paths[len(all)]+"\tok") // it crashed, which says nothing
		}
	}
	return all
}
