package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
)

// A free axis of inputs has a length that the model leaves open. Axes of one name
// are one.
type freeAxis struct {
	name  string // as in the model, or as in x[2]
	role  axisRole
	start int // the length to try first
	fixed int // requested, -1 where none was
	spot  string
}

type axisRole int

const (
	batch    axisRole = iota // entries that are computed one like the other
	channels                 // few, and known to a weight
	side                     // of a picture
	sequence                 // steps, words
	past                     // steps before those
	other
)

// Lengths to try first.
const (
	firstSide     = 32 // most networks halve pictures five times at most
	firstSequence = 8
	firstPast     = 5
	firstOther    = 16
)

// axes finds the free axes of the inputs that must be given.
func (d *drawing) axes() {
	d.free, d.of = nil, map[string][]int{}
	at := map[string]int{}
	add := func(name string, role axisRole, start int, spot string) int {
		k, ok := at[name]
		if !ok {
			k = len(d.free)
			at[name] = k
			d.free = append(d.free, freeAxis{name: name, role: role, start: start, fixed: -1, spot: spot})
		}
		return k
	}
	first, any := map[string]bool{}, false
	for _, in := range d.inputs {
		if dims := in.Type.Dims; len(dims) > 0 && !dims[0].Known() && !serial(spoken(in, 0)) && !parts(dims[0].Symbol) && !d.timed(in) {
			first[dims[0].Symbol], any = true, true
		}
	}
	delete(first, "")
	for _, in := range d.inputs {
		dims := in.Type.Dims
		list := make([]int, len(dims))
		for i, dim := range dims {
			spot := fmt.Sprintf("%s[%d]", in.Name, i)
			switch {
			case dim.Known():
				list[i] = -1
				continue
			case i == 0 && d.timed(in):
				list[i] = add(cmp.Or(dim.Symbol, spot), sequence, firstSequence, spot)
				continue
			case first[dim.Symbol] || dim.Symbol == "" && i == 0 || batched(dim.Symbol) || i == 1 && d.timed(in):
				list[i] = add(cmp.Or(dim.Symbol, spot), batch, 1, spot)
				continue
			case any && len(dims) == 3 && i == 1 && dim.Symbol == "" && dims[0].Known() && dims[2].Known(): // a state: layers, batch, units
				list[i] = add(spot, batch, 1, spot)
				continue
			}
			role, start := d.guess(in, i)
			list[i] = add(cmp.Or(dim.Symbol, spot), role, start, spot)
		}
		d.of[in.Name] = list
	}
}

// batched and serial read the names that exporters give to axes.
func batched(name string) bool { return strings.Contains(strings.ToLower(name), "batch") }

func serial(name string) bool {
	name = strings.ToLower(name)
	return name == "t" || name == "s" || name == "l" || strings.Contains(name, "seq") || strings.Contains(name, "length") || strings.Contains(name, "frame") || strings.Contains(name, "token") || strings.Contains(name, "time")
}

// spoken is the name of an axis, "" where PyTorch made it of the input's: that of lengths says nothing of its axis.
func spoken(in input, i int) string {
	name := in.Type.Dims[i].Symbol
	if strings.HasPrefix(name, in.Name+"_dynamic_axes_") {
		return ""
	}
	return name
}

// timed reports whether the first axis of an input are steps, and the second one the batch: as a recurrent operator reads it.
func (d *drawing) timed(in input) bool {
	dims := in.Type.Dims
	if len(dims) != 3 || dims[0].Known() || dims[1].Known() || batched(dims[0].Symbol) {
		return false
	}
	return slices.ContainsFunc(d.model.GetGraph().GetNode(), func(n *pb.NodeProto) bool {
		recurrent := n.GetOpType() == "LSTM" || n.GetOpType() == "GRU" || n.GetOpType() == "RNN"
		return recurrent && len(n.GetInput()) > 0 && n.GetInput()[0] == in.Name && intAttr(n, "layout", 0) == 0
	})
}

// parts reports whether an axis is of the parts of one thing, by its name: of a graph, a cloud, a mesh.
func parts(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"node", "edge", "atom", "point", "vert", "face"}, func(part string) bool { return strings.Contains(name, part) })
}

