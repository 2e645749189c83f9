package load

import (
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
)

// batchNormalization in inference is one linear function for each channel, with the activation after it where that is alone.
func batchNormalization(b *builder, c call) error {
	for _, a := range []struct {
		name                 string
		otherwise, inference int64
	}{{"training_mode", 0, 0}, {"spatial", 1, 1}, {"is_test", 0, 1}} {
		if a.name == "is_test" && b.opset >= 7 { // later versions say so by other means
			continue
		}
		if v, err := attribute(c.op, a.name, a.otherwise); err != nil || v != a.inference {
			return cmpOr(err, c.unsupported("attribute %s is %d", a.name, v))
		}
	}
	eps, err := attribute[float32](c.op, "epsilon", 1e-5)
	if err != nil {
		return err
	}
	x, err := b.node(c, 0)
	if err != nil {
		return err
	}
	dims := c.in[0].dims
	alone := len(dims) == 1 // one channel
	if alone {
		dims = []int{dims[0], 1}
		if x, err = gop.Reshape(c.name()+".channel", x, dims...); err != nil {
			return err
		}
	}
	name := c.name()
	act := b.activationAfter(&name)
	scale, shift, err := b.lineOf(c, dims[1], float64(eps))
	if err != nil {
		return err
	}
	y, err := gop.Affine(name, x, scale, shift, act)
	if alone && err == nil {
		dims = dims[:1]
		y, err = gop.Reshape(name, y, dims...)
	}
	return b.set(name, y, err, dims...)
}

func cmpOr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// lineOf is the normalization as nodes for a x + b: a is scale / sqrt(variance + eps), b is bias - mean a.
func (b *builder) lineOf(c call, channels int, eps float64) (scale, shift *G.Node, err error) {
	var in [5]*G.Node
	for k := 1; k < 5; k++ {
		if n := c.in[k].dims; !slices.Equal(n, []int{channels}) {
			return nil, nil, fmt.Errorf("%s: input %d is %v, want one number for each of %d channels", c.name(), k, n, channels)
		}
		if in[k], err = b.nodeOf(c.op.in[k], c.in[k], dtypeOf(c.in[0].elem)); err != nil {
			return nil, nil, err
		}
	}
	name := c.name() + ".scale"
	if scale, err = gop.Combine(name, "scale of a normalization", in[1], in[4], func(s, v float64) float64 { return s / math.Sqrt(v+eps) }); err != nil {
		return nil, nil, err
	}
	shift, err = gop.Broadcast(name+".mean", gop.Times, in[3], scale)
	if err == nil {
		shift, err = gop.Broadcast(name+".shift", gop.Minus, in[2], shift)
	}
	if err != nil || c.in[1].fixed == nil || c.in[2].fixed == nil || c.in[3].fixed == nil || c.in[4].fixed == nil {
		return scale, shift, err
	}
	if scale, err = b.settled(c.name()+".scale", scale); err != nil {
		return nil, nil, err
	}
	shift, err = b.settled(c.name()+".shift", shift)
	return scale, shift, err
}

// settled computes a node whose inputs are constants, once and for all.
func (b *builder) settled(name string, n *G.Node) (*G.Node, error) {
	t, err := evaluate(name, n, n.Shape(), elemOf(n))
	if err != nil {
		return nil, err
	}
	v, err := b.leaf(t)
	return v.node, err
}

// instanceNormalization standardizes every channel of every example, and scales it.
func instanceNormalization(b *builder, c call) error {
	dims := c.in[0].dims
	if len(dims) < 3 {
		return fmt.Errorf("%s: instance normalization of %v, want (N, C, ...)", c.name(), dims)
	}
	return b.normalize(c, product(dims[2:]), dims[1])
}

// groupNormalization does the same for groups of channels. Opset 18 has one scale for each group, later ones for each channel.
func groupNormalization(b *builder, c call) error {
	dims := c.in[0].dims
	groups, err := attribute[int64](c.op, "num_groups", 0)
	if err != nil {
		return err
	}
	if len(dims) < 3 || groups < 1 || groups > int64(dims[1]) || dims[1]%int(groups) != 0 {
		return fmt.Errorf("%s: normalization of %v in %d groups", c.name(), dims, groups)
	}
	each := dims[1] / int(groups)
	if b.opset < 21 {
		for k := 1; k <= 2; k++ { // repeated for the channels of a group
			if !slices.Equal(c.in[k].dims, []int{int(groups)}) {
				return fmt.Errorf("%s: input %d is %v, want one number for each of %d groups", c.name(), k, c.in[k].dims, groups)
			}
			name := fmt.Sprintf("%s.%d", c.name(), k)
			m := gop.Moves{Shape: []int{int(groups), each}, Offsets: [][]int{gop.Every(int(groups), 1), make([]int, each)}}
			if err := b.take(name, c.in[k], m, nil, []int{dims[1]}); err != nil {
				return err
			}
			c.in[k] = b.values[name]
		}
	}
	return b.normalize(c, product(dims[2:])*each, dims[1])
}

