package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
	"google.golang.org/protobuf/proto"
)

// report verifies or fails the test.
func report(t testing.TB, o Options) *Report {
	t.Helper()
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// rowsOf returns the rows of one runtime.
func rowsOf(r *Report, runtime string) []Comparison {
	var rows []Comparison
	for _, m := range r.Models {
		for _, row := range m.Rows {
			if row.Runtime == runtime {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

func TestWhatEveryRuntimeIsFoundToBe(t *testing.T) {
	m := netModel(t)
	for _, tc := range []struct {
		name    string
		f       fake
		verdict Verdict
		reason  string // in some row
		exit    int
	}{
		{"right in float32", fake{}, Equal, "", 0},
		{"right in another order every time", fake{reorder: true}, Equal, "", 0},
		{"one weight bit", fake{flip: "net.b.weight", bit: 16}, Different, "rounding cannot explain", 1},
		{"the sign of a weight", fake{flip: "net.a.weight", bit: 31}, Different, `"net.a.product"`, 1},
		{"a bit of a bias", fake{flip: "net.a.bias", bit: 18}, Different, `"net.a"`, 1},
		{"another slope", fake{alpha: 1e-4}, Different, "LeakyRelu", 1},
		{"sums in half precision", fake{lossy: true}, Different, "MatMul", 1},
		{"state between runs", fake{memory: 1e-4}, Different, "second run on the same inputs differs", 1},
		{"not a number", fake{nan: true}, Different, "NaN", 1},
		{"another shape", fake{shape: true}, Different, "shape is [1 1 6], want [1 6]", 1},
		{"another type", fake{double: true}, Different, "element type is float64[1,6], want float32[1,6]", 1},
		{"an output too many", fake{extra: true}, Different, "2 outputs, want 1", 1},
		{"writes into its inputs", fake{writes: true}, Different, "writes into its inputs", 1},
		{"panics", fake{panics: true}, Failed, "panic: out of my depth", 1},
		{"waits for ever", fake{waits: true}, Failed, "did not return in time", 1},
		{"ignores its context", fake{hangs: true}, Failed, "did not return in time", 1},
		{"fails", fake{fails: errors.New("no room")}, Failed, "no room", 1},
		{"is right only while watched", fake{plain: 1e-3}, Different, "the outputs of the plain model are others", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, m, &fake{}, 1, 3)
			r := report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{tc.f.runtime("fake")}, Timeout: time.Second})
			rows := rowsOf(r, "fake")
			if got := r.Models[0].Runtimes[0].Status; got != tc.verdict {
				t.Errorf("verdict %s, want %s: %+v", got, tc.verdict, rows)
			}
			if !slices.ContainsFunc(rows, func(row Comparison) bool { return strings.Contains(row.Reason, tc.reason) }) {
				t.Errorf("no row says %q: %+v", tc.reason, rows)
			}
			if got := r.ExitCode(false); got != tc.exit {
				t.Errorf("exit code %d, want %d", got, tc.exit)
			}
			for _, row := range rowsOf(r, Recorded) {
				if row.Verdict != Equal {
					t.Errorf("the recorded outputs are %s: %s", row.Verdict, row.Reason)
				}
			}
		})
	}
}

func TestEveryBitOfAWeightThatShowsIsCaught(t *testing.T) {
	m := netModel(t)
	dir := folder(t, m, &fake{}, 1, 3)
	caught := 0
	for bit := range 32 {
		f := fake{flip: "net.b.weight", bit: bit}
		r := report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{f.runtime("fake")}})
		if r.Models[0].Runtimes[0].Status == Different {
			caught++
			continue
		}
		// What the flip does to the sum of products must then be what rounding
		// may do to it.
		if effect, limit := flipEffect(t, m, dir, bit); effect > 2*limit {
			t.Errorf("a flip of bit %d goes unnoticed, and moves the result by %.3g where rounding moves it by %.3g", bit, effect, limit)
		}
	}
	t.Logf("%d of 32 bits are caught", caught)
	if caught == 0 {
		t.Error("no flip is caught")
	}
}

