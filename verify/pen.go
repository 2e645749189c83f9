package verify

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
)

// A pen draws one input.
type pen struct {
	*drawing
	input   input
	lengths assignment
	batch   int
	use     use
	drawn   origin
	random  *rand.Rand
}

// An origin says what was drawn for an input, and why.
type origin struct{ what, why string }

// value draws the input, or takes what was given.
func (p *pen) value() (*reference.Value, error) {
	if p.input.value != nil {
		p.drawn.what = "from " + p.input.file
		v := *p.input.value
		return &v, nil
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", p.input.Name, p.batch)
	p.random = rand.New(rand.NewPCG(p.seed, h.Sum64()))
	if p.input.sequence {
		return p.nested(p.input.proto)
	}
	dims, err := p.dims(p.input, p.lengths)
	if err != nil {
		return nil, err
	}
	return p.tensor(p.input.Type.Elem, dims)
}

// nested draws a sequence, of three, or an optional, which is there.
func (p *pen) nested(t *pb.TypeProto) (*reference.Value, error) {
	v := &reference.Value{Kind: reference.Sequence}
	n, inner := 3, t.GetSequenceType().GetElemType()
	if t.GetOptionalType() != nil {
		v.Kind, n, inner = reference.Optional, 1, t.GetOptionalType().GetElemType()
	}
	what := ""
	for range n {
		var e *reference.Value
		var err error
		if elem, ok := onnx.TypeOf(inner); ok {
			dims := make([]int, len(elem.Dims))
			for i, d := range elem.Dims {
				if dims[i] = int(d.Size); !d.Known() {
					dims[i] = 4
				}
			}
			if elem.Dims == nil {
				dims = []int{2, 3}
			}
			e, err = p.tensor(elem.Elem, dims)
		} else if inner.GetSequenceType() != nil {
			e, err = p.nested(inner)
		} else {
			err = &onnx.UnsupportedError{Why: "nothing can be drawn for its type: record inputs in " + setPrefix + "0"}
		}
		if err != nil {
			return nil, err
		}
		what = p.drawn.what
		v.Elems = append(v.Elems, e)
	}
	p.drawn.what = fmt.Sprintf("%d tensors of %s", n, what)
	if n == 1 {
		p.drawn.what = "one that is there, of " + what
	}
	return v, nil
}

func (p *pen) tensor(elem pb.TensorProto_DataType, dims []int) (*reference.Value, error) {
	n := 1
	for _, d := range dims {
		n *= d
	}
	if onnx.IsComplex(elem) {
		return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("elements of type %s, which neither the reference nor ONNX Runtime has", onnx.ElemName(elem))}
	}
	none, ok := onnx.MakeData(elem, n)
	if !ok {
		return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("nothing can be drawn for elements of type %s: give some with --input %s=FILE", onnx.ElemName(elem), p.input.Name)}
	}
	wide := none.Wide()
	switch w := wide.(type) {
	case onnx.Slice[float64]:
		p.floats(w, dims)
	case onnx.Slice[int64]:
		least, greatest, _ := onnx.IntegerRange(elem)
		p.integers(w, least, int64(greatest), dims)
	case onnx.Slice[uint64]:
		s := make(onnx.Slice[int64], len(w))
		_, greatest, _ := onnx.IntegerRange(elem)
		p.integers(s, 0, int64(min(greatest, math.MaxInt64)), dims)
		for i, x := range s {
			w[i] = uint64(x)
		}
	case onnx.Slice[bool]:
		p.conditions(w, dims)
	case onnx.Slice[string]:
		p.words(w)
	default:
		return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("nothing can be drawn for elements of type %s: give some with --input %s=FILE", onnx.ElemName(elem), p.input.Name)}
	}
	data, ok := onnx.Narrow(elem, wide)
	if !ok {
		return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("nothing can be drawn for elements of type %s", onnx.ElemName(elem))}
	}
	t, err := onnx.TensorOf(p.input.Name, data, dims...)
	if err != nil {
		return nil, err
	}
	return reference.FromTensor(t)
}

