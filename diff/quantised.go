package diff

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/verify"
	"github.com/petrify-ml/petrify/witness"
)

// A Quantisation is the effect of rounding on a copy of a model that keeps weights, or intermediate values, in fewer bits: predicted
// and measured.
//
// The prediction is a Monte Carlo estimate. The step sizes are read from the copy: the scales of DequantizeLinear and of
// com.microsoft's MatMulNBits, the spacing of float16 and bfloat16. The reference then evaluates the first model a few times, each
// time with every weight perturbed by a random fraction of its step, uniform between minus and plus half a step (zeros stay, since
// every form represents zero), and with every value that the copy quantises passed through that quantiser with a random offset, which
// perturbs it in the same way. The root mean square of the resulting change of an output is the prediction; the error of the copy
// itself is the measurement.
type Quantisation struct {
	Weights  int            `json:"weights"`  // that the copy has rounded
	Elements int            `json:"elements"` // of them
	Forms    map[string]int `json:"forms"`    // how many weights of each form
	Values   int            `json:"values"`   // on the way that the copy quantises
	Effects  []Effect       `json:"effects"`
	Problem  string         `json:"problem,omitempty"` // why there is no prediction
}

// An Effect is the error of one output; sizes and errors are root mean squares over its elements.
type Effect struct {
	Output    string        `json:"output"`
	Size      verify.Number `json:"size"` // of the output itself
	Measured  verify.Number `json:"measured"`
	Predicted verify.Number `json:"predicted"`
}

// Factor is the largest ratio of a measured error to its prediction that is still put down to rounding. The test of this package
// sees ratios of 0.4 to 1.4 over nets and forms.
const Factor = 2

// Explained reports whether rounding explains an error.
func (e *Effect) Explained() bool { return float64(e.Measured) <= Factor*float64(e.Predicted) }

// Lines describes the result for people, in a few lines.
func (q *Quantisation) Lines() []string {
	if q == nil || q.Weights+q.Values == 0 {
		return nil
	}
	var forms []string
	for _, form := range slices.Sorted(maps.Keys(q.Forms)) {
		forms = append(forms, fmt.Sprintf("%d in %s", q.Forms[form], form))
	}
	head := fmt.Sprintf("quantised: %d weights of %d elements (%s)", q.Weights, q.Elements, strings.Join(forms, ", "))
	if q.Weights == 0 {
		head = "quantised: no weights"
	}
	if q.Values > 0 {
		head += fmt.Sprintf(", and %d values on the way", q.Values)
	}
	if q.Problem != "" {
		return []string{head + "; nothing is predicted: " + q.Problem}
	}
	lines := []string{head}
	for _, e := range q.Effects {
		verdict := "as expected from rounding"
		if !e.Explained() {
			verdict = "more than rounding explains"
		}
		lines = append(lines, fmt.Sprintf("output %s: off by %.3g (%.2g %% of it), predicted %.3g, that is %.2g times the prediction: %s",
			onnx.Quote(e.Output), float64(e.Measured), 100*float64(e.Measured)/float64(e.Size), float64(e.Predicted), float64(e.Measured)/float64(e.Predicted), verdict))
	}
	return lines
}

// A rounded weight is an initializer of the old model, with the step of each element.
type rounded struct {
	name, form string
	values     []float32
	dims       []int64
	steps      []float64
}

// A quantiser is one that the new model has on a value that the old model has, too.
type quantiser struct {
	value       string
	scale, zero *pb.TensorProto // zero may be nil
	attributes  []*pb.AttributeProto
}