// flipEffect returns how far the flip of a bit of net.b.weight moves the result
// of its node on the first data set, and the sound limit there.
func flipEffect(t *testing.T, m *onnx.Model, dir string, bit int) (effect, limit float64) {
	t.Helper()
	p, err := reference.Compile(m, reference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	z, err := wire.ReadTensorFile(filepath.Join(dir, "test_data_set_0", "input_0.pb"), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	z.Name = "z"
	in, err := reference.FromTensor(z)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]*reference.Value{}
	if _, err := p.Watch(t.Context(), []*reference.Value{in}, func(v *reference.Value) {
		exact := *v
		exact.Sound, exact.Spread, exact.Declared = nil, nil, nil
		values[v.Name] = &exact
	}); err != nil {
		t.Fatal(err)
	}
	r, err := p.RunNode(t.Context(), 3, values)
	if err != nil {
		t.Fatal(err)
	}
	w := p.Constant("net.b.weight")
	mid := w.Len() / 2 // the element that the fake flips
	row, col := mid/w.Dims[1], mid%w.Dims[1]
	before := float32(w.Float(mid))
	after := math.Float32frombits(math.Float32bits(before) ^ 1<<bit)
	return math.Abs((float64(after) - float64(before)) * values["net.leaky"].Float(row)), r.Outputs[0].Sound[col]
}

func TestTheProofNamesTheFirstWrongNode(t *testing.T) {
	dir := folder(t, netModel(t), &fake{}, 2)
	f := fake{flip: "net.a.weight", bit: 20}
	r := report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{f.runtime("fake")}})
	fault := rowsOf(r, "fake")[0].Fault
	if fault == nil || fault.Op != "MatMul" || fault.Output != "net.a.product" || !strings.Contains(fault.Node, "net.a.product") {
		t.Fatalf("fault %+v, want the first MatMul", fault)
	}
	if a := fault.At; len(a.Index) != 2 || !(a.Error > a.Limit) || a.Limit <= 0 {
		t.Errorf("fault at %+v, want an index, and an error beyond a limit", a)
	}
}

func TestTheProofIsOfferedWhereTheScreenPasses(t *testing.T) {
	dir := folder(t, netModel(t), &fake{}, 2)
	r := report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{(&fake{}).runtime("fake")}, Prove: true})
	row := rowsOf(r, "fake")[0]
	if row.Verdict != Equal || row.Stage != Proof || !strings.Contains(row.Reason, "all 5 nodes") {
		t.Errorf("row %+v, want equal by proof over 5 nodes", row)
	}
	if row.Measure == nil || !(row.Spreads < 8) || !(row.Worst.Error <= row.Worst.Limit) {
		t.Errorf("measure %+v", row.Measure)
	}
}

func TestARuntimeThatIsNotHereIsSkippedWithTheReason(t *testing.T) {
	dir := folder(t, netModel(t), &fake{}, 1)
	absent := (&fake{}).runtime("absent")
	absent.version = func(context.Context) (string, error) {
		return "", &witness.MissingError{Runtime: "absent", Why: "no such library"}
	}
	lacking := made{name: "lacking", open: func(context.Context, *onnx.Model) (witness.Session, error) {
		return nil, fmt.Errorf("opening: %w", &onnx.UnsupportedError{Op: "Tanh", Opset: 13})
	}}
	late := (&fake{fails: &onnx.UnsupportedError{Op: "LeakyRelu"}}).runtime("late")
	r := report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{absent, lacking, late, (&fake{}).runtime("here")}})
	want := []RuntimeReport{
		{Name: "absent", Status: Skipped, Reason: "absent: no such library"},
		{Name: "lacking", Status: Skipped, Reason: "opening: unsupported operator Tanh at opset 13"},
		{Name: "late", Status: Skipped, Reason: "unsupported operator LeakyRelu"},
		{Name: "here", Status: Equal},
	}
	if got := r.Models[0].Runtimes; !slices.Equal(got, want) {
		t.Errorf("runtimes %+v, want %+v", got, want)
	}
	if r.ExitCode(false) != 0 || r.ExitCode(true) != 2 {
		t.Errorf("exit codes %d and, strict, %d, want 0 and 2", r.ExitCode(false), r.ExitCode(true))
	}
}

