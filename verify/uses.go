package verify

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A use is what a graph does with an input, as far as that says which values mean
// something to it.
type use struct {
	kind      useKind
	low, high float64 // both may be drawn
	values    []float64
	words     []string
	why       string

	keep, hide float64 // of a mask
	features   []feature
}

// mask is the use of an input that keeps some elements, and hides others.
func mask(keep, hide float64, why string) use {
	return use{kind: switches, low: min(keep, hide), high: max(keep, hide), keep: keep, hide: hide, why: why}
}

// A useKind says how a use is drawn. What is more binding comes later: where an
// input has several uses, the last kind counts, and within it what they share.
type useKind int

const (
	unused    useKind = iota
	converted         // integers that become floats: of a size that does not drown others
	branches          // beside the thresholds of trees
	numbers           // of an interval, because they are of use: pixels, the range of a quantiser
	domain            // of an interval, because others are none: the logarithm of what is negative
	switches          // of a mask, mostly 0 and 1
	counted           // 0 and 1, of a mask whose sums are the lengths of rows
	oneOf             // of a list that the graph compares with
	index             // of an axis
	lengths           // of axes, small
	ends              // of rows, the first of which is full
	seqlens           // of GroupQueryAttention: what is valid in each row, less one
	total             // of GroupQueryAttention: what is valid at most
)

// A tracer follows the inputs of a graph to the nodes that say something about them.
type tracer struct {
	types     map[string]onnx.Type
	constants map[string]*onnx.Tensor
	readers   map[string][]reader
	functions map[onnx.FunctionKey]*pb.FunctionProto
	input     string // that is followed
	whole     bool   // it has integers
	masks     bool   // it may be a mask: it has integers or conditions, or that name
}

// A reader is a node that reads a value as its input at.
type reader struct {
	node  *pb.NodeProto
	at    int
	scope string // of the function that the node is in, before names
}

// mostFollowed bounds the elements of a constant that is looked at.
const mostFollowed = 1 << 16

// mostCompared bounds the list that an input is compared with, as where classes are spread out by Equal in place of OneHot.
const mostCompared = 1 << 12

// deepestCall bounds calls of functions within each other.
const deepestCall = 16

func newTracer(m *pb.ModelProto, types map[string]onnx.Type) *tracer {
	t := &tracer{types: types, constants: map[string]*onnx.Tensor{}, readers: map[string][]reader{}, functions: map[onnx.FunctionKey]*pb.FunctionProto{}}
	for _, f := range m.GetFunctions() {
		t.functions[onnx.KeyOf(f)] = f
	}
	t.graph("", m.GetGraph())
	done := map[onnx.FunctionKey]bool{}
	t.calls(m.GetGraph().GetNode(), done, 0)
	return t
}

func (t *tracer) graph(scope string, g *pb.GraphProto) {
	for _, w := range g.GetInitializer() {
		t.constant(scope+w.GetName(), w)
	}
	t.nodes(scope, g.GetNode())
}

func (t *tracer) constant(name string, w *pb.TensorProto) {
	n := int64(1)
	for _, d := range w.GetDims() {
		if n *= max(d, 0); n > mostFollowed {
			return
		}
	}
	if x, err := onnx.FromProto(w); err == nil {
		t.constants[name] = x
	}
}

func (t *tracer) nodes(scope string, list []*pb.NodeProto) {
	for _, n := range list {
		if n.GetOpType() == "Constant" {
			for _, a := range n.GetAttribute() {
				if len(n.GetOutput()) == 0 {
					continue
				}
				name := scope + n.GetOutput()[0]
				switch a.GetName() {
				case "value":
					t.constant(name, a.GetT())
				case "value_float":
					t.constants[name] = &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[float32]{a.GetF()}}
				case "value_int":
					t.constants[name] = &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[int64]{a.GetI()}}
				}
			}
		}
		for i, name := range n.GetInput() {
			if name != "" {
				t.readers[scope+name] = append(t.readers[scope+name], reader{n, i, scope})
			}
		}
		for _, a := range n.GetAttribute() {
			for _, g := range append(slices.Clone(a.GetGraphs()), a.GetG()) {
				if g != nil {
					t.graph(scope, g)
				}
			}
		}
	}
}

