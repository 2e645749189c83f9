package reference

import (
	"fmt"
	"slices"
)

// opMicrosoftGroupNorm normalises each group of channels of an image (N, H, W, C), or
// (N, C, H, W) where channels_last is 0: gamma (x - mean) / sqrt(var + epsilon) + beta,
// times its sigmoid where activation is 1. ONNX Runtime's com.microsoft GroupNorm, which
// has no kernel for CPUs.
var opMicrosoftGroupNorm = operator{
	name: "GroupNorm", domain: microsoft,
	eval: single(func(c *call) *Value { return c.groupNorm(c.in[0]) }),
}

// opMicrosoftSkipGroupNorm is GroupNorm of X + skip + bias, which is output 1. Skip has
// the shape of X, or is one row of channels for each image, (N, C) or (N, 1, 1, C). ONNX
// Runtime's com.microsoft SkipGroupNorm, which has no kernel for CPUs.
var opMicrosoftSkipGroupNorm = operator{
	name: "SkipGroupNorm", domain: microsoft,
	eval: func(c *call) []*Value {
		x, skip, bias := c.in[0], c.in[3], c.in[4]
		if len(x.Dims) != 4 {
			fail(fmt.Errorf("input of shape %v, want four axes", x.Dims))
		}
		channels, channel := c.imageChannels(x)
		pixels := size(x.Dims[1:]) / max(channels, 1)
		each := slices.Equal(skip.Dims, x.Dims)
		if !each && (skip.Len() != x.Dims[0]*channels || len(skip.Dims) != 2 && len(skip.Dims) != 4) || bias != nil && bias.Len() != channels {
			fail(fmt.Errorf("skip of shape %v for %v with %d channels", skip.Dims, x.Dims, channels))
		}
		sum := c.numbers(x.Type, x.Dims...)
		sum.stored = nil
		f := c.format(x)
		for i := range sum.Len() {
			at := i
			if !each {
				at = i/(pixels*channels)*channels + channel(i)
			}
			s := f.add(x.at(i), skip.at(at))
			if bias != nil {
				s = f.add(s, bias.at(channel(i)))
			}
			sum.set(i, s)
		}
		y := c.groupNorm(sum)
		rounded := c.roundedOutput(sum)
		return []*Value{y, rounded}
	},
}

// imageChannels returns how many channels an image has, and which an element is of.
func (c *call) imageChannels(x *Value) (int, func(i int) int) {
	if len(x.Dims) != 4 {
		fail(fmt.Errorf("input of shape %v, want four axes", x.Dims))
	}
	if c.int("channels_last") != 0 {
		return x.Dims[3], func(i int) int { return i % x.Dims[3] }
	}
	return x.Dims[1], func(i int) int { return channelOf(x.Dims, i) }
}

// groupNorm normalises x by the statistics of groups, and applies gamma, beta and the
// activation.
func (c *call) groupNorm(x *Value) *Value {
	gamma, beta, groups := c.in[1], c.in[2], c.int("groups")
	channels, channel := c.imageChannels(x)
	if groups < 1 || channels%groups != 0 || gamma.Len() != channels || beta.Len() != channels {
		fail(fmt.Errorf("%d groups of %d channels, gamma of shape %v, beta of %v", groups, channels, gamma.Dims, beta.Dims))
	}
	out := c.numbers(x.Type, x.Dims...)
	if out.Len() == 0 {
		return out
	}
	f, each := c.format(x), size(x.Dims[1:])
	f.own = ownInNormalisation
	of := func(i int) int { return i/each*groups + channel(i)/(channels/groups) }
	members := make([][]number, x.Dims[0]*groups)
	for i := range x.Len() {
		members[of(i)] = append(members[of(i)], x.at(i))
	}
	mean, inverse := make([]number, len(members)), make([]number, len(members))
	for g, terms := range members {
		m, variance := f.moments(terms)
		mean[g], inverse[g] = m, f.div(exact(1), sqrtFunction.at(f, f.add(variance, exact(c.float("epsilon")))))
	}
	silu := c.int("activation") == 1
	for i := range out.Len() {
		g, k := of(i), channel(i)
		y := f.affine(x.at(i), mean[g], f.rounded(f.mul(inverse[g], gamma.at(k)), 1), beta.at(k))
		if silu {
			y = f.mul(y, sigmoidFunction.at(f, y))
		}
		out.set(i, y)
	}
	if !silu {
		out.origin = passed(x, out, c.format(out).u, func(i int) float64 { return inverse[of(i)].v * gamma.Float(channel(i)) * x.Spread[i] })
	}
	return out
}