func TestNothingComparedIsNoSuccess(t *testing.T) {
	path := writeModel(t, t.TempDir(), netModel(t))
	absent := (&fake{}).runtime("absent")
	absent.version = func(context.Context) (string, error) {
		return "", &witness.MissingError{Runtime: "absent", Why: "not here"}
	}
	r := report(t, Options{Paths: []string{path}, Runtimes: []witness.Runtime{absent}})
	if r.ExitCode(false) != 2 || r.Verdict() != Skipped {
		t.Errorf("verdict %s, exit code %d, want skipped and 2", r.Verdict(), r.ExitCode(false))
	}
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil || !strings.Contains(b.String(), "nothing was compared") || !strings.Contains(b.String(), "SKIP: absent: not here") {
		t.Errorf("table %q, error %v", b.String(), err)
	}
}

func TestABareModelIsGivenSeededInputs(t *testing.T) {
	path := writeModel(t, t.TempDir(), netModel(t))
	o := Options{Paths: []string{path}, Runtimes: []witness.Runtime{(&fake{}).runtime("fake")}, Seed: 7}
	r := report(t, o)
	var shapes []string
	for _, s := range r.Models[0].Sets {
		shapes = append(shapes, s.Inputs[0].Type)
	}
	if want := []string{"float32[1,5]", "float32[3,5]"}; !slices.Equal(shapes, want) {
		t.Errorf("inputs %v, want %v", shapes, want)
	}
	first, second := toJSON(t, r), toJSON(t, report(t, o))
	if first != second {
		t.Error("two runs with one seed differ")
	}
	o.Seed = 8
	if toJSON(t, report(t, o)) == first {
		t.Error("another seed changes nothing")
	}
}

func toJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAFixedLimitReplacesTheDerivedOnes(t *testing.T) {
	dir := folder(t, netModel(t), &fake{}, 1)
	rt := func() []witness.Runtime { return []witness.Runtime{(&fake{alpha: 1e-4}).runtime("fake")} }
	r := report(t, Options{Paths: []string{dir}, Runtimes: rt(), Fixed: &FixedLimit{Rtol: 1e-2, Atol: 1e-3}})
	row := rowsOf(r, "fake")[0]
	if row.Verdict != Equal || row.Stage != Tolerance {
		t.Errorf("row %+v, want equal by tolerance", row)
	}
	// The smallest tolerances are those that just pass.
	for _, tc := range []struct {
		limit FixedLimit
		want  Verdict
	}{
		{FixedLimit{Atol: row.Smallest.Atol}, Equal},
		{FixedLimit{Atol: row.Smallest.Atol * 0.999}, Different},
		{FixedLimit{Rtol: row.Smallest.Rtol * (1 + 1e-15)}, Equal},
		{FixedLimit{Rtol: row.Smallest.Rtol * 0.999}, Different},
	} {
		r := report(t, Options{Paths: []string{dir}, Runtimes: rt(), Fixed: &tc.limit})
		if got := rowsOf(r, "fake")[0].Verdict; got != tc.want {
			t.Errorf("with %+v: %s, want %s", tc.limit, got, tc.want)
		}
	}
	if _, err := Run(t.Context(), Options{Paths: []string{dir}, Fixed: &FixedLimit{Atol: Number(math.NaN())}}); err == nil {
		t.Error("a limit that is not a number is accepted")
	}
}

func TestStateIsFoundByARunAfterAnotherBatch(t *testing.T) {
	dir := folder(t, netModel(t), &fake{}, 2)
	// Wrong only in the run after the third, which is the one after the batch of
	// another size.
	rt := made{name: "moody", open: func(ctx context.Context, m *onnx.Model) (witness.Session, error) {
		s, err := (&fake{}).runtime("fake").Open(ctx, m)
		return &moody{Session: s}, err
	}}
	row := rowsOf(report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{rt}}), "moody")[0]
	if row.Verdict != Different || !strings.Contains(row.Reason, "after a batch of another size") {
		t.Errorf("row %+v, want a difference after a batch of another size", row)
	}
}

type moody struct {
	witness.Session
	other bool
}

func (m *moody) Run(ctx context.Context, in []*onnx.Tensor) ([]*onnx.Tensor, error) {
	out, err := m.Session.Run(ctx, in)
	if m.other && err == nil {
		out[0].Data.(onnx.Slice[float32])[0] += 1e-3
	}
	m.other = m.other || in[0].Dims[0] == 4
	return out, err
}

func TestRecordedOutputsAreJudgedLikeARuntime(t *testing.T) {
	dir := folder(t, netModel(t), &fake{alpha: 1e-3}, 1)
	r := report(t, Options{Paths: []string{dir}})
	row := rowsOf(r, Recorded)[0]
	if row.Verdict != Different || row.Worst == nil || r.ExitCode(false) != 1 {
		t.Errorf("row %+v, want a difference", row)
	}
}