// floats draws normal numbers, or what the graph makes use of.
func (p *pen) floats(w []float64, dims []int) {
	p.drawn = origin{what: "normal numbers"}
	from := interval{0, 1}
	switch u := p.use; {
	case p.input.between != nil:
		from, p.drawn = *p.input.between, origin{fmt.Sprintf("%.6g to %.6g", p.input.between.low, p.input.between.high), "asked for"}
	case u.kind == oneOf && len(u.values) > 0:
		for i := range w {
			w[i] = u.values[p.random.IntN(len(u.values))]
		}
		p.drawn = origin{some(u.values), u.why}
		return
	case u.kind == numbers || u.kind == domain || u.kind == index:
		from, p.drawn = interval{u.low, u.high}, origin{fmt.Sprintf("%.6g to %.6g", u.low, u.high), u.why}
	case u.kind == switches || u.kind == unused && masks(p.input.Name):
		draw := p.mask(dims)
		for i := range w {
			w[i] = draw(i)
		}
		return
	case u.kind == unused && toggles(p.input.Name):
		p.drawn = origin{"0 and 1", "by its name, a switch"}
		for i := range w {
			w[i] = float64(p.random.IntN(2))
		}
		return
	case u.kind == unused && share(p.input.Name):
		from, p.drawn = interval{0.05, 0.95}, origin{"0.05 to 0.95", "by its name, a share or a threshold"}
	case u.kind == branches:
		p.besides(w, u.features)
		return
	case u.kind == lengths:
		from = interval{max(u.low, 1), max(u.high, 1)}
		p.drawn = origin{fmt.Sprintf("%.6g to %.6g", from.low, from.high), u.why}
	case u.kind == unused && factor(p.input.Name):
		from, p.drawn = interval{0.5, 1.5}, origin{"0.5 to 1.5", "by its name, a factor"}
	case p.tame:
		p.drawn = origin{"0 to 1", "the graph refuses normal numbers"}
	default:
		if p.plain = true; p.gain > 1 {
			p.drawn = origin{fmt.Sprintf("normal numbers times %g", p.gain), "of smaller ones an output has no elements"}
		}
		for i := range w {
			w[i] = p.gain * p.random.NormFloat64()
		}
		return
	}
	for i := range w {
		w[i] = from.low + p.random.Float64()*(from.high-from.low)
		if p.use.kind == index {
			w[i] = math.Floor(w[i])
		}
	}
}

// factor reports whether an input is a factor by its name: how fast, how warm.
func factor(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"scale", "scales", "speed", "temperature", "strength"}, func(end string) bool { return strings.HasSuffix(name, end) })
}

// named reports whether an input's name is one of some words, or begins or ends with one and something between.
func named(name string, first bool, words ...string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(words, func(word string) bool {
		rest, ok := strings.CutSuffix(name, word)
		if first {
			rest, ok = strings.CutPrefix(name, word)
			return ok && strings.HasPrefix(rest, "_")
		}
		return ok && (rest == "" || strings.ContainsAny(rest[len(rest)-1:], "_.-/: "))
	})
}

// masks, toggles and share read the names of inputs of floats that nothing else is known of.
func masks(name string) bool { return named(name, false, "mask", "masks") }

func toggles(name string) bool {
	return named(name, true, "has", "is", "use", "do", "with", "enable") || named(name, false, "flag", "switch")
}

func share(name string) bool {
	return named(name, false, "threshold", "thresh", "thres", "thr", "prob", "probability", "ratio", "top_p", "min_p", "confidence", "conf", "iou")
}

// mask draws a mask, whose rows are full at first and hide their ends after that.
func (p *pen) mask(dims []int) func(int) float64 {
	keep, hide, why := p.use.keep, p.use.hide, p.use.why
	if keep == hide {
		keep, hide, why = 1, 0, "a mask"
		if p.use.kind == unused {
			why = "by its name, a mask"
		}
	}
	kept, hidden := fmt.Sprintf("%.6g", keep), fmt.Sprintf("%.6g", hide)
	if p.input.Type.Elem == pb.TensorProto_BOOL {
		kept, hidden = fmt.Sprint(keep != 0), fmt.Sprint(hide != 0)
	}
	p.drawn = origin{fmt.Sprintf("%s, and %s at the ends of rows", kept, hidden), why}
	if len(dims) < 2 {
		p.drawn.what = fmt.Sprintf("%s and %s", kept, hidden)
	}
	draw := p.rows(dims, 1)
	return func(i int) float64 {
		if draw(i) == 1 {
			return keep
		}
		return hide
	}
}

