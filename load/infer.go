package load

import (
	"errors"
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
)

// host is what the rules of operators ask of the graph that is built: what contradicts fails, and nothing else counts.
type host struct {
	name string
	errs []error
	work int64
}

func (h *host) Report(code, format string, args ...any) {
	if s, _ := rule.SeverityOf(code); s != rule.Error {
		return
	}
	h.errs = append(h.errs, fmt.Errorf("%s: %s", h.name, fmt.Sprintf(format, args...)))
}

func (h *host) Resolve(a *pb.AttributeProto) *pb.AttributeProto { return a }

func (h *host) Body(string, *pb.GraphProto, []op.Fact, int64) []op.Fact { return nil }

func (h *host) Spend(n int64) {
	if h.work += n; h.work < 0 {
		h.work = math.MaxInt64
	}
}

func (h *host) AtLeast(int64) {}

// mostKnown is how many elements of a constant the rules of operators look at: shapes, axes and the like.
const mostKnown = 1024

// known is what there is to know of a value while the graph is built.
func (v value) known() op.Fact {
	switch {
	case v.kind != op.UnknownKind:
		inner := op.TensorOf(v.elem, nil)
		return op.Fact{Kind: v.kind, Inner: &inner}
	case v.node == nil && v.fixed == nil: // left out
		return op.Fact{}
	case v.fixed != nil && v.fixed.Len() <= mostKnown:
		k := op.ConstantOf(v.fixed.Proto())
		k.Dims = fixedDims(v.dims)
		return k
	}
	return op.TensorOf(v.elem, fixedDims(v.dims))
}

func fixedDims(dims []int) []onnx.Dim {
	fixed := make([]onnx.Dim, len(dims))
	for i, d := range dims {
		fixed[i] = onnx.Fixed(int64(d))
	}
	return fixed
}

// infer says what comes out of an operation on these inputs, and refuses what the operator does not take.
func (b *builder) infer(o *operation, in []value) ([]op.Fact, error) {
	if o.schema == nil {
		return nil, &onnx.UnsupportedError{Op: o.name, Opset: b.opset, Why: o.out[0]}
	}
	known := make([]op.Fact, len(in))
	for k := range in {
		known[k] = in[k].known()
	}
	h := &host{name: o.out[0]}
	out := o.schema.Infer(o.node, known, h)
	if h.work > b.work {
		return nil, &onnx.UnsupportedError{Op: o.name, Why: fmt.Sprintf("%s: %d multiplications and additions, more than %d", o.out[0], h.work, b.work)}
	}
	return out, errors.Join(h.errs...)
}

// elem is the element type of output k.
func (c call) elem(k int) pb.TensorProto_DataType { return c.out[k].Elem }

// dims are those of output k, which all inputs that they depend on must say.
func (c call) dims(k int) []int {
	dims := make([]int, len(c.out[k].Dims))
	for i, d := range c.out[k].Dims {
		if !d.Known() {
			fail(c.unsupported("a shape that is computed from the inputs, load needs a constant"))
		}
		dims[i] = int(d.Size)
	}
	if c.out[k].Dims == nil {
		fail(c.unsupported("a shape that is computed from the inputs, load needs a constant"))
	}
	return dims
}