func TestWeightsAreComparedBitForBit(t *testing.T) {
	m := netModel(t)
	weights := func() map[string]Weight {
		w := map[string]Weight{}
		for _, p := range m.Proto.GetGraph().GetInitializer() {
			x, err := onnx.FromProto(p)
			if err != nil {
				t.Fatal(err)
			}
			w[x.Name] = Weight{Dims: x.Dims, Data: slices.Clone(x.Data.(onnx.Slice[float32]))}
		}
		w["other.a.weight"] = Weight{Dims: []int{1}, Data: []float32{1}} // of another net
		return w
	}
	for _, tc := range []struct {
		name string
		edit func(w map[string]Weight)
		want string
	}{
		{"equal", func(map[string]Weight) {}, ""},
		{"a bias without its axis of length 1", func(w map[string]Weight) {
			w["net.a.bias"] = Weight{Dims: []int{16}, Data: w["net.a.bias"].Data}
		}, ""},
		{"the last bit", func(w map[string]Weight) {
			d := w["net.a.weight"].Data
			d[33] = math.Float32frombits(math.Float32bits(d[33]) ^ 1)
		}, "net.a.weight: [2,1] is "},
		{"minus zero", func(w map[string]Weight) {
			w["net.a.bias"].Data[0] = float32(math.Copysign(0, -1))
		}, "(bits 80000000)"},
		{"another shape of the same data", func(w map[string]Weight) {
			w["net.b.weight"] = Weight{Dims: []int{6, 16}, Data: w["net.b.weight"].Data}
		}, "net.b.weight: shape is [16 6], want [6 16]"},
		{"missing in the model", func(w map[string]Weight) { w["net.c.weight"] = Weight{Dims: []int{1}, Data: []float32{0}} }, "net.c.weight: missing in the model"},
		{"only in the model", func(w map[string]Weight) { delete(w, "net.b.weight") }, "net.b.weight: only in the model"},
		{"nothing in common", func(w map[string]Weight) { clear(w) }, "none of the 0 tensors"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := folder(t, m, &fake{}, 1)
			w := weights()
			tc.edit(w)
			r := report(t, Options{Paths: []string{dir}, Against: func(*onnx.Model) (map[string]Weight, error) { return w, nil }})
			got := r.Models[0].Weights
			if got.Equal != (tc.want == "") {
				t.Errorf("weights %+v", got)
			}
			if tc.want != "" && !slices.ContainsFunc(got.Problems, func(p string) bool { return strings.Contains(p, tc.want) }) {
				t.Errorf("problems %q, want %q among them", got.Problems, tc.want)
			}
			if want := map[bool]int{true: 0, false: 1}[got.Equal]; r.ExitCode(false) != want {
				t.Errorf("exit code %d, want %d", r.ExitCode(false), want)
			}
		})
	}
}