// findRounded looks for weights of old that now keeps in fewer bits, and for values that it quantises.
func findRounded(ctx context.Context, old, now *pb.ModelProto, o reference.Options) ([]rounded, []quantiser) {
	was, is := old.GetGraph(), now.GetGraph()
	f := &finder{ctx: ctx, options: o, now: now, was: map[string]*pb.TensorProto{}, is: map[string]*pb.TensorProto{}, byOutput: map[string]*pb.NodeProto{}, byName: map[string]*pb.NodeProto{}, seen: map[string]bool{}}
	for _, t := range was.GetInitializer() {
		f.was[t.GetName()] = t
	}
	for _, t := range is.GetInitializer() {
		f.is[t.GetName()] = t
	}
	for _, n := range was.GetNode() {
		if len(n.Output) > 0 {
			f.byOutput[n.Output[0]] = n
		}
		if n.GetName() != "" {
			f.byName[n.GetName()] = n
		}
	}
	for _, t := range is.GetInitializer() {
		if form, step := half(t); form != "" {
			f.add(f.was[t.GetName()], form, nil, step)
		}
	}
	values := map[string]bool{}
	for _, v := range was.GetInput() {
		values[v.GetName()] = true
	}
	for _, n := range was.GetNode() {
		for _, v := range n.Output {
			values[v] = true
		}
	}
	var quantisers []quantiser
	for _, n := range is.GetNode() {
		switch {
		case n.GetOpType() == "DequantizeLinear" && len(n.Input) > 1 && f.is[n.Input[0]] != nil && f.is[n.Input[1]] != nil:
			f.dequantised(n)
		case n.GetOpType() == "Cast" && len(n.Input) == 1 && f.is[n.Input[0]] != nil:
			if form, step := half(f.is[n.Input[0]]); form != "" {
				f.add(f.consumed(n.Output[0]), form, nil, step)
			}
		case n.GetOpType() == "MatMulNBits" && len(n.Input) > 2 && f.is[n.Input[2]] != nil:
			f.inBlocks(n)
		case n.GetOpType() == "QuantizeLinear" && len(n.Input) > 1 && f.is[n.Input[0]] == nil && f.is[n.Input[1]] != nil && values[n.Input[0]] && f.was[n.Input[0]] == nil:
			q := quantiser{value: n.Input[0], scale: f.is[n.Input[1]], attributes: n.Attribute}
			if len(n.Input) > 2 {
				q.zero = f.is[n.Input[2]]
			}
			if !slices.ContainsFunc(quantisers, func(p quantiser) bool { return p.value == q.value }) {
				quantisers = append(quantisers, q)
			}
		}
	}
	return f.found, quantisers
}

type finder struct {
	ctx              context.Context
	options          reference.Options
	now              *pb.ModelProto
	was, is          map[string]*pb.TensorProto
	byOutput, byName map[string]*pb.NodeProto
	found            []rounded
	seen             map[string]bool
}

// add takes a weight, with the step of each element, or of each value.
func (f *finder) add(t *pb.TensorProto, form string, steps []float64, step func(float64) float64) {
	if t == nil || f.seen[t.GetName()] {
		return
	}
	w, err := onnx.FromProto(t)
	if err != nil {
		return
	}
	values, ok := w.Data.(onnx.Slice[float32])
	if !ok || steps != nil && len(steps) != len(values) {
		return
	}
	if steps == nil {
		steps = make([]float64, len(values))
		for i, v := range values {
			steps[i] = step(float64(v))
		}
	}
	f.seen[t.GetName()] = true
	f.found = append(f.found, rounded{t.GetName(), form, values, t.Dims, steps})
}

// half is the form of a tensor of 16-bit floats, and the distance of the numbers of that form around a value.
func half(t *pb.TensorProto) (form string, step func(float64) float64) {
	spacing := func(fraction, least int) func(float64) float64 {
		return func(v float64) float64 {
			_, e := math.Frexp(v) // |v| in [2^(e-1), 2^e)
			return math.Ldexp(1, max(e-1, least)-fraction)
		}
	}
	switch pb.TensorProto_DataType(t.GetDataType()) {
	case pb.TensorProto_FLOAT16:
		return "float16", spacing(10, -14)
	case pb.TensorProto_BFLOAT16:
		return "bfloat16", spacing(7, -126)
	}
	return "", nil
}

// consumed is the weight of the old model in whose place the new one reads a value.
func (f *finder) consumed(value string) *pb.TensorProto {
	for _, n := range f.now.GetGraph().GetNode() {
		i := slices.Index(n.Input, value)
		if i < 0 || len(n.Output) == 0 {
			continue
		}
		before := f.byOutput[n.Output[0]]
		if before == nil && n.GetName() != "" {
			before = f.byName[n.GetName()]
		}
		if before != nil && i < len(before.Input) {
			if t := f.was[before.Input[i]]; t != nil {
				return t
			}
		}
	}
	return nil
}

