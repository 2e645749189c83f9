package load

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func identity(b *builder, c call) {
	b.values[c.name()] = c.in[0]
}

// dropout lets everything pass, and says so in its second output.
func dropout(b *builder, c call) {
	if c.has(2) {
		training, ok := onlyElement[bool](c.in[2])
		ratio := c.reals(1, true)
		if !ok || training && !slices.Equal(ratio, []float64{0}) {
			fail(c.unsupported("training mode"))
		}
	}
	if len(c.op.out) > 1 && c.op.out[1] != "" {
		mask := value{dims: []int{}, elem: pb.TensorProto_BOOL}
		if b.opset < 10 { // the mask had the type of the data
			mask.elem = c.in[0].elem
		}
		mask.fixed = must(fromReals(mask.elem, []float64{1}, nil))
		b.account(c.op.out[1], c.in[0].dims, 8)
		b.setFixed(c.op.out[1], must(expanded(mask.fixed, c.in[0].dims)))
	}
	identity(b, c)
}

// onlyElement is the element of a constant that has one.
func onlyElement[T onnx.Element](v value) (x T, ok bool) {
	if v.fixed == nil {
		return x, false
	}
	d, ok := v.fixed.Data.(onnx.Slice[T])
	if !ok || len(d) != 1 {
		return x, false
	}
	return d[0], true
}

// counted is a shape or a size: the rule of the operator says the elements.
func counted(b *builder, c call) {
	list := make([]int64, len(c.out[0].Ints))
	for i, e := range c.out[0].Ints {
		list[i] = e.Value
	}
	dims := c.dims(0)
	b.setFixed(c.name(), must(onnx.NewTensor("", list, dims...)))
}

func constantOfShape(b *builder, c call) {
	dims := c.dims(0)
	one := &onnx.Tensor{Dims: []int{1}, Data: onnx.Slice[float32]{0}}
	if a := onnx.Attribute(c.op.node, "value"); a.GetT() != nil {
		one = must(onnx.FromProto(a.GetT()))
	}
	if one.Len() != 1 {
		fail(fmt.Errorf("%s: value has %d elements, want 1", c.name(), one.Len()))
	}
	b.account(c.name(), dims, 16)
	b.setFixed(c.name(), must(expanded(&onnx.Tensor{Dims: []int{}, Data: one.Data}, dims)))
}

// view is x under other dimensions.
func (b *builder) view(name string, x value, dims []int) value {
	if x.fixed != nil {
		return value{dims: dims, elem: x.elem, fixed: &onnx.Tensor{Name: name, Dims: dims, Data: x.fixed.Data}}
	}
	n := must(gop.Reshape(name, x.node, nodeShape(dims)...))
	return value{dims: dims, elem: x.elem, node: n}
}

// reshaped gives the output of an operation the elements of its input under the dimensions that its rule says.
func reshaped(b *builder, c call) {
	dims := c.dims(0)
	b.values[c.name()] = b.view(c.name(), c.in[0], dims) // takes no memory
}

// axesOf are the axes of a reduction of so many axes, an attribute in older opsets and input 1 since; none where none are given.
func axesOf(c call, rank int) (axes []int) {
	list := c.ints("axes")
	if c.has(1) {
		list = c.list(1)
	}
	for _, a := range list {
		at := axisOf(c.name(), a, rank)
		if slices.Contains(axes, at) {
			fail(fmt.Errorf("%s: axis %d comes twice in %v", c.name(), at, list))
		}
		axes = append(axes, at)
	}
	return axes
}
