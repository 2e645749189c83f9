// Package diff reports what changed from one model to another: the interface that callers see, the graph, the weights, the cost of
// a run, and the outputs.
package diff

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/verify"
	"github.com/petrify-ml/petrify/witness"
)

// A Report lists what changed.
type Report struct {
	Old       string        `json:"old"`
	New       string        `json:"new"`
	Interface []Change      `json:"interface"`
	Versions  []Change      `json:"versions"` // of the IR, opsets and domains
	Metadata  []Change      `json:"metadata"`
	Graph     []Change      `json:"graph"`
	Weights   []Weight      `json:"weights"`
	Kept      int           `json:"weights_kept"` // bit for bit
	Sizes     []Size        `json:"sizes"`
	Outputs   *Outputs      `json:"outputs,omitempty"`
	counts    map[Part]bool // what changed
}

// A Part is one of the things that may change, as --fail-on names them.
type Part string

// The parts of a model.
const (
	Interface Part = "interface" // changes that break callers
	Versions  Part = "versions"
	Metadata  Part = "metadata"
	Graph     Part = "graph"
	Weights   Part = "weights"
	Sizes     Part = "sizes" // one that grew
	Computed  Part = "outputs"
)

// Parts lists all parts.
func Parts() []Part { return []Part{Interface, Versions, Metadata, Graph, Weights, Sizes, Computed} }

// Changed reports whether a part changed: the interface, in a way that breaks callers; sizes, if one grew; outputs, by more than
// rounding.
func (r *Report) Changed(p Part) bool { return r.counts[p] }

// A Change is something that was added, removed or altered.
type Change struct {
	What   string `json:"what"`
	Old    string `json:"old,omitempty"`
	New    string `json:"new,omitempty"`
	Breaks bool   `json:"breaks,omitempty"` // callers
	Why    string `json:"why,omitempty"`
}

// A Weight is an initializer that changed.
type Weight struct {
	Name string `json:"name"`
	Old  string `json:"old,omitempty"` // its type, empty where it is new
	New  string `json:"new,omitempty"` // empty where it is gone
	// Of two that have the same type and shape: elements that differ, the largest difference, that difference relative to the
	// largest element, and how many elements are how many units in the last place apart: 1, below 4, 16, 256, 65536, more.
	Differ   int           `json:"differ,omitempty"`
	Elements int           `json:"elements,omitempty"`
	Largest  verify.Number `json:"largest,omitempty"`
	Relative verify.Number `json:"relative,omitempty"`
	ULPs     []int         `json:"ulps,omitempty"`
}

// A Size is a figure of a model that may have a budget.
type Size struct {
	What string `json:"what"`
	Old  int64  `json:"old"`
	New  int64  `json:"new"`
}

// Outputs compares the outputs of the new model with those of the old one on the same inputs.
type Outputs struct {
	Verdict verify.Verdict      `json:"verdict"`
	Reason  string              `json:"reason,omitempty"`
	Model   *verify.ModelReport `json:"verification,omitempty"`
	// Quantisation is there where the new model keeps weights or values in fewer bits.
	Quantisation *Quantisation `json:"quantisation,omitempty"`
}

// Models compares two models without running them.
func Models(old, now *onnx.Model) *Report {
	r := &Report{Old: old.Path, New: now.Path, counts: map[Part]bool{}, Interface: []Change{}, Versions: []Change{}, Metadata: []Change{}, Graph: []Change{}, Weights: []Weight{}}
	r.interfaces(old.Proto, now.Proto)
	r.versions(old.Proto, now.Proto)
	r.metadata(old.Proto, now.Proto)
	r.graphs(old.Proto.GetGraph(), now.Proto.GetGraph())
	r.weights(old.Proto.GetGraph(), now.Proto.GetGraph())
	r.sizes(old, now)
	for part, n := range map[Part]int{Versions: len(r.Versions), Metadata: len(r.Metadata), Graph: len(r.Graph), Weights: len(r.Weights)} {
		r.counts[part] = n > 0
	}
	r.counts[Interface] = slices.ContainsFunc(r.Interface, func(c Change) bool { return c.Breaks })
	r.counts[Sizes] = slices.ContainsFunc(r.Sizes, func(s Size) bool { return s.New > s.Old })
	return r
}