// calls adds the bodies of functions, each once.
func (t *tracer) calls(list []*pb.NodeProto, done map[onnx.FunctionKey]bool, depth int) {
	for n := range onnx.Nodes(list) {
		key := onnx.CallOf(n)
		f := t.functions[key]
		if f == nil || done[key] || depth > deepestCall {
			continue
		}
		done[key] = true
		t.nodes(key.String()+"\x00", f.GetNode())
		t.calls(f.GetNode(), done, depth+1)
	}
}

// A trail is a value that an input has become on its way: scale times the input,
// and offset.
type trail struct {
	name          string
	scale, offset float64
	steps         int  // of arithmetic
	mixed         bool // something else was added
	summed        bool // along an axis
	negated       bool // it is true where the input is 0
	compared      bool // with a number, so that it is a condition
}

// passing are operators whose output has the elements of these inputs.
var passing = map[string][]int{
	"Identity": {0}, "Cast": {0}, "CastLike": {0}, "Reshape": {0}, "Unsqueeze": {0}, "Squeeze": {0}, "Flatten": {0}, "Transpose": {0},
	"Expand": {0}, "Tile": {0}, "Slice": {0}, "Split": {0}, "Concat": nil, "Gather": {0}, "GatherElements": {0}, "GatherND": {0}, "Where": {1, 2},
	"Dropout": {0}, "Pad": {0, 2}, "DepthToSpace": {0}, "SpaceToDepth": {0}, "Clip": {0}, "MaxPool": {0}, "Max": nil, "Min": nil, "SequenceAt": {0},
	"SequenceConstruct": nil, "ConcatFromSequence": {0}, "ReduceMax": {0}, "ReduceMin": {0}, "Resize": {0}, "Upsample": {0}, "Optional": {0},
	"OptionalGetElement": {0}, "StringNormalizer": {0}, "StringSplit": {0}, "StringConcat": nil, "Trilu": {0}, "ScatterElements": {0, 2}, "ScatterND": {0, 2}, "Compress": {0}, "ReverseSequence": {0}, "Crop": {0}, "Unique": {0}, "TopK": {0},
}

// usesOf returns what the graph does with an input.
func (t *tracer) usesOf(input string) []use {
	t.input, t.whole = input, whole(t.types[input].Elem)
	t.masks = t.whole || t.types[input].Elem == pb.TensorProto_BOOL || strings.Contains(strings.ToLower(input), "mask")
	var found []use
	seen := map[string]bool{}
	queue := []trail{{name: input, scale: 1}}
	for len(queue) > 0 && len(seen) < 10000 {
		at := queue[0]
		queue = queue[1:]
		if seen[at.name] {
			continue
		}
		seen[at.name] = true
		for _, r := range t.readers[at.name] {
			u, next := t.read(r, at)
			found = append(found, u...)
			queue = append(queue, next...)
		}
	}
	return found
}

// read says what a node makes of a trail: uses, and the trails that go on.
func (t *tracer) read(r reader, at trail) (uses []use, next []trail) {
	n := r.node
	onward := func(name string) {
		to := at
		to.name = name
		next = append(next, to)
	}
	if f := t.functions[onnx.CallOf(n)]; f != nil {
		if r.at < len(f.GetInput()) {
			onward(onnx.CallOf(n).String() + "\x00" + f.GetInput()[r.at])
		}
		return nil, next
	}
	op := n.GetOpType()
	if at.compared && !slices.Contains(conditional, op) {
		return nil, nil
	}
	switch domain := onnx.Domain(n.GetDomain()); domain {
	case "":
	case "com.microsoft":
		if u, ok := t.microsoft(r, at); ok {
			return []use{u}, nil
		}
		if op != "GatherBlockQuantized" && op != "QuantizeLinear" {
			return nil, nil
		}
	case "ai.onnx.ml":
		return t.classical(r, at), nil
	default:
		return nil, nil
	}
	switch op {
	case "Loop", "Scan":
		if u, ok := t.sink(r, at); ok && op == "Loop" && !at.summed {
			uses = append(uses, u)
		}
		return uses, t.carried(r, at)
	case "Split":
		for _, name := range n.GetOutput() {
			onward(r.scope + name)
		}
		return nil, next
	case "Add", "Sub", "Mul", "Div":
		return t.arithmetic(r, at)
	case "Not":
		at.negated = !at.negated
		onward(r.scope + n.GetOutput()[0])
		return nil, next
	case "Equal":
		if c, ok := t.scalar(r.input(1 - r.at)); ok && (c == 0 || c == 1) && t.whole && at.steps == 0 {
			to := at
			to.name, to.compared, to.negated = r.scope+n.GetOutput()[0], true, c == 0
			next = append(next, to)
		}
	case "Where":
		if u, ok := t.hidden(r, at); ok {
			return []use{u}, nil
		}
	case "ReduceSum":
		if at.summed = true; t.whole && r.at == 0 {
			onward(r.scope + n.GetOutput()[0])
		}
		return nil, next
	}
	if u, ok := t.sink(r, at); ok && !at.summed && !at.compared {
		uses = append(uses, u)
	}
	if list, ok := passing[op]; ok && len(n.GetOutput()) > 0 && (list == nil || slices.Contains(list, r.at)) {
		onward(r.scope + n.GetOutput()[0])
	}
	return uses, next
}