// guess says what an axis of a type is, by its name and its place.
func (d *drawing) guess(in input, i int) (axisRole, int) {
	t, name := in.Type, strings.ToLower(spoken(in, i))
	rank, floating := len(t.Dims), t.Elem != pb.TensorProto_INT64 && t.Elem != pb.TensorProto_INT32
	nhwc := rank == 4 && t.Dims[3].Known() && t.Dims[3].Size <= 4
	switch {
	case strings.Contains(name, "past"):
		return past, firstPast
	case strings.Contains(name, "channel"):
		return channels, 3
	case serial(name):
		return sequence, firstSequence
	case floating && rank >= 4 && i >= 2 && !nhwc, nhwc && (i == 1 || i == 2), strings.Contains(name, "height"), strings.Contains(name, "width"):
		return side, firstSide
	case floating && rank == 4 && i == 1:
		return channels, 3
	case !floating && rank == 2 && i == 1:
		return sequence, firstSequence
	}
	return other, firstOther
}

// An assignment is the length of every free axis.
type assignment []int

// start is the assignment to try first, with batches of n.
func (d *drawing) start(n int) assignment {
	a := make(assignment, len(d.free))
	for k, f := range d.free {
		a[k] = f.start
		if f.role == batch {
			a[k] = n
		}
		if f.role == sequence && n > 1 && d.steps {
			a[k] = 1
		}
		if f.fixed >= 0 {
			a[k] = f.fixed
		}
	}
	d.derive(a)
	for k, f := range d.free {
		if f.role == sequence && f.fixed < 0 && strings.Contains(strings.ToLower(f.name), "total") {
			a[k] = d.total(a)
		}
	}
	return a
}

// total is the length of a sequence with what came before it.
func (d *drawing) total(a assignment) int {
	n := 0
	for _, role := range []axisRole{past, sequence} {
		for k, f := range d.free {
			if f.role == role && !d.derived(k) && !strings.Contains(strings.ToLower(f.name), "total") {
				n += a[k]
				break
			}
		}
	}
	return cmp.Or(n, firstSequence)
}

// derive computes the axes whose names are sums of the names of others.
func (d *drawing) derive(a assignment) {
	known := map[string]int{}
	for k, f := range d.free {
		known[f.name] = a[k]
	}
	for k, f := range d.free {
		if f.fixed >= 0 || f.role == batch {
			continue
		}
		if n, ok := formula(f.name, known); ok && n >= 0 {
			a[k] = n
		}
	}
}

// derived reports whether derive settles an axis.
func (d *drawing) derived(k int) bool {
	known := map[string]int{}
	for _, f := range d.free {
		known[f.name] = 1
	}
	_, ok := formula(d.free[k].name, known)
	return ok
}

// formula computes names such as "past_sequence_length + 1", of which PyTorch's
// exporters and their users make axes. A name alone is no formula; + and " + " are
// the same.
func formula(text string, known map[string]int) (int, bool) {
	terms := strings.Split(text, "+")
	if len(terms) < 2 {
		return 0, false
	}
	sum := 0
	for _, term := range terms {
		product := 1
		for factor := range strings.SplitSeq(term, "*") {
			factor = strings.Trim(strings.TrimSpace(factor), "()")
			n, ok := known[factor]
			if !ok {
				var err error
				if n, err = strconv.Atoi(factor); err != nil {
					return 0, false
				}
			}
			if product *= n; product > mostDrawn {
				return 0, false
			}
		}
		sum += product
	}
	return sum, true
}

