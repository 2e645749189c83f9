package op

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func signals() map[string]Rule {
	return map[string]Rule{
		"BlackmanWindow":  ruleWindow,
		"DFT":             ruleDFT,
		"HammingWindow":   ruleWindow,
		"HannWindow":      ruleWindow,
		"MelWeightMatrix": ruleMel,
		"STFT":            ruleSTFT,
	}
}

// inferWindow is for the window functions of signal processing.
func ruleWindow(n *Node) {
	size := onnx.Unknown()
	if v, ok := n.knownInts(0); ok && len(v) == 1 {
		if v[0] < 1 {
			n.wrong("attribute-range", "a window of length %d", v[0])
			return
		}
		size = onnx.Fixed(v[0])
	}
	n.set(0, n.elemAttr("output_datatype", pb.TensorProto_UNDEFINED), []onnx.Dim{size})
}

func ruleMel(n *Node) {
	n.set(0, n.elemAttr("output_datatype", pb.TensorProto_UNDEFINED), unknownDims(2))
}

// inferDFT keeps the shape except for the axis of the signal, and the last axis,
// which has the real and imaginary parts.
func ruleDFT(n *Node) {
	d := n.dims(0)
	if d == nil || !n.rank(0, 2, anyRank) || !n.complex(d) {
		return
	}
	axis := n.int("axis")
	if n.Since >= 20 {
		axis = -2
		if n.given(2) {
			v, ok := n.knownInts(2)
			if !ok || len(v) != 1 {
				n.shape(0, unknownDims(len(d)))
				return
			}
			axis = v[0]
		}
	}
	a, ok := n.axis(axis, len(d))
	if !ok {
		return
	}
	dims := slices.Clone(d)
	onesided := n.flag("onesided")
	if n.given(1) || onesided {
		dims[a] = onnx.Unknown()
	}
	dims[len(d)-1] = onnx.Fixed(2)
	if onesided && n.flag("inverse") {
		dims[len(d)-1] = onnx.Fixed(1)
	}
	n.shape(0, dims)
}

// complex sees that the last axis of input 0 holds a real number, or both parts of a complex one.
func (n *Node) complex(d []onnx.Dim) bool {
	last := d[len(d)-1]
	if last.Known() && last != onnx.Fixed(1) && last != onnx.Fixed(2) {
		n.wrong("shape-mismatch", "the signal is %v, want 1 (real) or 2 (complex) numbers along its last axis", n.arg(0))
		return false
	}
	return true
}

func ruleSTFT(n *Node) {
	d := n.dims(0)
	// A signal of rank 2 is real: ONNX Runtime takes it, too.
	if d != nil && n.rank(0, 2, 3) && (len(d) == 2 || n.complex(d)) {
		n.shape(0, []onnx.Dim{d[0], onnx.Unknown(), onnx.Unknown(), onnx.Fixed(2)})
	}
}
