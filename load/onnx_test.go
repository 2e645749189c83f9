package load

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// The tolerance of ONNX's own runner of its back-end tests: |got - want| <= absolute + relative |want|.
const (
	onnxRelative = 1e-3
	onnxAbsolute = 1e-7
)

// TestONNXBackEndTests replays ONNX's own tests. A model that uses nothing but operators of this package on floats must run and
// agree; every other is refused by name; and every operator must have been seen to agree.
func TestONNXBackEndTests(t *testing.T) {
	models, err := filepath.Glob(filepath.Join(witnesstest.ONNXTestData(t), "*", "*", "model.onnx"))
	if err != nil || len(models) == 0 {
		t.Fatalf("no models: %v", err)
	}
	agreed := map[string]int{}
	passed, refused := 0, 0
	for _, path := range models {
		name := filepath.Base(filepath.Dir(path))
		m, err := onnx.Read(path, onnx.Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		ok, err := replay(t, m, filepath.Dir(path))
		switch u, unsupported := errors.AsType[*onnx.UnsupportedError](err); {
		case unsupported:
			refused++
			if !excused(name, m, err) {
				t.Errorf("%s is refused, and lacks nothing: %v", name, u)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case ok:
			passed++
			for _, n := range m.Proto.GetGraph().GetNode() {
				agreed[n.GetOpType()]++
			}
		}
	}
	t.Logf("%d of %d models agree, %d are refused", passed, len(models), refused)
	for _, op := range Operators() {
		if agreed[op] == 0 {
			t.Errorf("no test of ONNX has shown that %s is right", op)
		}
	}
}

// elsewhere are the models whose operators are all here and that are refused for another reason.
var elsewhere = map[string][]string{
	"elements of type uint8": {"test_add_uint8", "test_div_uint8", "test_mul_uint8", "test_sub_uint8"},
	"is not a tensor":        {"test_identity_opt", "test_identity_sequence"},
	"no empty tensors":       {"test_reshape_allowzero_reordered"},
	"from opset 7 on": {
		"test_Linear", "test_PoissonNLLLLoss_no_reduce", "test_operator_add_broadcast", "test_operator_add_size1_broadcast",
		"test_operator_add_size1_right_broadcast", "test_operator_add_size1_singleton_broadcast", "test_operator_addconstant",
		"test_operator_addmm", "test_operator_mm", "test_operator_non_float_params",
	},
}

// excused says whether a refusal has a cause: an operator that is not on the list, or one of those above.
func excused(name string, m *onnx.Model, err error) bool {
	for why, names := range elsewhere {
		if slices.Contains(names, name) {
			return strings.Contains(err.Error(), why)
		}
	}
	return slices.ContainsFunc(m.Proto.GetGraph().GetNode(), func(n *pb.NodeProto) bool {
		return n.GetDomain() != "" || !slices.Contains(Operators(), n.GetOpType())
	})
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
		return false, fmt.Errorf("no data sets: %v", err)
	}
	for _, set := range sets {
		var inputs []*onnx.Tensor
		for i, p := range s.Inputs() {
			x, err := onnx.ReadTensorFile(filepath.Join(set, fmt.Sprintf("input_%d.pb", i)), onnx.Limits{})
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
				want, err := onnx.ReadTensorFile(filepath.Join(set, fmt.Sprintf("output_%d.pb", i)), onnx.Limits{})
				if err != nil {
					return false, err
				}
				if err := close(got[i], want); err != nil {
					return false, fmt.Errorf("%s: output %d: %w", filepath.Base(set), i, err)
				}
			}
		}
	}
	return true, nil
}

func close(got, want *onnx.Tensor) error {
	if !slices.Equal(got.Dims, want.Dims) || got.Type() != want.Type() {
		return fmt.Errorf("%v%v, want %v%v", got.Type(), got.Dims, want.Type(), want.Dims)
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
	wide := []float64{}
	switch d := t.Data.(type) {
	case []float32:
		for _, v := range d {
			wide = append(wide, float64(v))
		}
	case []float64:
		return d
	case []int64:
		for _, v := range d {
			wide = append(wide, float64(v))
		}
	default:
		return nil
	}
	return wide
}
