package reference

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"google.golang.org/protobuf/proto"
)

// replay runs the model of a folder on its recorded inputs, and holds every
// recorded output against the reference. It returns the largest error in
// spreads.
func replay(dir string) (worst float64, err error) {
	m, err := wire.Read(filepath.Join(dir, "model.onnx"), wire.Limits{})
	if err != nil {
		return 0, err
	}
	if strings.HasPrefix(filepath.Base(dir), "test_castlike_") {
		// The files declare input "like" as of the shape of the other one, and
		// give it another shape.
		for _, in := range m.Proto.GetGraph().GetInput() {
			in.GetType().GetTensorType().Shape = nil
		}
	}
	if filepath.Base(dir) == "test_adam_multiple" {
		// The outputs were computed with an epsilon that the file leaves out.
		n := m.Proto.GetGraph().GetNode()[0]
		n.Attribute = append(slices.DeleteFunc(n.Attribute, func(a *pb.AttributeProto) bool { return a.GetName() == "epsilon" }), &pb.AttributeProto{Name: proto.String("epsilon"), Type: pb.AttributeProto_FLOAT.Enum(), F: proto.Float32(1e-2)})
	}
	p, err := Compile(m, Options{})
	if err != nil {
		return 0, err
	}
	sets, _ := filepath.Glob(filepath.Join(dir, "test_data_set_*"))
	if len(sets) == 0 {
		return 0, fmt.Errorf("%s: no test data", dir)
	}
	for _, set := range sets {
		w, err := replaySet(p, m, set)
		if err != nil {
			return 0, err
		}
		worst = max(worst, w)
	}
	return worst, nil
}

func replaySet(p *Program, m *onnx.Model, set string) (worst float64, err error) {
	var inputs []*Value
	for i, vi := range m.Proto.GetGraph().GetInput() {
		v, err := readValue(filepath.Join(set, fmt.Sprintf("input_%d.pb", i)), vi)
		if os.IsNotExist(err) {
			break // the remaining ones are initializers
		}
		if err != nil {
			return 0, err
		}
		inputs = append(inputs, v)
	}
	r, err := p.Run(context.Background(), inputs)
	if err != nil {
		return 0, err
	}
	for i, vi := range m.Proto.GetGraph().GetOutput() {
		want, err := readValue(filepath.Join(set, fmt.Sprintf("output_%d.pb", i)), vi)
		if err != nil {
			return 0, err
		}
		w, err := compare(r.Outputs[i], want, recordedWithin(set))
		if err != nil {
			return 0, fmt.Errorf("output %d (%s): %w", i, vi.GetName(), err)
		}
		worst = max(worst, w)
	}
	return worst, nil
}

