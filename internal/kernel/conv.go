package kernel

import "fmt"

// Convolution is the plan of the products between a large image and a small one
// that a window couples. A convolution leads from the large image to the small
// one, a transposed convolution back, and each is the other's input gradient:
//
//	small[s, p] = sum over l and taps t of w[s, l, t] large[l, position of t at p]
//
// Tensors are as in ONNX: images (N, channels, height, width), weights (small
// channels, large channels / groups, kernel height, kernel width), which is
// (Out, In/groups, ...) to a convolution and (In, Out/groups, ...) to a
// transposed one.
//
// In float32 every element is a chain of products like those of Gemm, which takes
// the terms of one channel after the other, with a product by zero where a tap
// lies in the padding; the bias is added at the end. So an infinite weight makes
// NaN at the edge of an image, as it does in other implementations. Up with few
// channels adds up the channels for each tap and then the taps.
//
// A plan holds buffers: its methods must not run at the same time.
type Convolution[T Float] struct {
	n            int
	small, large Image
	win          Window

	down, up im2col // small from large, large from small
	taps     col2im // what up does, where that has few channels
	gradient weightGradient
}

// NewConvolution plans convolutions over n samples. It returns an error where
// the window does not lead from the large image to the small one, the groups do
// not divide the channels, or a tensor has more elements than 31 bits count.
func NewConvolution[T Float](n int, small, large Image, win Window) (*Convolution[T], error) {
	win = win.filled()
	if err := win.check(); err != nil {
		return nil, err
	}
	if n < 0 {
		return nil, fmt.Errorf("batch of %d images, want 0 or more", n)
	}
	for _, im := range []Image{small, large} {
		if im.Channels < 1 || im.Height < 1 || im.Width < 1 {
			return nil, fmt.Errorf("image of %v, want no size below 1", im)
		}
		if im.Channels%win.Groups != 0 {
			return nil, fmt.Errorf("%d groups do not divide %d channels", win.Groups, im.Channels)
		}
		if !fits(max(n, 1), im.Channels, im.Height, im.Width) {
			return nil, fmt.Errorf("%d images of %v have more than %d elements", n, im, largest)
		}
	}
	if !fits(small.Channels, large.Channels/win.Groups, win.Kernel[0], win.Kernel[1]) {
		return nil, fmt.Errorf("weights between %d and %d channels have more than %d elements", small.Channels, large.Channels, largest)
	}
	for i, size := range [2][2]int{{small.Height, large.Height}, {small.Width, large.Width}} {
		// The large image ends where the last window ends, or later by less than
		// would take one more window or one more row of output padding.
		reach := (size[0]-1)*win.Stride[i] + win.extent(i) - win.Pads[i] - win.Pads[i+2]
		if size[1] < reach || size[1] >= reach+max(win.Stride[i], win.Dilation[i]) {
			return nil, fmt.Errorf("images of %v and %v do not belong together under %+v", small, large, win)
		}
	}
	c := &Convolution[T]{n: n, small: small, large: large, win: win}
	if _, fast := any(c).(*Convolution[float32]); fast {
		c.down, c.gradient = newDown(n, small, large, win), newWeightGradient(n, small, large, win)
		if c.taps = newCol2im(n, small, large, win); !c.taps.pays() {
			c.up = newUp(n, small, large, win)
		}
	}
	return c, nil
}

// fits tells whether the product of positive sizes is at most the largest
// number.
func fits(sizes ...int) bool {
	product := 1
	for _, s := range sizes {
		if product > largest/s {
			return false
		}
		product *= s
	}
	return true
}

// Keep allows Down and Up to read the weights at their next call only: for
// inference, where they never change.
func (c *Convolution[T]) Keep() { c.down.order.keep, c.up.order.keep = true, true }

func (c *Convolution[T]) check(fn string, small, large, w []T) {
	need(fn, "small images", len(small), c.n*c.small.Channels*c.small.pixels())
	need(fn, "large images", len(large), c.n*c.large.Channels*c.large.pixels())
	need(fn, "weights", len(w), c.small.Channels*c.large.Channels/c.win.Groups*c.win.Kernel[0]*c.win.Kernel[1])
}