// carried are the inputs of a body that a value of a loop goes into.
func (t *tracer) carried(r reader, at trail) []trail {
	g := onnx.Attribute(r.node, "body").GetG()
	i := r.at
	if r.node.GetOpType() == "Loop" && i < 2 || i >= len(g.GetInput()) {
		return nil
	}
	at.name = r.scope + g.GetInput()[i].GetName()
	return []trail{at}
}

// arithmetic follows a trail through a sum or a product with a constant.
func (t *tracer) arithmetic(r reader, at trail) (uses []use, next []trail) {
	n := r.node
	if len(n.GetInput()) != 2 || len(n.GetOutput()) != 1 {
		return nil, nil
	}
	to := at
	to.name, to.steps = r.scope+n.GetOutput()[0], at.steps+1
	c, ok := t.scalar(r.scope + n.GetInput()[1-r.at])
	op := n.GetOpType()
	if !ok {
		switch {
		case op == "Div" && r.at == 1:
			uses = append(uses, use{kind: domain, low: 1, high: 3, why: "it divides"})
		case op == "Add":
			to.mixed = true
			next = append(next, to)
		}
		return uses, next
	}
	if at.steps == 0 {
		if u, ok := pixels(op, r.at, c); ok {
			uses = append(uses, u)
		}
	}
	switch {
	case op == "Add":
		to.offset += c
	case op == "Sub" && r.at == 0:
		to.offset -= c
	case op == "Sub":
		to.scale, to.offset = -to.scale, c-to.offset
		if c == 1 && at.steps == 0 && t.whole {
			uses = append(uses, mask(1, 0, "1 less it is a mask"))
		}
	case op == "Mul":
		to.scale, to.offset = to.scale*c, to.offset*c
		if c <= -muchLess && t.masks {
			hides := to.scale < 0 != at.negated // 1 becomes what vanishes in a softmax
			uses = append(uses, polarity(hides))
		}
	case c != 0 && r.at == 0:
		to.scale, to.offset = to.scale/c, to.offset/c
	default:
		return []use{{kind: domain, low: 1, high: 3, why: "it divides"}}, nil
	}
	return uses, append(next, to)
}

// conditional are the operators that make of a condition what hides elements, or pass it on.
var conditional = []string{"Not", "Where", "Cast", "Unsqueeze", "Squeeze", "Expand", "Reshape", "Identity"}

// muchLess is how far below the others scores are at least that vanish in a softmax.
const muchLess = 1000

// polarity is the use of a mask that hides what is 1 in it, or what is 0.
func polarity(hides bool) use {
	if hides {
		return mask(0, 1, "a mask, which hides where it is 1")
	}
	return mask(1, 0, "a mask")
}

// hidden recognises a mask by the scores that its condition replaces: by ones that vanish in a softmax.
func (t *tracer) hidden(r reader, at trail) (use, bool) {
	if r.at != 0 || at.steps > 0 {
		return use{}, false
	}
	vanishes := func(i int) bool {
		v := t.elements(r.input(i))
		return len(v) == 1 && v[0] <= -muchLess
	}
	if then, otherwise := vanishes(1), vanishes(2); then != otherwise {
		return polarity(then != at.negated), true
	}
	return use{}, false
}

