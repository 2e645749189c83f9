package op_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/reference"
)

// A draw is a node of one operator on random shapes, with the inputs beside the first as constants.
type draw struct {
	*rand.Rand
	op     string
	opset  int64
	in     [][]int        // shapes of the inputs that are given
	consts []*onnx.Tensor // nil for one that is left out
	attrs  []onnx.Attr
	outs   int
}

// between draws from lo to hi, both included.
func (d *draw) between(lo, hi int) int { return lo + d.IntN(hi-lo+1) }

func (d *draw) shape(rank, lo, hi int) []int {
	dims := make([]int, rank)
	for i := range dims {
		dims[i] = d.between(lo, hi)
	}
	return dims
}

func (d *draw) list(n, lo, hi int) []int64 {
	list := make([]int64, n)
	for i := range list {
		list[i] = int64(d.between(lo, hi))
	}
	return list
}

// sometimes adds an attribute half of the time.
func (d *draw) sometimes(a onnx.Attr) {
	if d.IntN(2) == 0 {
		d.attrs = append(d.attrs, a)
	}
}

func (d *draw) ints(list []int64) {
	d.consts = append(d.consts, &onnx.Tensor{Dims: []int{len(list)}, Data: onnx.Slice[int64](list)})
}

func (d *draw) floats(list []float32) {
	d.consts = append(d.consts, &onnx.Tensor{Dims: []int{len(list)}, Data: onnx.Slice[float32](list)})
}

// window draws the attributes of a window over some axes.
func (d *draw) window(axes int, dilations bool) {
	auto := []string{"NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"}[d.IntN(5)]
	if auto != "NOTSET" {
		d.attrs = append(d.attrs, onnx.String("auto_pad", auto))
	} else if d.IntN(3) > 0 {
		d.attrs = append(d.attrs, onnx.Ints("pads", d.list(2*axes, 0, 2)...))
	}
	d.sometimes(onnx.Ints("strides", d.list(axes, 1, 4)...))
	if dilations {
		d.sometimes(onnx.Ints("dilations", d.list(axes, 1, 3)...))
	}
}

