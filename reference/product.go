package reference

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// Products of matrices are what a judge has to do most. Every figure of a sum of products (see dot) is a sum of products
// itself, of other operands: of magnitudes, of squares, of the figures that come in. So all of them are products of matrices,
// which gonum computes in tiles that a processor's cache holds. Tiles are of one size whatever the number of threads, and
// terms are added in their order, so that results are the same to the last bit.

// A factor is an operand of a product of matrices. A lane is a row of the left one or a column of the right one. Some of the
// terms of a lane may be in the padding of a window, where there are none.
type factor struct {
	of           *Value
	lanes, terms int
	// Term k of a lane is element base + lane*laneStep + k/run*runStep + k%run*step of the value.
	base, laneStep, run, runStep, step int
	// window, unless nil, gives the element that runs of a lane begin at, and writes how far each of a run's terms is from
	// there, -1 in the padding. Then base, laneStep and step have no meaning.
	window func(lane int, from []int) int
	// sparse says that elements that are zero for certain are not terms.
	sparse bool
}

// scattering is from how many terms on declared errors of operands count as parts of their spreads. Added as if the sign of
// each were the worst for its weight, they grow with the number of terms and not with its root, which multiplies them by ten
// and more in every layer of a transformer; yet a spread stands for eight times itself, which is more than few terms cost.
const scattering = 32

// figures are those of element i of the value, as products take them.
func (q *factor) figures(i int) number {
	n := q.of.figures(i)
	if q.terms >= scattering {
		return n.scattered()
	}
	return n
}

// rowsOf is the factor of lanes that are rows*cols elements from an offset on, row by row.
func rowsOf(v *Value, offset, rows, cols int) factor {
	return factor{of: v, lanes: rows, terms: cols, base: offset, laneStep: cols, run: max(1, cols), step: 1}
}

// columnsOf is the factor whose lanes are the columns of such a matrix.
func columnsOf(v *Value, offset, rows, cols int) factor {
	return factor{of: v, lanes: cols, terms: rows, base: offset, laneStep: 1, run: max(1, rows), step: cols}
}

// places writes where terms k0 to k1 of a lane are, -1 where there is none.
func (q *factor) places(into []int, lane, k0, k1 int, taps []int) []int {
	into = into[:0]
	base := q.base + lane*q.laneStep
	if q.window != nil {
		base = q.window(lane, taps)
	}
	for k := k0; k < k1; {
		start, tap := base+k/q.run*q.runStep, k%q.run
		end := min(q.run, tap+k1-k)
		k += end - tap
		if q.window == nil {
			for ; tap < end; tap++ {
				into = append(into, start+tap*q.step)
			}
			continue
		}
		for _, from := range taps[tap:end] {
			if from >= 0 {
				from += start
			}
			into = append(into, from)
		}
	}
	return into
}

// A matrixProduct is all sums of products of a lane of the left operand with one of the right operand.
type matrixProduct struct {
	left, right factor
	// done takes the sum for lane i of the left operand and lane j of the right one, once for each. It is called from several
	// goroutines.
	done func(i, j int, s dot)
}

// withoutSound leaves the sound limits of the sums away.
func (p *matrixProduct) withoutSound() {
	done := p.done
	p.done = func(i, j int, s dot) {
		if s.y-s.y == 0 { // else the limit says whether it is so for certain
			s.e = math.Inf(1)
		}
		done(i, j, s)
	}
}

// tooWide is how many times as wide as the screen a sound limit proves nothing that the screen does not show.
const tooWide = 1 << 10

// boundless reports whether there are sound limits, and all are too wide.
func (v *Value) boundless() bool {
	any := false
	for i, s := range v.Sound {
		if s > 0 {
			if any = true; !(s > tooWide*(Screens*v.Spread[i]+v.Declared[i])) {
				return false
			}
		}
	}
	return any
}

// own is the part of the operands' variance that is each element's own, where only one operand has errors.
func (p *matrixProduct) own() float64 {
	if p.left.of.Sound != nil && p.right.of.Sound != nil {
		return 0
	}
	return max(p.left.of.own(), p.right.of.own())
}

// The sizes of tiles. Three of the right operand's planes, a few of the left one's and those of the sums stay in a
// processor's second cache. gonum computes what is smaller than four blocks of 64 by 64 without goroutines of its own.
const (
	tileLanes = 64  // of the left operand
	bandLanes = 128 // of the left operand that share the packed tile of the right one
	tileWide  = 128 // lanes of the right operand
	tileDeep  = 128 // terms
)

