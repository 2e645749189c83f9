package reduce

import (
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// attributes leaves out inputs of nodes that need not be given, and attributes, and makes the numbers of attributes less.
func (s *search) attributes() {
	for i := range s.best.model.GetGraph().GetNode() {
		for k := len(s.best.model.Graph.Node[i].GetInput()) - 1; k > 0; k-- {
			if k < len(s.best.model.Graph.Node[i].Input) && s.best.model.Graph.Node[i].Input[k] != "" {
				s.change(func(m *pb.ModelProto) {
					n := m.Graph.Node[i]
					n.Input[k] = ""
					for len(n.Input) > 0 && n.Input[len(n.Input)-1] == "" {
						n.Input = n.Input[:len(n.Input)-1]
					}
				})
			}
		}
		for k := len(s.best.model.Graph.Node[i].GetAttribute()) - 1; k >= 0; k-- {
			if s.change(func(m *pb.ModelProto) { m.Graph.Node[i].Attribute = slices.Delete(m.Graph.Node[i].Attribute, k, k+1) }) {
				continue
			}
			a := s.best.model.Graph.Node[i].Attribute[k]
			switch a.GetType() {
			case pb.AttributeProto_INT:
				for _, v := range lesser(a.GetI()) {
					if s.change(func(m *pb.ModelProto) { m.Graph.Node[i].Attribute[k].I = proto.Int64(v) }) {
						break
					}
				}
			case pb.AttributeProto_INTS:
				for e, was := range a.GetInts() {
					for _, v := range lesser(was) {
						if s.change(func(m *pb.ModelProto) { m.Graph.Node[i].Attribute[k].Ints[e] = v }) {
							break
						}
					}
				}
			}
		}
	}
}

// lesser are the numbers that are tried in place of one, the least first.
func lesser(v int64) []int64 {
	var list []int64
	for _, w := range []int64{0, 1, 2, v / 2, v - 1} {
		if w >= 0 && w < v && !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	return list
}

// change tries the best with a change to its model. What its nodes then no longer read is gone, too.
func (s *search) change(f func(m *pb.ModelProto)) bool {
	m := proto.CloneOf(s.best.model)
	f(m)
	c := newCutter(&state{m, s.best.inputs}, nil)
	less := c.of(m.GetGraph().GetNode(), false)
	return s.fails(less) || less != nil && s.fails(less.undeclared())
}

// A slot is where a tensor of a state is: an input or an initializer.
type slot struct {
	input int // -1 of an initializer
	init  int
}

// slots lists the tensors of a state.
func (c *state) slots() []slot {
	var all []slot
	for i := range c.inputs {
		all = append(all, slot{i, -1})
	}
	for i := range c.model.GetGraph().GetInitializer() {
		all = append(all, slot{-1, i})
	}
	return all
}

func (c *state) tensor(at slot) *onnx.Tensor {
	if at.input >= 0 {
		return c.inputs[at.input]
	}
	t, err := onnx.FromProto(c.model.GetGraph().GetInitializer()[at.init])
	if err != nil {
		return nil
	}
	return t
}

// with is a state with other tensors in some slots.
func (c *state) with(changed map[slot]*onnx.Tensor) *state {
	m := proto.CloneOf(c.model)
	n := &state{m, slices.Clone(c.inputs)}
	for at, t := range changed {
		if at.input >= 0 {
			n.inputs[at.input] = t
		} else {
			m.Graph.Initializer[at.init] = t.Proto()
		}
		for i, v := range m.Graph.Input {
			if v.GetName() == t.Name {
				m.Graph.Input[i] = port(t)
			}
		}
	}
	return n.undeclared()
}

// mostAxes bounds the axes of a model of which lengths are tried one by one.
const mostAxes = 64

// lengths makes axes shorter: first all that are of one length, and with them numbers of that size in what may be shapes,
// then one by one.
func (s *search) lengths() {
	var lengths []int
	for _, at := range s.best.slots() {
		if t := s.best.tensor(at); t != nil {
			for _, d := range t.Dims {
				if d > 1 && !slices.Contains(lengths, d) {
					lengths = append(lengths, d)
				}
			}
		}
	}
	slices.Sort(lengths)
	slices.Reverse(lengths)
	for _, from := range lengths[:min(len(lengths), mostAxes)] {
		base := s.best
		least(from, func(to int) bool {
			return s.fails(base.shortened(from, to, false)) || s.fails(base.shortened(from, to, true))
		})
	}
	count := 0
	for _, at := range s.best.slots() {
		t := s.best.tensor(at)
		if t == nil {
			continue
		}
		for axis := range t.Dims {
			if count++; count > mostAxes {
				return
			}
			base := s.best
			least(base.tensor(at).Dims[axis], func(to int) bool {
				return s.fails(base.with(map[slot]*onnx.Tensor{at: slice(base.tensor(at), axis, to)}))
			})
		}
	}
}

// least looks for the least length below from with which something holds: first among the smallest, then by halves, as if it
// held for all that are longer. 0 is not tried: a tensor without elements shows nothing.
func least(from int, holds func(n int) bool) {
	for n := 1; n < min(from, 5); n++ {
		if holds(n) {
			return
		}
	}
	for low, high := 4, from; high-low > 1; {
		if n := (low + high) / 2; holds(n) {
			high = n
		} else {
			low = n
		}
	}
}

// shortened is the state with all axes of one length cut to another one; where numbers are to follow, also what may be shapes.
func (c *state) shortened(from, to int, follow bool) *state {
	changed := map[slot]*onnx.Tensor{}
	for _, at := range c.slots() {
		t := c.tensor(at)
		if t == nil {
			return nil
		}
		was := t
		for axis, d := range t.Dims {
			if d == from {
				t = slice(t, axis, to)
			}
		}
		if ints, ok := t.Data.(onnx.Slice[int64]); ok && follow && shapelike(t) && slices.Contains(ints, int64(from)) {
			ints = slices.Clone(ints)
			for i, v := range ints {
				if v == int64(from) {
					ints[i] = int64(to)
				}
			}
			t = &onnx.Tensor{Name: t.Name, Dims: t.Dims, Data: ints}
		}
		if t != was {
			changed[at] = t
		}
	}
	return c.with(changed)
}

// slice is the first n of an axis.
func slice(t *onnx.Tensor, axis, n int) *onnx.Tensor {
	dims := slices.Clone(t.Dims)
	inner, outer := 1, 1
	for _, d := range t.Dims[axis+1:] {
		inner *= d
	}
	for _, d := range t.Dims[:axis] {
		outer *= d
	}
	dims[axis] = n
	data := t.Data.Make(outer * n * inner)
	for i := range outer {
		data.Copy(i*n*inner, t.Data, i*t.Dims[axis]*inner, n*inner)
	}
	return &onnx.Tensor{Name: t.Name, Dims: dims, Data: data}
}

// numbers makes the elements of inputs and constants plainer: all zero, all one, whole, or with few digits; and of few
// elements as many zero as can be.
func (s *search) numbers() {
	plainer := []func(float64) float64{
		func(float64) float64 { return 0 },
		func(float64) float64 { return 1 },
		math.Round,
		func(v float64) float64 { return math.Round(v*8) / 8 },
		twoDigits,
	}
	for _, at := range s.best.slots() {
		t := s.best.tensor(at)
		if t == nil || shapelike(t) {
			continue
		}
		for i, f := range plainer {
			changed := mapped(t, f)
			if changed == nil || i > 0 && len(t.Dims) == 0 && t.Len() == 0 {
				break
			}
			if changed.Data.Equal(t.Data) || s.fails(s.best.with(map[slot]*onnx.Tensor{at: changed})) {
				break
			}
		}
		s.zeros(at)
	}
}

// mostElements is of how many elements each is tried as zero.
const mostElements = 48

func (s *search) zeros(at slot) {
	t := s.best.tensor(at)
	if t.Len() > mostElements || mapped(t, func(v float64) float64 { return v }) == nil {
		return
	}
	minimize(numbered(t.Len()), func(kept []int) bool {
		number := -1
		less := mapped(t, func(v float64) float64 {
			if number++; slices.Contains(kept, number) {
				return v
			}
			return 0
		})
		return !less.Data.Equal(s.best.tensor(at).Data) && s.fails(s.best.with(map[slot]*onnx.Tensor{at: less}))
	})
}

// mapped is a tensor of numbers with f of each element in its place, nil for other tensors.
func mapped(t *onnx.Tensor, f func(float64) float64) *onnx.Tensor {
	var wide onnx.Data
	switch w := t.Data.Wide().(type) {
	case onnx.Slice[float64]:
		for i, v := range w {
			w[i] = f(v)
		}
		wide = w
	case onnx.Slice[int64]:
		for i, v := range w {
			w[i] = int64(f(float64(v)))
		}
		wide = w
	case onnx.Slice[uint64]:
		for i, v := range w {
			w[i] = uint64(max(f(float64(v)), 0))
		}
		wide = w
	default:
		return nil
	}
	data, ok := onnx.Narrow(t.Type(), wide)
	if !ok {
		return nil
	}
	return &onnx.Tensor{Name: t.Name, Dims: t.Dims, Data: data}
}

func twoDigits(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return v
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-1)
	return math.Round(v/unit) * unit
}

// names gives values and nodes short names, which say nothing of where the model is from, and declares the outputs as what
// they are. Where the failure hangs on a name, they stay.
func (s *search) names() {
	m := proto.CloneOf(s.best.model)
	g := m.Graph
	names := map[string]string{"": ""}
	name := func(old, kind string, count *int) {
		if _, there := names[old]; !there {
			names[old] = fmt.Sprintf("%s%d", kind, *count)
			*count++
		}
	}
	var x, y, c, v, k int
	n := &state{m, make([]*onnx.Tensor, len(s.best.inputs))}
	for i, t := range s.best.inputs {
		name(t.Name, "x", &x)
		named := *t
		named.Name = names[t.Name]
		n.inputs[i] = &named
	}
	for i, o := range g.Output {
		name(o.GetName(), "y", &y)
		if t := o.GetType().GetTensorType(); t != nil && i < len(s.trial.Want) && s.trial.Want[i] != nil {
			o.Type = port(&onnx.Tensor{Dims: s.trial.Want[i].Dims}).Type
			o.Type.GetTensorType().ElemType = t.ElemType
		}
	}
	for t := range onnx.Tensors(g) {
		if t.GetName() != "" {
			name(t.GetName(), "c", &c)
		}
	}
	origins := map[string]string{}
	var visit func(g *pb.GraphProto, own bool)
	visit = func(g *pb.GraphProto, own bool) {
		for _, list := range [][]*pb.ValueInfoProto{g.GetInput(), g.GetOutput()} {
			for _, p := range list {
				name(p.GetName(), "v", &v)
				p.Name = proto.String(names[p.GetName()])
			}
		}
		for _, n := range g.GetNode() {
			n.DocString, n.MetadataProps = nil, nil
			n.Name = proto.String(fmt.Sprintf("n%d", k))
			k++
			for _, list := range [][]string{n.Input, n.Output} {
				for i, old := range list {
					name(old, "v", &v)
					list[i] = names[old]
				}
			}
			for _, a := range n.GetAttribute() {
				for _, inner := range bodies(a) {
					visit(inner, false)
				}
			}
		}
		for i, t := range g.GetInitializer() {
			t = proto.CloneOf(t)
			t.Name, t.DocString, t.MetadataProps = proto.String(names[t.GetName()]), nil, nil
			g.Initializer[i] = t
		}
		for i, t := range g.GetSparseInitializer() {
			t = proto.CloneOf(t)
			t.Values.Name = proto.String(names[t.Values.GetName()])
			g.SparseInitializer[i] = t
		}
		g.ValueInfo, g.DocString, g.MetadataProps = nil, nil, nil
		if !own {
			g.Name = proto.String("body")
		}
	}
	visit(g, true)
	for _, a := range g.QuantizationAnnotation {
		a.TensorName = proto.String(names[a.GetTensorName()])
	}
	for _, old := range s.best.model.GetGraph().GetNode() {
		for _, out := range old.GetOutput() {
			if out != "" {
				origins[names[out]] = out
			}
		}
	}
	if s.fails(n) {
		s.origins = origins
	}
}
