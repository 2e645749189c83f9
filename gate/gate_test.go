package gate

import (
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

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/report"
	"github.com/petrify-ml/petrify/witness"
)

const everything = `
version: 1
models: ["models/**/*.onnx", other]
exclude: [models/old]
baseline: known.json
ignore:
  - {rule: weight-nan, path: "models/**", where: w, reason: "a test", until: 2027-01-31}
severity: {external-data: info, weight-nan: error}
runtimes: {require: [load], try: [ort-node]}
arithmetic: tf32
timeout: 90s
budgets: {bytes: 50MB, parameters: 20e6, multiply-adds: 5_000_000, activations: 512MiB, opset: 17, ir: 8}
domains: [ai.onnx]
operators: {allow: [Relu], deny: [Loop]}
targets: ["onnxruntime>=1.17", "opencv>=4.8", onnxruntime-web, "tensorrt>=10", coreml]
metadata: [license]
license: {allow: [Apache-2.0, MIT]}
provenance: [author, source, producer, training-data]
overrides:
  - {paths: [models/large], timeout: 10m, budgets: {bytes: 1GB}}
`

func TestParse(t *testing.T) {
	p, err := Parse([]byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	b := p.Budgets
	if b.Bytes != 50e6 || b.Parameters != 20e6 || b.MultiplyAdds != 5e6 || b.Activations != 512<<20 || b.Opset != 17 || time.Duration(*p.Timeout) != 90*time.Second {
		t.Errorf("budgets %+v, timeout %v", b, *p.Timeout)
	}
	large, other := p.For("models/large/a.onnx"), p.For("models/small.onnx")
	if large.Budgets.Bytes != 1e9 || large.Budgets.Opset != 0 || time.Duration(*large.Timeout) != 10*time.Minute || large.Arithmetic != "tf32" || other.Budgets.Bytes != 50e6 {
		t.Errorf("large %+v, other %+v", large, other)
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "the policy is empty"},
		{"version: 1\nmodels: [a]\nbudget: {}\n", "line 3: unknown key budget; did you mean budgets?"},
		{"version: 2\nmodels: [a]\n", "version is 2, want 1"},
		{"version: 1\n", "models is empty"},
		{"version: 1\nmodels: a\n", "line 2: cannot read !!str `a` as a list"},
		{"version: 1\nmodels: [../x]\n", `"../x" leads out of the policy's folder`},
		{"version: 1\nmodels: [/etc]\n", `"/etc" leads out`},
		{"version: 1\nmodels: [\"[\"]\n", `"[" is not a pattern`},
		{"version: 1\nmodels: [a]\nbudgets: {bytes: much}\n", `line 3: "much" is not a quantity`},
		{"version: 1\nmodels: [a]\ntimeout: 5\n", `line 3: "5" is not a time`},
		{"version: 1\nmodels: [a]\narithmetic: fp7\n", "fp7"},
		{"version: 1\nmodels: [a]\nseverity: {weight-nann: error}\n", "did you mean weight-nan?"},
		{"version: 1\nmodels: [a]\nseverity: {weight-nan: fatal}\n", "want error, warning, info or off"},
		{"version: 1\nmodels: [a]\nignore: [{rule: weight-nan, until: 2027-01-01}]\n", "has no reason"},
		{"version: 1\nmodels: [a]\nignore: [{rule: weight-nan, reason: x}]\n", "want a day such as"},
		{"version: 1\nmodels: [a]\noverrides: [{timeout: 1m}]\n", "has no paths"},
		{"version: 1\nmodels: [a]\ntargets: [onxruntime]\n", "did you mean onnxruntime?"},
		{"version: 1\nmodels: [a]\nlicense: {allow: [MIT OR ISC]}\n", "is not an SPDX identifier"},
		{"version: 1\nmodels: [a]\nlicense: {}\n", "allow is empty"},
		{"version: 1\nmodels: [a]\nprovenance: [authors]\n", "did you mean author?"},
		{"version: 1\nmodels: [a]\n---\nversion: 1\n", "more than one document"},
		{strings.Repeat("#", mostPolicy+1), "want at most"},
	} {
		if _, err := Parse([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60q: %v, want %q", tt.text, err, tt.want)
		}
	}
}

// The schema that editors read takes what Parse takes, and refuses what it refuses by its form.
func TestPolicySchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "docs", "schema", "policy.json"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeModel(t, filepath.Join(dir, "m.onnx"), nil)
	draft, err := Draft(dir, []string{"m.onnx"})
	if err != nil {
		t.Fatal(err)
	}
	valid := func(text string) error {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		// A date of YAML is a moment in Go; in the file it is text.
		b = []byte(strings.ReplaceAll(string(b), "T00:00:00Z", ""))
		decoded, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(decoded)
	}
	for _, good := range []string{everything, string(draft)} {
		if err := valid(good); err != nil {
			t.Errorf("%v in\n%s", err, good)
		}
	}
	for _, bad := range []string{"version: 1\nmodels: [a]\nbudget: {}\n", "version: 2\nmodels: [a]\n", "version: 1\n", "version: 1\nmodels: [a]\nbudgets: {bytes: much}\n"} {
		if valid(bad) == nil {
			t.Errorf("the schema takes %q", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("version: 1\nmodels: [{}]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := Parse(b); err == nil && (p.Version != 1 || len(p.Models) == 0) {
			t.Errorf("a policy without version or models: %+v", p)
		}
	})
}

// writeModel writes y = Relu(x + w), changed as change says.
func writeModel(t testing.TB, path string, change func(*pb.ModelProto)) {
	t.Helper()
	value := func(name string) *pb.ValueInfoProto {
		return &pb.ValueInfoProto{Name: proto.String(name), Type: onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Fixed(4)}}.Proto()}
	}
	m := &pb.ModelProto{
		IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(13)}},
		Graph: &pb.GraphProto{
			Name: proto.String("g"), Input: []*pb.ValueInfoProto{value("x")}, Output: []*pb.ValueInfoProto{value("y")},
			Initializer: []*pb.TensorProto{{Name: proto.String("w"), DataType: proto.Int32(1), Dims: []int64{4}, FloatData: []float32{1, 2, 3, 4}}},
			Node: []*pb.NodeProto{
				{OpType: proto.String("Add"), Input: []string{"x", "w"}, Output: []string{"s"}},
				{OpType: proto.String("Relu"), Input: []string{"s"}, Output: []string{"y"}},
			},
		},
	}
	if change != nil {
		change(m)
	}
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func nan(m *pb.ModelProto) {
	m.Graph.Initializer[0].FloatData[2] = float32(math.NaN())
}