func TestFindingWhatToVerify(t *testing.T) {
	m := netModel(t)
	root := t.TempDir()
	writeModel(t, filepath.Join(root, "runs", "a"), m)
	b := filepath.Join(root, "runs", "b")
	writeModel(t, b, m)
	for _, n := range []int{10, 2} {
		writeSet(t, b, n, []*onnx.Tensor{{Dims: []int{1, 5}, Data: make(onnx.Slice[float32], 5)}}, nil)
	}
	empty := filepath.Join(root, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	two := filepath.Join(root, "two")
	writeModel(t, two, m)
	if err := os.WriteFile(filepath.Join(two, "other.onnx"), m.Bytes, 0o644); err != nil {
		t.Fatal(err)
	}
	mixed := filepath.Join(root, "mixed") // a model, more below it, and two folders that are wrong, each in its way
	writeModel(t, mixed, m)
	writeModel(t, filepath.Join(mixed, "below", "deep", "deeper", "1", "2", "3", "4", "5"), m)
	shared := filepath.Join(mixed, "shared")
	writeModel(t, shared, m)
	if err := os.WriteFile(filepath.Join(shared, "other.onnx"), m.Bytes, 0o644); err != nil {
		t.Fatal(err)
	}
	writeSet(t, shared, 0, []*onnx.Tensor{{Dims: []int{1, 5}, Data: make(onnx.Slice[float32], 5)}}, nil)
	writeModel(t, filepath.Join(shared, "below"), m)
	locked := filepath.Join(mixed, "locked")
	if err := os.Mkdir(locked, 0); err != nil {
		t.Fatal(err)
	}
	inMixed := []string{"mixed/below/deep/deeper/1/2/3/4/5/net.onnx", "mixed/net.onnx", "mixed/shared/below/net.onnx"}
	inMixedWrong := []string{"mixed/shared: 2 models (net.onnx, other.onnx) share the recorded data"}
	if _, err := os.ReadDir(locked); err != nil { // not as root
		inMixedWrong = append([]string{"mixed/locked: "}, inMixedWrong...)
	}
	for _, tc := range []struct {
		name, path string
		models     []string
		sets       []string // of the last model
		wrong      []string // beginnings of what is said, place first
	}{
		{"a file", filepath.Join(root, "runs", "a", "net.onnx"), []string{"runs/a/net.onnx"}, nil, nil},
		{"a file beside its data", filepath.Join(b, "net.onnx"), []string{"runs/b/net.onnx"}, []string{"test_data_set_2", "test_data_set_10"}, nil},
		{"a folder", b, []string{"runs/b/net.onnx"}, []string{"test_data_set_2", "test_data_set_10"}, nil},
		{"folders below", filepath.Join(root, "runs"), []string{"runs/a/net.onnx", "runs/b/net.onnx"}, []string{"test_data_set_2", "test_data_set_10"}, nil},
		{"two models in a folder", two, []string{"two/net.onnx", "two/other.onnx"}, nil, nil},
		{"right and wrong ones", mixed, inMixed, nil, inMixedWrong},
		{"nothing", empty, nil, nil, []string{"empty: no .onnx file"}},
		{"no such path", filepath.Join(root, "none"), nil, nil, []string{"none: "}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var models, sets, wrong []string
			for _, s := range findModels(tc.path) {
				rel, _ := filepath.Rel(root, s.model)
				rel = filepath.ToSlash(rel)
				if s.err != nil {
					wrong = append(wrong, rel+": "+s.err.Error())
					continue
				}
				models = append(models, rel)
				sets = nil
				for _, d := range s.sets {
					sets = append(sets, filepath.Base(d))
				}
			}
			slices.Sort(models)
			slices.Sort(wrong)
			if !slices.Equal(models, tc.models) || !slices.Equal(sets, tc.sets) {
				t.Errorf("models %v with sets %v, want %v with %v", models, sets, tc.models, tc.sets)
			}
			if !slices.EqualFunc(wrong, tc.wrong, strings.HasPrefix) {
				t.Errorf("wrong %q, want %q", wrong, tc.wrong)
			}
		})
	}
}

func TestOneBadFolderHidesNoFinding(t *testing.T) {
	dir := t.TempDir()
	m := netModel(t)
	writeModel(t, filepath.Join(dir, "model"), m)
	writeModel(t, filepath.Join(dir, "model", "below"), m)
	shared := filepath.Join(dir, "a-shared")
	writeModel(t, shared, m)
	if err := os.WriteFile(filepath.Join(shared, "other.onnx"), m.Bytes, 0o644); err != nil {
		t.Fatal(err)
	}
	writeSet(t, shared, 0, nil, nil)
	r := report(t, Options{Paths: []string{filepath.Join(dir, "none"), dir}, Runtimes: []witness.Runtime{(&fake{alpha: 1e-3}).runtime("wrong")}})
	if s := r.Summary; s.Unreadable != 2 || s.Failed != 2 || r.ExitCode(false) != 1 {
		t.Errorf("summary %+v, exit code %d, want 2 unreadable, 2 failed and 1", s, r.ExitCode(false))
	}
}

func TestAPanicTakesOneModelOnly(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		writeModel(t, filepath.Join(dir, name), netModel(t))
	}
	calls := 0
	r := report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{(&fake{}).runtime("fake")}, Against: func(*onnx.Model) (map[string]Weight, error) {
		if calls++; calls == 2 {
			panic("out of my depth")
		}
		return nil, &onnx.UnsupportedError{Why: "no matter"}
	}})
	if m := r.Models[1]; !m.Unjudged || !strings.Contains(m.Problem, "panic: out of my depth") || r.ExitCode(false) != 2 {
		t.Errorf("report %+v, exit code %d", m, r.ExitCode(false))
	}
	if s := r.Summary; s.Unsupported != 2 || s.Unjudged != 1 {
		t.Errorf("summary %+v, want 2 unsupported and 1 not judged", s)
	}
}