// draws are the operators whose shapes take arithmetic.
var draws = []struct {
	op   string
	fill func(d *draw)
}{
	{"MaxPool", func(d *draw) { d.pool(true) }},
	{"AveragePool", func(d *draw) {
		d.pool(d.opset >= 19)
		d.sometimes(onnx.Int("count_include_pad", 1))
	}},
	{"LpPool", func(d *draw) { d.pool(true) }},
	{"Conv", func(d *draw) {
		axes := d.between(1, 3)
		groups := d.between(1, 2)
		kernel := d.shape(axes, 1, 3)
		d.in = [][]int{append([]int{d.between(1, 2), 2 * groups}, d.shape(axes, 1, 7)...)}
		d.floatsOf(append([]int{3 * groups, 2}, kernel...))
		d.window(axes, true)
		d.attrs = append(d.attrs, onnx.Int("group", int64(groups)))
	}},
	{"ConvTranspose", func(d *draw) {
		axes := d.between(1, 2)
		groups := d.between(1, 2)
		kernel := d.shape(axes, 1, 3)
		d.in = [][]int{append([]int{d.between(1, 2), 2 * groups}, d.shape(axes, 1, 5)...)}
		d.floatsOf(append([]int{2 * groups, 3}, kernel...))
		d.window(axes, true)
		d.attrs = append(d.attrs, onnx.Int("group", int64(groups)))
		if d.IntN(4) == 0 {
			d.attrs = append(d.attrs, onnx.Ints("output_padding", d.list(axes, 0, 1)...))
		}
		if d.IntN(4) == 0 {
			d.attrs = append(d.attrs, onnx.Ints("output_shape", d.list(axes, 1, 12)...))
		}
	}},
	{"Slice", func(d *draw) {
		rank := d.between(1, 4)
		d.in = [][]int{d.shape(rank, 0, 5)}
		n := d.between(1, rank)
		d.ints(d.list(n, -7, 7))
		d.ints(d.list(n, -7, 7))
		axes := d.Perm(rank)[:n]
		d.ints(wide(axes))
		steps := d.list(n, -3, 3)
		for i := range steps {
			if steps[i] == 0 {
				steps[i] = 1
			}
		}
		d.ints(steps)
	}},
	{"Reshape", func(d *draw) {
		from := d.shape(d.between(1, 4), 0, 4)
		d.in = [][]int{from}
		to := slices.Clone(from)
		if d.IntN(3) > 0 && len(to) > 1 { // two neighbours become one
			i := d.IntN(len(to) - 1)
			to[i] *= to[i+1]
			to = slices.Delete(to, i+1, i+2)
		}
		list := wide(to)
		if d.IntN(2) == 0 {
			list[d.IntN(len(list))] = []int64{-1, 0}[d.IntN(2)]
		}
		d.ints(list)
		if d.opset >= 14 {
			d.sometimes(onnx.Int("allowzero", 1))
		}
	}},
	{"Flatten", func(d *draw) {
		rank := d.between(1, 4)
		d.in = [][]int{d.shape(rank, 0, 4)}
		d.attrs = append(d.attrs, onnx.Int("axis", int64(d.between(-rank, rank))))
	}},
	{"Squeeze", func(d *draw) {
		rank := d.between(1, 4)
		d.in = [][]int{d.shape(rank, 1, 2)}
		if d.IntN(2) == 0 {
			d.ints([]int64{int64(d.between(-rank, rank-1))})
		}
	}},
	{"Unsqueeze", func(d *draw) {
		rank := d.between(0, 3)
		d.in = [][]int{d.shape(rank, 0, 3)}
		d.ints([]int64{int64(d.between(-rank-2, rank+1)), int64(d.between(-rank-2, rank+1))})
	}},
	{"Add", func(d *draw) { d.in = [][]int{d.shape(d.between(0, 4), 1, 2), d.shape(d.between(0, 4), 1, 2)} }},
	{"Where", func(d *draw) {
		d.in = [][]int{d.shape(d.between(0, 3), 1, 2), d.shape(d.between(0, 3), 1, 2)}
		d.consts = nil
	}},
	{"Expand", func(d *draw) {
		d.in = [][]int{d.shape(d.between(0, 3), 1, 2)}
		d.ints(d.list(d.between(1, 4), 0, 2))
	}},
	{"Tile", func(d *draw) {
		rank := d.between(1, 4)
		d.in = [][]int{d.shape(rank, 0, 3)}
		d.ints(d.list(rank, 0, 3))
	}},
	{"Concat", func(d *draw) {
		rank := d.between(1, 4)
		first := d.shape(rank, 0, 3)
		axis := d.IntN(rank)
		second := slices.Clone(first)
		second[axis] = d.between(0, 3)
		d.in = [][]int{first, second}
		d.attrs = append(d.attrs, onnx.Int("axis", int64(axis-rank*d.IntN(2))))
	}},
	{"Split", func(d *draw) {
		rank := d.between(1, 3)
		d.in = [][]int{d.shape(rank, 1, 7)}
		axis := d.IntN(rank)
		d.outs = d.between(1, 3)
		d.attrs = append(d.attrs, onnx.Int("axis", int64(axis-rank*d.IntN(2))))
		if d.IntN(2) == 0 {
			rest := d.in[0][axis]
			var parts []int64
			for range d.outs - 1 {
				parts = append(parts, int64(d.between(0, rest)))
				rest -= int(parts[len(parts)-1])
			}
			d.ints(append(parts, int64(rest)))
		} else if d.opset >= 18 {
			d.attrs = append(d.attrs, onnx.Int("num_outputs", int64(d.outs)))
		}
	}},
	{"Pad", func(d *draw) {
		rank := d.between(1, 3)
		d.in = [][]int{d.shape(rank, 1, 5)}
		d.ints(d.list(2*rank, -2, 3))
		d.attrs = append(d.attrs, onnx.String("mode", []string{"constant", "edge", "reflect"}[d.IntN(3)]))
	}},
	{"Resize", func(d *draw) {
		rank := d.between(1, 3)
		d.in = [][]int{d.shape(rank, 2, 6)} // of one element a scale may leave none, which the reference refuses
		d.consts = []*onnx.Tensor{nil}
		if d.IntN(2) == 0 {
			scales := make([]float32, rank)
			for i := range scales {
				scales[i] = []float32{0.5, 0.7, 1, 1.5, 2, 2.0 / 3, 2.3}[d.IntN(7)]
			}
			d.floats(scales)
			return
		}
		d.consts = append(d.consts, nil)
		d.ints(d.list(rank, 1, 8))
		if d.opset >= 18 {
			d.attrs = append(d.attrs, onnx.String("keep_aspect_ratio_policy", []string{"stretch", "not_larger", "not_smaller"}[d.IntN(3)]))
		}
	}},
	{"Gather", func(d *draw) {
		rank := d.between(1, 3)
		d.in = [][]int{d.shape(rank, 1, 4)}
		axis := d.IntN(rank)
		n := d.in[0][axis]
		d.ints(d.list(d.between(0, 3), -n, n-1))
		d.attrs = append(d.attrs, onnx.Int("axis", int64(axis-rank*d.IntN(2))))
	}},
	{"Transpose", func(d *draw) {
		rank := d.between(0, 4)
		d.in = [][]int{d.shape(rank, 0, 4)}
		d.sometimes(onnx.Ints("perm", wide(d.Perm(rank))...))
	}},
	{"MatMul", func(d *draw) {
		k := d.between(1, 3)
		batch := d.shape(d.between(0, 2), 1, 2)
		a, b := append(slices.Clone(batch), d.between(1, 3), k), []int{k, d.between(1, 3)}
		if d.IntN(3) == 0 {
			a = []int{k}
		}
		if d.IntN(3) == 0 {
			b = []int{k}
		} else if d.IntN(2) == 0 {
			b = append(d.shape(len(batch), 1, 2), b...)
		}
		d.in = [][]int{a, b}
	}},
	{"ReduceSum", func(d *draw) {
		rank := d.between(0, 4)
		d.in = [][]int{d.shape(rank, 0, 3)}
		if d.IntN(3) > 0 && rank > 0 {
			var axes []int64
			for _, a := range d.Perm(rank)[:d.between(0, rank)] {
				axes = append(axes, int64(a-rank*d.IntN(2)))
			}
			d.ints(axes)
		}
		d.sometimes(onnx.Int("keepdims", 0))
		d.sometimes(onnx.Int("noop_with_empty_axes", 1))
	}},
	{"ArgMax", func(d *draw) {
		rank := d.between(1, 4)
		d.in = [][]int{d.shape(rank, 1, 3)}
		d.attrs = append(d.attrs, onnx.Int("axis", int64(d.between(-rank, rank-1))))
		d.sometimes(onnx.Int("keepdims", 0))
	}},
	{"DepthToSpace", func(d *draw) {
		b := d.between(1, 3)
		d.in = [][]int{append([]int{d.between(1, 2), b * b * d.between(1, 2)}, d.shape(2, 1, 3)...)}
		d.attrs = append(d.attrs, onnx.Int("blocksize", int64(b)))
	}},
	{"SpaceToDepth", func(d *draw) {
		b := d.between(1, 3)
		d.in = [][]int{{d.between(1, 2), d.between(1, 2), b * d.between(1, 2), b * d.between(1, 2)}}
		d.attrs = append(d.attrs, onnx.Int("blocksize", int64(b)))
	}},
	{"ConstantOfShape", func(d *draw) { d.ints(d.list(d.between(1, 4), 0, 3)) }},
	{"Shape", func(d *draw) {
		d.in = [][]int{d.shape(d.between(0, 4), 0, 3)}
		d.sometimes(onnx.Int("start", int64(d.between(-6, 6))))
		d.sometimes(onnx.Int("end", int64(d.between(-6, 6))))
	}},
}