// multiply computes products of one format. strides are orders of summation to try besides the usual ones, where they are
// tried.
func (c *call) multiply(f format, all []matrixProduct, strides ...int) {
	first := make([]int, len(all)+1) // task that each of them begins with
	sound := make([]bool, len(all))
	boundless := map[*Value]bool{}
	wide := func(v *Value) bool {
		if _, known := boundless[v]; !known {
			boundless[v] = v.boundless()
		}
		return boundless[v]
	}
	for i := range all {
		p := &all[i]
		if sound[i] = c.sound || !wide(p.left.of) && !wide(p.right.of); !sound[i] {
			p.withoutSound()
		}
		c.spend(int64(p.left.lanes) * int64(p.right.lanes) * int64(p.left.terms))
		// Rows of the right tile are what the innermost loops run along: the longer the better.
		if p.right.lanes < tileWide/4 && p.right.lanes < p.left.lanes {
			done := p.done
			p.left, p.right = p.right, p.left
			p.done = func(i, j int, s dot) { done(j, i, s) }
		}
		first[i+1] = first[i] + tiles(p.left.lanes, bandLanes)*tiles(p.right.lanes, tileWide)
	}
	try(parallel(c.meter, first[len(all)], func() *bench { return &bench{f: f, strides: strides} }, func(b *bench, task int) {
		for task < first[b.at] {
			b.at--
		}
		for task >= first[b.at+1] {
			b.at++
		}
		p := &all[b.at]
		across := tiles(p.right.lanes, tileWide)
		band, tile := (task-first[b.at])/across*bandLanes, (task-first[b.at])%across*tileWide
		b.compute(p, sound[b.at], band, min(band+bandLanes, p.left.lanes), tile, min(tile+tileWide, p.right.lanes))
	}))
}

func tiles(n, size int) int { return (n + size - 1) / size }

// A bench is the space that one worker needs.
type bench struct {
	f           format
	strides     []int
	at          int // product that the last task was of
	left, right panel
	sums        [figuresOfSum][]float64 // for each figure of a dot, all lanes of the band by all of the tile
}

// wholeNumbers is the format of sums of whole numbers below 2^53, all partial sums included. They are exact, and have no
// figures but the value.
var wholeNumbers = format{}

func (b *bench) whole() bool { return b.f == wholeNumbers }

// The figures of a sum, as planes of a bench.
const (
	sumY = iota
	sumAbs
	sumSq
	sumE
	sumInd
	sumOne
	sumD
	figuresOfSum
)

// compute computes the sums of lanes i0 to i1 with lanes j0 to j1.
func (b *bench) compute(p *matrixProduct, sound bool, i0, i1, j0, j1 int) {
	if b.f.reordered || b.f.adder != nil || !b.fast(p, sound, i0, i1, j0, j1) {
		b.plain(p, i0, i1, j0, j1)
	}
}

// fast is false where an operand has an element that tiles are not for.
func (b *bench) fast(p *matrixProduct, sound bool, i0, i1, j0, j1 int) bool {
	rows, cols := i1-i0, j1-j0
	planes := figuresOfSum
	if b.whole() {
		planes = 1
	}
	for i := range planes {
		if b.sums[i] == nil {
			b.sums[i] = make([]float64, bandLanes*tileWide)
		}
		clear(b.sums[i][:rows*cols])
	}
	b.left.begin(&p.left, b.whole(), i0, rows)
	b.right.begin(&p.right, b.whole(), j0, cols)
	for k0 := 0; k0 < p.left.terms; k0 += tileDeep {
		k1 := min(k0+tileDeep, p.left.terms)
		if !b.right.load(b.f, j0, j1, k0, k1, 1, cols) {
			return false
		}
		for i := i0; i < i1; i += tileLanes {
			end := min(i+tileLanes, i1)
			if !b.left.load(b.f, i, end, k0, k1, k1-k0, 1) {
				return false
			}
			b.add(sound, i-i0, end-i, cols, k1-k0)
		}
	}
	// What is infinite may have no counterpart in a lane that lacks terms.
	infinite := func(x uint8) bool { return x != 0 }
	if p.left.counted() && slices.ContainsFunc(b.right.endless, infinite) || p.right.counted() && slices.ContainsFunc(b.left.endless, infinite) {
		return false
	}
	for i := range rows {
		for j := range cols {
			at := i*cols + j
			s := dot{terms: p.left.terms, y: b.sums[sumY][at]}
			if p.left.counted() {
				s.terms = b.left.terms[i]
			}
			if p.right.counted() {
				s.terms = b.right.terms[j]
			}
			if !b.whole() {
				s.abs, s.sq, s.e, s.ind, s.one, s.d = b.sums[sumAbs][at], b.sums[sumSq][at], b.sums[sumE][at], b.sums[sumInd][at], b.sums[sumOne][at], b.sums[sumD][at]
				s.own = p.own()
				s.overflow(b.left.endless[i] | b.right.endless[j])
			}
			p.done(i0+i, j0+j, s)
		}
	}
	return true
}