func readValue(path string, vi *pb.ValueInfoProto) (*Value, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var v *Value
	switch {
	case vi.GetType().GetSequenceType() != nil:
		var p pb.SequenceProto
		if err := proto.Unmarshal(b, &p); err != nil {
			return nil, err
		}
		v, err = FromSequence(&p)
	case vi.GetType().GetOptionalType() != nil:
		var p pb.OptionalProto
		if err := proto.Unmarshal(b, &p); err != nil {
			return nil, err
		}
		v, err = FromOptional(&p)
	default:
		var p pb.TensorProto
		if err := proto.Unmarshal(b, &p); err != nil {
			return nil, err
		}
		v, err = FromProto(&p)
		if err == nil && v.Type == pb.TensorProto_UINT16 && vi.GetType().GetTensorType().GetElemType() == int32(pb.TensorProto_BFLOAT16) {
			// numpy has no bfloat16: the test data hold the bits.
			bits := convert(elems[uint64](v), func(x uint64) onnx.BFloat16 { return onnx.BFloat16(x) })
			v, err = FromTensor(&onnx.Tensor{Dims: v.Dims, Data: onnx.Slice[onnx.BFloat16](bits)})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	v.Name = vi.GetName()
	return v, nil
}

// recordedWithin is how far recorded outputs are from what the operator document
// says. The windows were recorded with 3.1415 for pi, in angles up to 4 pi.
func recordedWithin(set string) float64 {
	for _, name := range []string{"hannwindow", "hammingwindow", "blackmanwindow"} {
		if strings.Contains(set, name) {
			return 4 * (math.Pi - 3.1415)
		}
	}
	if strings.Contains(set, "gridsample_bicubic") || strings.Contains(set, "ceil_last_window_starts_on_pad") || strings.Contains(set, "roialign_aligned") {
		return 1e-4 // written down with four digits
	}
	return 0
}

// compare compares a recorded value with the reference's: equal except for the
// sound limit, and for the slack. It returns the largest error in spreads.
func compare(ref, got *Value, slack float64) (worst float64, err error) {
	if ref.Kind != got.Kind || len(ref.Elems) != len(got.Elems) {
		return 0, fmt.Errorf("recorded %s, the reference has %s", got, ref)
	}
	for i := range ref.Elems {
		w, err := compare(ref.Elems[i], got.Elems[i], slack)
		if err != nil {
			return 0, fmt.Errorf("element %d: %w", i, err)
		}
		worst = max(worst, w)
	}
	if ref.Kind != Tensor {
		return worst, nil
	}
	if ref.Type != got.Type || !slices.Equal(ref.Dims, got.Dims) {
		return 0, fmt.Errorf("recorded %s, the reference has %s", got, ref)
	}
	if s, ok := ref.Data.(onnx.Slice[string]); ok {
		if !slices.Equal(s, elems[string](got)) {
			return 0, fmt.Errorf("recorded %q, the reference has %q", got.Data, s)
		}
		return 0, nil
	}
	for i := range ref.Len() {
		a, b := ref.Float(i), got.Float(i)
		if a == b || math.IsNaN(a) && math.IsNaN(b) {
			continue
		}
		n := ref.at(i)
		if d := math.Abs(a - b); !(d <= n.sound+slack) {
			return 0, fmt.Errorf("element %d is %v, the reference has %v: error %.3g, sound limit %.3g, spread %.3g, declared %.3g", i, b, a, d, n.sound, n.spread, n.declared)
		} else if n.spread > 0 {
			worst = max(worst, (d-n.declared)/n.spread)
		}
	}
	return worst, nil
}

// An outcome is what became of one test of ONNX.
type outcome struct {
	folder, name string
	operators    []string // of the model, those in subgraphs and functions included
	worst        float64  // error in spreads
	err          error
}

// outcomes replays all tests of ONNX, once for all tests of this package.
var outcomes = sync.OnceValue(func() []outcome {
	return replayAll(onnxTestData, "node", "pytorch-converted", "pytorch-operator", "simple")
})

// replayAll replays the tests in the folders of root.
func replayAll(root string, folders ...string) []outcome {
	var all []outcome
	for _, folder := range folders {
		dirs, _ := filepath.Glob(filepath.Join(root, folder, "*", "model.onnx"))
		for _, path := range dirs {
			dir := filepath.Dir(path)
			all = append(all, outcome{folder: folder, name: strings.TrimPrefix(filepath.Base(dir), "test_")})
		}
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			o := &all[i]
			dir := filepath.Join(root, o.folder, "test_"+o.name)
			o.worst, o.err = replay(dir)
			if o.worst > Screens && recordedWithin(dir) > 0 {
				o.worst = 0 // recorded less precisely than computed
			}
			if m, err := wire.Read(filepath.Join(dir, "model.onnx"), wire.Limits{}); err == nil {
				o.operators = operatorsOf(m)
			}
		})
	}
	wg.Wait()
	return all
}

// onnxTestData is set by whoever asks for outcomes.
var onnxTestData string

func replayed(t testing.TB) []outcome {
	t.Helper()
	onnxTestData = witnesstest.ONNXTestData(t)
	return outcomes()
}