// floatsOf adds a constant of a shape.
func (d *draw) floatsOf(dims []int) {
	n := 1
	for _, l := range dims {
		n *= l
	}
	d.consts = append(d.consts, &onnx.Tensor{Dims: dims, Data: make(onnx.Slice[float32], n)})
}

func (d *draw) pool(dilations bool) {
	axes := d.between(1, 3)
	d.in = [][]int{append([]int{d.between(1, 2), d.between(1, 2)}, d.shape(axes, 1, 8)...)}
	d.attrs = append(d.attrs, onnx.Ints("kernel_shape", d.list(axes, 1, 3)...))
	d.window(axes, dilations)
	d.sometimes(onnx.Int("ceil_mode", 1))
}

func wide(list []int) []int64 {
	out := make([]int64, len(list))
	for i, v := range list {
		out[i] = int64(v)
	}
	return out
}

// model is the drawn node as a model, and its inputs.
func (d *draw) model(t *testing.T) (*onnx.Model, []*onnx.Tensor) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: d.opset, IR: 10})
	e.Step("s", "y")
	var in []onnx.Value
	var given []*onnx.Tensor
	if d.op == "Where" {
		in = append(in, e.Const("flags", &onnx.Tensor{Dims: []int{1}, Data: onnx.Slice[bool]{true}}))
	}
	for i, dims := range d.in {
		declared, n := []onnx.Dim{}, 1
		for _, l := range dims {
			declared = append(declared, onnx.Fixed(int64(l)))
			n *= l
		}
		name := fmt.Sprint("x", i)
		in = append(in, e.Input(name, pb.TensorProto_FLOAT, declared...))
		given = append(given, &onnx.Tensor{Name: name, Dims: dims, Data: make(onnx.Slice[float32], n)})
	}
	for i, c := range d.consts {
		if c == nil {
			in = append(in, onnx.Value{})
			continue
		}
		in = append(in, e.Const(fmt.Sprint("c", i), c))
	}
	known := op.Find("", d.op, d.opset).Attrs // a later version may have more
	attrs := slices.DeleteFunc(slices.Clone(d.attrs), func(a onnx.Attr) bool {
		_, ok := known[a.Proto().GetName()]
		return !ok
	})
	y := e.Node(d.op, "", in, attrs...)
	e.Output(y, pb.TensorProto_FLOAT)
	m, err := e.Model()
	if err != nil {
		t.Fatalf("%s: %v", d.op, err)
	}
	for i := 1; i < d.outs; i++ {
		name := fmt.Sprint("y", i)
		m.Graph.Node[0].Output = append(m.Graph.Node[0].Output, name)
		m.Graph.Output = append(m.Graph.Output, &pb.ValueInfoProto{Name: proto.String(name), Type: m.Graph.Output[0].Type})
	}
	for _, out := range m.Graph.Output {
		out.Type = nil // the rule is to say it
	}
	return &onnx.Model{Proto: m}, given
}

