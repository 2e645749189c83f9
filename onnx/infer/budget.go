package infer

import (
	"math"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
)

// A Budget limits what one run of a model may demand of a machine, as far as inference can tell,
// and inference itself. Free axes count as one. A zero field means its default.
type Budget struct {
	Elements int64 // of one value; default 2^31
	Memory   int64 // bytes of the values that are needed at the same time, weights apart; default 2^36 (64 GiB)
	Work     int64 // multiplications and additions; default 2^50
	Steps    int   // nodes, arguments and axes that inference looks at; default 2^22
}

func (b Budget) withDefaults() Budget {
	set := func(field *int64, value int64) {
		if *field == 0 {
			*field = value
		}
	}
	set(&b.Elements, 1<<31)
	set(&b.Memory, 1<<36)
	set(&b.Work, 1<<50)
	if b.Steps == 0 {
		b.Steps = 1 << 22
	}
	return b
}

// A ledger keeps the bytes of the values that are alive while the nodes of a
// model run one after the other, each value from the node that gives it to the
// last one that reads it.
type ledger struct{ live, peak int64 }

func (l *ledger) add(n int64) {
	l.live = sat.Add(l.live, n)
	l.peak = max(l.peak, l.live)
}

func (l *ledger) drop(n int64) { l.live = max(l.live-n, 0) }

// memoryOf is what the elements of a value take, those of an unknown type one byte
// each and strings their header.
func memoryOf(v op.Fact) int64 {
	if v.Kind != op.TensorKind || v.Dims == nil {
		return 0
	}
	n := op.LeastElements(v.Dims)
	switch {
	case v.Elem == pb.TensorProto_STRING:
		return sat.Mul(n, 16)
	case !onnx.IsElem(v.Elem):
		return n
	}
	b, ok := onnx.RawBytes(v.Elem, n)
	if !ok {
		return math.MaxInt64
	}
	return b
}

// A lifetime says which values of a list of nodes die with which node.
type lifetime struct {
	dies map[int][]string
	size map[string]int64 // of the values that live
}

// lifetime looks for the last reader of each value, once for each list however
// often it runs. Values that are kept have none.
func (f *inferrer) lifetime(list []*pb.NodeProto, keep []*pb.ValueInfoProto) *lifetime {
	if len(list) == 0 {
		return &lifetime{}
	}
	dies, ok := f.deaths[list[0]]
	if !ok {
		dies = deaths(list, keep)
		if f.deaths == nil {
			f.deaths = make(map[*pb.NodeProto]map[int][]string)
		}
		f.deaths[list[0]] = dies
	}
	return &lifetime{dies: dies, size: make(map[string]int64)}
}

func deaths(list []*pb.NodeProto, keep []*pb.ValueInfoProto) map[int][]string {
	last := make(map[string]int)
	for i, n := range list {
		for _, name := range n.Output {
			last[name] = i
		}
		for _, name := range n.Input {
			last[name] = i
		}
		for _, a := range n.Attribute {
			for inner := range onnx.Nodes(a.GetG().GetNode()) {
				for _, name := range inner.Input {
					last[name] = i
				}
			}
		}
	}
	for _, v := range keep {
		delete(last, v.GetName())
	}
	dies := make(map[int][]string, len(last))
	for name, i := range last {
		dies[i] = append(dies[i], name)
	}
	return dies
}

// hold adds an output of a node.
func (f *inferrer) hold(l *lifetime, name string, v op.Fact, at *rule.Place) {
	n := memoryOf(v)
	l.size[name] = n
	before := f.peak
	f.add(n)
	if before <= f.budget.Memory && f.peak > f.budget.Memory {
		f.Report(at, "memory-too-large", "from here on one run holds %d bytes of values at the same time, more than %d", f.peak, f.budget.Memory)
	}
}

// release drops what nothing after node i reads.
func (f *inferrer) release(l *lifetime, i int) {
	for _, name := range l.dies[i] {
		f.drop(l.size[name])
		delete(l.size, name)
	}
}

// end drops what is left: the caller holds what it takes over.
func (f *inferrer) end(l *lifetime) {
	for _, n := range l.size {
		f.drop(n)
	}
}