// pixels recognises the first step of a network that takes pictures as they are
// stored.
func pixels(op string, at int, c float64) (use, bool) {
	u := use{kind: numbers, high: 255, why: "pixels, as " + op + fmt.Sprintf(" by %.4g says", c)}
	switch a := math.Abs(c); {
	case at != 0:
		return use{}, false
	case op == "Div" && (a >= 120 && a <= 130 || a >= 250 && a <= 256), op == "Mul" && (a >= 1/256.0 && a <= 1/250.0 || a >= 1/130.0 && a <= 1/120.0):
		return u, true
	case (op == "Sub" && c >= 80 && c <= 200) || (op == "Add" && c <= -80 && c >= -200):
		return u, true
	case op == "Sub" && c >= 0.35 && c <= 0.6, op == "Add" && c <= -0.35 && c >= -0.6:
		u.high = 1
		return u, true
	}
	return use{}, false
}

// scalar is a constant as one number: the mean of its elements.
func (t *tracer) scalar(name string) (float64, bool) {
	v := t.elements(name)
	if len(v) == 0 {
		return 0, false
	}
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v)), !math.IsNaN(sum) && !math.IsInf(sum, 0)
}

// elements are the elements of a constant as numbers, nil if it is none.
func (t *tracer) elements(name string) []float64 {
	c := t.constants[name]
	if c == nil || c.Data == nil {
		return nil
	}
	var out []float64
	switch w := c.Data.Wide().(type) {
	case onnx.Slice[float64]:
		return w
	case onnx.Slice[int64]:
		for _, x := range w {
			out = append(out, float64(x))
		}
	case onnx.Slice[uint64]:
		for _, x := range w {
			out = append(out, float64(x))
		}
	}
	return out
}

// length is that of an axis of a value, counted from the end where negative; 0 if
// it is not known.
func (t *tracer) length(name string, axis int64) float64 {
	dims := t.types[name].Dims
	if axis < 0 {
		axis += int64(len(dims))
	}
	if axis < 0 || axis >= int64(len(dims)) || !dims[axis].Known() {
		return 0
	}
	return float64(dims[axis].Size)
}

// floating are the types of floats that integers become.
var floating = []pb.TensorProto_DataType{pb.TensorProto_FLOAT, pb.TensorProto_FLOAT16, pb.TensorProto_BFLOAT16, pb.TensorProto_DOUBLE}

func intAttr(n *pb.NodeProto, name string, otherwise int64) int64 {
	if a := onnx.Attribute(n, name); a != nil {
		return a.GetI()
	}
	return otherwise
}

// domains are the numbers that functions take, or are of use with.
var domains = []struct {
	op        string
	input     int
	low, high float64
	why       string
}{
	{"NonMaxSuppression", 2, 1, 4, "a number of boxes"},
	{"NonMaxSuppression", 3, 0, 1, "a shared area"},
	{"NonMaxSuppression", 4, 0, 1, "a score"},
	{"Dropout", 1, 0, 1, "a ratio"},
	{"BatchNormalization", 4, 0.5, 2, "a variance"},
	{"Bernoulli", 0, 0, 1, "probabilities"},
	{"Mod", 1, 1, 3, "it divides"},
	{"Log", 0, 0.01, 4, "a logarithm is taken of it"},
	{"Sqrt", 0, 0, 4, "a root is taken of it"},
	{"Reciprocal", 0, 0.5, 4, "it divides"},
	{"Acos", 0, -1, 1, "an arc cosine is taken of it"},
	{"Asin", 0, -1, 1, "an arc sine is taken of it"},
	{"Atanh", 0, -0.99, 0.99, "an inverse hyperbolic tangent is taken of it"},
	{"Acosh", 0, 1, 4, "an inverse hyperbolic cosine is taken of it"},
	{"BitShift", 1, 0, 7, "bits to shift by"},
	{"GridSample", 1, -1.1, 1.1, "places in a picture"},
	{"NegativeLogLikelihoodLoss", 0, -4, 0, "logarithms of probabilities"},
	{"Resize", 2, 1, 2, "a factor to resize by"},
}

