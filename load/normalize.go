package load

import (
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// batchNormalization in inference is one linear function for each channel, with the activation after it where that is alone.
func batchNormalization(b *builder, c call) {
	for _, a := range []struct {
		name             string
		until, inference int64
	}{{"training_mode", newest + 1, 0}, {"spatial", 9, 1}, {"is_test", 7, 1}} {
		if b.opset >= a.until { // later versions have no such attribute
			continue
		}
		if v := c.int(a.name); v != a.inference {
			fail(c.unsupported("attribute %s is %d", a.name, v))
		}
	}
	eps := c.float("epsilon")
	x := b.node(c, 0)
	dims := c.in[0].dims
	alone := len(dims) == 1 // one channel
	if alone {
		dims = []int{dims[0], 1}
		x = must(gop.Reshape(c.name()+".channel", x, dims...))
	}
	name := c.name()
	act := b.activationAfter(&name)
	scale, shift := b.lineOf(c, dims[1], eps)
	y := must(gop.Affine(name, x, scale, shift, act))
	if alone {
		dims = dims[:1]
		y = must(gop.Reshape(name, y, dims...))
	}
	b.set(name, y, dims...)
}

// lineOf is the normalization as nodes for a x + b: a is scale / sqrt(variance + eps), b is bias - mean a.
func (b *builder) lineOf(c call, channels int, eps float64) (scale, shift *G.Node) {
	var in [5]*G.Node
	for k := 1; k < 5; k++ {
		if n := c.in[k].dims; !slices.Equal(n, []int{channels}) {
			fail(fmt.Errorf("%s: input %d is %v, want one number for each of %d channels", c.name(), k, n, channels))
		}
		in[k] = b.nodeOf(c.op.in[k], c.in[k], dtypeOf(c.in[0].elem))
	}
	name := c.name() + ".scale"
	scale = must(gop.Combine(name, "scale of a normalization", in[1], in[4], func(s, v float64) float64 { return s / math.Sqrt(v+eps) }))
	shift = must(gop.Broadcast(name+".mean", gop.Times, in[3], scale))
	shift = must(gop.Broadcast(name+".shift", gop.Minus, in[2], shift))
	if c.in[1].fixed == nil || c.in[2].fixed == nil || c.in[3].fixed == nil || c.in[4].fixed == nil {
		return scale, shift
	}
	scale = b.settled(c.name()+".scale", scale)
	shift = b.settled(c.name()+".shift", shift)
	return scale, shift
}

// settled computes a node whose inputs are constants, once and for all.
func (b *builder) settled(name string, n *G.Node) *G.Node {
	t := must(evaluate(name, n, n.Shape(), elemOf(n)))
	v := must(b.leaf(t))
	return v.node
}

// instanceNormalization standardizes every channel of every example, and scales it.
func instanceNormalization(b *builder, c call) {
	dims := c.in[0].dims
	if len(dims) < 3 {
		fail(fmt.Errorf("%s: instance normalization of %v, want (N, C, ...)", c.name(), dims))
	}
	b.normalize(c, product(dims[2:]), dims[1])
}

// groupNormalization does the same for groups of channels. Opset 18 has one scale for each group, later ones for each channel.
func groupNormalization(b *builder, c call) {
	dims := c.in[0].dims
	groups := c.int("num_groups")
	if len(dims) < 3 || groups < 1 || groups > int64(dims[1]) || dims[1]%int(groups) != 0 {
		fail(fmt.Errorf("%s: normalization of %v in %d groups", c.name(), dims, groups))
	}
	each := dims[1] / int(groups)
	if b.opset < 21 {
		for k := 1; k <= 2; k++ { // repeated for the channels of a group
			if !slices.Equal(c.in[k].dims, []int{int(groups)}) {
				fail(fmt.Errorf("%s: input %d is %v, want one number for each of %d groups", c.name(), k, c.in[k].dims, groups))
			}
			name := fmt.Sprintf("%s.%d", c.name(), k)
			m := gop.Moves{Shape: []int{int(groups), each}, Offsets: [][]int{gop.Every(int(groups), 1), make([]int, each)}}
			b.take(name, c.in[k], m, nil, []int{dims[1]})
			c.in[k] = b.values[name]
		}
	}
	b.normalize(c, product(dims[2:])*each, dims[1])
}

// normalize standardizes runs of n elements and scales every channel.
func (b *builder) normalize(c call, n, channels int) {
	eps := c.float("epsilon")
	in := b.nodes(c)
	for k := 1; k <= 2; k++ {
		if !slices.Equal(c.in[k].dims, []int{channels}) {
			fail(fmt.Errorf("%s: input %d is %v, want one number for each of %d channels", c.name(), k, c.in[k].dims, channels))
		}
	}
	dims := c.in[0].dims
	b.account(c.name(), dims, 8)
	x := must(gop.Standardize(c.name()+".standard", in[0], n, eps))
	name := c.name()
	act := b.activationAfter(&name)
	b.set(name, must(gop.Affine(name, x, in[1], in[2], act)), dims...)
}

// layerNormalization standardizes all axes from one on, with a scale for each place.
func layerNormalization(b *builder, c call) {
	dims := c.in[0].dims
	axis := c.axis(len(dims))
	eps := c.float("epsilon")
	in := b.nodes(c)
	b.account(c.name(), dims, 16)
	y := must(gop.Standardize(c.name()+".standard", in[0], product(dims[axis:]), eps))
	y = must(gop.Broadcast(c.name()+".scaled", gop.Times, y, in[1]))
	if c.has(2) {
		y = must(gop.Broadcast(c.name(), gop.Plus, y, in[2]))
	}
	b.set(c.name(), y, dims...)
	b.moments(c, in[0], axis, eps)
}

// moments are the mean and the inverse deviation that a layer normalization gives if requested, in the type that it asks for.
func (b *builder) moments(c call, x *G.Node, axis int, eps float64) {
	if !slices.ContainsFunc(c.op.out[1:], func(out string) bool { return out != "" }) {
		return
	}
	dims := slices.Clone(c.in[0].dims)
	var axes []int
	for i := axis; i < len(dims); i++ {
		dims[i] = 1
		axes = append(axes, i)
	}
	stash := pb.TensorProto_DataType(c.int("stash_type"))
	mean := must(gop.Reduce(c.name()+".mean", gop.ReduceMean, x, axes, true))
	if out := c.op.out[1]; out != "" {
		b.setConverted(c, out, stash, mean, dims...)
	}
	if len(c.op.out) < 3 || c.op.out[2] == "" {
		return
	}
	y := must(gop.Broadcast(c.name()+".centred", gop.Minus, x, mean))
	y = must(gop.Reduce(c.name()+".variance", gop.ReduceSumSquare, y, axes, true))
	n := float64(product(c.in[0].dims[axis:]))
	y = must(gop.Elementwise(c.name()+".inverse", "inverse deviation", y, func(v float64) float64 { return 1 / math.Sqrt(v/n+eps) }))
	b.setConverted(c, c.op.out[2], stash, y, dims...)
}

// meanVarianceNormalization standardizes over given axes, which are moved to the end and back.
func meanVarianceNormalization(b *builder, c call) {
	dims := c.in[0].dims
	list := c.ints("axes")
	var kept, taken []int
	for i := range dims {
		kept = append(kept, i)
	}
	for _, a := range list {
		axis := axisOf(c.name(), a, len(dims))
		if slices.Contains(taken, axis) {
			fail(fmt.Errorf("%s: axis %d comes twice in %v", c.name(), axis, list))
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
	x := b.node(c, 0)
	b.account(c.name(), dims, 24)
	x = must(gop.Transpose(c.name()+".ordered", x, perm...))
	const eps = 1e-18 // the definition adds 1e-9 to the deviation
	x = must(gop.Standardize(c.name()+".standard", x, n, eps))
	b.set(c.name(), must(gop.Transpose(c.name(), x, back...)), dims...)
}

func product(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}