// pinned is the model with inputs of these lengths, and of integers that say how
// long something is, for inference. It shares the rest with the model.
func (d *drawing) pinned(a assignment) *pb.ModelProto {
	g := d.model.GetGraph()
	inputs := make([]*pb.ValueInfoProto, 0, len(g.GetInput()))
	initializers := g.GetInitializer()
	for _, v := range g.GetInput() {
		list, ok := d.of[v.GetName()]
		if !ok {
			inputs = append(inputs, v)
			continue
		}
		in := d.inputs[slices.IndexFunc(d.inputs, func(in input) bool { return in.Name == v.GetName() })]
		if t := in.given; t != nil && t.Len() <= 64 && whole(t.Type()) {
			w := t.Proto()
			w.Name = v.Name
			initializers = append(slices.Clone(initializers), w)
			continue
		}
		if in.Type.Dims == nil || in.sequence {
			inputs = append(inputs, v)
			continue
		}
		dims := slices.Clone(in.Type.Dims)
		for i, k := range list {
			if k >= 0 {
				dims[i] = onnx.Fixed(int64(a[k]))
			}
		}
		inputs = append(inputs, &pb.ValueInfoProto{Name: v.Name, Type: onnx.Type{Elem: in.Type.Elem, Dims: dims}.Proto()})
	}
	// What the model declares of its values may hold for the lengths that it was exported with alone.
	outputs := make([]*pb.ValueInfoProto, len(g.GetOutput()))
	for i, v := range g.GetOutput() {
		outputs[i] = v
		if t, ok := onnx.TypeOf(v.GetType()); ok {
			outputs[i] = &pb.ValueInfoProto{Name: v.Name, Type: onnx.Type{Elem: t.Elem}.Proto()}
		}
	}
	return &pb.ModelProto{
		IrVersion: d.model.IrVersion, OpsetImport: d.model.OpsetImport, Functions: d.model.Functions,
		Graph: &pb.GraphProto{Name: g.Name, Input: inputs, Output: outputs, Node: g.Node, Initializer: initializers, SparseInitializer: g.SparseInitializer},
	}
}

func whole(t pb.TensorProto_DataType) bool {
	return t == pb.TensorProto_INT64 || t == pb.TensorProto_INT32
}

// A fit says how well inference takes an assignment.
type fit struct {
	problem string // the first contradiction
	hollow  bool   // which is that an output would be empty: better lengths may exist, or none
	aside   bool   // there is one, within a graph that may not be taken
	known   int    // axes whose lengths follow
	types   map[string]onnx.Type
}

// inferred tries an assignment on inference.
func (d *drawing) inferred(a assignment) fit {
	d.tries++
	r := infer.Model(d.pinned(a), infer.Budget{})
	f := fit{types: r.Types}
	for _, finding := range r.Findings {
		switch {
		case finding.Severity != rule.Error:
		case strings.Count(finding.Where, "node ") > 1:
			f.aside = true
		case f.problem == "":
			f.problem = fmt.Sprintf("%s: %s", finding.Where, finding.Message)
		}
	}
	for _, t := range r.Types {
		for _, dim := range t.Dims {
			if dim.Known() {
				f.known++
			}
		}
	}
	for _, v := range d.model.GetGraph().GetOutput() {
		empty := func(dim onnx.Dim) bool { return dim.Size == 0 }
		if f.problem == "" && slices.ContainsFunc(r.Types[v.GetName()].Dims, empty) && !slices.Contains(a, 0) {
			f.problem, f.hollow = fmt.Sprintf("output %s would be empty", onnx.Quote(v.GetName())), true
		}
	}
	return f
}

// better orders fits: without a contradiction, or with one that comes later.
func (f fit) better(g fit) bool {
	switch {
	case (f.problem == "") != (g.problem == ""):
		return f.problem == ""
	case f.aside != g.aside:
		return !f.aside
	}
	return !f.perfect() && f.known > g.known
}

// perfect reports whether there is no contradiction at all.
func (f fit) perfect() bool { return f.problem == "" && !f.aside }

// search looks for lengths that inference takes, from a on: all axes of a kind
// alike, as pictures are, and then one by one. Where it finds none, a is as good as
// others.
func (d *drawing) search(a assignment) (assignment, fit) {
	best, f := slices.Clone(a), d.inferred(a)
	first := f
	for range 3 {
		if f.perfect() {
			break
		}
		before := f.known
		for _, group := range d.groups() {
			for _, n := range d.candidates(best, group, usual) {
				if f.perfect() || d.tries > d.mostTries {
					break
				}
				if try := d.with(best, group, n); !slices.Equal(try, best) {
					if g := d.inferred(try); g.better(f) {
						best, f = try, g
					}
				}
			}
		}
		if f.known == before {
			break
		}
	}
	if f.problem != "" {
		return a, first
	}
	return best, f
}

// groups are the sets of axes to change together: all sides of pictures, then each
// axis alone, then all of a kind.
func (d *drawing) groups() [][]int {
	var sides, alone, together [][]int
	if d.apart {
		sides = d.byInput()
	}
	for _, role := range []axisRole{side, sequence, past, other} {
		var group []int
		for k, f := range d.free {
			if f.role == role && f.fixed < 0 && !d.derived(k) {
				group = append(group, k)
			}
		}
		switch {
		case len(group) < 2:
		case role == side:
			sides = append(sides, group)
		default:
			together = append(together, group)
		}
	}
	for k, f := range d.free {
		if f.role != batch && f.fixed < 0 && !d.derived(k) {
			alone = append(alone, []int{k})
		}
	}
	return slices.Concat(sides, alone, together)
}

