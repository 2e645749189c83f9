package verify

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/random"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
)

var update = flag.Bool("update", false, "write the table of docs/verification.md anew")

// A fault changes a model into what a faulty runtime would compute. It reports
// whether the model has anything to be wrong about.
type fault struct {
	name  string
	plant func(m *pb.ModelProto, statistics map[string][2][]float32) bool
}

var faults = []fault{
	{"batch statistics", batchStatistics},
	{"epsilon 1e-5 for 1e-3", epsilon},
	{"LeakyReLU alpha", leakyAlpha},
	{"padding off by one", shiftedPads},
	{"output padding in front", paddedInFront},
	{"height and width swapped", swappedKernel},
	{"weights read by columns", readByColumns},
	{"bias missing", missingBias},
	{"NHWC for NCHW", channelsLast},
	{"Softmax of opset 12", oldSoftmax},
}

// firstNode returns the first node of one of the operators.
func firstNode(m *pb.ModelProto, ops ...string) *pb.NodeProto {
	for _, n := range m.GetGraph().GetNode() {
		if slices.Contains(ops, n.GetOpType()) {
			return n
		}
	}
	return nil
}

func attributeOf(n *pb.NodeProto, name string) *pb.AttributeProto {
	for _, a := range n.GetAttribute() {
		if a.GetName() == name {
			return a
		}
	}
	return nil
}

// edit changes the elements of a float32 initializer.
func edit(m *pb.ModelProto, name string, f func(t *onnx.Tensor, data []float32)) bool {
	for _, p := range m.GetGraph().GetInitializer() {
		if p.GetName() != name {
			continue
		}
		t, err := onnx.FromProto(p)
		if err != nil {
			return false
		}
		data, ok := t.Data.(onnx.Slice[float32])
		if !ok {
			return false
		}
		data = slices.Clone(data)
		t.Data = data
		f(t, data)
		proto.Reset(p)
		proto.Merge(p, t.Proto())
		return true
	}
	return false
}

func batchStatistics(m *pb.ModelProto, statistics map[string][2][]float32) bool {
	n := firstNode(m, "BatchNormalization")
	if n == nil {
		return false
	}
	s, ok := statistics[n.GetInput()[0]]
	return ok && edit(m, n.GetInput()[3], func(_ *onnx.Tensor, d []float32) { copy(d, s[0]) }) &&
		edit(m, n.GetInput()[4], func(_ *onnx.Tensor, d []float32) { copy(d, s[1]) })
}

func epsilon(m *pb.ModelProto, _ map[string][2][]float32) bool {
	n := firstNode(m, "BatchNormalization")
	if n == nil {
		return false
	}
	a := attributeOf(n, "epsilon")
	if a == nil {
		a = &pb.AttributeProto{Name: proto.String("epsilon"), Type: pb.AttributeProto_FLOAT.Enum(), F: proto.Float32(1e-5)}
		n.Attribute = append(n.Attribute, a)
	}
	if other := float32(1e-5); a.GetF() != other {
		a.F = &other
	} else {
		a.F = proto.Float32(1e-3)
	}
	return true
}

func leakyAlpha(m *pb.ModelProto, _ map[string][2][]float32) bool {
	n := firstNode(m, "LeakyRelu")
	if n == nil {
		return false
	}
	if a := attributeOf(n, "alpha"); a.GetF() == 0.2 {
		a.F = proto.Float32(0.01)
	} else {
		a.F = proto.Float32(0.2)
	}
	return true
}

func shiftedPads(m *pb.ModelProto, _ map[string][2][]float32) bool {
	n := firstNode(m, "Conv", "ConvTranspose")
	if n == nil {
		return false
	}
	a := attributeOf(n, "pads")
	if a == nil {
		return false
	}
	for axis := range a.Ints[:len(a.Ints)/2] {
		end := axis + len(a.Ints)/2
		if a.Ints[axis] > 0 {
			a.Ints[axis]--
			a.Ints[end]++
			return true
		}
		if a.Ints[end] > 0 {
			a.Ints[axis]++
			a.Ints[end]--
			return true
		}
	}
	return false
}

func paddedInFront(m *pb.ModelProto, _ map[string][2][]float32) bool {
	n := firstNode(m, "ConvTranspose")
	if n == nil {
		return false
	}
	// One more in front, and an output padding of one, leave the shape as it is.
	pads := attributeOf(n, "pads")
	if pads == nil {
		return false
	}
	pads.Ints[0]++
	extra := attributeOf(n, "output_padding")
	if extra == nil {
		extra = &pb.AttributeProto{Name: proto.String("output_padding"), Type: pb.AttributeProto_INTS.Enum(), Ints: make([]int64, len(pads.Ints)/2)}
		n.Attribute = append(n.Attribute, extra)
	}
	extra.Ints[0]++
	return true
}

