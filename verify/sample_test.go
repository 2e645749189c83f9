package verify

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
	"google.golang.org/protobuf/proto"
)

// noisyDetector picks, of 24 boxes and their scores, those that overlap no better one, as the end of a detector does: the reference has no limits
// for what NonMaxSuppression picks from numbers with errors.
func noisyDetector(t *testing.T) *onnx.Model {
	r := rand.New(rand.NewPCG(4, 4))
	ints := func(name string, v ...int64) *pb.TensorProto {
		return (&onnx.Tensor{Name: name, Dims: []int{len(v)}, Data: onnx.Slice[int64](v)}).Proto()
	}
	threshold := func(name string, v float32) *pb.TensorProto {
		return (&onnx.Tensor{Name: name, Dims: []int{1}, Data: onnx.Slice[float32]{v}}).Proto()
	}
	out := func(name string, elem pb.TensorProto_DataType, dims ...onnx.Dim) *pb.ValueInfoProto {
		return &pb.ValueInfoProto{Name: proto.String(name), Type: onnx.Type{Elem: elem, Dims: dims}.Proto()}
	}
	return modelOf(t, &pb.ModelProto{
		IrVersion:   proto.Int64(8),
		OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(13)}},
		Graph: &pb.GraphProto{
			Name:  proto.String("detector"),
			Input: []*pb.ValueInfoProto{out("x", elem, onnx.Fixed(24), onnx.Fixed(6))},
			Initializer: []*pb.TensorProto{
				weightsOf(r, "places", 6, 4), weightsOf(r, "merits", 6, 1), ints("boxesShape", 1, 24, 4), ints("scoresShape", 1, 1, 24),
				ints("most", 10), threshold("overlap", 0.3), threshold("least", 0.4), ints("flat", -1), ints("third", 2),
			},
			Node: []*pb.NodeProto{
				line("p = MatMul(x, places)"), line("q = Sigmoid(p)"), line("boxes = Reshape(q, boxesShape)"),
				line("m = MatMul(x, merits)"), line("n = Sigmoid(m)"), line("scores = Reshape(n, scoresShape)"),
				line("picked = NonMaxSuppression(boxes, scores, most, overlap, least)"),
				line("column = Gather(picked, third)", intOf("axis", 1)), line("which = Reshape(column, flat)"),
				line("found = Gather(q, which)", intOf("axis", 0)),
			},
			Output: []*pb.ValueInfoProto{out("found", elem, onnx.Unknown(), onnx.Fixed(4)), out("which", pb.TensorProto_INT64, onnx.Unknown())},
		},
	})
}

// transformer normalises and attends so often that the limits of its output are infinite.
func transformer(t *testing.T) *onnx.Model {
	r := rand.New(rand.NewPCG(5, 5))
	x := &pb.ValueInfoProto{Name: proto.String("x"), Type: onnx.Type{Elem: elem, Dims: []onnx.Dim{onnx.Fixed(6), onnx.Fixed(8)}}.Proto()}
	g := &pb.GraphProto{Name: proto.String("transformer"), Input: []*pb.ValueInfoProto{x}, Output: []*pb.ValueInfoProto{{Name: proto.String("y"), Type: x.Type}}}
	one := slices.Repeat([]float32{1}, 8)
	g.Initializer = append(g.Initializer, (&onnx.Tensor{Name: "one", Dims: []int{8}, Data: onnx.Slice[float32](one)}).Proto())
	at := "x"
	for _, layer := range strings.Fields("a b c d e f g h") {
		name := func(s string) string { return strings.NewReplacer("IN", at, "$", layer).Replace(s) }
		for _, w := range []string{"$.q", "$.k", "$.v"} {
			g.Initializer = append(g.Initializer, weightsOf(r, name(w), 8, 8))
		}
		for _, s := range []string{
			"$.Q = MatMul(IN, $.q)", "$.K = MatMul(IN, $.k)", "$.V = MatMul(IN, $.v)", "$.T = Transpose($.K)", "$.S = MatMul($.Q, $.T)",
			"$.P = Softmax($.S)", "$.M = MatMul($.P, $.V)", "$.R = Add(IN, $.M)", "$.y = LayerNormalization($.R, one)",
		} {
			g.Node = append(g.Node, line(name(s)))
		}
		at = layer + ".y"
	}
	g.Node = append(g.Node, line("y = Identity("+at+")"))
	return modelOf(t, &pb.ModelProto{IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(17)}}, Graph: g})
}

