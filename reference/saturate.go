package reference

import (
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// Products of unsigned by signed bytes are added in pairs on x86 processors without
// VNNI, and a pair of the instruction vpmaddubsw stays within int16: 255*127 twice
// does not. How much of a sum is lost that way depends on which products meet.

// A saturation collects how much the sum of products of two rows of bytes may lose.
type saturation struct {
	flip int64   // added to the left operand to make it unsigned
	left float64 // of the pair that is not whole yet
	half bool
	lost float64 // magnitudes
	off  float64 // by how much the sum is off
}

// newSaturation returns the saturation of products of types a and b, false where
// no product of theirs saturates.
func (p Profile) newSaturation(a, b pb.TensorProto_DataType) (saturation, bool) {
	if !p.saturate || b != pb.TensorProto_INT8 {
		return saturation{}, false
	}
	switch a {
	case pb.TensorProto_UINT8:
		return saturation{}, true
	case pb.TensorProto_INT8:
		return saturation{flip: 128}, true // runtimes add 128, and correct the sum
	}
	return saturation{}, false
}

// add adds the product of two bytes as they are, without zero points.
func (s *saturation) add(a, b float64) {
	p := (a + float64(s.flip)) * b
	if !s.half {
		s.left, s.half = p, true
		return
	}
	s.half = false
	if sum := s.left + p; sum > 0x7FFF {
		s.lost += sum - 0x7FFF
		s.off -= sum - 0x7FFF
	} else if sum < -0x8000 {
		s.lost += -0x8000 - sum
		s.off += -0x8000 - sum
	}
}

// addLost gives every element of the product p of matrices a and b the figures of
// what it may lose.
func (c *call) addLost(p, a, b *Value) {
	s, ok := c.profile.newSaturation(a.Type, b.Type)
	if !ok || len(a.Dims) < 2 || len(b.Dims) < 2 {
		return
	}
	m, k, n := a.Dims[len(a.Dims)-2], a.Dims[len(a.Dims)-1], b.Dims[len(b.Dims)-1]
	c.makeRoom(p)
	batch := p.Dims[:len(p.Dims)-2]
	left, right := newStretch(a.Dims[:len(a.Dims)-2], batch), newStretch(b.Dims[:len(b.Dims)-2], batch)
	for i := range p.Len() {
		c.spend(int64(k))
		s := s
		o, row, col := i/(m*n), i/n%m, i%n
		for x := range k {
			s.add(a.Float((left.index(o)*m+row)*k+x), b.Float((right.index(o)*k+x)*n+col))
		}
		p.setFigures(i, number{sound: s.lost, declared: s.lost})
		c.saturate(p, i, s)
	}
	p.trim()
}

// addLostByConvolution is addLost for a convolution y of x with w. Products meet
// along the channels or along the kernel, as the runtime lays out its data.
func (c *call) addLostByConvolution(g convGeometry, y, x, w *Value) {
	s, ok := c.profile.newSaturation(x.Type, w.Type)
	if !ok {
		return
	}
	c.makeRoom(y)
	taps, area, positions := g.window.taps(), size(g.window.in), size(g.window.out)
	ci, co := g.in/g.group, g.out/g.group
	patch := make([]int, taps)
	for i := range y.Len() {
		c.spend(2 * int64(taps) * int64(ci))
		n, o, p := i/(g.out*positions), i/positions%g.out, i%positions
		g.window.patch(p, patch)
		byChannel, byTap := s, s
		product := func(s *saturation, ch, k int) {
			if at := patch[k]; at >= 0 {
				s.add(x.Float((n*g.in+o/co*ci+ch)*area+at), w.Float((o*ci+ch)*taps+k))
			}
		}
		for ch := range ci {
			for k := range taps {
				product(&byTap, ch, k)
			}
		}
		for k := range taps {
			for ch := range ci {
				product(&byChannel, ch, k)
			}
		}
		lost := max(byChannel.lost, byTap.lost)
		y.setFigures(i, number{sound: lost, declared: lost})
		if c.imitation != nil && c.imitation.byChannel {
			byTap = byChannel
		}
		c.saturate(y, i, byTap)
	}
	y.trim()
}

// saturate has element i of a sum lose what it loses, where that is imitated.
func (c *call) saturate(v *Value, i int, s saturation) {
	if c.imitation == nil {
		return
	}
	switch d := v.Data.(type) {
	case onnx.Slice[int64]:
		d[i] += int64(s.off)
	case onnx.Slice[float64]:
		d[i] += s.off
	}
}

// makeRoom gives v figures of zero.
func (c *call) makeRoom(v *Value) {
	n := v.Len()
	c.take(3 * int64(n))
	v.Sound, v.Spread, v.Declared = make([]float64, n), make([]float64, n), make([]float64, n)
}