// counts are inputs that say how long something is, or where in a shape.
var counts = []struct {
	op        string
	input     int
	low, high float64
	why       string
}{
	{"Reshape", 1, -1, -1, "a shape: all in one row"},
	{"Expand", 1, 1, 1, "a shape to expand to"},
	{"ConstantOfShape", 0, 1, 4, "a shape"},
	{"Range", 0, 0, 0, "where a range begins"},
	{"Range", 1, 5, 5, "where a range ends"},
	{"Range", 2, 1, 1, "the step of a range"},
	{"Tile", 1, 1, 3, "repeats"},
	{"OneHot", 1, 8, 8, "a depth"},
	{"Loop", 0, 3, 3, "how often a loop runs"},
	{"Pad", 1, 0, 1, "a number of elements to add"},
	{"Slice", 1, 0, 0, "where a slice begins"},
	{"Slice", 2, 1, 4, "where a slice ends"},
	{"Slice", 3, 0, 0, "an axis"},
	{"Slice", 4, 1, 1, "a step"},
	{"Unsqueeze", 1, 0, 0, "an axis"},
	{"CumSum", 1, 0, 0, "an axis"},
	{"Trilu", 1, -1, 1, "a diagonal"},
	{"SequenceAt", 1, 0, 0, "a position"},
	{"SequenceInsert", 2, 0, 0, "a position"},
	{"SequenceErase", 1, 0, 0, "a position"},
	{"EyeLike", 0, 1, 4, "a shape"},
	{"Resize", 3, 16, 48, "a length to resize to"},
	{"MaxUnpool", 2, 1, 4, "a shape"},
	{"DFT", 1, 8, 8, "a length"},
	{"BlackmanWindow", 0, 8, 8, "a length"},
	{"HannWindow", 0, 8, 8, "a length"},
	{"HammingWindow", 0, 8, 8, "a length"},
}

// input is the name of input i in the whole graph; "" where it is left out.
func (r reader) input(i int) string {
	if in := r.node.GetInput(); i < len(in) && in[i] != "" {
		return r.scope + in[i]
	}
	return ""
}

// sink says what the standard operators take of a value.
func (t *tracer) sink(r reader, at trail) (use, bool) {
	n, input := r.node, r.input
	plain := func(name string) string { return onnx.Quote(strings.TrimPrefix(name, r.scope)) }
	op := n.GetOpType()
	switch {
	case (op == "Gather" || op == "GatherElements" || op == "GatherBlockQuantized") && r.at == 1:
		axis := intAttr(n, "axis", intAttr(n, "gather_axis", 0))
		return at.indices(t.length(input(0), axis), "rows of "+plain(input(0)))
	case op == "ScatterElements" && r.at == 1:
		return at.indices(t.length(input(0), intAttr(n, "axis", 0)), "places in "+plain(input(0)))
	case (op == "GatherND" || op == "ScatterND") && r.at == 1:
		first := intAttr(n, "batch_dims", 0)
		least := 0.0
		for k := range int64(max(t.length(input(1), -1), 0)) {
			if d := t.length(input(0), first+k); least == 0 || d < least {
				least = d
			}
		}
		return at.indices(least, "places in "+plain(input(0)))
	case op == "OneHot" && r.at == 0:
		depth, _ := t.scalar(input(1))
		return at.indices(depth, "classes, of which OneHot has so many")
	case (op == "SoftmaxCrossEntropyLoss" || op == "NegativeLogLikelihoodLoss") && r.at == 1:
		return at.indices(t.length(input(0), 1), "classes")
	case op == "NonMaxSuppression" && r.at == 0:
		return use{}, false
	case op == "Equal" && len(n.GetInput()) == 2:
		if c := t.elements(input(1 - r.at)); len(c) > 0 && len(c) <= mostCompared && at.scale != 0 && !at.mixed {
			u := use{kind: oneOf, why: "the graph compares it with them"}
			for _, x := range c {
				u.values = append(u.values, (x-at.offset)/at.scale)
			}
			return u, true
		}
	case op == "Cast" && intAttr(n, "to", 0) == int64(pb.TensorProto_BOOL):
		return mask(1, 0, "a condition"), true
	case op == "Cast" && t.whole && at.steps == 0 && slices.Contains(floating, pb.TensorProto_DataType(intAttr(n, "to", 0))):
		return use{kind: converted, high: 100, why: "the graph makes floats of it"}, true
	case op == "Softmax" && r.at == 0 && at.mixed && at.steps == 1 && t.masks && !t.whole:
		return mask(0, -10000, "added before a softmax"), true
	case op == "TopK" && r.at == 1:
		n := max(min(t.length(input(0), intAttr(n, "axis", -1)), 3), 1)
		return use{kind: lengths, low: n, high: n, why: "how many are taken"}, true
	case op == "QuantizeLinear" && r.at == 0:
		return t.quantiser(r, at)
	case op == "BatchNormalization" && r.at == 0 && at.steps == 0:
		return t.normaliser(r)
	case (op == "Sin" || op == "Cos") && t.whole:
		return use{kind: numbers, high: 999, why: "steps, which waves are made of"}, true
	case op == "TfIdfVectorizer":
		return vocabularyOf(n, "pool_strings", "pool_int64s")
	case r.at == 4 && (op == "LSTM" || op == "GRU" || op == "RNN"), r.at == 1 && op == "ReverseSequence":
		return t.ends(r, at)
	case op == "RoiAlign" && r.at == 2:
		return at.indices(t.length(input(0), 0), "pictures of the batch")
	case op == "RotaryEmbedding" && r.at == 3:
		return at.indices(t.length(input(1), 0), "rows of "+plain(input(1)))
	}
	for _, d := range domains {
		if d.op == op && d.input == r.at && at.scale != 0 {
			low, high := (d.low-at.offset)/at.scale, (d.high-at.offset)/at.scale
			return use{kind: domain, low: min(low, high), high: max(low, high), why: d.why}, true
		}
	}
	for _, c := range counts {
		if c.op == op && c.input == r.at {
			return use{kind: lengths, low: c.low, high: c.high, why: c.why}, true
		}
	}
	return use{}, false
}