func swappedKernel(m *pb.ModelProto, _ map[string][2][]float32) bool {
	n := firstNode(m, "Conv", "ConvTranspose")
	return n != nil && edit(m, n.GetInput()[1], func(t *onnx.Tensor, d []float32) {
		h, w := t.Dims[2], t.Dims[3]
		old := slices.Clone(d)
		for i := range d {
			y, x := i/w%h, i%w
			d[i] = old[i/(h*w)*h*w+(x*h+y)%(h*w)]
		}
	})
}

func readByColumns(m *pb.ModelProto, _ map[string][2][]float32) bool {
	n := firstNode(m, "MatMul", "Gemm", "Conv", "ConvTranspose")
	return n != nil && edit(m, n.GetInput()[1], func(t *onnx.Tensor, d []float32) {
		rows := t.Dims[0]
		cols := len(d) / rows
		old := slices.Clone(d)
		for i := range d {
			d[i] = old[i%rows*cols+i/rows]
		}
	})
}

func missingBias(m *pb.ModelProto, _ map[string][2][]float32) bool {
	for _, n := range m.GetGraph().GetNode() {
		k := map[string]int{"Add": 1, "Gemm": 2, "Conv": 2, "ConvTranspose": 2}[n.GetOpType()]
		if k > 0 && k < len(n.GetInput()) && edit(m, n.GetInput()[k], func(_ *onnx.Tensor, d []float32) { clear(d) }) {
			return true
		}
	}
	return false
}

// channelsLast takes the feature map that the first Reshape makes for one with
// the channels last.
func channelsLast(m *pb.ModelProto, _ map[string][2][]float32) bool {
	nodes := m.GetGraph().GetNode()
	for i, n := range nodes {
		if n.GetOpType() != "Reshape" {
			continue
		}
		swapped := false
		for _, p := range m.GetGraph().GetInitializer() {
			if p.GetName() != n.GetInput()[1] {
				continue
			}
			t, err := onnx.FromProto(p)
			if err != nil {
				return false
			}
			d, ok := t.Data.(onnx.Slice[int64])
			if !ok || len(d) != 4 || d[1] == 1 {
				continue
			}
			t.Data = onnx.Slice[int64]{d[0], d[2], d[3], d[1]}
			proto.Reset(p)
			proto.Merge(p, t.Proto())
			swapped = true
		}
		if !swapped {
			continue
		}
		out := n.GetOutput()[0]
		n.Output = []string{out + ".nhwc"}
		perm := &pb.AttributeProto{Name: proto.String("perm"), Type: pb.AttributeProto_INTS.Enum(), Ints: []int64{0, 3, 1, 2}}
		m.Graph.Node = slices.Insert(nodes, i+1, &pb.NodeProto{
			OpType: proto.String("Transpose"), Name: proto.String(out + ".nchw"), Input: n.Output, Output: []string{out}, Attribute: []*pb.AttributeProto{perm},
		})
		return true
	}
	return false
}

func oldSoftmax(m *pb.ModelProto, _ map[string][2][]float32) bool {
	n := firstNode(m, "Softmax")
	if n == nil {
		return false
	}
	m.OpsetImport[0].Version = proto.Int64(12)
	return true
}

// faulty is a float32 runtime that computes another model than it is given.
func faulty(plant func(m *pb.ModelProto)) witness.Runtime {
	return made{name: "faulty", open: func(ctx context.Context, m *onnx.Model) (witness.Session, error) {
		p := proto.CloneOf(m.Proto)
		plant(p)
		b, err := onnx.Marshal(p)
		if err != nil {
			return nil, err
		}
		planted := &onnx.Model{Proto: p, Bytes: b}
		s, err := load.Open(planted)
		if _, ok := errors.AsType[*onnx.UnsupportedError](err); ok {
			return (reference.Runtime{}).Open(ctx, planted)
		}
		return s, err
	}}
}

// A subject is a model with inputs, and the statistics of the batch before every
// normalisation.
type subject struct {
	name       string
	job        *job
	data       dataSet
	statistics map[string][2][]float32
}