// counted reports whether lanes may have different numbers of terms.
func (q *factor) counted() bool { return q.window != nil || q.sparse }

// Figures of a lane that are infinite for one of its elements at least.
const (
	endlessSound = 1 << iota
	endlessSpread
	endlessDeclared
)

// overflow makes figures infinite.
func (s *dot) overflow(which uint8) {
	if which&endlessSound != 0 {
		s.e = math.Inf(1)
	}
	if which&endlessSpread != 0 {
		s.ind, s.one = math.Inf(1), math.Inf(1)
	}
	if which&endlessDeclared != 0 {
		s.d = math.Inf(1)
	}
}

// add adds the products of the loaded panels to the sums of some lanes of the left operand, from a first one of the band on.
func (b *bench) add(sound bool, first, rows, cols, terms int) {
	l, r, offset := &b.left, &b.right, first*cols
	gemm := func(figure int, x, y []float64) {
		gonum.Implementation{}.Dgemm(blas.NoTrans, blas.NoTrans, rows, cols, terms, 1, x, terms, y, cols, 1, b.sums[figure][offset:], cols)
	}
	gemm(sumY, l.v, r.v)
	if b.whole() {
		return
	}
	finite := func(which uint8) bool { return which&endlessSound == 0 }
	if sound && slices.ContainsFunc(l.endless[first:first+rows], finite) && slices.ContainsFunc(r.endless, finite) {
		gemm(sumAbs, l.magnitudes(), r.magnitudes()) // which only the sound limit asks for
	}
	gemm(sumSq, l.square, r.square)
	// Errors of the left operand, and of the right one, meet values; where both have errors, these meet each other, too:
	// see dot.add.
	both := l.any && r.any
	if l.any {
		if sound && l.anySound {
			gemm(sumE, l.sound, r.magnitudes())
		}
		if l.anySpread {
			gemm(sumInd, l.variances(), r.square)
			gemm(sumOne, l.spread, r.v)
		}
		if l.anyDeclared {
			if both {
				gemm(sumD, l.declared, r.screens(false))
			} else {
				gemm(sumD, l.declared, r.magnitudes())
			}
		}
	}
	if !r.any {
		return
	}
	if sound && r.anySound {
		if both {
			gemm(sumE, l.reach(), r.sound)
		} else {
			gemm(sumE, l.magnitudes(), r.sound)
		}
	}
	if r.anySpread {
		if both {
			gemm(sumInd, l.squaresWithSpread(), r.variances())
		} else {
			gemm(sumInd, l.square, r.variances())
		}
		gemm(sumOne, l.v, r.spread)
	}
	if r.anyDeclared {
		if both {
			gemm(sumD, l.screens(true), r.declared)
		} else {
			gemm(sumD, l.magnitudes(), r.declared)
		}
	}
}

// A panel is some lanes by some terms of an operand, in what products are made of.
type panel struct {
	of    *factor
	whole bool
	from  int // lane that terms and endless begin with
	// Sums over all panels of a lane.
	terms   []int
	endless []uint8

	places                           [together][]int
	taps                             []int
	v, square                        []float64
	any                              bool // there are figures
	anySound, anySpread, anyDeclared bool // that are not all zero
	sound, spread, declared          []float64
	abs, variance, limit             []float64 // made where they are asked for
	hasAbs, hasVariance              bool
}

// together is how many lanes are packed at a time: where lanes are columns, so many numbers are neighbours.
const together = 8