// operatorsOf lists the operators of a model.
func operatorsOf(m *onnx.Model) []string {
	var names []string
	var walk func(nodes []*pb.NodeProto)
	walk = func(nodes []*pb.NodeProto) {
		for _, n := range nodes {
			name := n.GetOpType()
			if d := domainName(n.GetDomain()); d != "" {
				name = d + "." + name
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
			for _, a := range n.GetAttribute() {
				walk(a.GetG().GetNode())
			}
		}
	}
	walk(m.Proto.GetGraph().GetNode())
	for _, f := range m.Proto.GetFunctions() {
		walk(f.GetNode())
	}
	slices.Sort(names)
	return names
}

func TestEveryOperatorTestOfONNXPassesOrIsUnsupportedByName(t *testing.T) {
	passed := map[string]int{}
	for _, o := range replayed(t) {
		if u, ok := asUnsupported(o.err); ok {
			if u.Op == "" && u.Why == "" {
				t.Errorf("%s %s: unsupported, and no word of what", o.folder, o.name)
			}
			continue
		}
		if o.err != nil {
			t.Errorf("%s %s: %v", o.folder, o.name, o.err)
			continue
		}
		if o.worst > Screens {
			t.Errorf("%s %s: %.1f spreads beyond the declared error", o.folder, o.name, o.worst)
		}
		passed[o.folder]++
	}
	t.Logf("passed: %v", passed)
	for folder, least := range map[string]int{"node": 932, "pytorch-converted": 82, "pytorch-operator": 35, "simple": 21} {
		if passed[folder] < least {
			t.Errorf("%s: %d tests pass, want at least %d", folder, passed[folder], least)
		}
	}
}

// TestTheNodeTestsOfANewerRelease replays the node tests of the release that the
// operators page tells of.
func TestTheNodeTestsOfANewerRelease(t *testing.T) {
	r := replayNewer(t)
	if r == nil {
		t.Skip("PETRIFY_ONNX_NODE_TESTS names no folder such as onnx/backend/test/data of ONNX's repository")
	}
	for _, o := range r.wrong {
		t.Errorf("%s: %v", o.name, o.err)
	}
	t.Logf("%d tests, %d pass", r.tests, r.passed)
	for _, reason := range sortedKeys(r.why) {
		t.Logf("unsupported: %s: %s", reason, strings.Join(r.why[reason], ", "))
	}
	if unsupported := r.tests - r.passed - len(r.wrong); unsupported*50 > r.tests {
		t.Errorf("%d of %d tests are unsupported, more than 2 %%", unsupported, r.tests)
	}
}

// A newerRelease is what became of the node tests of a release that is newer than the
// packages that the other tests need.
type newerRelease struct {
	tests, passed int
	wrong         []outcome
	why           map[string][]string // of tests that are unsupported
}

// replayNewer replays the node tests in the folder node of the one that
// PETRIFY_ONNX_NODE_TESTS names; nil where it names none.
func replayNewer(t *testing.T) *newerRelease {
	root := os.Getenv("PETRIFY_ONNX_NODE_TESTS")
	if root == "" {
		return nil
	}
	all := replayAll(root, "node")
	if len(all) == 0 {
		t.Fatalf("%s: no node tests", root)
	}
	r := &newerRelease{tests: len(all), why: map[string][]string{}}
	for _, o := range all {
		if o.err == nil && o.worst > Screens {
			o.err = fmt.Errorf("%.1f spreads beyond the declared error", o.worst)
		}
		if u, ok := asUnsupported(o.err); ok {
			reason := strings.TrimSpace(qualified(u.Domain, u.Op) + " " + u.Why)
			r.why[reason] = append(r.why[reason], o.name)
		} else if o.err != nil {
			r.wrong = append(r.wrong, o)
		} else {
			r.passed++
		}
	}
	return r
}