// values lists inputs or outputs except for those with a default.
func values(g *pb.GraphProto, list []*pb.ValueInfoProto) []*pb.ValueInfoProto {
	initial := map[string]bool{}
	for _, t := range g.GetInitializer() {
		initial[t.GetName()] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(v *pb.ValueInfoProto) bool { return initial[v.GetName()] })
}

func (r *Report) interfaces(old, now *pb.ModelProto) {
	for _, side := range []struct {
		what      string
		was, is   []*pb.ValueInfoProto
		isAnInput bool
	}{
		{"input", values(old.GetGraph(), old.GetGraph().GetInput()), values(now.GetGraph(), now.GetGraph().GetInput()), true},
		{"output", old.GetGraph().GetOutput(), now.GetGraph().GetOutput(), false},
	} {
		find := func(list []*pb.ValueInfoProto, name string) int {
			return slices.IndexFunc(list, func(v *pb.ValueInfoProto) bool { return v.GetName() == name })
		}
		for i, v := range side.was {
			what := side.what + " " + onnx.Quote(v.GetName())
			k := find(side.is, v.GetName())
			if k < 0 {
				r.Interface = append(r.Interface, Change{what, onnx.TypeText(v.Type), "", true, "gone"})
				continue
			}
			if why, breaks := typeChange(v.Type, side.is[k].Type, side.isAnInput); why != "" {
				r.Interface = append(r.Interface, Change{what, onnx.TypeText(v.Type), onnx.TypeText(side.is[k].Type), breaks, why})
			}
			if k != i && len(side.was) == len(side.is) {
				r.Interface = append(r.Interface, Change{what, fmt.Sprintf("number %d", i), fmt.Sprintf("number %d", k), true, "moved, which breaks callers that count"})
			}
		}
		for _, v := range side.is {
			if find(side.was, v.GetName()) < 0 {
				c := Change{side.what + " " + onnx.Quote(v.GetName()), "", onnx.TypeText(v.Type), side.isAnInput, "new"}
				if side.isAnInput {
					c.Why = "new, and nobody gives it"
				}
				r.Interface = append(r.Interface, c)
			}
		}
	}
}

// typeChange says how a type changed, and whether that breaks callers: an input that takes less, an output that may be more.
func typeChange(was, is *pb.TypeProto, input bool) (why string, breaks bool) {
	if proto.Equal(was, is) {
		return "", false
	}
	a, ok1 := onnx.TypeOf(was)
	b, ok2 := onnx.TypeOf(is)
	switch {
	case !ok1 || !ok2:
		return "another type", true
	case a.Elem != b.Elem:
		return "another element type", true
	case (a.Dims == nil) != (b.Dims == nil):
		return "rank known or not", input == (b.Dims != nil)
	case len(a.Dims) != len(b.Dims):
		return "another rank", true
	}
	for i := range a.Dims {
		x, xFixed := a.Dims[i].Size, a.Dims[i].Known()
		y, yFixed := b.Dims[i].Size, b.Dims[i].Known()
		switch {
		case xFixed && yFixed && x != y:
			return fmt.Sprintf("axis %d is %d, was %d", i, y, x), true
		case !xFixed && yFixed:
			why, breaks = fmt.Sprintf("axis %d is %d, was free", i, y), breaks || input
		case xFixed && !yFixed:
			why, breaks = fmt.Sprintf("axis %d is free, was %d", i, x), breaks || !input
		}
	}
	if why == "" {
		why = "axes have other names"
	}
	return why, breaks
}

func (r *Report) versions(old, now *pb.ModelProto) {
	if a, b := old.GetIrVersion(), now.GetIrVersion(); a != b {
		r.Versions = append(r.Versions, Change{What: "IR version", Old: fmt.Sprint(a), New: fmt.Sprint(b)})
	}
	imports := func(m *pb.ModelProto) map[string]string {
		all := map[string]string{}
		for _, o := range m.OpsetImport {
			name := onnx.Domain(o.GetDomain())
			if name == "" {
				name = "ai.onnx"
			}
			all["opset of "+onnx.Printable(name)] = fmt.Sprint(o.GetVersion())
		}
		return all
	}
	r.Versions = append(r.Versions, entries(imports(old), imports(now))...)
}