func newSubject(t *testing.T, name string, p *pb.ModelProto) subject {
	t.Helper()
	b, err := onnx.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	s := subject{name: name, statistics: map[string][2][]float32{}}
	s.job = &job{options: Options{Timeout: time.Minute}.withDefaults(), model: &onnx.Model{Proto: p, Bytes: b}}
	if s.job.program, err = reference.Compile(s.job.model, reference.Options{}); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	d, err := newDrawing(s.job.program.Inputs(), p, Options{Seed: 5})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	n := 1
	if d.batched() {
		n = 3
	}
	if s.data, err = d.set(d.start(n), n, nil); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	r, err := s.job.program.Watch(t.Context(), s.data.values, func(v *reference.Value) { s.statistics[v.Name] = statisticsOf(v) })
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	s.data.want = r.Outputs
	return s
}

// statisticsOf are mean and variance along axis 1.
func statisticsOf(v *reference.Value) [2][]float32 {
	if len(v.Dims) < 2 {
		return [2][]float32{}
	}
	channels, inner := v.Dims[1], 1
	for _, d := range v.Dims[2:] {
		inner *= d
	}
	sum, square := make([]float64, channels), make([]float64, channels)
	for i := range v.Len() {
		sum[i/inner%channels] += v.Float(i)
		square[i/inner%channels] += v.Float(i) * v.Float(i)
	}
	n := float64(v.Len() / channels)
	out := [2][]float32{make([]float32, channels), make([]float32, channels)}
	for c := range sum {
		out[0][c] = float32(sum[c] / n)
		out[1][c] = float32(square[c]/n - sum[c]*sum[c]/n/n)
	}
	return out
}

// caught is which of the ways to compare tell the fault. worst is the proof with
// the worst case alone: a node beyond its sound limit.
type caught struct{ screen, collective, proof, worst, loose, tight bool }

func (s subject) try(t *testing.T, plant func(m *pb.ModelProto)) caught {
	t.Helper()
	rt := faulty(plant)
	session, err := rt.Open(t.Context(), s.job.model)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	defer session.Close()
	outputs, err := session.Run(t.Context(), clone(s.data.inputs))
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	var c caught
	for i, want := range s.data.want {
		got := valueOf(outputs[i])
		if err := mismatch(want, got); err != nil {
			t.Fatalf("%s: the fault changes more than values: %v", s.name, err)
		}
		beyond := func(limit func(k int) float64) bool { return measure(want, got, limit).Outside > 0 }
		c.screen = c.screen || beyond(want.Screen)
		_, odd := collect(want, got).outside()
		c.collective = c.collective || odd
		c.loose = c.loose || beyond(func(k int) float64 { return 1e-5 + 1e-3*math.Abs(want.Float(k)) })
		c.tight = c.tight || beyond(func(k int) float64 { return 1e-5 + 1e-5*math.Abs(want.Float(k)) })
	}
	p, err := s.job.prove(t.Context(), rt, s.data)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	c.proof = len(p.faults) > 0
	c.worst = slices.ContainsFunc(p.faults, func(f *Fault) bool { return f.Proven })
	if len(p.unbounded) > 0 {
		t.Errorf("%s: no limits are known for %v", s.name, p.unbounded)
	}
	return c
}

// String is the letters of the ways that tell the fault.
func (c caught) String() string {
	text := ""
	for _, x := range []struct {
		yes  bool
		name string
	}{{c.screen, "S"}, {c.collective, "C"}, {c.proof, "P"}, {c.worst, "W"}, {c.loose, "3"}, {c.tight, "5"}} {
		if x.yes {
			text += x.name
		}
	}
	if text == "" {
		return "none"
	}
	return text
}

// subjects are the exports of all models, narrowed, but of cgan, whose layers are
// those of gan, and a Softmax over channels, which none of the models has.
func subjects(t *testing.T) []subject {
	list := exports(t, models.Options{Width: 8}, func(name string) bool { return name != "cgan" })
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "softmax"})
	x := e.Input("x", elem, onnx.Fixed(2), onnx.Fixed(3), onnx.Fixed(4), onnx.Fixed(5))
	e.Step("y", "y")
	e.Output(e.Node("Softmax", "", []onnx.Value{x}, onnx.Int("axis", 1)), elem, onnx.Fixed(2), onnx.Fixed(3), onnx.Fixed(4), onnx.Fixed(5))
	return append(list, newSubject(t, "softmax over channels", onnxtest.Model(t, e).Proto))
}