// dequantised takes the weight that a DequantizeLinear of constants stands for. Its steps are what the node makes of ones without a
// zero point.
func (f *finder) dequantised(n *pb.NodeProto) {
	x := f.is[n.Input[0]]
	t := f.consumed(n.Output[0])
	if t == nil {
		name := n.Input[0]
		for _, suffix := range []string{"_quantized", "_DQ_Q4", "_QuantizeLinear"} {
			name = strings.TrimSuffix(name, suffix)
		}
		t = f.was[name]
	}
	if t == nil || !slices.Equal(t.Dims, x.Dims) {
		return
	}
	whole, err := onnx.FromProto(x)
	if err != nil {
		return
	}
	wide, ok := ones(whole.Data.Wide())
	if !ok {
		return
	}
	unit, ok := onnx.Narrow(whole.Type(), wide)
	if !ok {
		return
	}
	one := (&onnx.Tensor{Name: "x", Dims: whole.Dims, Data: unit}).Proto()
	scale := proto.CloneOf(f.is[n.Input[1]])
	scale.Name = proto.String("scale")
	node := &pb.NodeProto{OpType: n.OpType, Domain: n.Domain, Attribute: n.Attribute, Input: []string{"x", "scale"}, Output: []string{"y"}}
	m := &pb.ModelProto{IrVersion: f.now.IrVersion, OpsetImport: f.now.OpsetImport, Graph: &pb.GraphProto{
		Name: proto.String("steps"), Node: []*pb.NodeProto{node}, Initializer: []*pb.TensorProto{one, scale},
		Output: []*pb.ValueInfoProto{{Name: proto.String("y"), Type: (onnx.Type{Elem: pb.TensorProto_DataType(scale.GetDataType()), Dims: dimsOf(x.Dims)}).Proto()}},
	}}
	out, err := evaluate(f.ctx, m, nil, f.options)
	if err != nil || len(out) != 1 {
		return
	}
	steps, ok := floats(out[0].Data)
	if !ok {
		return
	}
	form := onnx.ElemName(whole.Type())
	switch scales, err := onnx.ElementCount(f.is[n.Input[1]].Dims); {
	case err != nil:
	case scales == 1:
		form += " per tensor"
	case onnx.Attribute(n, "block_size").GetI() > 0:
		form += " in blocks"
	default:
		form += " per channel"
	}
	f.add(t, form, steps, nil)
}

// inBlocks takes the weight of com.microsoft's MatMulNBits: W is (K, N), and the scales are (N, blocks of K).
func (f *finder) inBlocks(n *pb.NodeProto) {
	if len(n.Output) == 0 {
		return
	}
	before := f.byOutput[n.Output[0]]
	if before == nil {
		before = f.byName[strings.TrimSuffix(n.GetName(), "_Q4")]
	}
	if before == nil || before.GetOpType() != "MatMul" || len(before.Input) < 2 || f.was[before.Input[1]] == nil {
		return
	}
	t := f.was[before.Input[1]]
	k, outputs, size := onnx.Attribute(n, "K").GetI(), onnx.Attribute(n, "N").GetI(), onnx.Attribute(n, "block_size").GetI()
	scales, err := onnx.FromProto(f.is[n.Input[2]])
	if err != nil || len(t.Dims) != 2 || t.Dims[0] != k || t.Dims[1] != outputs || size < 1 {
		return
	}
	s, ok := floats(scales.Data)
	blocks := (k + size - 1) / size
	if !ok || int64(len(s)) != outputs*blocks {
		return
	}
	steps := make([]float64, k*outputs)
	for i := range k {
		for j := range outputs {
			steps[i*outputs+j] = s[j*blocks+i/size]
		}
	}
	bits := onnx.Attribute(n, "bits").GetI()
	if bits == 0 {
		bits = 4
	}
	f.add(t, fmt.Sprintf("MatMulNBits of %d bits", bits), steps, nil)
}

func ones(d onnx.Data) (onnx.Data, bool) {
	switch d := d.(type) {
	case onnx.Slice[int64]:
		for i := range d {
			d[i] = 1
		}
	case onnx.Slice[uint64]:
		for i := range d {
			d[i] = 1
		}
	case onnx.Slice[float64]:
		for i := range d {
			d[i] = 1
		}
	default:
		return nil, false
	}
	return d, true
}