func (r *Report) metadata(old, now *pb.ModelProto) {
	all := func(m *pb.ModelProto) map[string]string {
		props := map[string]string{}
		for k, v := range map[string]string{"producer": m.GetProducerName(), "producer version": m.GetProducerVersion(), "doc": m.GetDocString(), "domain": m.GetDomain()} {
			if v != "" {
				props[k] = v
			}
		}
		for _, e := range m.MetadataProps {
			props["metadata "+onnx.Quote(e.GetKey())] = e.GetValue()
		}
		return props
	}
	r.Metadata = append(r.Metadata, entries(all(old), all(now))...)
}

// entries are the changes between two tables, by name.
func entries(was, is map[string]string) []Change {
	var all []Change
	for k, v := range was {
		if is[k] != v {
			all = append(all, Change{What: k, Old: cut(v), New: cut(is[k])})
		}
	}
	for k, v := range is {
		if _, ok := was[k]; !ok {
			all = append(all, Change{What: k, New: cut(v)})
		}
	}
	slices.SortFunc(all, func(a, b Change) int { return strings.Compare(a.What, b.What) })
	return all
}

func cut(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// graphs matches nodes by their names, or else by their outputs.
func (r *Report) graphs(old, now *pb.GraphProto) {
	key := func(n *pb.NodeProto) string {
		if n.GetName() != "" {
			return "n " + n.GetName()
		}
		return "o " + strings.Join(n.Output, " ")
	}
	index := map[string]*pb.NodeProto{}
	for _, n := range now.GetNode() {
		index[key(n)] = n
	}
	seen := map[string]bool{}
	for _, n := range old.GetNode() {
		k := key(n)
		seen[k] = true
		m := index[k]
		what := nodeText(n)
		switch {
		case m == nil:
			r.Graph = append(r.Graph, Change{What: what, Old: operatorText(n), Why: "gone"})
		case operatorText(m) != operatorText(n):
			r.Graph = append(r.Graph, Change{What: what, Old: operatorText(n), New: operatorText(m), Why: "another operator"})
		default:
			if !slices.Equal(n.Input, m.Input) {
				r.Graph = append(r.Graph, Change{What: what, Old: quoted(n.Input), New: quoted(m.Input), Why: "other inputs"})
			}
			if !slices.Equal(n.Output, m.Output) {
				r.Graph = append(r.Graph, Change{What: what, Old: quoted(n.Output), New: quoted(m.Output), Why: "other outputs"})
			}
			for _, c := range entries(attributes(n), attributes(m)) {
				c.What, c.Why = what+", attribute "+c.What, "another value"
				r.Graph = append(r.Graph, c)
			}
		}
	}
	for _, n := range now.GetNode() {
		if !seen[key(n)] {
			r.Graph = append(r.Graph, Change{What: nodeText(n), New: operatorText(n), Why: "new"})
		}
	}
}

func nodeText(n *pb.NodeProto) string {
	if n.GetName() != "" {
		return "node " + onnx.Quote(n.GetName())
	}
	return "node of " + quoted(n.Output)
}

func operatorText(n *pb.NodeProto) string {
	if d := onnx.Domain(n.GetDomain()); d != "" {
		return onnx.Printable(d + "." + n.GetOpType())
	}
	return onnx.Printable(n.GetOpType())
}

func quoted(names []string) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = onnx.Quote(n)
	}
	return strings.Join(all, ", ")
}

// attributes are the attributes of a node as text. Nested graphs and tensors are told apart by their bytes.
func attributes(n *pb.NodeProto) map[string]string {
	all := map[string]string{}
	for _, a := range n.Attribute {
		text := onnx.AttributeText(a)
		if a.G != nil || a.T != nil || len(a.Graphs)+len(a.Tensors) > 0 {
			b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(a)
			text += fmt.Sprintf(" (sha256 %.6x)", sha256.Sum256(b))
		}
		all[onnx.Quote(a.GetName())] = text
	}
	return all
}

