package load

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func identity(b *builder, c call) error {
	b.values[c.name()] = c.in[0]
	return nil
}

// dropout lets everything pass, and says so in its second output.
func dropout(b *builder, c call) error {
	if c.has(2) {
		training, ok := onlyElement[bool](c.in[2])
		ratio, err := c.reals(1, true)
		if err != nil {
			return err
		}
		if !ok || training && !slices.Equal(ratio, []float64{0}) {
			return c.unsupported("training mode")
		}
	}
	if len(c.op.out) > 1 && c.op.out[1] != "" {
		mask := value{dims: []int{}, elem: pb.TensorProto_BOOL}
		if b.opset < 10 { // the mask had the type of the data
			mask.elem = c.in[0].elem
		}
		var err error
		if mask.fixed, err = fromReals(mask.elem, []float64{1}, nil); err != nil {
			return err
		}
		if err := b.account(c.op.out[1], c.in[0].dims, 8); err != nil {
			return err
		}
		t, err := expanded(mask.fixed, c.in[0].dims)
		if err := b.setFixed(c.op.out[1], t, err); err != nil {
			return err
		}
	}
	return identity(b, c)
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
func counted(b *builder, c call) error {
	list := make([]int64, len(c.out[0].Ints))
	for i, e := range c.out[0].Ints {
		list[i] = e.Value
	}
	dims, err := c.dims(0)
	if err != nil {
		return err
	}
	t, err := onnx.NewTensor("", list, dims...)
	return b.setFixed(c.name(), t, err)
}

func constantOfShape(b *builder, c call) error {
	dims, err := c.dims(0)
	if err != nil {
		return err
	}
	one := &onnx.Tensor{Dims: []int{1}, Data: onnx.Slice[float32]{0}}
	if a := onnx.Attribute(c.op.node, "value"); a.GetT() != nil {
		if one, err = onnx.FromProto(a.GetT()); err != nil {
			return err
		}
	}
	if one.Len() != 1 {
		return fmt.Errorf("%s: value has %d elements, want 1", c.name(), one.Len())
	}
	if err := b.account(c.name(), dims, 16); err != nil {
		return err
	}
	t, err := expanded(&onnx.Tensor{Dims: []int{}, Data: one.Data}, dims)
	return b.setFixed(c.name(), t, err)
}

// view is x under other dimensions.
func (b *builder) view(name string, x value, dims []int) (value, error) {
	if x.fixed != nil {
		return value{dims: dims, elem: x.elem, fixed: &onnx.Tensor{Name: name, Dims: dims, Data: x.fixed.Data}}, nil
	}
	n, err := gop.Reshape(name, x.node, nodeShape(dims)...)
	return value{dims: dims, elem: x.elem, node: n}, err
}

// reshaped gives the output of an operation the elements of its input under the dimensions that its rule says.
func reshaped(b *builder, c call) error {
	dims, err := c.dims(0)
	if err != nil {
		return err
	}
	v, err := b.view(c.name(), c.in[0], dims)
	if err == nil {
		b.values[c.name()] = v // a view, which takes no memory
	}
	return err
}

// axesOf are the axes of a squeeze, unsqueeze or reduction, an attribute in older opsets and input 1 since, by rank of the fuller
// shape.
func axesOf(c call, rank func(axes int) int) (axes []int, given bool, err error) {
	list, err := attribute[[]int64](c.op, "axes", nil)
	if err != nil {
		return nil, false, err
	}
	if c.has(1) {
		if list, err = c.ints(1); err != nil {
			return nil, false, err
		}
	}
	if list == nil {
		return nil, false, nil
	}
	for _, a := range list {
		at, err := axisOf(c.name(), a, rank(len(list)))
		if err != nil {
			return nil, false, err
		}
		if slices.Contains(axes, at) {
			return nil, false, fmt.Errorf("%s: axis %d comes twice in %v", c.name(), at, list)
		}
		axes = append(axes, at)
	}
	return axes, true, nil
}