func TestAFolderThatLostItsOutputsIsSaid(t *testing.T) {
	m := netModel(t)
	dir := folder(t, m, &fake{}, 1)
	writeSet(t, dir, 1, []*onnx.Tensor{{Dims: []int{1, 5}, Data: make(onnx.Slice[float32], 5)}}, nil)
	r := report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{(&fake{}).runtime("fake")}})
	if notes := r.Models[0].Notes; !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "test_data_set_1 has inputs and no outputs") }) {
		t.Errorf("notes %q", notes)
	}
	if r.ExitCode(false) != 0 || r.ExitCode(true) != 2 {
		t.Errorf("exit codes %d and, strict, %d, want 0 and 2", r.ExitCode(false), r.ExitCode(true))
	}
}

func TestABrokenRuntimeIsNotSkipped(t *testing.T) {
	dir := folder(t, netModel(t), &fake{}, 1, 3)
	broken := (&fake{}).runtime("broken")
	broken.version = func(context.Context) (string, error) { return "", errors.New("no GLIBC_9") }
	hangs := (&fake{}).runtime("hangs")
	hangs.version = func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }
	dies := (&fake{fails: &witness.BrokenError{Err: errors.New("ran out of memory")}}).runtime("dies")
	options := Options{Paths: []string{dir}, Runtimes: []witness.Runtime{broken, hangs, dies, (&fake{}).runtime("fake")}, Timeout: time.Second}
	for _, named := range []bool{false, true} {
		options.Named = named
		r := report(t, options)
		for i, want := range []Verdict{Broken, Broken, Broken, Equal} {
			if rt := r.Models[0].Runtimes[i]; rt.Status != want {
				t.Errorf("%s is %s: %s", rt.Name, rt.Status, rt.Reason)
			}
		}
		if got := r.ExitCode(false); got == 2 != named || got == 1 {
			t.Errorf("named %v: exit code %d", named, got)
		}
		if r.ExitCode(true) != 2 {
			t.Errorf("named %v: strict exit code %d, want 2", named, r.ExitCode(true))
		}
		var b bytes.Buffer
		if err := r.WriteTable(&b); err != nil || !strings.Contains(b.String(), "BROKEN: no GLIBC_9") {
			t.Errorf("table %s", b.String())
		}
	}
}

// TestACrashIsNoFinding wants the crash of a runtime told as such, and an exit status that says that something was not checked.
func TestACrashIsNoFinding(t *testing.T) {
	dir := folder(t, netModel(t), &fake{}, 1, 3)
	crashes := (&fake{fails: &witness.CrashError{Err: errors.New("the runtime crashed (signal: floating point exception)")}}).runtime("crashes")
	r := report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{crashes, (&fake{}).runtime("fake")}})
	rows := rowsOf(r, "crashes")
	if len(rows) == 0 || rows[0].Verdict != Broken || !strings.Contains(rows[0].Reason, "the runtime crashed") {
		t.Errorf("rows %+v", rows)
	}
	if r.Summary.Crashes == 0 || r.Summary.Failed != 0 || r.ExitCode(false) != 2 || r.Verdict() != Unchecked {
		t.Errorf("summary %+v, exit code %d, verdict %s", r.Summary, r.ExitCode(false), r.Verdict())
	}
}