// TestRecordingsWithoutLimitsAreJudged records a detector and a transformer, whose outputs have no limits, and judges the recordings alone:
// as they are, and beside a model whose weights are a little larger.
func TestRecordingsWithoutLimitsAreJudged(t *testing.T) {
	for name, m := range map[string]*onnx.Model{"detector": noisyDetector(t), "transformer": transformer(t)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := recording(t, m, 2, load.Runtime{}).Write(dir, false); err != nil {
				t.Fatal(err)
			}
			for _, row := range rowsOf(report(t, Options{Paths: []string{dir}}), Recorded) {
				if row.Verdict != Equal || row.Stage != Sampling || row.Caveat != "" {
					t.Errorf("%s: %s by %s, want equal by sampling: %s %s", row.Output, row.Verdict, row.Stage, row.Reason, row.Caveat)
				}
			}
			for k, w := range m.Proto.Graph.Initializer[:4] {
				x, err := onnx.FromProto(w)
				if err != nil {
					t.Fatal(err)
				}
				if v, ok := x.Data.(onnx.Slice[float32]); ok && w.GetName() != "one" {
					for i := range v {
						v[i] *= 1.001
					}
					m.Proto.Graph.Initializer[k] = x.Proto()
				}
			}
			writeModel(t, dir, modelOf(t, m.Proto))
			for _, row := range rowsOf(report(t, Options{Paths: []string{dir}}), Recorded) {
				if row.Output != "which" && (row.Verdict != Different || row.Stage != Sampling) {
					t.Errorf("with other weights %s: %s by %s, want different by sampling: %s", row.Output, row.Verdict, row.Stage, row.Reason)
				}
			}
		})
	}
}