// Down is a convolution with its activation: it writes act(w large + bias) into
// small. bias has a value for each channel of small, or is nil. Without bias and
// activation it is the input gradient of a transposed convolution.
func (c *Convolution[T]) Down(small, large, w, bias []T, act Activation) {
	const fn = "convolution"
	act.check(fn)
	c.check(fn, small, large, w)
	if bias != nil {
		need(fn, "bias", len(bias), c.small.Channels)
		bias = bias[:c.small.Channels]
	}
	if small, ok := any(small).([]float32); ok {
		c.down.run(small, any(large).([]float32), any(w).([]float32), any(bias).([]float32), act)
		return
	}
	small = small[:c.n*c.small.Channels*c.small.pixels()]
	clear(small)
	c.each(func(s, l, k int) { small[s] += T(w[k] * large[l]) })
	finish(act, small, bias, c.small.pixels())
}

// Up is a transposed convolution with its activation: it writes
// act(transposed w small + bias) into large. bias has a value for each channel
// of large, or is nil. Without bias and activation it is the input gradient of a
// convolution.
func (c *Convolution[T]) Up(large, small, w, bias []T, act Activation) {
	const fn = "transposed convolution"
	act.check(fn)
	c.check(fn, small, large, w)
	if bias != nil {
		need(fn, "bias", len(bias), c.large.Channels)
		bias = bias[:c.large.Channels]
	}
	if large, ok := any(large).([]float32); ok {
		small, w, bias := any(small).([]float32), any(w).([]float32), any(bias).([]float32)
		if c.taps.pays() {
			c.taps.run(large, small, w, bias, act)
		} else {
			c.up.run(large, small, w, bias, act)
		}
		return
	}
	large = large[:c.n*c.large.Channels*c.large.pixels()]
	clear(large)
	c.each(func(s, l, k int) { large[l] += T(w[k] * small[s]) })
	finish(act, large, bias, c.large.pixels())
}

// Weights writes the gradient of the weights into dw, where one of small and
// large is the input of the layer and the other the gradient of its output
// before the activation: for every weight the sum of the products that it was a
// factor in, over the positions of small and then over the batch.
func (c *Convolution[T]) Weights(dw, small, large []T) {
	c.check("gradient of the weights", small, large, dw)
	if dw, ok := any(dw).([]float32); ok {
		c.gradient.run(dw, any(small).([]float32), any(large).([]float32))
		return
	}
	clear(dw)
	c.each(func(s, l, k int) { dw[k] += T(small[s] * large[l]) })
}

// each visits all products of the convolution: with the position of the element
// of small, that of large and that of the weight.
func (c *Convolution[T]) each(f func(s, l, w int)) {
	win, small, large := c.win, c.small, c.large
	perS, perL := small.Channels/win.Groups, large.Channels/win.Groups
	for i := range c.n * small.Channels * small.pixels() {
		x, y, ch, n := i%small.Width, i/small.Width%small.Height, i/small.pixels()%small.Channels, i/small.pixels()/small.Channels
		for l := range perL {
			image := (n*large.Channels + ch/perS*perL + l) * large.pixels()
			for ky := range win.Kernel[0] {
				at := y*win.Stride[0] - win.Pads[0] + ky*win.Dilation[0]
				if at < 0 || at >= large.Height {
					continue
				}
				for kx := range win.Kernel[1] {
					to := x*win.Stride[1] - win.Pads[1] + kx*win.Dilation[1]
					if to >= 0 && to < large.Width {
						f(i, image+at*large.Width+to, ((ch*perL+l)*win.Kernel[0]+ky)*win.Kernel[1]+kx)
					}
				}
			}
		}
	}
}

// finish adds the bias of each channel to its pixels and applies the activation.
func finish[T Float](act Activation, y, bias []T, pixels int) {
	if bias != nil {
		for i := range y {
			y[i] += bias[i/pixels%len(bias)]
		}
	}
	activate(act, y, y)
}
