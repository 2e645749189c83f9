package reference

import (
	"fmt"
	"math"
	"slices"
)

// A window is what slides over the spatial axes of a convolution or a pooling.
type window struct {
	in, out          []int // lengths of the axes
	kernel           []int
	stride, dilation []int
	begin, end       []int // padding before and after
}

// newWindow reads the geometry from the attributes strides, dilations, pads and
// auto_pad. ceil rounds the output up instead of down.
func (c *call) newWindow(in, kernel []int, ceil bool) window {
	rank := len(in)
	w := window{in: in, kernel: kernel, out: make([]int, rank), begin: make([]int, rank), end: make([]int, rank)}
	if len(kernel) != rank {
		fail(fmt.Errorf("kernel %v for %d spatial axes", kernel, rank))
	}
	taps := must(product(kernel))
	c.take(int64(taps))
	w.stride = c.perAxis("strides", rank)
	w.dilation = c.perAxis("dilations", rank)
	auto := c.text("auto_pad")
	if c.has("pads") && (auto == "NOTSET" || auto == "") {
		p := c.intList("pads")
		if len(p) != 2*rank {
			fail(fmt.Errorf("pads are %v, want %d numbers", p, 2*rank))
		}
		w.begin, w.end = p[:rank], p[rank:]
	}
	for i := range rank {
		if kernel[i] < 1 || kernel[i] > math.MaxInt32 {
			fail(fmt.Errorf("kernel %v, want positive lengths", kernel))
		}
		if w.begin[i] < 0 || w.end[i] < 0 || max(w.begin[i], w.end[i]) > math.MaxInt32 {
			fail(fmt.Errorf("pads %v and %v, want none negative", w.begin, w.end))
		}
		reach := (kernel[i]-1)*w.dilation[i] + 1
		switch auto {
		case "NOTSET", "VALID", "":
			room := in[i] + w.begin[i] + w.end[i] - reach
			if room < 0 {
				fail(fmt.Errorf("axis %d has %d elements with padding, fewer than the kernel's %d", i, in[i]+w.begin[i]+w.end[i], reach))
			}
			w.out[i] = room/w.stride[i] + 1
			if ceil {
				w.out[i] = (room+w.stride[i]-1)/w.stride[i] + 1
				// A window that starts in the padding at the end does not count.
				if (w.out[i]-1)*w.stride[i] >= in[i]+w.begin[i] {
					w.out[i]--
				}
			}
		case "SAME_UPPER", "SAME_LOWER":
			w.out[i] = (in[i] + w.stride[i] - 1) / w.stride[i]
			total := max(0, (w.out[i]-1)*w.stride[i]+reach-in[i])
			w.begin[i], w.end[i] = total/2, total-total/2
			if auto == "SAME_LOWER" {
				w.begin[i], w.end[i] = w.end[i], w.begin[i]
			}
		default:
			fail(fmt.Errorf("attribute auto_pad is %q", auto))
		}
	}
	return w
}

// perAxis reads an attribute of one positive number for every spatial axis, 1 unless it is given.
func (c *call) perAxis(name string, rank int) []int {
	if !c.has(name) {
		return slices.Repeat([]int{1}, rank)
	}
	list := c.intList(name)
	if len(list) != rank {
		fail(fmt.Errorf("%s are %v, want %d numbers", name, list, rank))
	}
	for _, x := range list {
		if x < 1 || x > math.MaxInt32 {
			fail(fmt.Errorf("%s are %v, want positive numbers", name, list))
		}
	}
	return list
}

// taps is the number of kernel positions.
func (w window) taps() int { return size(w.kernel) }

// patch writes, for output position p, the input position under every tap, -1
// in the padding.
func (w window) patch(p int, into []int) {
	w.walk(p, w.out, into, func(axis, at, tap int) int {
		if x := at*w.stride[axis] - w.begin[axis] + tap*w.dilation[axis]; x >= 0 && x < w.in[axis] {
			return x
		}
		return -1
	}, w.in)
}

// sources writes, for input position p, the output position whose patch has p
// under each tap, -1 where there is none.
func (w window) sources(p int, into []int) {
	w.walk(p, w.in, into, func(axis, at, tap int) int {
		x := at + w.begin[axis] - tap*w.dilation[axis]
		if x < 0 || x%w.stride[axis] != 0 || x/w.stride[axis] >= w.out[axis] {
			return -1
		}
		return x / w.stride[axis]
	}, w.out)
}

// walk writes, for every tap at position p of a space, where it is in another
// one: place says so along each axis, -1 for nowhere.
func (w window) walk(p int, space, into []int, place func(axis, at, tap int) int, other []int) {
	if len(into) == 0 {
		return
	}
	into[0] = 0
	done := 1 // places of the axes so far
	step := 1
	for _, d := range space {
		step *= max(1, d)
	}
	// Backwards, so that a place is written after it was read.
	for axis, d := range space {
		step /= max(1, d)
		at, k := p/step%max(1, d), w.kernel[axis]
		for i := done - 1; i >= 0; i-- {
			outer := into[i]
			for tap := k - 1; tap >= 0; tap-- {
				x := place(axis, at, tap)
				if outer < 0 || x < 0 {
					into[i*k+tap] = -1
				} else {
					into[i*k+tap] = outer*other[axis] + x
				}
			}
		}
		done *= k
	}
}