func tensorOf[T onnx.Element](t *testing.T, data onnx.Slice[T], dims ...int) *reference.Value {
	t.Helper()
	v, err := reference.FromTensor(&onnx.Tensor{Name: "y", Dims: dims, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestVerdictsByDrawnErrors compares outputs with evaluations that were drawn.
func TestVerdictsByDrawnErrors(t *testing.T) {
	floats := func(v ...float32) *reference.Value { return tensorOf(t, onnx.Slice[float32](v), len(v)) }
	labels := func(v ...int64) *reference.Value { return tensorOf(t, onnx.Slice[int64](v), len(v)) }
	words := func(v ...string) *reference.Value { return tensorOf(t, onnx.Slice[string](v), len(v)) }
	for name, c := range map[string]struct {
		want, got *reference.Value
		quiet     []*reference.Value
		loud      *reference.Value // one of 24 that are else like want
		verdict   Verdict
	}{
		"near":                        {floats(1, 2), floats(1.02, 2), []*reference.Value{floats(1.01, 2), floats(1, 2.01)}, nil, Equal},
		"far":                         {floats(1, 2), floats(1.5, 2), []*reference.Value{floats(1.01, 2), floats(1, 2.01)}, nil, Different},
		"far, but louder errors too":  {floats(1, 2), floats(1.1, 2), []*reference.Value{floats(1.01, 2), floats(1, 2.01)}, floats(1.09, 2), Unchecked},
		"far, where anything goes":    {floats(1, 2), floats(1.9, 2), []*reference.Value{floats(1.01, 2), floats(1, 2.01)}, floats(3, 2), Unchecked},
		"NaN":                         {floats(1, 2), floats(float32(math.NaN()), 2), []*reference.Value{floats(1.01, 2), floats(1, 2.01)}, nil, Different},
		"a label that was drawn":      {labels(1, 2), labels(1, 7), []*reference.Value{labels(1, 2), labels(1, 7)}, nil, Equal},
		"a label between":             {labels(1, 2), labels(1, 5), []*reference.Value{labels(1, 2), labels(1, 7)}, nil, Unchecked},
		"a label in a firm place":     {labels(1, 2), labels(3, 2), []*reference.Value{labels(1, 2), labels(1, 7)}, nil, Different},
		"a word that was drawn":       {words("a", "b"), words("a", "c"), []*reference.Value{words("a", "b"), words("a", "c")}, nil, Equal},
		"a word in a firm place":      {words("a", "b"), words("b", "b"), []*reference.Value{words("a", "b"), words("a", "c")}, nil, Different},
		"a word in a shaky place":     {words("a", "b"), words("a", "d"), []*reference.Value{words("a", "b"), words("a", "c")}, nil, Unchecked},
		"a shape that was drawn":      {labels(1, 2), labels(1), []*reference.Value{labels(1, 2), labels(1), labels(1)}, nil, Equal},
		"a shape that was not":        {labels(1, 2), labels(1, 2, 3), []*reference.Value{labels(1, 2), labels(1, 2)}, nil, Different},
		"a shape where all are drawn": {labels(1, 2), labels(1, 2, 3), []*reference.Value{labels(1, 2), labels(1)}, nil, Unchecked},
	} {
		t.Run(name, func(t *testing.T) {
			var all draws
			for i := range quietDraws {
				all = append(all, []*reference.Value{c.quiet[i%len(c.quiet)]})
			}
			for range loudDraws {
				all = append(all, []*reference.Value{c.want})
			}
			if c.loud != nil {
				all[quietDraws+3] = []*reference.Value{c.loud}
			}
			row := Comparison{Verdict: Unchecked, Stage: Screen, Measure: &Measure{}}
			used := 0
			for used < len(all) && row.Stage == Screen {
				used++
				all[:used].decide(&row, 0, c.want, c.got)
			}
			if want := map[Verdict]int{Equal: quietDraws, Different: len(all), Unchecked: quietDraws + 4}[c.verdict]; used > want {
				t.Errorf("%d evaluations for %s, want %d", used, row.Verdict, want)
			}
			if row.Verdict != c.verdict || row.Reason == "" {
				t.Errorf("%s, want %s: %s", row.Verdict, c.verdict, row.Reason)
			}
		})
	}
}

// TestWhatIsDrawnIsTakenAsItIs judges a model that adds noise of its own, as those that speak do, and one that is nothing but noise.
func TestWhatIsDrawnIsTakenAsItIs(t *testing.T) {
	rt := ortNode(t)
	for _, c := range []struct {
		name    string
		nodes   []node
		verdict Verdict
	}{
		{"noise added", []node{{"noise", "RandomNormalLike", []string{"x"}, nil}, {"loud", "Tanh", []string{"x"}, nil}, {"y", "Add", []string{"loud", "noise"}, nil}}, Equal},
		{"classes drawn", []node{{"classes", "Multinomial", []string{"x"}, []onnx.Attr{onnx.Int("sample_size", 4), onnx.Int("dtype", 6)}}, {"wide", "Cast", []string{"classes"}, []onnx.Attr{onnx.Int("to", 1)}}, {"loud", "Tanh", []string{"x"}, nil}, {"y", "Add", []string{"loud", "wide"}, nil}}, Equal},
		{"noise alone", []node{{"y", "RandomNormalLike", []string{"x"}, nil}}, Unchecked},
	} {
		m := sketch{inputs: []witness.Port{port("x", float, 3, 4)}, nodes: c.nodes, outputs: []witness.Port{port("y", float, 3, 4)}}.model(t)
		for _, row := range rowsOf(report(t, Options{Paths: []string{writeModel(t, t.TempDir(), m)}, Runtimes: []witness.Runtime{rt}}), rt.Name()) {
			if row.Verdict != c.verdict || row.Stage != Proof || !strings.Contains(row.Reason, "drawn") {
				t.Errorf("%s: %s by %s, want %s by proof: %s", c.name, row.Verdict, row.Stage, c.verdict, row.Reason)
			}
		}
	}
}

// TestNobodyIsHeldToRandomNumbers records a model of which one output is random, and one is not.
func TestNobodyIsHeldToRandomNumbers(t *testing.T) {
	s := sketch{inputs: []witness.Port{port("x", float, 3, 4)}, outputs: []witness.Port{port("y", float, 3, 4), port("z", float, 3, 4)},
		nodes: []node{{"noise", "RandomNormalLike", []string{"x"}, nil}, {"y", "Add", []string{"x", "noise"}, nil}, {"z", "Neg", []string{"x"}, nil}}}
	r := recording(t, s.model(t), 1)
	if want := `output "y" depends on the random numbers of`; len(r.Random) != 1 || !strings.HasPrefix(r.Random[0], want) {
		t.Errorf("random: %q, want %s", r.Random, want)
	}
	if p := r.Sets[0].Provenance.Outputs; p[0].Drawn != "at random" || p[1].Drawn != "" {
		t.Errorf("provenance of the outputs: %+v", p)
	}
	dir := t.TempDir()
	if _, err := r.Write(dir, false); err != nil {
		t.Fatal(err)
	}
	rows := rowsOf(report(t, Options{Paths: []string{dir}}), Recorded)
	if len(rows) != 2 || rows[0].Verdict != Unchecked || !strings.Contains(rows[0].Reason, "random numbers") || rows[1].Verdict != Equal {
		t.Errorf("%+v", rows)
	}
	s = sketch{inputs: s.inputs, outputs: s.outputs[1:], nodes: s.nodes[2:]}
	if r := recording(t, s.model(t), 1); len(r.Random) > 0 {
		t.Errorf("a model without random numbers: %q", r.Random)
	}
}

// TestAnEarlyVerdictIsThatOfAllEvaluations compares outputs of every distance with draws, and holds what few of them decide to what all do.
func TestAnEarlyVerdictIsThatOfAllEvaluations(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	const n = 40
	noisy := func(scale float64) *reference.Value {
		v := make(onnx.Slice[float32], n)
		for i := range v {
			v[i] = float32(i) + float32(scale*float64(i%7)*r.NormFloat64()) // some elements have no errors
		}
		return tensorOf(t, v, n)
	}
	early, equal := 0, 0
	for trial := range 400 {
		want, got := noisy(0), noisy(0.01*math.Exp2(float64(trial%9)-4))
		var all draws
		for range quietDraws {
			all = append(all, []*reference.Value{noisy(0.01)})
		}
		row := Comparison{Verdict: Unchecked, Stage: Screen, Measure: &Measure{}}
		used := 0
		for used < quietDraws && row.Stage == Screen {
			used++
			all[:used].decide(&row, 0, want, got)
		}
		whole := Comparison{Verdict: Unchecked, Stage: Screen, Measure: &Measure{}}
		if all.accept(&whole, 0, want, got); whole.Verdict != row.Verdict {
			t.Errorf("trial %d: %s after %d evaluations, %s after all", trial, row.Verdict, used, whole.Verdict)
		}
		if whole.Verdict == Equal {
			equal++
			if used <= 2 {
				early++
			}
		}
	}
	if equal < 100 || early < equal/2 || equal == 400 {
		t.Errorf("%d of %d equal outputs of 400 are told after two evaluations", early, equal)
	}
}
