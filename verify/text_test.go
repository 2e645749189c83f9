package verify

import (
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
)

// Text of a number is right in any notation, other text as it stands; a finding shows both.
func TestTextOfNumbersIsRightInAnyNotation(t *testing.T) {
	for _, tt := range []struct {
		notation  int
		want, got string
		equal     bool
	}{
		{32, "1.6777216e+07", "16777216", true},
		{32, "1e+10", "1E10", true},
		{32, "NaN", "nan", true},
		{32, "INF", "inf", true},
		{32, "0.1", "0.10000000149", true}, // the same float32
		{64, "0.1", "0.10000000149", false},
		{32, "0.1", "0.1000001", false},
		{32, "1", "one", false},
		{0, "1", "1.0", false},
	} {
		value := func(s string) *reference.Value {
			return &reference.Value{Name: "y", Type: pb.TensorProto_STRING, Dims: []int{1}, Data: onnx.Slice[string]{s}, Notation: tt.notation}
		}
		m := measure(value(tt.want), value(tt.got), func(int) float64 { return 0 })
		if (m.Outside == 0) != tt.equal {
			t.Errorf("%q for %q of %d bits: %d outside", tt.got, tt.want, tt.notation, m.Outside)
		}
		if m.First != nil && (!strings.Contains(m.First.String(), tt.got) || !strings.Contains(m.First.String(), tt.want)) {
			t.Errorf("the finding is %q", m.First)
		}
	}
}