// indices are the numbers that become an index of n elements.
func (at trail) indices(n float64, why string) (use, bool) {
	if n < 1 || at.scale == 0 {
		return use{}, false
	}
	low, high := -at.offset/at.scale, (n-1-at.offset)/at.scale
	if at.mixed { // with as much from elsewhere
		high /= 2
	}
	return use{kind: index, low: math.Ceil(min(low, high)), high: math.Floor(max(low, high)), why: why}, true
}

// ends are the lengths of sequences, of at most as many steps as there are.
func (t *tracer) ends(r reader, at trail) (use, bool) {
	along := int64(0)
	if r.node.GetOpType() == "ReverseSequence" {
		along = intAttr(r.node, "time_axis", 0)
	} else if intAttr(r.node, "layout", 0) == 1 {
		along = 1
	}
	n := t.length(r.input(0), along)
	return use{kind: ends, low: 1, high: n, why: "lengths of sequences, of " + fmt.Sprint(n) + " steps"}, n >= 1 && at.steps == 0
}

// quantiser is the interval that a quantiser keeps.
func (t *tracer) quantiser(r reader, at trail) (use, bool) {
	n := r.node
	if at.scale == 0 || len(n.GetInput()) < 2 {
		return use{}, false
	}
	scale, ok := t.scalar(r.scope + n.GetInput()[1])
	if !ok || !(scale > 0) {
		return use{}, false
	}
	low, high, zero := 0.0, 255.0, 0.0
	if len(n.GetInput()) > 2 {
		if c := t.constants[r.scope+n.GetInput()[2]]; c != nil {
			switch c.Type() {
			case pb.TensorProto_UINT8:
			case pb.TensorProto_INT8:
				low, high = -128, 127
			default:
				return use{}, false
			}
			zero, _ = t.scalar(r.scope + n.GetInput()[2])
		}
	}
	low, high = ((low-zero)*scale-at.offset)/at.scale, ((high-zero)*scale-at.offset)/at.scale
	return use{kind: numbers, low: min(low, high), high: max(low, high), why: "what a quantiser keeps"}, true
}

// normaliser is the interval in which the training data of a normalisation were.
func (t *tracer) normaliser(r reader) (use, bool) {
	if len(r.node.GetInput()) < 5 {
		return use{}, false
	}
	mean, known := t.scalar(r.scope + r.node.GetInput()[3])
	variance, ok := t.scalar(r.scope + r.node.GetInput()[4])
	if !known || !ok || !(variance > 0) {
		return use{}, false
	}
	s := 2 * math.Sqrt(variance)
	if s <= 4 && math.Abs(mean) <= 2 {
		return use{}, false // normal numbers are like them
	}
	return use{kind: numbers, low: mean - s, high: mean + s, why: "what a normalisation has seen"}, true
}