func TestFilesThatCannotBeJudged(t *testing.T) {
	m := netModel(t)
	write := func(name string, b []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	unknown := proto.CloneOf(m.Proto)
	unknown.Graph.Node[2].OpType, unknown.Graph.Node[2].Domain = proto.String("Glaze"), proto.String("com.example")
	unknown.Graph.Node[2].Attribute = nil
	unknown.OpsetImport = append(unknown.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String("com.example"), Version: proto.Int64(1)})
	unknownBytes, err := onnx.Marshal(unknown)
	if err != nil {
		t.Fatal(err)
	}
	wrongSet := folder(t, m, &fake{}, 1)
	writeSet(t, wrongSet, 1, []*onnx.Tensor{{Dims: []int{1, 4}, Data: make(onnx.Slice[float32], 4)}}, nil)
	tooMany := folder(t, m, &fake{}, 1)
	x := &onnx.Tensor{Dims: []int{1, 5}, Data: make(onnx.Slice[float32], 5)}
	writeSet(t, tooMany, 1, []*onnx.Tensor{x, x}, nil)
	for _, tc := range []struct {
		name, path, problem string
		exit                int
	}{
		{"cut short", write("cut.onnx", m.Bytes[:len(m.Bytes)/2]), "", 1},
		{"no ONNX at all", write("text.onnx", []byte("hello, world")), "", 1},
		{"no file", filepath.Join(t.TempDir(), "none.onnx"), "no such file", 2},
		{"data of another shape", wrongSet, "want float32[N,5]", 2},
		{"data for an input too many", tooMany, "the graph has 1 inputs", 2},
		{"an operator that the reference lacks", write("unknown.onnx", unknownBytes), "unsupported operator com.example.Glaze", 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := report(t, Options{Paths: []string{tc.path}, Runtimes: []witness.Runtime{(&fake{}).runtime("fake")}})
			m := r.Models[len(r.Models)-1]
			if m.Problem == "" || !strings.Contains(m.Problem, tc.problem) {
				t.Errorf("problem %q, want %q in it", m.Problem, tc.problem)
			}
			if got := r.ExitCode(false); got != tc.exit {
				t.Errorf("exit code %d, want %d", got, tc.exit)
			}
			if len(m.Runtimes) != 0 {
				t.Errorf("runtimes %+v got to see it", m.Runtimes)
			}
		})
	}
}

func TestProgressTellsWhatIsDoneNext(t *testing.T) {
	dir := folder(t, netModel(t), &fake{}, 1, 2)
	var events []Event
	report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{(&fake{}).runtime("fake")}, Progress: func(e Event) { events = append(events, e) }})
	if !slices.ContainsFunc(events, func(e Event) bool {
		return e.Runtime == "fake" && e.Set == "test_data_set_1" && e.Model == 1 && e.Models == 1
	}) {
		t.Errorf("events %+v, want one of the fake at test_data_set_1", events)
	}
}

func TestManyModelsAtOnceKeepTheirOrder(t *testing.T) {
	m := netModel(t)
	var paths []string
	for range 12 {
		paths = append(paths, folder(t, m, &fake{}, 1))
	}
	r := report(t, Options{Paths: paths, Runtimes: []witness.Runtime{(&fake{}).runtime("fake")}, Parallel: 4, Progress: func(Event) {}})
	for i, m := range r.Models {
		if filepath.Dir(m.Path) != paths[i] {
			t.Errorf("model %d is %s, want one in %s", i, m.Path, paths[i])
		}
	}
	if r.Summary.Passed != 12 {
		t.Errorf("summary %+v, want 12 passed", r.Summary)
	}
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil || !strings.Contains(b.String(), "12 passed / 0 failed / 0 unsupported") {
		t.Errorf("the table ends with %q (error %v)", b.String()[max(0, b.Len()-200):], err)
	}
}