// dead has 16 outputs of a ReLU that no input opens.
func dead(m *pb.ModelProto) {
	for _, v := range []*pb.ValueInfoProto{m.Graph.Input[0], m.Graph.Output[0]} {
		v.Type = onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Fixed(4), onnx.Fixed(4)}}.Proto()
	}
	m.Graph.Initializer[0].FloatData = []float32{-1e6, -1e6, -1e6, -1e6}
}

// options are those of a folder, with package load as the only runtime.
func options(root string) Options {
	return Options{Root: root, Version: "test", Today: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), Runtimes: func(names []string) ([]witness.Runtime, error) {
		var all []witness.Runtime
		for _, n := range names {
			if n == "load" {
				all = append(all, load.Runtime{Release: "test"})
			} else {
				all = append(all, absent(n))
			}
		}
		return all, nil
	}}
}

// absent is a runtime that is not here.
type absent string

func (a absent) Name() string { return string(a) }
func (a absent) Version(context.Context) (string, error) {
	return "", &witness.MissingError{Runtime: string(a), Why: "not here"}
}
func (a absent) Open(context.Context, *onnx.Model) (witness.Session, error) {
	return nil, &witness.MissingError{Runtime: string(a), Why: "not here"}
}

func run(t *testing.T, policy string, o Options) *report.Report {
	t.Helper()
	p, err := Parse([]byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// codes are the findings of a file that count.
func codes(r *report.Report, path string) []string {
	all := []string{}
	for _, f := range r.Files {
		for _, i := range f.Findings {
			if f.Path == path && i.Counts() {
				all = append(all, i.Rule)
			}
		}
	}
	return all
}

func TestPolicyIsKept(t *testing.T) {
	root := t.TempDir()
	writeModel(t, filepath.Join(root, "models", "good.onnx"), nil)
	writeModel(t, filepath.Join(root, "models", "sub", "nan.onnx"), nan)
	writeModel(t, filepath.Join(root, "models", "sub", "dead.onnx"), dead)
	writeModel(t, filepath.Join(root, "models", "broken.onnx"), func(m *pb.ModelProto) { m.Graph.Node[0].Input[1] = "nowhere" })
	writeModel(t, filepath.Join(root, "models", "old", "x.onnx"), func(m *pb.ModelProto) { m.Graph.Node[0].Input[1] = "nowhere" })
	const head = "version: 1\nmodels: [models]\nexclude: [models/old]\n"
	for _, tt := range []struct {
		name, policy, path string
		want               []string
		code               int
	}{
		{"as it is", "", "models/good.onnx", nil, 1},
		{"an error of check", "", "models/broken.onnx", []string{"value-undefined"}, 1},
		{"a warning does not count", "", "models/sub/nan.onnx", nil, 1},
		{"unless the policy says so", "severity: {weight-nan: error}", "models/sub/nan.onnx", []string{"weight-nan"}, 1},
		{"a rule that is off", "severity: {value-undefined: off}", "models/broken.onnx", nil, 0},
		{"budgets of a file with an error that does not count", "severity: {value-undefined: warning}\nbudgets: {bytes: 10}", "models/broken.onnx", []string{"budget-bytes"}, 1},
		{"an ignore", "ignore: [{rule: value-undefined, path: models/broken.onnx, reason: known, until: 2026-06-01}]", "models/broken.onnx", nil, 0},
		{"an ignore that is over", "ignore: [{rule: value-undefined, reason: known, until: 2026-05-31}]", "models/broken.onnx", []string{"value-undefined"}, 1},
		{"an ignore of another place", "ignore: [{rule: value-undefined, where: fc1, reason: known, until: 2027-01-01}]", "models/broken.onnx", []string{"value-undefined"}, 1},
		{"bytes", "budgets: {bytes: 10}", "models/good.onnx", []string{"budget-bytes"}, 1},
		{"parameters", "budgets: {parameters: 3}", "models/good.onnx", []string{"budget-parameters"}, 1},
		{"work", "budgets: {multiply-adds: 1}", "models/good.onnx", []string{"budget-multiply-adds"}, 1},
		{"activations", "budgets: {activations: 8B}", "models/good.onnx", []string{"budget-activations"}, 1},
		{"opset and ir", "budgets: {opset: 12, ir: 7}", "models/good.onnx", []string{"budget-opset", "budget-ir"}, 1},
		{"within all", "budgets: {bytes: 1MB, parameters: 4, opset: 13, ir: 8}", "models/good.onnx", nil, 1},
		{"a domain", "domains: [com.microsoft]", "models/good.onnx", []string{"domain-not-allowed", "domain-not-allowed"}, 1},
		{"an operator that is denied", "operators: {deny: [Relu]}", "models/good.onnx", []string{"operator-not-allowed"}, 1},
		{"operators that are allowed", "operators: {allow: [Relu, Add]}", "models/good.onnx", nil, 1},
		{"metadata", "metadata: [license]", "models/good.onnx", []string{"metadata-missing"}, 1},
		{"a licence and where it comes from", "license: {allow: [MIT]}\nprovenance: [author, producer]", "models/good.onnx", []string{"license-missing", "provenance-missing", "provenance-missing"}, 1},
		{"targets", "targets: [onnxruntime, 'opencv>=4.8', tensorrt, coreml, onnxruntime-web]", "models/good.onnx", nil, 1},
		{"verified", "runtimes: {require: [load]}", "models/good.onnx", nil, 1},
		{"an equal that is worth nothing", "runtimes: {require: [load]}", "models/sub/dead.onnx", nil, 1},
		{"unless the policy wants to know", "runtimes: {require: [load]}\nseverity: {outputs-constant: error}", "models/sub/dead.onnx", []string{"outputs-constant"}, 1},
		{"a runtime that is missing", "runtimes: {require: [other], try: [load]}", "models/good.onnx", []string{"runtime-required"}, 1},
		{"a runtime that may be missing", "runtimes: {try: [other, load]}", "models/good.onnx", nil, 1},
		{"settings of some models", "overrides: [{paths: ['models/g*.onnx'], budgets: {bytes: 10}}]", "models/good.onnx", []string{"budget-bytes"}, 1},
		{"settings of others", "overrides: [{paths: [models/sub], budgets: {bytes: 10}}]", "models/good.onnx", nil, 1},
	} {
		r := run(t, head+tt.policy, options(root))
		if got := codes(r, tt.path); !slices.Equal(got, tt.want) {
			t.Errorf("%s: findings %v, want %v", tt.name, got, tt.want)
		}
		if r.ExitCode != tt.code {
			t.Errorf("%s: exit code %d (%s), want %d", tt.name, r.ExitCode, r.Reason, tt.code)
		}
		if r.Summary.Files != 4 {
			t.Errorf("%s: %d files, want 4: the excluded one is not judged", tt.name, r.Summary.Files)
		}
	}
	r := run(t, "version: 1\nmodels: [models/good.onnx, nowhere/*.onnx]\n", options(root))
	if got := codes(r, "nowhere/*.onnx"); !slices.Equal(got, []string{"model-missing"}) || r.ExitCode != 2 {
		t.Errorf("a pattern without models: %v, exit code %d", got, r.ExitCode)
	}
}

// What a target does not load is an error at the node, what it may load a warning, and the note says of which table.
func TestTargets(t *testing.T) {
	root := t.TempDir()
	writeModel(t, filepath.Join(root, "m.onnx"), func(m *pb.ModelProto) {
		m.Graph.Node[1].OpType, m.Graph.Node[1].Name = proto.String("NonZero"), proto.String("nz")
		m.Graph.Output[0].Type = onnx.Type{Elem: pb.TensorProto_INT64, Dims: []onnx.Dim{onnx.Fixed(1), onnx.Unknown()}}.Proto()
	})
	r := run(t, "version: 1\nmodels: [m.onnx]\ntargets: [onnxruntime, opencv==4.6, coreml]\n", options(root))
	var got []string
	for _, i := range r.Files[0].Findings {
		if strings.HasPrefix(i.Rule, "target-") {
			got = append(got, i.Rule+" "+i.Where)
		}
	}
	want := []string{`target-unsupported opencv==4.6: node "nz" (NonZero)`, `target-partial coreml: node "nz" (NonZero)`}
	if !slices.Equal(got, want) || r.ExitCode != 1 {
		t.Errorf("exit code %d, findings %q, want %q", r.ExitCode, got, want)
	}
	if notes := r.Files[0].Notes; len(notes) != 3 || !strings.HasPrefix(notes[1], "opencv==4.6 (4.6.0): of the nodes 1 supported, 1 unsupported; https://") {
		t.Errorf("notes %q", notes)
	}
}

// With a baseline, what was there before does not count, and what is new does.
func TestBaseline(t *testing.T) {
	root := t.TempDir()
	const policy = "version: 1\nmodels: [.]\nbaseline: known.json\n"
	broken := func(m *pb.ModelProto) { m.Graph.Node[0].Input[1] = "nowhere" }
	writeModel(t, filepath.Join(root, "a.onnx"), broken)
	b, err := Baseline(run(t, policy, options(root)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "known.json"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	r := run(t, policy, options(root))
	if r.ExitCode != 0 || r.Summary.Suppressed != 1 {
		t.Errorf("exit code %d, %+v", r.ExitCode, r.Summary)
	}
	again, err := Baseline(r)
	if err != nil || string(again) != string(b) {
		t.Errorf("%v; written again it is\n%s\nwant\n%s", err, again, b)
	}
	writeModel(t, filepath.Join(root, "b.onnx"), broken)
	if r := run(t, policy, options(root)); r.ExitCode != 1 || len(codes(r, "b.onnx")) != 1 || len(codes(r, "a.onnx")) != 0 {
		t.Errorf("exit code %d, %v", r.ExitCode, codes(r, "b.onnx"))
	}
	if err := os.WriteFile(filepath.Join(root, "known.json"), []byte("[]"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, _ := Parse([]byte(policy))
	if _, err := Run(t.Context(), p, options(root)); err == nil || !strings.Contains(err.Error(), "not a baseline of format 1") {
		t.Errorf("a baseline that is none: %v", err)
	}
}

// Shards judge each model once, a restart judges nothing again, and joined they are what one run gives.
func TestShardsJoin(t *testing.T) {
	root, results := t.TempDir(), filepath.Join(t.TempDir(), "results")
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		writeModel(t, filepath.Join(root, name+".onnx"), nil)
	}
	writeModel(t, filepath.Join(root, "bad.onnx"), nan)
	const policy = "version: 1\nmodels: [.]\nruntimes: {require: [load]}\nseverity: {weight-nan: error}\nignore: [{rule: budget-ir, reason: x, until: 2027-01-01}]\n"
	whole := run(t, policy, options(root))
	const shards = 3
	judged := 0
	for round := range 2 {
		for i := range shards {
			o := options(root)
			o.Results, o.Shard, o.Shards = results, i, shards
			opened := 0
			o.Runtimes = func(names []string) ([]witness.Runtime, error) {
				return []witness.Runtime{counting{load.Runtime{Release: "test"}, &opened}}, nil
			}
			o.Parallel = 1
			r := run(t, policy, o)
			judged += len(r.Files)
			if round == 1 && opened > 0 {
				t.Errorf("shard %d judged %d models again", i, opened)
			}
		}
	}
	if judged != 2*8 {
		t.Errorf("%d models in two rounds, want 16", judged)
	}
	p, _ := Parse([]byte(policy))
	joined, err := Join(t.Context(), results, p, options(root))
	if err != nil {
		t.Fatal(err)
	}
	texts := [2]string{}
	for k, r := range []*report.Report{whole, joined} {
		var b strings.Builder
		for i := range r.Files { // the whole run alone knows which ignores are of no use
			r.Files[i].Findings = slices.DeleteFunc(r.Files[i].Findings, func(i report.Item) bool { return i.Rule == "ignore-unused" })
		}
		if err := report.JSON(&b, r); err != nil {
			t.Fatal(err)
		}
		texts[k] = b.String()
	}
	if texts[0] != texts[1] {
		t.Errorf("joined\n%s\nwant\n%s", texts[1], texts[0])
	}
	// Another model under the same name is judged again; then there are two results, which is said.
	writeModel(t, filepath.Join(root, "a.onnx"), nan)
	o := options(root)
	o.Results = results
	if r := run(t, policy, o); len(codes(r, "a.onnx")) == 0 {
		t.Error("the result of the model before was taken for the changed one")
	}
	if _, err := Join(t.Context(), results, p, options(root)); err == nil || !strings.Contains(err.Error(), `two results for "a.onnx"`) {
		t.Errorf("two results: %v", err)
	}
}

// A kept result does not outlive a change of the model's external data, whatever the file is called.
func TestResultsDependOnExternalData(t *testing.T) {
	root, results := t.TempDir(), t.TempDir()
	writeModel(t, filepath.Join(root, "m.onnx"), func(m *pb.ModelProto) {
		w := m.Graph.Initializer[0]
		w.FloatData, w.DataLocation = nil, pb.TensorProto_EXTERNAL.Enum()
		w.ExternalData = []*pb.StringStringEntryProto{{Key: proto.String("location"), Value: proto.String("weights.bin")}}
	})
	o := options(root)
	o.Results = results
	const policy = "version: 1\nmodels: [.]\n"
	for _, tt := range []struct {
		bytes int
		want  []string
	}{{16, []string{}}, {8, []string{"tensor-length"}}, {16, []string{}}} {
		if err := os.WriteFile(filepath.Join(root, "weights.bin"), make([]byte, tt.bytes), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := codes(run(t, policy, o), "m.onnx"); !slices.Equal(got, tt.want) {
			t.Errorf("%d bytes of data: findings %v, want %v", tt.bytes, got, tt.want)
		}
	}
}

// counting counts how many models a runtime opens.
type counting struct {
	witness.Runtime
	n *int
}

func (c counting) Open(ctx context.Context, m *onnx.Model) (witness.Session, error) {
	*c.n++
	return c.Runtime.Open(ctx, m)
}

// benchmarkThousand judges a thousand small models.
func benchmarkThousand(b *testing.B, policy string, change func(*Options)) {
	root := b.TempDir()
	for i := range 1000 {
		writeModel(b, filepath.Join(root, fmt.Sprintf("%d.onnx", i)), nil)
	}
	p, err := Parse([]byte(policy))
	if err != nil {
		b.Fatal(err)
	}
	o := options(root)
	if change != nil {
		change(&o)
		if _, err := Run(b.Context(), p, o); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if r, err := Run(b.Context(), p, o); err != nil || len(r.Files) != 1000 {
			b.Fatal(r, err)
		}
	}
}

func BenchmarkCheckThousand(b *testing.B) {
	benchmarkThousand(b, "version: 1\nmodels: [.]\n", nil)
}

func BenchmarkVerifyThousand(b *testing.B) {
	benchmarkThousand(b, "version: 1\nmodels: [.]\nruntimes: {require: [load]}\n", nil)
}

func BenchmarkCachedThousand(b *testing.B) {
	benchmarkThousand(b, "version: 1\nmodels: [.]\nruntimes: {require: [load]}\n", func(o *Options) { o.Results, o.Cache = b.TempDir(), true })
}
