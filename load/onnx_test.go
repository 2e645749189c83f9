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
	"github.com/petrify-ml/petrify/onnx/wire"
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
		m, err := wire.Read(path, wire.Limits{})
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
		case slices.Contains(unlike, name):
			refused++
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
		if agreed[op] == 0 && !slices.Contains(later, op) {
			t.Errorf("no test of ONNX has shown that %s is right", op)
		}
	}
}

// elsewhere are the models whose operators are all here and that are refused for another reason.
var elsewhere = map[string][]string{
	"is not a tensor":    {"test_identity_opt", "test_identity_sequence"},
	"no empty tensors":   {"test_reshape_allowzero_reordered", "test_split_zero_size_splits"},
	"an empty tensor":    {"test_slice_start_out_of_bounds"},
	"training_mode is 1": {"test_batchnorm_epsilon_training_mode", "test_batchnorm_example_training_mode"},
	"training mode": {
		"test_training_dropout", "test_training_dropout_default", "test_training_dropout_default_mask", "test_training_dropout_mask",
		"test_training_dropout_zero_ratio", "test_training_dropout_zero_ratio_mask",
	},
	"STRING":                   {"test_cast_FLOAT_to_STRING"},
	"no strings":               {"test_cast_STRING_to_FLOAT", "test_castlike_FLOAT_to_STRING_expanded", "test_castlike_STRING_to_FLOAT_expanded"},
	"elements of type float16": {"test_max_float16", "test_min_float16", "test_mod_mixed_sign_float16"},
	"elements of type uint8":   {"test_maxpool_2d_uint8"},
	"a kernel of 3 axes": {
		"test_convtranspose_3d", "test_Conv3d", "test_Conv3d_dilated", "test_Conv3d_dilated_strided", "test_Conv3d_groups", "test_Conv3d_no_bias",
		"test_Conv3d_stride", "test_Conv3d_stride_padding",
	},
	"2 outputs":                 {"test_maxpool_with_argmax_2d_precomputed_pads", "test_maxpool_with_argmax_2d_precomputed_strides"},
	"that depend on the inputs": {"test_pow_types_float", "test_pow_types_int32_float32", "test_pow_types_int64_float32"},
}

// unlike are the models whose data are not of the types that they declare: 16 bits that are no number are given as integers.
var unlike = []string{
	"test_cast_BFLOAT16_to_FLOAT", "test_cast_FLOAT_to_BFLOAT16", "test_castlike_BFLOAT16_to_FLOAT_expanded", "test_castlike_FLOAT_to_BFLOAT16_expanded",
}

// later are the operators that are newer than the tests. TestOperatorsAgreeWithTheReference has them.
var later = []string{"Gelu", "GroupNormalization", "Mish", "Swish"}

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
	r, ok := reals(t)
	if !ok {
		return nil
	}
	return append([]float64{}, r...)
}
