package kernel

import (
	"errors"
	"fmt"
)

// Window says how a convolution or a pooling moves over an image, in the terms
// of ONNX. A zero in Kernel, Stride, Dilation or Groups stands for 1.
type Window struct {
	Kernel, Stride, Dilation [2]int // height, width
	Pads                     [4]int // top, left, bottom, right
	OutputPad                [2]int // bottom, right; of a transposed convolution
	Groups                   int
}

// Image is the shape of one sample.
type Image struct{ Channels, Height, Width int }

// pixels is the number of positions.
func (im Image) pixels() int { return im.Height * im.Width }

func (im Image) String() string { return fmt.Sprintf("%dx%dx%d", im.Channels, im.Height, im.Width) }

// largest bounds every number of a window and a shape, so that sums and
// products of two of them cannot overflow, and positions fit 32 bits.
const largest = 1<<31 - 1

// filled puts 1 where 0 stands for it.
func (w Window) filled() Window {
	for i := range 2 {
		for _, v := range []*int{&w.Kernel[i], &w.Stride[i], &w.Dilation[i]} {
			if *v == 0 {
				*v = 1
			}
		}
	}
	if w.Groups == 0 {
		w.Groups = 1
	}
	return w
}

// check tells of every number that no window can have.
func (w Window) check() error {
	var errs []error
	for i, axis := range [2]string{"height", "width"} {
		for _, c := range []struct {
			name       string
			got, least int
		}{
			{"kernel", w.Kernel[i], 1}, {"stride", w.Stride[i], 1}, {"dilation", w.Dilation[i], 1},
			{"padding before", w.Pads[i], 0}, {"padding after", w.Pads[i+2], 0}, {"output padding", w.OutputPad[i], 0},
		} {
			if c.got < c.least || c.got > largest {
				errs = append(errs, fmt.Errorf("%s %d over the %s, want %d to %d", c.name, c.got, axis, c.least, largest))
			}
		}
	}
	if w.Groups < 1 || w.Groups > largest {
		errs = append(errs, fmt.Errorf("%d groups, want at least 1", w.Groups))
	}
	return errors.Join(errs...)
}

// extent is the length that the dilated kernel covers along an axis.
func (w Window) extent(axis int) int { return (w.Kernel[axis]-1)*w.Dilation[axis] + 1 }

// Output returns the size of the image that a convolution or a pooling makes of
// one of the given size: (size + pads - extent) / stride + 1, rounded down.
func (w Window) Output(height, width int) (outHeight, outWidth int, err error) {
	w = w.filled()
	if err := w.check(); err != nil {
		return 0, 0, err
	}
	out, in := [2]int{}, [2]int{height, width}
	for i := range 2 {
		room := in[i] + w.Pads[i] + w.Pads[i+2] - w.extent(i)
		if in[i] < 1 || room < 0 {
			return 0, 0, fmt.Errorf("image of %dx%d with padding %v is smaller than the window of %dx%d", height, width, w.Pads, w.extent(0), w.extent(1))
		}
		out[i] = room/w.Stride[i] + 1
	}
	return out[0], out[1], nil
}

// Places returns, for every position of the output of a window over an image of
// the given size, the positions along one axis that it looks at: 0 for the height,
// 1 for the width. Those of the padding are left out.
func (w Window) Places(axis, size int) [][]int {
	w = w.filled()
	places := make([][]int, (size+w.Pads[axis]+w.Pads[axis+2]-w.extent(axis))/w.Stride[axis]+1)
	for i := range places {
		for t := range w.Kernel[axis] {
			if at := i*w.Stride[axis] - w.Pads[axis] + t*w.Dilation[axis]; at >= 0 && at < size {
				places[i] = append(places[i], at)
			}
		}
	}
	return places
}

// TransposedOutput returns the size of the image that a transposed convolution
// makes of one of the given size:
// (size - 1) stride + extent + output padding - pads.
func (w Window) TransposedOutput(height, width int) (outHeight, outWidth int, err error) {
	w = w.filled()
	if err := w.check(); err != nil {
		return 0, 0, err
	}
	out, in := [2]int{}, [2]int{height, width}
	for i := range 2 {
		if in[i] < 1 {
			return 0, 0, fmt.Errorf("image of %dx%d has no pixels", height, width)
		}
		if w.OutputPad[i] >= max(w.Stride[i], w.Dilation[i]) {
			return 0, 0, fmt.Errorf("output padding %v, want less than the stride %v or the dilation %v", w.OutputPad, w.Stride, w.Dilation)
		}
		out[i] = (in[i]-1)*w.Stride[i] + w.extent(i) + w.OutputPad[i] - w.Pads[i] - w.Pads[i+2]
		if out[i] < 1 {
			return 0, 0, fmt.Errorf("padding %v leaves nothing of the image that %dx%d becomes", w.Pads, height, width)
		}
	}
	return out[0], out[1], nil
}