// exports are those of the models requested, with weights as at the start
// of training and statistics and biases that are not zero.
func exports(t *testing.T, o models.Options, ask func(name string) bool) []subject {
	var list []subject
	for _, full := range models.All() {
		if !ask(full.Name) {
			continue
		}
		m, err := models.Build(full.Name, o)
		if err != nil {
			t.Fatal(err)
		}
		s := &checkpoint.Snapshot{Step: 1, Meta: map[string]string{}}
		for _, n := range m.Nets {
			p, err := n.Plan()
			if err != nil {
				t.Fatal(err)
			}
			for q := range p.Params() {
				s.Tensors = append(s.Tensors, checkpoint.Tensor{Name: q.Name, Dims: q.Shape, Data: initial(q)})
			}
		}
		for _, n := range m.Exports() {
			p, err := export.Model(m, n, s, export.Options{KeepBatchNorm: true})
			if err != nil {
				t.Fatalf("%s %s: %v", m.Name, n.Name, err)
			}
			list = append(list, newSubject(t, m.Name+" "+n.Name, p))
		}
	}
	return list
}

func initial(q layer.Param) []float32 {
	w := make([]float32, q.Shape.Len())
	r := random.New(7, q.Name)
	q.Init(r, w)
	switch name := q.Name[strings.LastIndexByte(q.Name, '.')+1:]; name {
	case "bias", "mean", "variance":
		r.Normal(w)
		for i, z := range w {
			if w[i] = 0.1 * z; name == "variance" {
				w[i] = 0.5 + z*z
			}
		}
	}
	return w
}

const (
	tableBegin = "<!-- made by go test ./verify -update -->\n"
	tableEnd   = "<!-- end -->\n"
	page       = "../docs/verification.md"
)

// TestPlantedFaultsAreCaught compares the table of docs/verification.md with what
// is caught, or writes it.
func TestPlantedFaultsAreCaught(t *testing.T) {
	race.Skip(t)
	if testing.Short() {
		t.Skip("half a thousand proofs")
	}
	var b strings.Builder
	b.WriteString("\n| model |")
	for _, f := range faults {
		fmt.Fprintf(&b, " %s |", f.name)
	}
	b.WriteString(" one bit of a weight, of 32 |\n|---|" + strings.Repeat("---|", len(faults)+1) + "\n")
	for _, s := range subjects(t) {
		fmt.Fprintf(&b, "| %s |", s.name)
		for _, f := range faults {
			if !f.plant(proto.CloneOf(s.job.model.Proto), s.statistics) {
				b.WriteString(" |")
				continue
			}
			c := s.try(t, func(m *pb.ModelProto) { f.plant(m, s.statistics) })
			fmt.Fprintf(&b, " %s |", c)
			if !c.screen || !c.proof {
				t.Errorf("%s: %s goes unnoticed: caught by %s", s.name, f.name, c)
			}
		}
		b.WriteString(s.flips(t) + " |\n")
	}
	b.WriteString("\n")
	holdPage(t, page, tableBegin, b.String())
}

// flips counts, for each way to compare, the bits of the largest weight of the
// first product whose flip it tells.
func (s subject) flips(t *testing.T) string {
	weight := firstWeight(s.job.model.Proto)
	if weight == "" {
		return ""
	}
	var screen, proof, loose, tight int
	for bit := range 32 {
		c := s.try(t, func(m *pb.ModelProto) {
			edit(m, weight, func(_ *onnx.Tensor, d []float32) {
				at := largest(d)
				d[at] = math.Float32frombits(math.Float32bits(d[at]) ^ 1<<bit)
			})
		})
		for n, yes := range map[*int]bool{&screen: c.screen, &proof: c.proof, &loose: c.loose, &tight: c.tight} {
			if yes {
				*n++
			}
		}
	}
	if screen < loose || screen < tight {
		t.Errorf("%s: of 32 bits the screen tells %d, a tolerance of 1e-3 tells %d, one of 1e-5 tells %d", s.name, screen, loose, tight)
	}
	return fmt.Sprintf(" S %d, P %d, 3 %d, 5 %d", screen, proof, loose, tight)
}

// firstWeight is the weight of the first product.
func firstWeight(m *pb.ModelProto) string {
	if n := firstNode(m, "MatMul", "Gemm", "Conv", "ConvTranspose"); n != nil {
		return n.GetInput()[1]
	}
	return ""
}

// largest is the position of the largest magnitude.
func largest(d []float32) int {
	best := 0
	for i, x := range d {
		if math.Abs(float64(x)) > math.Abs(float64(d[best])) {
			best = i
		}
	}
	return best
}

// holdPage compares the part of a page between the marks with the table, or
// writes it there.
func holdPage(t *testing.T, path, tableBegin, table string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	old, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+tableBegin+table+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != table {
		t.Errorf("%s is not what the test finds: run go test ./verify -run PlantedFaults -update\n%s", path, table)
	}
}