// The rules and the reference do the arithmetic of shapes each in its own way. On whatever nodes are drawn they must come to the
// same shapes, and refuse the same nodes.
func TestRulesAgreeWithTheReferenceOnShapes(t *testing.T) {
	rounds := 400
	if testing.Short() {
		rounds = 100
	}
	for _, c := range draws {
		t.Run(c.op, func(t *testing.T) {
			agreed := 0
			for seed := range rounds {
				d := &draw{Rand: rand.New(rand.NewPCG(uint64(seed), 7)), op: c.op, opset: []int64{13, 15, 18, 21}[seed%4], outs: 1}
				c.fill(d)
				m, in := d.model(t)
				what := fmt.Sprintf("seed %d, opset %d, inputs %v, constants %v, %v", seed, d.opset, d.in, d.consts, m.Proto.Graph.Node[0])
				types, findings := infer.Types(m.Proto)
				wrong := slices.ContainsFunc(findings, func(f rule.Finding) bool { return f.Severity == rule.Error })
				got, err := reference.Run(m, in)
				if wrong != (err != nil) {
					t.Fatalf("%s: the rule reports %v, the reference %v", what, findings, err)
				}
				if err != nil {
					continue
				}
				agreed++
				for _, v := range got {
					var dims []int
					for _, l := range types[v.Name].Dims {
						if !l.Known() && c.op == "Resize" { // the rule has no policies of aspect ratios
							dims = v.Dims
							break
						}
						if !l.Known() {
							t.Fatalf("%s: the rule leaves %s open, %v; the reference has %v", what, v.Name, types[v.Name], v.Dims)
						}
						dims = append(dims, int(l.Size))
					}
					if !slices.Equal(dims, v.Dims) || types[v.Name].Elem != v.Type {
						t.Fatalf("%s: the rule says %v of %s, the reference has %v", what, types[v.Name], v.Name, v)
					}
				}
			}
			if agreed < rounds/4 {
				t.Errorf("only %d of %d nodes are valid", agreed, rounds)
			}
		})
	}
}