func (r *Report) weights(old, now *pb.GraphProto) {
	index := map[string]*pb.TensorProto{}
	for _, t := range now.GetInitializer() {
		index[t.GetName()] = t
	}
	seen := map[string]bool{}
	for _, a := range old.GetInitializer() {
		name := a.GetName()
		seen[name] = true
		b := index[name]
		switch {
		case b == nil:
			r.Weights = append(r.Weights, Weight{Name: name, Old: tensorText(a)})
		case tensorText(a) != tensorText(b):
			r.Weights = append(r.Weights, Weight{Name: name, Old: tensorText(a), New: tensorText(b)})
		default:
			if w, same := compare(a, b); same {
				r.Kept++
			} else {
				r.Weights = append(r.Weights, w)
			}
		}
	}
	for _, b := range now.GetInitializer() {
		if !seen[b.GetName()] {
			r.Weights = append(r.Weights, Weight{Name: b.GetName(), New: tensorText(b)})
		}
	}
}

func tensorText(t *pb.TensorProto) string {
	dims := make([]onnx.Dim, len(t.Dims))
	for i, d := range t.Dims {
		dims[i] = onnx.Fixed(d)
	}
	return onnx.Type{Elem: pb.TensorProto_DataType(t.GetDataType()), Dims: dims}.String()
}

// ulpBins are the upper ends of the bins of Weight.ULPs, except for the last.
var ulpBins = []int64{1, 4, 16, 256, 65536}

// compare compares two tensors of the same type and shape.
func compare(p, q *pb.TensorProto) (w Weight, same bool) {
	w = Weight{Name: p.GetName(), Old: tensorText(p), New: tensorText(q)}
	a, err1 := onnx.FromProto(p)
	b, err2 := onnx.FromProto(q)
	if err1 != nil || err2 != nil {
		return w, proto.Equal(p, q)
	}
	if a.Data.Equal(b.Data) {
		return w, true
	}
	w.Elements = a.Len()
	x, ok1 := a.Data.(onnx.Slice[float32])
	y, ok2 := b.Data.(onnx.Slice[float32])
	if !ok1 || !ok2 {
		one, other := a.Data.Make(1), b.Data.Make(1)
		for i := range w.Elements {
			one.Copy(0, a.Data, i, 1)
			other.Copy(0, b.Data, i, 1)
			if !one.Equal(other) {
				w.Differ++
			}
		}
		return w, false
	}
	w.ULPs = make([]int, len(ulpBins)+1)
	largest, scale := 0.0, 0.0
	for i := range x {
		u, v := float64(x[i]), float64(y[i])
		scale = math.Max(scale, math.Abs(u))
		if math.Float32bits(x[i]) == math.Float32bits(y[i]) {
			continue
		}
		w.Differ++
		largest = math.Max(largest, math.Abs(u-v))
		apart := ordered(x[i]) - ordered(y[i])
		if apart < 0 {
			apart = -apart
		}
		bin := slices.IndexFunc(ulpBins, func(most int64) bool { return apart <= most })
		if bin < 0 || math.IsNaN(u) != math.IsNaN(v) {
			bin = len(ulpBins)
		}
		w.ULPs[bin]++
	}
	w.Largest, w.Relative = verify.Number(largest), verify.Number(largest/scale)
	return w, false
}

// ordered numbers the floats in their order, so that differences are units in the last place.
func ordered(x float32) int64 {
	b := int64(int32(math.Float32bits(x)))
	if b < 0 {
		b = math.MinInt32 - b
	}
	return b
}

func (r *Report) sizes(old, now *onnx.Model) {
	figures := func(m *onnx.Model) []int64 {
		s, run := onnx.Summarize(m.Proto), infer.Model(m.Proto, infer.Budget{})
		nodes := 0
		for _, o := range s.Operators {
			nodes += o.Count
		}
		return []int64{int64(len(m.Bytes)), s.Parameters, s.Bytes, int64(nodes), run.Work, run.Memory}
	}
	a, b := figures(old), figures(now)
	for i, what := range []string{"bytes of the file", "parameters", "bytes of parameters", "nodes", "multiplications and additions a run", "bytes of values at the same time"} {
		r.Sizes = append(r.Sizes, Size{what, a[i], b[i]})
	}
}