func dimsOf(dims []int64) []onnx.Dim {
	all := make([]onnx.Dim, len(dims))
	for i, d := range dims {
		all[i] = onnx.Fixed(d)
	}
	return all
}

// floats are the numbers of a tensor of floats.
func floats(d onnx.Data) ([]float64, bool) {
	if d == nil {
		return nil, false
	}
	wide, ok := d.Wide().(onnx.Slice[float64])
	return wide, ok
}

// evaluate runs a model in the reference.
func evaluate(ctx context.Context, m *pb.ModelProto, inputs []*onnx.Tensor, o reference.Options) ([]*onnx.Tensor, error) {
	s, err := reference.Runtime{Options: o}.Open(ctx, &onnx.Model{Proto: m})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Run(ctx, inputs)
}

// shaken is the old model with every rounded weight off by a random part of its step, and every quantised value taken through its
// quantiser with a random shift.
func shaken(old *pb.ModelProto, weights []rounded, quantisers []quantiser, r *rand.Rand) *pb.ModelProto {
	g := old.Graph
	h := &pb.GraphProto{Name: g.Name, Input: g.Input, Output: g.Output, ValueInfo: g.ValueInfo, SparseInitializer: g.SparseInitializer}
	off := map[string]*pb.TensorProto{}
	for _, w := range weights {
		values := make(onnx.Slice[float32], len(w.values))
		for i, v := range w.values {
			if values[i] = v; v != 0 {
				values[i] = float32(float64(v) + (r.Float64()-0.5)*w.steps[i])
			}
		}
		t := (&onnx.Tensor{Name: w.name, Data: values}).Proto()
		t.Dims = w.dims
		off[w.name] = t
	}
	for _, t := range g.Initializer {
		if s := off[t.GetName()]; s != nil {
			t = s
		}
		h.Initializer = append(h.Initializer, t)
	}
	const mark = "petrify quantised "
	renamed := map[string]string{}
	steps := map[string][]*pb.NodeProto{}
	for _, q := range quantisers {
		scale, ok := tensorFloats(q.scale)
		if !ok || len(scale) != 1 || q.scale.GetDataType() != int32(pb.TensorProto_FLOAT) {
			continue
		}
		name := func(part string) string { return mark + part + " " + q.value }
		shift := (&onnx.Tensor{Name: name("shift"), Data: onnx.Slice[float32]{float32((r.Float64() - 0.5) * scale[0])}}).Proto()
		step := proto.CloneOf(q.scale)
		step.Name = proto.String(name("scale"))
		h.Initializer = append(h.Initializer, shift, step)
		by := []string{name("shifted"), step.GetName()}
		back := []string{name("integers"), step.GetName()}
		if q.zero != nil {
			zero := proto.CloneOf(q.zero)
			zero.Name = proto.String(name("zero"))
			h.Initializer = append(h.Initializer, zero)
			by, back = append(by, zero.GetName()), append(back, zero.GetName())
		}
		node := func(op string, out string, in ...string) *pb.NodeProto {
			return &pb.NodeProto{OpType: proto.String(op), Input: in, Output: []string{out}}
		}
		renamed[q.value] = name("value")
		steps[q.value] = []*pb.NodeProto{
			node("Add", name("shifted"), q.value, shift.GetName()), node("QuantizeLinear", name("integers"), by...),
			node("DequantizeLinear", name("floats"), back...), node("Sub", name("value"), name("floats"), shift.GetName()),
		}
	}
	for _, v := range g.Input {
		h.Node = append(h.Node, steps[v.GetName()]...)
	}
	for _, n := range g.Node {
		if slices.ContainsFunc(n.Input, func(v string) bool { return renamed[v] != "" }) {
			n = &pb.NodeProto{Name: n.Name, OpType: n.OpType, Domain: n.Domain, Attribute: n.Attribute, Output: n.Output, Overload: n.Overload, Input: slices.Clone(n.Input)}
			for i, v := range n.Input {
				if renamed[v] != "" {
					n.Input[i] = renamed[v]
				}
			}
		}
		h.Node = append(h.Node, n)
		for _, v := range n.Output {
			h.Node = append(h.Node, steps[v]...)
		}
	}
	return &pb.ModelProto{IrVersion: old.IrVersion, OpsetImport: old.OpsetImport, Functions: old.Functions, Graph: h}
}