// begin prepares for so many lanes of a factor.
func (p *panel) begin(q *factor, whole bool, from, lanes int) {
	p.of, p.whole, p.from, p.any = q, whole, from, q.of.Sound != nil && !whole
	p.terms, p.endless = resized(p.terms, lanes), resized(p.endless, lanes)
	clear(p.terms)
	clear(p.endless)
	p.taps = resized(p.taps, q.run)
	if q.window == nil {
		p.taps = p.taps[:0]
	}
}

// resized is a slice of n elements, s if that has room. Elements may be anything.
func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// The range of numbers whose squares are numbers, too.
const (
	largestSquared  = 0x1p500
	smallestSquared = 0x1p-500
)

// load packs terms k0 to k1 of lanes l0 to l1; lane and term are the distances of neighbours in the panel, one of which is 1. It
// is false where an element is not finite, or its square is none of the numbers that matter.
func (p *panel) load(f format, l0, l1, k0, k1, lane, term int) bool {
	n := (l1 - l0) * (k1 - k0)
	p.v, p.hasAbs, p.hasVariance = resized(p.v, n), false, false
	if p.any {
		p.sound, p.spread, p.declared = resized(p.sound, n), resized(p.spread, n), resized(p.declared, n)
	}
	values, _ := p.of.of.numbers()
	for l := l0; l < l1; l += together {
		places, to := p.places[:min(together, l1-l)], (l-l0)*lane
		for i := range places {
			places[i] = p.of.places(places[i], l+i, k0, k1, p.taps)
			p.terms[l+i-p.from] += p.count(places[i], values)
		}
		values.pack(p.v[to:], places, lane, term)
		if p.any {
			of := p.of.of
			numbersOf{floats: of.Sound}.pack(p.sound[to:], places, lane, term)
			numbersOf{floats: of.Spread}.pack(p.spread[to:], places, lane, term)
			numbersOf{floats: of.Declared}.pack(p.declared[to:], places, lane, term)
		}
	}
	if p.whole {
		return true
	}
	if p.any {
		p.figures(l0-p.from, l1-l0, lane)
	}
	smallest := 0.0
	if f.tiny < smallestSquared {
		smallest = smallestSquared
	}
	p.square = resized(p.square, n)
	for i, x := range p.v {
		a := math.Abs(x)
		if !(a <= largestSquared) || a < smallest && a > 0 {
			return false
		}
		p.square[i] = x * x
	}
	return true
}

// pack writes the numbers at the places of some lanes, zero where a lane has none.
func (n numbersOf) pack(to []float64, places [][]int, lane, term int) {
	if term == 1 {
		for l, place := range places {
			row := to[l*lane:][:len(place)]
			for k, at := range place {
				row[k] = 0
				if at >= 0 {
					row[k] = n.at(at)
				}
			}
		}
		return
	}
	for k := range places[0] {
		row := to[k*term:][:len(places)]
		for l, place := range places {
			row[l] = 0
			if at := place[k]; at >= 0 {
				row[l] = n.at(at)
			}
		}
	}
}

// count is how many of the places of a lane have a term.
func (p *panel) count(place []int, values numbersOf) int {
	n := len(place)
	if !p.of.counted() {
		return n
	}
	for _, at := range place {
		if at < 0 || p.of.sparse && values.at(at) == 0 && p.of.of.figures(at) == exact(0) {
			n--
		}
	}
	return n
}

// figures goes through the packed figures of some lanes. What is infinite makes the whole sum infinite, which products of
// zero and infinity would hide: it is noted, and counts as zero.
func (p *panel) figures(first, lanes, lane int) {
	endless := p.endless[first : first+lanes]
	scattered := p.of.terms >= scattering
	p.anySound, p.anySpread, p.anyDeclared = false, false, false
	row := lanes // neighbours in the panel
	if lane != 1 {
		row = lane
	}
	for from := 0; from < len(p.v); from += row {
		sound, spread, declared := p.sound[from:from+row], p.spread[from:from+row], p.declared[from:from+row]
		for i := range sound {
			if sound[i] == 0 && spread[i] == 0 && declared[i] == 0 {
				continue
			}
			if scattered && declared[i] != 0 {
				n := number{spread: spread[i], declared: declared[i]}.scattered()
				spread[i], declared[i] = n.spread, n.declared
			}
			at := i
			if lane != 1 {
				at = from / row
			}
			if math.IsInf(sound[i], 1) {
				endless[at] |= endlessSound
				sound[i] = 0
			}
			if math.IsInf(spread[i], 1) {
				endless[at] |= endlessSpread
				spread[i] = 0
			}
			if math.IsInf(declared[i], 1) {
				endless[at] |= endlessDeclared
				declared[i] = 0
			}
			p.anySound = p.anySound || sound[i] > 0
			p.anySpread = p.anySpread || spread[i] > 0
			p.anyDeclared = p.anyDeclared || declared[i] > 0
		}
	}
}