// Run evaluates both models on the same inputs and determines whether their outputs differ by more than rounding. Options
// choose the inputs and limits; Run itself sets Paths and Runtimes.
func (r *Report) Run(ctx context.Context, old, now *onnx.Model, o verify.Options) error {
	other := NewCopy(old, now, o.Reference)
	o.Paths, o.Runtimes, o.Named = []string{old.Path}, []witness.Runtime{other}, true
	found, err := verify.Run(ctx, o)
	if err != nil {
		return err
	}
	r.Outputs = &Outputs{Verdict: found.Verdict()}
	if len(found.Models) > 0 {
		m := found.Models[0]
		r.Outputs.Model, r.Outputs.Reason = m, m.Problem
		m.Rows = slices.DeleteFunc(m.Rows, func(row verify.Comparison) bool { return row.Runtime == verify.Recorded })
		for _, rt := range m.Runtimes {
			if rt.Reason != "" && r.Outputs.Reason == "" {
				r.Outputs.Reason = rt.Reason
			}
		}
		r.Outputs.Verdict = m.Verdict()
	}
	r.Outputs.Quantisation = other.Quantisation()
	r.counts[Computed] = r.Outputs.Model != nil && slices.ContainsFunc(r.Outputs.Model.Rows, func(row verify.Comparison) bool { return row.Verdict == verify.Different })
	return nil
}

// A Copy is a runtime that, given one model, computes another one instead, in float64 rounded to the types of its outputs. It refuses
// all other models, so only whole models can be compared.
type Copy struct {
	old, now *onnx.Model
	options  reference.Options
	effect   *rounding
}

// NewCopy returns a runtime that computes the model now when it is given the model old.
func NewCopy(old, now *onnx.Model, o reference.Options) *Copy {
	return &Copy{old: old, now: now, options: o}
}

// Name is "new".
func (s *Copy) Name() string { return "new" }

// Version is empty.
func (s *Copy) Version(context.Context) (string, error) { return "", nil }

// Quantisation returns what rounding does to the copy, over all runs so far; nil if nothing is
// rounded.
func (s *Copy) Quantisation() *Quantisation { return s.effect.quantisation() }

// Open opens the other model.
func (s *Copy) Open(ctx context.Context, m *onnx.Model) (witness.Session, error) {
	if string(m.Bytes) != string(s.old.Bytes) {
		return nil, &onnx.UnsupportedError{Why: "two models are compared whole"}
	}
	names := func(m *pb.ModelProto) (all []string) {
		for _, v := range values(m.GetGraph(), m.GetGraph().GetInput()) {
			all = append(all, v.GetName())
		}
		return all
	}
	was, is := names(s.old.Proto), names(s.now.Proto)
	if len(was) != len(is) || slices.ContainsFunc(was, func(n string) bool { return !slices.Contains(is, n) }) {
		return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("the new model has the inputs %s, the old one %s", quoted(is), quoted(was))}
	}
	inner, err := reference.Runtime{Options: s.options}.Open(ctx, s.now)
	if err != nil {
		return nil, err
	}
	if s.effect == nil {
		s.effect = newRounding(ctx, s.old.Proto, s.now.Proto, s.options)
	}
	session := &chosen{Session: inner, effect: s.effect}
	for _, v := range s.old.Proto.GetGraph().GetOutput() {
		session.outputs = append(session.outputs, v.GetName())
	}
	return session, nil
}

// chosen is a session that gives the outputs of these names alone.
type chosen struct {
	witness.Session
	outputs []string
	effect  *rounding
}

func (c *chosen) Run(ctx context.Context, inputs []*onnx.Tensor) ([]*onnx.Tensor, error) {
	start := time.Now()
	all, err := c.Session.Run(ctx, inputs)
	if err != nil {
		return nil, err
	}
	c.effect.see(ctx, inputs, all, time.Since(start))
	var outputs []*onnx.Tensor
	for _, name := range c.outputs {
		i := slices.IndexFunc(all, func(t *onnx.Tensor) bool { return t.Name == name })
		if i < 0 {
			return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("the new model has no output %s", onnx.Quote(name))}
		}
		outputs = append(outputs, all[i])
	}
	return outputs, nil
}
