package op

import (
	"github.com/petrify-ml/petrify/onnx/internal/sat"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A Window describes how a convolution or pooling moves along one spatial axis.
type Window struct {
	In, Kernel, Stride, Dilation int
	Before, After                int    // padding at either end
	Same                         string // SAME_UPPER or SAME_LOWER, "" for neither
}

// Windows returns the windows of a node over spatial axes of known lengths. Its
// rule must have let the node pass. A kernel that the attributes do not say is
// that of the weights.
func (s *Schema) Windows(proto *pb.NodeProto, in, weights []int) []Window {
	n := &Node{Schema: s, proto: proto, host: quiet{}}
	w, _ := n.window(len(in))
	out := make([]Window, len(in))
	for i := range out {
		o := Window{In: in[i], Stride: int(w.strides[i]), Dilation: int(w.dilations[i]), Before: int(w.pads[i]), After: int(w.pads[len(in)+i])}
		if w.kernel != nil {
			o.Kernel = int(w.kernel[i])
		} else {
			o.Kernel = weights[i]
		}
		if w.auto == "SAME_UPPER" || w.auto == "SAME_LOWER" {
			o.Same = w.auto
			if proto.GetOpType() != "ConvTranspose" {
				steps := (o.In + o.Stride - 1) / o.Stride
				o.Share(max(0, (steps-1)*o.Stride+o.Reach()-o.In))
			}
		}
		out[i] = o
	}
	return out
}

// Reach returns the number of elements that the dilated kernel spans.
func (w *Window) Reach() int { return (w.Kernel-1)*w.Dilation + 1 }

// Spread is the length of the axis that windows at In places are put down on, as
// in a transposed convolution, less the padding.
func (w *Window) Spread() int {
	return int(spread(int64(w.In), int64(w.Stride), int64(w.Reach()))) - w.Before - w.After
}

func spread(places, stride, reach int64) int64 {
	return sat.Add(sat.Mul(stride, max(places-1, 0)), reach)
}

// Share divides padding between both ends. The odd element goes to the end, and
// to the beginning for SAME_LOWER.
func (w *Window) Share(total int) {
	w.Before, w.After = total/2, total-total/2
	if w.Same == "SAME_LOWER" {
		w.Before, w.After = w.After, w.Before
	}
}

// quiet is a host of which nothing is asked.
type quiet struct{}

func (quiet) Report(string, string, ...any)                     {}
func (quiet) Resolve(a *pb.AttributeProto) *pb.AttributeProto   { return a }
func (quiet) Body(string, *pb.GraphProto, []Fact, int64) []Fact { return nil }
func (quiet) Spend(int64)                                       {}
func (quiet) AtLeast(int64)                                     {}
