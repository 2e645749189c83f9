package kernel

// weightOrder copies the weights of an im2col into the order in which it reads
// them: rows of a phase's terms for each channel of the destination, or panels of
// such channels side by side, as a product reads its right factor.
type weightOrder struct {
	taps   [][]int // of each phase, positions in the kernel; none where rows are the weights as they lie
	kernel int     // positions of the kernel
	terms  int     // of a channel whose weights lie in one row
	out    []float32
	w      []float32
	keep   bool
	kept   layout
	rows   func(lo, hi int)
	panels func(lo, hi int)
}

// layout is an order of weights.
type layout uint8

const (
	unordered layout = iota
	inRows
	inPanels
)

// keptPanels is the number of weights up to which panels are kept for the next
// call where they are a second copy.
const keptPanels = 1 << 20

// panelled is where the panels of a group's channels begin for a phase.
func (s *im2col) panelled(p *phase, group int) int {
	return (p.weights/s.dst.Channels*s.groups + group*p.k) * s.paddedChannels()
}

// paddedChannels are those of a group with the missing ones of the last panel.
func (s *im2col) paddedChannels() int {
	return (s.dst.Channels/s.groups + widePanel - 1) / widePanel * widePanel
}

// arrange returns the weights in order.
func (s *im2col) arrange(w []float32) []float32 {
	o := &s.order
	if !s.transposed && o.taps == nil {
		return w
	}
	wanted := inRows
	if s.transposed {
		wanted = inPanels
	}
	if o.kept == wanted {
		return o.out
	}
	size := 0
	for _, p := range s.phases {
		size += p.k
	}
	channels := s.dst.Channels
	if s.transposed {
		channels = s.groups * s.paddedChannels()
	}
	if size *= channels; len(o.out) < size {
		o.out = aligned(size)
	}
	if o.rows == nil {
		o.rows, o.panels = s.orderRows, s.orderPanels
	}
	o.w = w
	if s.transposed {
		Parallel(channels/widePanel, max(1, 8192*channels/widePanel/max(1, size)), o.panels)
	} else {
		Parallel(channels, max(1, 8192*channels/max(1, size)), o.rows)
	}
	if o.w = nil; o.keep && (o.taps != nil || size <= keptPanels) {
		o.kept = wanted
	}
	return o.out
}

// orderRows copies what leads to channels [lo, hi) of the large image. It reads
// the taps of a weight while they are in the cache, for all phases.
func (s *im2col) orderRows(lo, hi int) {
	o := &s.order
	perS, perL := s.src.Channels/s.groups, s.dst.Channels/s.groups
	for ch := lo; ch < hi; ch++ {
		for from := range perS {
			w := o.w[((ch/perL*perS+from)*perL+ch%perL)*o.kernel:][:o.kernel]
			for f, taps := range o.taps {
				p := &s.phases[f]
				out := o.out[p.weights+ch*p.k+from*len(taps):][:len(taps)]
				for i, t := range taps {
					out[i] = w[t]
				}
			}
		}
	}
}

// orderPanels fills panels [lo, hi), counted over the groups.
func (s *im2col) orderPanels(lo, hi int) {
	o := &s.order
	perS, perL := s.src.Channels/s.groups, s.dst.Channels/s.groups
	perGroup := s.paddedChannels() / widePanel
	for panel := lo; panel < hi; panel++ {
		group, first := panel/perGroup, panel%perGroup*widePanel
		channels := min(widePanel, perL-first)
		if o.taps == nil {
			p := product{tB: true, b: o.w[(group*perL+first)*o.terms:], ldb: o.terms}
			p.packColumns(o.out[panel*widePanel*o.terms:], 0, o.terms, 0, channels)
			continue
		}
		for from := range perS {
			s.orderTaps(group, first, from, channels)
		}
	}
}

// orderTaps copies all taps between a channel of the source and a panel of the
// destination's, both counted within their group.
func (s *im2col) orderTaps(group, first, from, channels int) {
	o := &s.order
	perS, perL := s.src.Channels/s.groups, s.dst.Channels/s.groups
	w := o.w[((group*perS+from)*perL+first)*o.kernel:]
	for l := 0; l < channels; {
		var block [16 * 16]float32
		fast := o.kernel <= 16 && channels-l >= 16 && len(w)-l*o.kernel >= 15*o.kernel+16
		if fast {
			transpose16(o.kernel, &w[l*o.kernel], 4*o.kernel, &block[0], 4*16, 1<<16-1)
		}
		for f, taps := range o.taps {
			if len(taps) == 0 {
				continue
			}
			p := &s.phases[f]
			out := o.out[s.panelled(p, group)+first*p.k+from*len(taps)*widePanel+l:]
			for i, t := range taps {
				if fast {
					copy(out[i*widePanel:][:16], block[t*16:])
				} else {
					out[i*widePanel] = w[l*o.kernel+t]
				}
			}
		}
		if l++; fast {
			l += 15
		}
	}
}
