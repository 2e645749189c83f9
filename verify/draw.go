package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
)

// drawSets draws inputs for a model that has no recorded ones. Open first axes
// get 1 entry, and in a second set 3; other open axes get as many, or more where
// the model refuses that, as a convolution refuses an image of one pixel. What it
// refuses all the same is left out with a note: the inputs are to blame.
func (j *job) drawSets(ctx context.Context) error {
	d := newDrawing(j.program.Inputs(), j.model.Proto.GetGraph(), j.options.Seed)
	batches := []int{1}
	if d.batch || d.wide {
		batches = []int{1, 3}
	}
	side := 0
	var refusal error
	for _, n := range batches {
		lengths := []int{cmp.Or(side, n)}
		if side == 0 && d.wide {
			lengths = append(lengths, 16, 64, 224)
		}
		var first error
		for _, length := range lengths {
			set, err := d.set(n, length)
			if err != nil {
				return err
			}
			err = j.evaluate(ctx, &set)
			if err == nil {
				if length != n {
					side = length
				}
				j.sets, first = append(j.sets, set), nil
				break
			}
			if _, ok := errors.AsType[*unjudged](err); !ok {
				return err
			}
			if first == nil {
				first = fmt.Errorf("%s: %w", set.name, err)
			}
			if errors.Is(err, errSlow) {
				break
			}
		}
		if first != nil {
			refusal = first
			j.report.Notes = append(j.report.Notes, "left out: "+first.Error())
		}
	}
	if len(j.sets) == 0 {
		j.report.Notes = nil
		if len(d.inputs) == 0 || errors.Is(refusal, errSlow) {
			return refusal
		}
		return fmt.Errorf("%w; these inputs were drawn: recorded ones, in %s0, may do", refusal, setPrefix)
	}
	return nil
}

// A drawing draws the inputs of a model.
type drawing struct {
	inputs  []reference.Input // those that must be given
	ranges  map[string]interval
	seed    uint64
	batch   bool            // there is an open first axis
	wide    bool            // there is another open axis
	batches map[string]bool // names of first axes
}

func newDrawing(inputs []reference.Input, g *pb.GraphProto, seed uint64) *drawing {
	d := &drawing{ranges: ranges(g), seed: seed, batches: map[string]bool{}}
	for _, in := range inputs {
		if in.Optional {
			continue
		}
		d.inputs = append(d.inputs, in)
		if dims := in.Type.Dims; len(dims) > 0 && !dims[0].Known() {
			d.batch = true
			if dims[0].Symbol != "" {
				d.batches[dims[0].Symbol] = true
			}
		}
	}
	for _, in := range d.inputs {
		for i, dim := range in.Type.Dims {
			d.wide = d.wide || !dim.Known() && !d.first(i, dim)
		}
	}
	return d
}

// first reports whether an open axis counts the entries of a batch.
func (d *drawing) first(i int, dim onnx.Dim) bool { return i == 0 || d.batches[dim.Symbol] }

// set draws a data set whose open axes are n long where they are a batch, and
// length long elsewhere.
func (d *drawing) set(n, length int) (dataSet, error) {
	s := dataSet{name: fmt.Sprintf("seed %d", d.seed)}
	if d.batch || d.wide {
		s.name += fmt.Sprintf(", batch %d", n)
	}
	if d.wide && length != n {
		s.name += fmt.Sprintf(", other axes %d", length)
	}
	for _, in := range d.inputs {
		t, err := d.draw(in, n, length)
		if err != nil {
			return s, fmt.Errorf("input %q: %w", in.Name, err)
		}
		v, err := reference.FromTensor(t)
		if err != nil {
			return s, err
		}
		s.inputs, s.values = append(s.inputs, t), append(s.values, v)
	}
	return s, nil
}

// mostDrawn is the most elements of an input that is drawn.
const mostDrawn = 1 << 26

