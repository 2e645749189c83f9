package load

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
)

// The tolerance of ONNX's own runner of its back-end tests: |got - want| <= absolute + relative |want|.
const (
	onnxRelative = 1e-3
	onnxAbsolute = 1e-7
)

// TestONNXBackEndTests replays ONNX's own tests, and those of $PETRIFY_ONNX_NODE_TESTS, a folder with a folder for each: whatever runs must
// agree, what does not is refused by name, and every operator must have been seen to agree. -v prints how many are refused, and why.
func TestONNXBackEndTests(t *testing.T) {
	models, err := filepath.Glob(filepath.Join(witnesstest.ONNXTestData(t), "*", "*", "model.onnx"))
	if err != nil || len(models) == 0 {
		t.Fatalf("no models: %v", err)
	}
	agreed := map[string]int{}
	count(t, models, agreed, mostRefused)
	if dir := os.Getenv("PETRIFY_ONNX_NODE_TESTS"); dir != "" {
		more, err := filepath.Glob(filepath.Join(dir, "*", "model.onnx"))
		if err != nil || len(more) == 0 {
			t.Fatalf("no models in %s: %v", dir, err)
		}
		count(t, more, agreed, len(more))
	}
	for _, op := range Operators() {
		if agreed[op] == 0 && !slices.Contains(later, op) {
			t.Errorf("no test of ONNX has shown that %s is right", op)
		}
	}
}

// count replays models, adds to agreed how often each operator did, and wants no more than some to be refused.
func count(t *testing.T, models []string, agreed map[string]int, most int) {
	t.Helper()
	refused := map[string]int{}
	passed, wrong, lacking := 0, 0, 0
	for _, path := range models {
		name := filepath.Base(filepath.Dir(path))
		m, err := wire.Read(path, wire.Limits{})
		ok := false
		if err == nil {
			ok, err = replay(t, m, filepath.Dir(path))
		}
		switch u, unsupported := errors.AsType[*onnx.UnsupportedError](err); {
		case unsupported:
			why := u.Why
			if u.Op != "" {
				why = "operator " + u.Op
			} else if _, after, cut := strings.Cut(u.Why, ": "); cut {
				why = after
			} else if _, after, cut := strings.Cut(u.Why, " is "); cut {
				why = "is " + after
			}
			refused[why]++
			lacking++
			t.Logf("%s: %v", name, err)
		case slices.Contains(unlike, name):
			refused["data of another type than they declare"]++
			lacking++
		case slices.Contains(noise, name):
			refused["data that are rounding errors of a transform where nothing is right"]++
			lacking++
		case err != nil:
			wrong++
			t.Errorf("%s: %v", name, err)
		case ok:
			passed++
			for n := range onnx.Nodes(m.Proto.GetGraph().GetNode()) {
				agreed[n.GetOpType()]++
			}
		}
	}
	t.Logf("of %d models %d agree, %d are wrong, %d are refused:", len(models), passed, wrong, lacking)
	for _, why := range slices.SortedFunc(maps.Keys(refused), func(a, b string) int { return cmp.Or(refused[b]-refused[a], strings.Compare(a, b)) }) {
		t.Logf("%5d  %s", refused[why], why)
	}
	if lacking > most {
		t.Errorf("%d are refused, more than %d", lacking, most)
	}
}

// mostRefused is how many of Debian's ONNX 1.12 tests are refused: what the list says, and no more.
const mostRefused = 53

// unlike are the models whose data are not of the types that they declare: 16 bits that are no number are given as integers.
var unlike = []string{
	"test_cast_BFLOAT16_to_FLOAT", "test_cast_FLOAT_to_BFLOAT16", "test_castlike_BFLOAT16_to_FLOAT_expanded", "test_castlike_FLOAT_to_BFLOAT16_expanded",
	"test_castlike_BFLOAT16_to_FLOAT", "test_castlike_FLOAT_to_BFLOAT16",
}

// noise are the models of the newer tests whose data are up to 2e-7 where the right value is 0.
var noise = []string{"test_dft_inverse", "test_dft_inverse_opset19"}

// later are the operators that these tests of 1.12 have not. TestOperatorsAgreeWithTheReference and
// TestOperatorsOnTensorsAgreeWithTheReference have them, or the newer tests do.
var later = []string{
	"AffineGrid", "Attention", "BitCast", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "CausalConvWithState", "CenterCropPad", "Col2Im", "CumProd", "DeformConv", "Gelu", "GlobalLpPool",
	"GroupNormalization", "LinearAttention", "LpNormalization", "LpPool", "Mish", "Optional", "OptionalGetElement", "OptionalHasElement", "RMSNormalization", "RegexFullMatch", "RotaryEmbedding",
	"SequenceMap", "StringConcat", "StringSplit", "Swish", "TensorScatter",
}

// replay runs every data set twice.
func replay(t *testing.T, m *onnx.Model, dir string) (ok bool, err error) {
	s, err := Open(m)
	if err != nil {
		return false, err
	}
	defer s.Close()
	sets, err := filepath.Glob(filepath.Join(dir, "test_data_set_*"))
	if err != nil || len(sets) == 0 {
		return false, fmt.Errorf("no data sets: %w", err)
	}
	for _, set := range sets {
		var inputs []*onnx.Tensor
		for i, p := range s.Inputs() {
			x, err := wire.ReadTensorFile(filepath.Join(set, fmt.Sprintf("input_%d.pb", i)), wire.Limits{})
			if err != nil {
				return false, err
			}
			x.Name = p.Name
			inputs = append(inputs, x)
		}
		for range 2 {
			got, err := s.Run(t.Context(), inputs)
			if err != nil {
				return false, err
			}
			for i := range s.Outputs() {
				want, err := wire.ReadTensorFile(filepath.Join(set, fmt.Sprintf("output_%d.pb", i)), wire.Limits{})
				if err != nil {
					return false, err
				}
				if err := sameValues(got[i], want); err != nil {
					return false, fmt.Errorf("%s: output %d: %w", filepath.Base(set), i, err)
				}
			}
		}
	}
	return true, nil
}

func sameValues(got, want *onnx.Tensor) error {
	if !slices.Equal(got.Dims, want.Dims) || got.Type() != want.Type() {
		return fmt.Errorf("%v%v, want %v%v", got.Type(), got.Dims, want.Type(), want.Dims)
	}
	if got.Type() == pb.TensorProto_STRING {
		if !got.Data.Equal(want.Data) {
			return fmt.Errorf("%q, want %q", got.Data, want.Data)
		}
		return nil
	}
	g, w := floats(got), floats(want)
	if g == nil {
		return fmt.Errorf("elements of type %v", got.Type())
	}
	for i := range w {
		if math.IsNaN(w[i]) && math.IsNaN(g[i]) || w[i] == g[i] {
			continue
		}
		if !(math.Abs(g[i]-w[i]) <= onnxAbsolute+onnxRelative*math.Abs(w[i])) {
			return fmt.Errorf("element %d is %v, want %v", i, g[i], w[i])
		}
	}
	return nil
}

func floats(t *onnx.Tensor) []float64 {
	r, ok := reals(t)
	if !ok {
		return nil
	}
	return append([]float64{}, r...)
}