// magnitudes are those of the values.
func (p *panel) magnitudes() []float64 {
	if !p.hasAbs {
		p.abs, p.hasAbs = resized(p.abs, len(p.v)), true
		for i, x := range p.v {
			p.abs[i] = math.Abs(x)
		}
	}
	return p.abs
}

// variances are the squares of the spreads.
func (p *panel) variances() []float64 {
	if !p.hasVariance {
		p.variance, p.hasVariance = resized(p.variance, len(p.v)), true
		for i, s := range p.spread {
			p.variance[i] = s * s
		}
	}
	return p.variance
}

// reach is how large values may be, by their sound limits.
func (p *panel) reach() []float64 {
	p.limit = resized(p.limit, len(p.v))
	for i, a := range p.magnitudes() {
		p.limit[i] = a + p.sound[i]
	}
	return p.limit
}

// screens is how large values may be, by the screen, with the declared errors or without.
func (p *panel) screens(declared bool) []float64 {
	p.limit = resized(p.limit, len(p.v))
	for i, a := range p.magnitudes() {
		p.limit[i] = a + Screens*p.spread[i]
		if declared {
			p.limit[i] += p.declared[i]
		}
	}
	return p.limit
}

// squaresWithSpread are the squares of the values, with those of what the screen allows them.
func (p *panel) squaresWithSpread() []float64 {
	p.limit = resized(p.limit, len(p.v))
	for i, s := range p.spread {
		p.limit[i] = p.square[i] + Screens*Screens*s*s
	}
	return p.limit
}

// plainElements is how many elements of the right operand plain packs at a time.
const plainElements = 1 << 16

// plain is compute term by term, with the orders of summation to try.
func (b *bench) plain(p *matrixProduct, i0, i1, j0, j1 int) {
	left, right, done := &p.left, &p.right, p.done
	if right.counted() { // lanes of the left one may lack terms
		left, right, done = right, left, func(i, j int, s dot) { p.done(j, i, s) }
		i0, i1, j0, j1 = j0, j1, i0, i1
	}
	taps := make([]int, left.run)
	if left.window == nil {
		taps = nil
	}
	values, _ := left.of.numbers()
	step := max(1, plainElements/max(1, left.terms))
	for ; j0 < j1; j0 += step {
		n := min(step, j1-j0)
		tile := right.matrix(j0, n)
		row := newRowSum(b.f, n, b.strides...)
		var place []int
		for i := i0; i < i1; i++ {
			row.reset()
			place = left.places(place, i, 0, left.terms, taps)
			for k, at := range place {
				if at < 0 {
					continue
				}
				x := left.figures(at)
				if x.v = values.at(at); !left.sparse || x != exact(0) {
					row.add(x, tile, k)
				}
			}
			for j := range n {
				s := row.dot(j)
				s.own = p.own()
				done(i, j0+j, s)
			}
		}
	}
}

// matrix returns n lanes from a first one as the columns of a matrix.
func (q *factor) matrix(first, n int) matrix {
	var place []int
	index := make([]int, q.terms*n)
	for j := range n {
		place = q.places(place, first+j, 0, q.terms, nil)
		for k, at := range place {
			index[k*n+j] = at
		}
	}
	values, _ := q.of.numbers()
	m := matrix{rows: q.terms, cols: n, v: convert(index, values.at)}
	if q.of.Sound == nil {
		return m
	}
	m.sound, m.spread, m.declared = make([]float64, len(index)), make([]float64, len(index)), make([]float64, len(index))
	for i, at := range index {
		f := q.figures(at)
		m.sound[i], m.spread[i], m.declared[i] = f.sound, f.spread, f.declared
	}
	return m
}