func tensorFloats(t *pb.TensorProto) ([]float64, bool) {
	x, err := onnx.FromProto(t)
	if err != nil {
		return nil, false
	}
	return floats(x.Data)
}

// draws is how often the old model is evaluated with weights that are off, and mostSets on how many different inputs.
const (
	draws    = 4
	mostSets = 2
)

// A rounding gathers what rounding does, over the runs of a copy.
type rounding struct {
	old        *pb.ModelProto
	options    reference.Options
	weights    []rounded
	quantisers []quantiser
	seen       map[uint64]bool
	sums       map[string]*[4]float64 // by output: elements, and sums of squares of the output, of what was measured and of what was predicted
	order      []string
	problem    string
}

func newRounding(ctx context.Context, old, now *pb.ModelProto, o reference.Options) *rounding {
	e := &rounding{old: old, options: o, seen: map[uint64]bool{}, sums: map[string]*[4]float64{}}
	e.weights, e.quantisers = findRounded(ctx, old, now, o)
	return e
}

// see predicts the errors of outputs, unless there is nothing to predict, or no time: took is what one evaluation took.
func (e *rounding) see(ctx context.Context, inputs, outputs []*onnx.Tensor, took time.Duration) {
	if len(e.weights)+len(e.quantisers) == 0 || len(e.seen) == mostSets || e.problem != "" {
		return
	}
	h := fnv.New64a()
	for _, t := range inputs {
		fmt.Fprint(h, t.Name, t.Dims)
		if t.Data != nil {
			h.Write(t.Proto().RawData)
		}
	}
	if key := h.Sum64(); e.seen[key] {
		return
	} else {
		e.seen[key] = true
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < took*(draws+2) {
		e.problem = "it would take longer than the timeout of one run"
		return
	}
	exact, err := evaluate(ctx, e.old, inputs, e.options)
	if err != nil {
		e.problem = err.Error()
		return
	}
	type part struct{ got, want []float64 }
	pair := func(all []*onnx.Tensor, t *onnx.Tensor) (part, bool) {
		i := slices.IndexFunc(all, func(u *onnx.Tensor) bool { return u.Name == t.Name })
		if i < 0 || all[i].Data == nil || t.Data == nil {
			return part{}, false
		}
		got, ok1 := floats(all[i].Data)
		want, ok2 := floats(t.Data)
		return part{got, want}, ok1 && ok2 && len(got) == len(want)
	}
	for _, t := range exact {
		p, ok := pair(outputs, t)
		if !ok {
			continue
		}
		sum := e.sums[t.Name]
		if sum == nil {
			sum = new([4]float64)
			e.sums[t.Name] = sum
			e.order = append(e.order, t.Name)
		}
		for i, w := range p.want {
			sum[0]++
			sum[1] += w * w
			sum[2] += (p.got[i] - w) * (p.got[i] - w)
		}
	}
	for k := range draws {
		r := rand.New(rand.NewPCG(uint64(k)+1, uint64(len(e.seen))))
		off, err := evaluate(ctx, shaken(e.old, e.weights, e.quantisers, r), inputs, e.options)
		if err != nil {
			e.problem = err.Error()
			return
		}
		for _, t := range exact {
			if p, ok := pair(off, t); ok && e.sums[t.Name] != nil {
				for i, w := range p.want {
					e.sums[t.Name][3] += (p.got[i] - w) * (p.got[i] - w) / draws
				}
			}
		}
	}
}

func (e *rounding) quantisation() *Quantisation {
	if e == nil || len(e.weights)+len(e.quantisers) == 0 {
		return nil
	}
	q := &Quantisation{Weights: len(e.weights), Forms: map[string]int{}, Values: len(e.quantisers), Problem: e.problem, Effects: []Effect{}}
	for _, w := range e.weights {
		q.Elements += len(w.values)
		q.Forms[w.form]++
	}
	if e.problem != "" {
		return q
	}
	for _, name := range e.order {
		s := e.sums[name]
		root := func(x float64) verify.Number { return verify.Number(math.Sqrt(x / s[0])) }
		if s[0] > 0 {
			q.Effects = append(q.Effects, Effect{name, root(s[1]), root(s[2]), root(s[3])})
		}
	}
	return q
}

var _ witness.Runtime = (*Copy)(nil)
