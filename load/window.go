package load

import (
	"fmt"
	"math"
)

// window is what a convolution or a pooling slides along each of its axes.
type window struct {
	in, kernel, stride, dilation, before, after []int
	auto                                        string
	ceil                                        bool
}

// windowOf reads the attributes of an operation over axes of the given lengths. kernel, where it is not nil, is what the weights
// say.
func windowOf(c call, in, kernel []int) (w window, err error) {
	n := len(in)
	w.in = in
	read := func(name string, otherwise, least int, size int) []int {
		list, e := attribute[[]int64](c.op, name, nil)
		if e != nil && err == nil {
			err = e
		}
		v := make([]int, size)
		for i := range v {
			v[i] = otherwise
		}
		if list == nil {
			return v
		}
		if len(list) != size {
			err = fmt.Errorf("%s: %s is %v, want %d numbers", c.name(), name, list, size)
			return v
		}
		for i, x := range list {
			if x < int64(least) || x > math.MaxInt32 {
				err = fmt.Errorf("%s: %s is %v", c.name(), name, list)
				return v
			}
			v[i] = int(x)
		}
		return v
	}
	w.kernel = kernel
	if kernel == nil {
		w.kernel = read("kernel_shape", 0, 1, n)
	} else if given := read("kernel_shape", 0, 1, n); given[0] != 0 && fmt.Sprint(given) != fmt.Sprint(kernel) {
		return w, fmt.Errorf("%s: kernel_shape is %v, the weights have %v", c.name(), given, kernel)
	}
	w.stride, w.dilation = read("strides", 1, 1, n), read("dilations", 1, 1, n)
	pads := read("pads", 0, 0, 2*n)
	if err != nil {
		return w, err
	}
	w.before, w.after = pads[:n], pads[n:]
	ceil, err := attribute[int64](c.op, "ceil_mode", 0)
	if err != nil {
		return w, err
	}
	w.ceil = ceil != 0
	if w.auto, err = attribute(c.op, "auto_pad", "NOTSET"); err != nil {
		return w, err
	}
	for k := range in {
		if w.kernel[k] < 1 || int64(w.kernel[k])*int64(w.dilation[k]) > math.MaxInt32 {
			return w, fmt.Errorf("%s: a kernel of %v with dilations %v", c.name(), w.kernel, w.dilation)
		}
	}
	switch w.auto {
	case "NOTSET":
	case "VALID":
		clear(pads)
	case "SAME_UPPER", "SAME_LOWER":
		if c.op.name != "ConvTranspose" {
			for k := range in {
				out := (in[k] + w.stride[k] - 1) / w.stride[k]
				w.share(k, max(0, (out-1)*w.stride[k]+w.reach(k)-in[k]))
			}
		}
	default:
		return w, fmt.Errorf("%s: attribute auto_pad is %q", c.name(), w.auto)
	}
	return w, nil
}

// share divides padding between both ends of an axis; the odd one goes to the end that auto_pad names.
func (w *window) share(k, total int) {
	w.before[k], w.after[k] = total/2, total-total/2
	if w.auto == "SAME_LOWER" {
		w.before[k], w.after[k] = w.after[k], w.before[k]
	}
}

// reach is how many places the kernel covers.
func (w *window) reach(k int) int { return (w.kernel[k]-1)*w.dilation[k] + 1 }

// slid is the number of places that the window takes.
func (w *window) slid(c call, k int) (int, error) {
	room := w.in[k] + w.before[k] + w.after[k] - w.reach(k)
	if room < 0 {
		return 0, fmt.Errorf("%s: a kernel that covers %d of axis %d, which has %d with its padding", c.name(), w.reach(k), k+2, w.in[k]+w.before[k]+w.after[k])
	}
	return room/w.stride[k] + 1, nil
}

// pooled is slid where ceil_mode may add a place, and none may start in the padding at the end.
func (w *window) pooled(c call, k int) (int, error) {
	n, err := w.slid(c, k)
	if err != nil || !w.ceil {
		return n, err
	}
	room := w.in[k] + w.before[k] + w.after[k] - w.reach(k)
	if room%w.stride[k] != 0 {
		n++
	}
	if n > 1 && (n-1)*w.stride[k] >= w.in[k]+w.before[k] {
		n--
	}
	return n, nil
}