func TestAnInterruptIsAnErrorOfRun(t *testing.T) {
	dir := folder(t, netModel(t), &fake{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	rt := made{name: "interrupted", open: func(context.Context, *onnx.Model) (witness.Session, error) {
		cancel()
		return nil, errors.New("interrupted")
	}}
	if _, err := Run(ctx, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{rt}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	for _, o := range []Options{
		{},
		{Paths: []string{"x"}, Runtimes: []witness.Runtime{made{}}},
		{Paths: []string{"x"}, Runtimes: []witness.Runtime{made{name: Recorded}}},
		{Paths: []string{"x"}, Runtimes: []witness.Runtime{made{name: "a"}, made{name: "a"}}},
		{Paths: []string{"x"}, Fixed: &FixedLimit{Rtol: -1}},
	} {
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("options %+v are accepted", o)
		}
	}
}

func TestNotANumberOnBothSidesIsAgreementAndSaid(t *testing.T) {
	nan := float32(math.NaN())
	x, err := onnx.NewTensor("x", []float32{nan, 1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		op    string
		spoil bool // a number where NaN belongs
		want  Verdict
	}{{"Identity", false, Equal}, {"Exp", false, Equal}, {"Exp", true, Different}, {"Relu", true, Different}} {
		p := &pb.ModelProto{
			IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(13)}},
			Graph: &pb.GraphProto{
				Name:   proto.String("g"),
				Node:   []*pb.NodeProto{{OpType: proto.String(tc.op), Input: []string{"x"}, Output: []string{"y"}}},
				Input:  []*pb.ValueInfoProto{{Name: proto.String("x"), Type: onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Fixed(2)}}.Proto()}},
				Output: []*pb.ValueInfoProto{{Name: proto.String("y"), Type: onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Fixed(2)}}.Proto()}},
			},
		}
		b, err := onnx.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		m := &onnx.Model{Proto: p, Bytes: b}
		s, err := (reference.Runtime{}).Open(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		y, err := s.Run(t.Context(), []*onnx.Tensor{x})
		if err != nil {
			t.Fatal(err)
		}
		if tc.spoil {
			y[0].Data.(onnx.Slice[float32])[0] = 0
		}
		dir := t.TempDir()
		writeModel(t, dir, m)
		writeSet(t, dir, 0, []*onnx.Tensor{x}, y)
		r := report(t, Options{Paths: []string{dir}})
		row := rowsOf(r, Recorded)[0]
		if row.Verdict != tc.want {
			t.Errorf("NaN through %s, a number in its place: %v, is %s, want %s", tc.op, tc.spoil, row.Verdict, tc.want)
		}
		if said := strings.Contains(row.Reason, "1 of 2 elements are NaN"); said == tc.spoil {
			t.Errorf("NaN through %s: reason %q", tc.op, row.Reason)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("a report with NaN is no JSON: %v", err)
		}
	}
}

func TestNumbersSurviveJSON(t *testing.T) {
	for _, x := range []float64{0, 1.5, -3e-300, math.Inf(1), math.Inf(-1), math.NaN()} {
		b, err := json.Marshal(Number(x))
		if err != nil {
			t.Fatal(err)
		}
		var back Number
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if float64(back) != x && !(math.IsNaN(x) && math.IsNaN(float64(back))) {
			t.Errorf("%v comes back from %s as %v", x, b, float64(back))
		}
	}
	var n Number
	if err := json.Unmarshal([]byte(`"many"`), &n); err == nil {
		t.Error("text is read as a number")
	}
}

func TestTheTableIsSafeForATerminal(t *testing.T) {
	r := &Report{Models: []*ModelReport{{Path: "a\x1b[31mb\nc", Problem: "bad\tthing\u009b", Unreadable: true}}}
	r.summarize()
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\t\u009b") || !strings.Contains(b.String(), `"a\x1b[31mb\nc"`) {
		t.Errorf("table %q", b.String())
	}
}

func TestACertificateNamesEveryFile(t *testing.T) {
	m := netModel(t)
	dir := folder(t, m, &fake{}, 1, 3)
	rt := (&fake{}).runtime("fake")
	rt.version = func(context.Context) (string, error) { return "1.2", nil }
	o := Options{Paths: []string{dir}, Runtimes: []witness.Runtime{rt}}
	r := report(t, o)
	c, err := r.Certificate(dir, "petrify test")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Models) != 1 || c.Models[0].File != "net.onnx" || len(c.Models[0].Data) != 4 || c.Models[0].Data[0].File != "test_data_set_0/input_0.pb" {
		t.Errorf("certificate %s", toJSON(t, c))
	}
	if rts := c.Models[0].Runtimes; len(rts) != 1 || rts[0].Version != "1.2" {
		t.Errorf("runtimes %+v", rts)
	}
	text := toJSON(t, c)
	if strings.Contains(text, dir) {
		t.Errorf("the certificate names %s: %s", dir, text)
	}
	again, err := report(t, o).Certificate(dir, "petrify test")
	if err != nil || toJSON(t, again) != text {
		t.Errorf("the second certificate is another one (error %v)", err)
	}

	if _, err := r.Certificate(t.TempDir(), "petrify test"); err == nil {
		t.Error("a certificate for models outside of its folder")
	}
	if err := os.WriteFile(filepath.Join(dir, "net.onnx"), append(m.Bytes, 0), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Certificate(dir, "petrify test"); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("error %v for a model that changed, want one", err)
	}
	bad := report(t, Options{Paths: []string{folder(t, m, &fake{alpha: 1}, 1)}})
	if _, err := bad.Certificate(bad.Models[0].Path, "petrify test"); err == nil {
		t.Error("a certificate for a difference")
	}
}