// bags are where the bags of a list begin, of which each has as many elements.
func (p *pen) bags(n int) func(int) int64 {
	length := n
	for _, in := range p.inputs {
		if in.Name != p.input.Name && len(in.Type.Dims) == 1 && whole(in.Type.Elem) {
			if dims, err := p.dims(in, p.lengths); err == nil {
				length = dims[0]
				break
			}
		}
	}
	return func(i int) int64 { return int64(i * max(length/max(n, 1), 1)) }
}

// integers draws from low to high, those of the type, or what the graph makes use
// of.
func (p *pen) integers(w []int64, low, high int64, dims []int) {
	u, name := p.use, strings.ToLower(p.input.Name)
	least, greatest := -1, -1
	uniform := func(from, to float64) func(int) int64 {
		a, b := max(whole64(math.Ceil(from)), low), min(whole64(math.Floor(to)), high)
		if b < a {
			a, b = max(min(a, high), low), max(min(a, high), low)
		}
		p.drawn.what = fmt.Sprintf("%d to %d", a, b)
		if a == b {
			p.drawn.what = fmt.Sprint(a)
		}
		if len(w) >= 4 { // both ends are among them
			least = p.random.IntN(len(w))
			greatest = (least + 1 + p.random.IntN(len(w)-1)) % len(w)
		}
		return func(i int) int64 {
			switch {
			case i == least:
				return a
			case i == greatest:
				return b
			case uint64(b-a) == math.MaxUint64:
				return int64(p.random.Uint64())
			}
			return int64(uint64(a) + p.random.Uint64N(uint64(b-a)+1))
		}
	}
	var draw func(i int) int64
	switch {
	case p.input.between != nil:
		draw, p.drawn.why = uniform(p.input.between.low, p.input.between.high), "asked for"
	case u.kind == total || u.kind == seqlens:
		n := p.sum(sequence) + p.sum(past)
		if draw, p.drawn.why = uniform(float64(n), float64(n)), u.why; u.kind == seqlens {
			draw = p.shorter(max(p.sum(sequence), 1)-1, n-1)
		}
	case u.kind == oneOf && strings.Contains(name, "mask") && len(dims) > 1 && !slices.ContainsFunc(u.values, func(x float64) bool { return x != 0 && x != 1 }):
		draw = wholes(p.mask(dims))
	case u.kind == oneOf && len(u.values) > 0:
		p.drawn = origin{some(u.values), u.why}
		draw = func(int) int64 { return whole64(u.values[p.random.IntN(len(u.values))]) }
	case u.kind == counted:
		p.drawn = origin{"1, and 0 at the ends of rows", u.why}
		draw = p.rows(dims, p.sum(sequence))
	case u.kind == switches || strings.Contains(name, "mask") && u.kind < index:
		draw = wholes(p.mask(dims))
	case named(name, false, "offsets") && len(dims) == 1 && u.kind < index || named(name, false, "offsets") && u.kind == lengths:
		p.drawn = origin{"ascending", "by its name, where each bag begins"}
		draw = p.bags(len(w))
	case u.kind == index && strings.Contains(name, "position") && len(dims) > 0:
		p.drawn = origin{"places in the sequence", u.why}
		from, last := p.sum(past), max(dims[len(dims)-1], 1)
		draw = func(i int) int64 { return min(int64(from+i%last), whole64(u.high)) }
	case u.kind == index:
		draw, p.drawn.why = uniform(u.low, u.high), u.why
	case u.kind == lengths:
		draw, p.drawn.why = p.shape(u, uniform(u.low, u.high)), u.why
	case u.kind == ends:
		draw, p.drawn.why = p.shorter(1, int(u.high)), u.why
	case p.rowLength(name, dims) > 0:
		draw, p.drawn.why = p.shorter(1, p.rowLength(name, dims)), "by its name, the length of a row"
	case u.kind == numbers || u.kind == domain || u.kind == converted && (low < 0 || high > math.MaxUint8):
		draw, p.drawn.why = uniform(u.low, u.high), u.why
	case p.tame:
		draw, p.drawn.why = uniform(0, 1), "the graph refuses others"
	case high-low < 1<<17 && high-low > 0:
		draw, p.drawn.why = uniform(float64(low), float64(high)), "the range of the type"
	default:
		// Of every magnitude, so that small ones are among them.
		p.drawn = origin{fmt.Sprintf("%d to %d, of every magnitude", low/2, high/2), "the range of the type"}
		draw = func(int) int64 {
			x := int64(p.random.Uint64N(uint64(1) << p.random.IntN(bits.Len64(uint64(high))-1)))
			if low < 0 && p.random.IntN(2) == 1 {
				return -x
			}
			return x
		}
	}
	for i := range w {
		w[i] = min(max(draw(i), low), high)
	}
}