// microsoft says what operators of com.microsoft take of a value.
func (t *tracer) microsoft(r reader, at trail) (use, bool) {
	n, input := r.node, r.input
	table := func(i int) (use, bool) {
		return at.indices(t.length(input(i), 0), "rows of "+onnx.Quote(strings.TrimPrefix(input(i), r.scope)))
	}
	switch op := n.GetOpType(); {
	case op == "GroupQueryAttention" && r.at == 5 && at.summed:
		return use{kind: counted, high: 1, why: "a mask, whose sums are the lengths of rows"}, true
	case at.summed:
	case op == "EmbedLayerNormalization" && r.at == 0:
		return table(2)
	case op == "EmbedLayerNormalization" && r.at == 1:
		return table(4)
	case op == "EmbedLayerNormalization" && r.at == 7, op == "Attention" && r.at == 3, op == "QAttention" && r.at == 5, op == "MultiHeadAttention" && r.at == 4, op == "DecoderMaskedMultiHeadAttention" && r.at == 3:
		return mask(1, 0, "a mask"), true
	case op == "MultiHeadAttention" && r.at == 8, op == "DecoderMaskedMultiHeadAttention" && r.at == 7, op == "Attention" && r.at == 6:
		return t.valid(r)
	case op == "DecoderMaskedMultiHeadAttention" && r.at == 8:
		n := max(t.length(input(9), 1), 1)
		return use{kind: lengths, low: n, high: n, why: "how many beams there are"}, true
	case (op == "MultiHeadAttention" || op == "DecoderMaskedMultiHeadAttention") && r.at == 9:
		return at.indices(t.length(input(9), 1), "beams")
	case op == "EmbedLayerNormalization" && r.at == 8:
		return table(3)
	case op == "RotaryEmbedding" && r.at == 1:
		return table(2)
	case op == "GroupQueryAttention" && r.at == 5:
		return use{kind: seqlens, why: "lengths of rows, less one"}, true
	case op == "GroupQueryAttention" && r.at == 6:
		return use{kind: total, why: "the length of the longest row"}, true
	case op == "GroupQueryAttention" && r.at == 9:
		return table(7)
	}
	return use{}, false
}

// valid is how much of a past that is a buffer is valid: all that leaves room for what is new.
func (t *tracer) valid(r reader) (use, bool) {
	fresh, past, axis := 1, r.at-1, int64(2)
	if r.node.GetOpType() == "Attention" {
		fresh, past, axis = 0, 4, 3
	}
	n := t.length(r.input(past), axis) - t.length(r.input(fresh), 1)
	return use{kind: lengths, low: n, high: n, why: "what is valid of the past"}, n >= 1
}

// classical says what operators of ai.onnx.ml take of a value: what they have a
// category for, and thresholds.
func (t *tracer) classical(r reader, at trail) []use {
	if f := t.featuresOf(r); f != nil && at.steps == 0 && slices.Equal(t.types[at.name].Dims, t.types[t.input].Dims) {
		return []use{{kind: branches, features: f, why: "what trees compare it with"}}
	}
	if imputed(r) && at.steps == 0 {
		return []use{{kind: branches, features: []feature{{missing: true}}, why: "what is missing is replaced"}}
	}
	u, ok := vocabularyOf(r.node, "keys_strings", "cats_strings", "classes_strings", "string_vocabulary", "keys_int64s", "cats_int64s", "int64_vocabulary")
	if !ok {
		return nil
	}
	return []use{u}
}

// vocabularyOf are the words and the numbers that a node has in these attributes.
func vocabularyOf(n *pb.NodeProto, attributes ...string) (use, bool) {
	u := use{kind: oneOf, why: "what " + n.GetOpType() + " knows"}
	for _, name := range attributes {
		a := onnx.Attribute(n, name)
		for _, s := range a.GetStrings() {
			u.words = append(u.words, string(s))
		}
		for _, v := range a.GetInts() {
			u.values = append(u.values, float64(v))
		}
	}
	return u, len(u.words)+len(u.values) > 0
}

// settle makes one use of several.
func settle(uses []use) use {
	var u use
	for _, v := range uses {
		switch {
		case v.kind > u.kind:
			u = v
		case v.kind < u.kind || v.kind == unused:
		case v.kind == switches && u.hide > u.keep: // what says which elements are hidden is more than that they are 0 and 1
		case v.kind == switches && v.hide != 0:
			u = v
		case v.kind == oneOf:
			u.values, u.words = append(slices.Clone(u.values), v.values...), append(slices.Clone(u.words), v.words...)
		case max(u.low, v.low) <= min(u.high, v.high):
			if v.high-v.low < u.high-u.low {
				u.why = v.why
			}
			u.low, u.high = max(u.low, v.low), min(u.high, v.high)
		}
	}
	for _, v := range uses {
		if u.kind == oneOf && v.kind == switches {
			u.keep, u.hide = v.keep, v.hide
		}
	}
	return u
}