// byInput are the free axes of each input together, but for batches.
func (d *drawing) byInput() [][]int {
	var groups [][]int
	for _, in := range d.inputs {
		var group []int
		for _, k := range d.of[in.Name] {
			if k >= 0 && d.free[k].role != batch && d.free[k].fixed < 0 && !d.derived(k) {
				group = append(group, k)
			}
		}
		if len(group) > 1 {
			groups = append(groups, group)
		}
	}
	return groups
}

// with is a with other lengths of some axes.
func (d *drawing) with(a assignment, group []int, n int) assignment {
	b := slices.Clone(a)
	for _, k := range group {
		b[k] = n
	}
	d.derive(b)
	return b
}

// usual are lengths that models are built for: powers of 2 and their multiples,
// and those of well-known networks.
var usual = []int{16, 8, 32, 64, 3, 4, 2, 128, 224, 96, 48, 10, 20, 40, 80, 160, 320, 640, 256, 512, 100, 112, 192, 384, 416, 299, 28, 5, 6, 7, 9, 12, 14, 24, 25, 50, 56, 76,
	197, 200, 227, 240, 288, 300, 336, 400, 480, 513, 518, 576, 600, 608, 768, 800, 1000, 1024, 1280, 1500, 2048, 3000, 4096, 8000, 16000}

// steep are lengths to try where each try takes long, and says little of why it
// failed.
var steep = []int{64, 256, 512, 1024, 4096, 1, 2, 224, 640, 3, 128, 16000}

// candidates are lengths to try for axes: sums of others, the usual ones, and
// those that weights have.
func (d *drawing) candidates(a assignment, group, usual []int) []int {
	var list, equal []int
	if len(group) == 1 && d.free[group[0]].role != side {
		for k := range d.free {
			if k == group[0] {
				continue
			}
			if d.free[k].role == batch {
				equal = append(equal, a[k])
				continue
			}
			for l := range k {
				if d.free[l].role != batch && l != group[0] {
					list = append(list, a[k]+a[l])
				}
			}
			equal = append(equal, a[k], a[k]+1)
		}
	}
	list = slices.Concat(list, equal, usual, d.lengths)
	seen := map[int]bool{}
	return slices.DeleteFunc(list, func(n int) bool {
		old := seen[n]
		seen[n] = true
		return old || n < 0
	})
}

// lengthsIn are the lengths that weights of a graph have, and the numbers in its
// small integer weights, as far as an input may have them too.
func lengthsIn(g *pb.GraphProto) []int {
	var list []int
	seen := map[int64]bool{}
	add := func(n int64) {
		if n > 1 && n <= 1<<16 && !seen[n] && len(list) < 100 {
			seen[n] = true
			list = append(list, int(n))
		}
	}
	for _, w := range g.GetInitializer() {
		if len(w.GetDims()) >= 1 && len(w.GetDims()) <= 3 {
			for _, n := range w.GetDims() {
				add(n)
			}
		}
		if w.GetDataType() == int32(pb.TensorProto_INT64) && len(w.GetDims()) == 1 && w.GetDims()[0] <= 8 {
			if t, err := onnx.FromProto(w); err == nil {
				for _, n := range t.Data.Wide().(onnx.Slice[int64]) {
					add(n)
				}
			}
		}
	}
	return list
}

// text names the lengths of the axes that are no batch, as far as that is short.
func (d *drawing) text(a assignment) string {
	var parts []string
	lengths := map[int]bool{}
	wide := 0
	for k, f := range d.free {
		if f.role == batch {
			continue
		}
		wide++
		lengths[a[k]] = true
		parts = append(parts, fmt.Sprintf("%s %d", f.name, a[k]))
	}
	switch {
	case wide == 0:
		return ""
	case wide > 3 && len(lengths) > 1:
		return ", other axes as shown"
	case len(lengths) == 1 && wide > 1:
		return fmt.Sprintf(", other axes %s", strings.Fields(parts[0])[len(strings.Fields(parts[0]))-1])
	}
	return ", " + strings.Join(parts, ", ")
}