func wholes(draw func(int) float64) func(int) int64 {
	return func(i int) int64 { return int64(draw(i)) }
}

// shape draws what makes a shape, or names axes.
func (p *pen) shape(u use, otherwise func(int) int64) func(int) int64 {
	switch {
	case u.low == -1 && u.high == -1: // one row
		return func(i int) int64 {
			if i == 0 {
				return -1
			}
			return 1
		}
	case u.why == "an axis":
		return func(i int) int64 { return int64(i) }
	}
	return otherwise
}

// rows are masks of which the first row is full, and the others end early but have so many.
func (p *pen) rows(dims []int, least int) func(int) int64 {
	if len(dims) < 2 {
		return func(int) int64 { return int64(p.random.IntN(2)) }
	}
	last := max(dims[len(dims)-1], 1)
	length := last
	return func(i int) int64 {
		if i%last == 0 && i > 0 {
			length = min(least, last) + p.random.IntN(last-min(least, last)+1)
		}
		if i%last < length {
			return 1
		}
		return 0
	}
}

// shorter are lengths of rows, of which none is longer than the one before it: the first is most, and the others are no
// shorter than least.
func (p *pen) shorter(least, most int) func(int) int64 {
	p.drawn.what = fmt.Sprint(most)
	if p.batch > 1 && least < most {
		p.drawn.what += ", and less"
	}
	n := most
	return func(i int) int64 {
		if i > 0 && least < n {
			n = least + p.random.IntN(n-least+1)
		}
		return int64(n)
	}
}

// sum is the length of the first free axis of a role, 0 if there is none.
func (p *pen) sum(role axisRole) int {
	for k, f := range p.free {
		if f.role == role && !p.derived(k) {
			return p.lengths[k]
		}
	}
	return 0
}

// rowLength is the length that an input of that name says of another one's rows.
func (p *pen) rowLength(name string, dims []int) int {
	if len(dims) > 1 || !strings.HasSuffix(name, "length") && !strings.HasSuffix(name, "lengths") && !strings.HasSuffix(name, "_len") && !strings.HasSuffix(name, "_lens") {
		return 0
	}
	for _, in := range p.inputs {
		if len(in.Type.Dims) >= 2 && !in.sequence {
			if other, err := p.dims(in, p.lengths); err == nil {
				if len(other) > 2 && p.of[in.Name][2] >= 0 {
					return other[2] // features, then steps
				}
				return other[1]
			}
		}
	}
	return 0
}

func (p *pen) conditions(w []bool, dims []int) {
	if p.use.kind == switches || strings.Contains(strings.ToLower(p.input.Name), "mask") && len(dims) > 1 {
		draw := p.mask(dims)
		for i := range w {
			w[i] = draw(i) != 0
		}
		return
	}
	for i := range w {
		w[i] = p.random.IntN(2) == 1
	}
	p.drawn.what = "false and true"
}

// vocabulary is drawn where the graph knows no words.
var vocabulary = []string{"stone", "Stone Age", "two words", "", "naïve", "2026", "the", "a"}

func (p *pen) words(w []string) {
	list := vocabulary
	p.drawn.what = "words"
	if p.use.kind == oneOf && len(p.use.words) > 0 {
		list = p.use.words
		p.drawn.why = p.use.why
	}
	for i := range w {
		w[i] = list[p.random.IntN(len(list))]
	}
}

// whole64 is the nearest int64.
func whole64(x float64) int64 {
	switch {
	case x >= math.MaxInt64:
		return math.MaxInt64
	case x <= math.MinInt64:
		return math.MinInt64
	}
	return int64(math.Round(x))
}

// some shows a list of numbers, in part where it is long.
func some(values []float64) string {
	values = slices.Compact(slices.Sorted(slices.Values(values)))
	text := ""
	for i, v := range values {
		if i == 5 {
			return text + fmt.Sprintf(" and %d more", len(values)-i)
		}
		text = join2(text, fmt.Sprintf("%.6g", v))
	}
	return text
}
