package dataset

import "fmt"

// SyntheticClasses is the number of classes in a synthetic set.
const SyntheticClasses = 10

// maxSyntheticSide keeps the squares of lengths in disc far from overflow.
const maxSyntheticSide = 1 << 15

// Synthetic draws n images of (c, h, w) from a seed: a soft bright disc on a dim, noisy background,
// at a place on a circle that depends on the label, with small random changes of place and size. It
// is meant for tests: small, fast, learnable, and the same on every machine (it uses only
// integers).
func Synthetic(seed uint64, n, c, h, w int) (*Set, error) {
	name := fmt.Sprintf("synthetic-%d", seed)
	size, ok := product(max(n, 0), max(c, 0), max(h, 0), max(w, 0))
	if !ok || uint64(size) > maxBytes || max(h, w) > maxSyntheticSide {
		return nil, fmt.Errorf("data set %s: size %dx%dx%dx%d, want sides of at most %d and at most %d bytes in all", name, n, c, h, w, maxSyntheticSide, maxBytes)
	}
	if size == 0 {
		return nil, checkSizes(name, n, c, h, w, 0, n)
	}
	r := splitmix(seed)
	pixels, labels := make([]uint8, size), make([]uint32, n)
	for i := range n {
		labels[i] = uint32(r.below(SyntheticClasses))
		disc(&r, pixels[i*c*h*w:(i+1)*c*h*w], c, h, w, int(labels[i]))
	}
	return New(name, n, c, h, w, pixels, labels)
}

// clock are the directions of the labels, 36 degrees apart, in 64ths.
var clock = [SyntheticClasses][2]int{
	{0, -64}, {38, -52}, {61, -20}, {61, 20}, {38, 52}, {0, 64}, {-38, 52}, {-61, 20}, {-61, -20}, {-38, -52},
}

// disc draws one image (c, h, w). Lengths are in 64ths of a pixel.
func disc(r *splitmix, image []uint8, c, h, w, label int) {
	small := min(h, w) * 64
	jitter := func() int { return r.below(small/8+1) - small/16 }
	cx := w*32 + clock[label][0]*small/64/4 + jitter()
	cy := h*32 + clock[label][1]*small/64/4 + jitter()
	radius := int64(max(small/5+jitter()/2, 64))
	for ch := range c {
		for y := range h {
			for x := range w {
				dx, dy := int64(x*64+32-cx), int64(y*64+32-cy)
				// 255 at the centre, falling with the square of the distance to 0 at the rim.
				light := 255 - 255*(dx*dx+dy*dy)/(radius*radius)
				image[(ch*h+y)*w+x] = uint8(min(max(light-16*int64(ch), 0)+int64(r.below(12)), 255))
			}
		}
	}
}

// splitmix is the SplitMix64 generator (Steele, Lea, Flood, OOPSLA 2014).
type splitmix uint64

func (s *splitmix) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below draws from 0 to n-1; n is so small that the bias does not matter.
func (s *splitmix) below(n int) int { return int(s.next() >> 33 % uint64(n)) }