// draw makes a tensor for an input: standard normal numbers, zeros and ones for
// integers and booleans, which are safe as indices, or what the nodes that read
// it take.
func (d *drawing) draw(in reference.Input, n, length int) (*onnx.Tensor, error) {
	if in.Kind != reference.Tensor {
		return nil, &onnx.UnsupportedError{Why: "it is no tensor, so nothing can be drawn for it"}
	}
	if in.Type.Dims == nil {
		return nil, &onnx.UnsupportedError{Why: "its shape is not declared, so nothing can be drawn for it"}
	}
	dims := make([]int, len(in.Type.Dims))
	count := 1
	for i, dim := range in.Type.Dims {
		switch {
		case dim.Known():
			dims[i] = int(dim.Size)
		case d.first(i, dim):
			dims[i] = n
		default:
			dims[i] = length
		}
		if dims[i] < 0 || dims[i] > 0 && count > mostDrawn/dims[i] {
			return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("%s has more than %d elements", in, mostDrawn)}
		}
		count *= dims[i]
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", in.Name, n)
	r := rand.New(rand.NewPCG(d.seed, h.Sum64()))
	real, whole := r.NormFloat64, func() int64 { return int64(r.IntN(2)) }
	if from, ok := d.ranges[in.Name]; ok {
		real = func() float64 { return from.low + r.Float64()*(from.high-from.low) }
		if low, high := int64(from.low), int64(from.high); high > low {
			whole = func() int64 { return low + r.Int64N(high-low) }
		}
	}
	var wide onnx.Data
	if none, ok := onnx.MakeData(in.Type.Elem, count); ok {
		wide = none.Wide()
	}
	switch w := wide.(type) {
	case onnx.Slice[float64]:
		for i := range w {
			w[i] = real()
		}
	case onnx.Slice[int64]:
		for i := range w {
			w[i] = whole()
		}
	case onnx.Slice[uint64]:
		for i := range w {
			w[i] = uint64(whole())
		}
	case onnx.Slice[bool]:
		for i := range w {
			w[i] = r.IntN(2) == 1
		}
	default:
		return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("nothing can be drawn for %s", in)}
	}
	data, _ := onnx.Narrow(in.Type.Elem, wide)
	return onnx.TensorOf(in.Name, data, dims...)
}

// An interval is the numbers from low on, below high.
type interval struct{ low, high float64 }

// choosy are the inputs of operators that take, or are of use with, some numbers
// only.
var choosy = []struct {
	op    string
	input int
	interval
}{
	{"NonMaxSuppression", 2, interval{1, 4}},    // boxes
	{"NonMaxSuppression", 3, interval{0, 1}},    // shared area
	{"NonMaxSuppression", 4, interval{0, 1}},    // score
	{"Dropout", 1, interval{0, 1}},              // ratio
	{"BatchNormalization", 4, interval{0.5, 2}}, // variance
	{"Bernoulli", 0, interval{0, 1}},
	{"Div", 1, interval{1, 3}},
	{"Mod", 1, interval{1, 3}},
	{"Range", 2, interval{1, 2}},
}

// ranges are what the nodes that read inputs of a graph take of them.
func ranges(g *pb.GraphProto) map[string]interval {
	found := map[string]interval{}
	for _, n := range g.GetNode() {
		if n.GetDomain() != "" && n.GetDomain() != "ai.onnx" {
			continue
		}
		for _, c := range choosy {
			if c.op == n.GetOpType() && c.input < len(n.GetInput()) {
				found[n.GetInput()[c.input]] = c.interval
			}
		}
	}
	return found
}

// doubled returns the inputs with every entry of an open first axis twice: a
// batch of another size whose values are as valid as they were. It is nil if
// no input has such an axis.
func doubled(p *reference.Program, inputs []*onnx.Tensor) []*onnx.Tensor {
	out := clone(inputs)
	any := false
	for i, t := range out {
		k := slices.IndexFunc(p.Inputs(), func(in reference.Input) bool { return in.Name == t.Name })
		if k < 0 {
			continue
		}
		dims := p.Inputs()[k].Type.Dims
		if len(dims) == 0 || dims[0].Known() || len(t.Dims) == 0 {
			continue
		}
		any = true
		out[i].Dims[0] *= 2
		n := t.Len()
		twice := t.Data.Make(2 * n)
		twice.Copy(0, t.Data, 0, n)
		twice.Copy(n, t.Data, 0, n)
		out[i].Data = twice
	}
	if !any {
		return nil
	}
	return out
}