// normalize standardizes runs of n elements and scales every channel.
func (b *builder) normalize(c call, n, channels int) error {
	eps, err := attribute[float32](c.op, "epsilon", 1e-5)
	if err != nil {
		return err
	}
	in, err := b.nodes(c)
	if err != nil {
		return err
	}
	for k := 1; k <= 2; k++ {
		if !slices.Equal(c.in[k].dims, []int{channels}) {
			return fmt.Errorf("%s: input %d is %v, want one number for each of %d channels", c.name(), k, c.in[k].dims, channels)
		}
	}
	dims := c.in[0].dims
	if err := b.account(c.name(), dims, 8); err != nil {
		return err
	}
	x, err := gop.Standardize(c.name()+".standard", in[0], n, float64(eps))
	if err != nil {
		return err
	}
	name := c.name()
	act := b.activationAfter(&name)
	y, err := gop.Affine(name, x, in[1], in[2], act)
	return b.set(name, y, err, dims...)
}

// layerNormalization standardizes all axes from one on, with a scale for each place.
func layerNormalization(b *builder, c call) error {
	dims := c.in[0].dims
	axis, err := c.axis(-1, len(dims))
	if err != nil {
		return err
	}
	eps, err := attribute[float32](c.op, "epsilon", 1e-5)
	if err != nil {
		return err
	}
	in, err := b.nodes(c)
	if err != nil {
		return err
	}
	if err := b.account(c.name(), dims, 16); err != nil {
		return err
	}
	y, err := gop.Standardize(c.name()+".standard", in[0], product(dims[axis:]), float64(eps))
	if err == nil {
		y, err = gop.Broadcast(c.name()+".scaled", gop.Times, y, in[1])
	}
	if err == nil && c.has(2) {
		y, err = gop.Broadcast(c.name(), gop.Plus, y, in[2])
	}
	if err := b.set(c.name(), y, err, dims...); err != nil {
		return err
	}
	return b.moments(c, in[0], axis, float64(eps))
}

// moments are the mean and the inverse deviation that a layer normalization gives where they are asked for.
func (b *builder) moments(c call, x *G.Node, axis int, eps float64) error {
	if !slices.ContainsFunc(c.op.out[1:], func(out string) bool { return out != "" }) {
		return nil
	}
	dims := slices.Clone(c.in[0].dims)
	var axes []int
	for i := axis; i < len(dims); i++ {
		dims[i] = 1
		axes = append(axes, i)
	}
	mean, err := gop.Reduce(c.name()+".mean", gop.ReduceMean, x, axes, true)
	if err != nil {
		return err
	}
	if out := c.op.out[1]; out != "" {
		if err := b.set(out, mean, nil, dims...); err != nil {
			return err
		}
	}
	if len(c.op.out) < 3 || c.op.out[2] == "" {
		return nil
	}
	y, err := gop.Broadcast(c.name()+".centred", gop.Minus, x, mean)
	if err == nil {
		y, err = gop.Reduce(c.name()+".variance", gop.ReduceSumSquare, y, axes, true)
	}
	if err == nil {
		n := float64(product(c.in[0].dims[axis:]))
		y, err = gop.Elementwise(c.op.out[2], "inverse deviation", y, func(v float64) float64 { return 1 / math.Sqrt(v/n+eps) })
	}
	return b.set(c.op.out[2], y, err, dims...)
}

// meanVarianceNormalization standardizes over given axes, which are moved to the end and back.
func meanVarianceNormalization(b *builder, c call) error {
	dims := c.in[0].dims
	list, err := attribute(c.op, "axes", []int64{0, 2, 3})
	if err != nil {
		return err
	}
	var kept, taken []int
	for i := range dims {
		kept = append(kept, i)
	}
	for _, a := range list {
		axis, err := axisOf(c.name(), a, len(dims))
		if err != nil {
			return err
		}
		if slices.Contains(taken, axis) {
			return fmt.Errorf("%s: axis %d comes twice in %v", c.name(), axis, list)
		}
		taken = append(taken, axis)
		kept = slices.Delete(kept, slices.Index(kept, axis), slices.Index(kept, axis)+1)
	}
	perm := append(kept, taken...)
	back, n := make([]int, len(perm)), 1
	for i, p := range perm {
		back[p] = i
	}
	for _, a := range taken {
		n *= dims[a]
	}
	x, err := b.node(c, 0)
	if err != nil {
		return err
	}
	if err := b.account(c.name(), dims, 24); err != nil {
		return err
	}
	if x, err = gop.Transpose(c.name()+".ordered", x, perm...); err != nil {
		return err
	}
	const eps = 1e-18 // the definition adds 1e-9 to the deviation
	if x, err = gop.Standardize(c.name()+".standard", x, n, eps); err != nil {
		return err
	}
	x, err = gop.Transpose(c.name(), x, back...)
	return b.set(c.name(), x, err, dims...)
}

func product(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}
