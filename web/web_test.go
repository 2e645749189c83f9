package web_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/random"
	"github.com/petrify-ml/petrify/web"
)

// generator is z (N, 3) -> MatMul -> Reshape (N, 1, 2, 2), with a node of op between them.
func generator(t *testing.T, op string) *onnx.Model {
	t.Helper()
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: 13, IR: 8})
	z := e.Input("z", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(3))
	e.Step("y", "y")
	w := &onnx.Tensor{Dims: []int{3, 4}, Data: onnx.Slice[float32]{0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0}}
	y := e.Node("MatMul", "product", []onnx.Value{z, e.Const("w", w)})
	y = e.Node(op, "act", []onnx.Value{y})
	y = e.Node("Reshape", "", []onnx.Value{y, e.Const("shape", &onnx.Tensor{Dims: []int{4}, Data: onnx.Slice[int64]{0, 1, 2, 2}})})
	e.Output(y, pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(1), onnx.Fixed(2), onnx.Fixed(2))
	m, err := e.Model()
	if err != nil {
		t.Fatal(err)
	}
	return &onnx.Model{Proto: m}
}

// The page runs whatever petrify's layers emit.
func TestThePageKnowsEveryLayer(t *testing.T) {
	known := web.Operators()
	for _, k := range layer.Kinds() {
		for _, op := range k.Ops {
			if !slices.Contains(known, op) {
				t.Errorf("%s emits %s, which the page does not run", k.Name, op)
			}
		}
	}
	if !slices.IsSorted(known) {
		t.Errorf("the operators are in no order: %v", known)
	}
}

func TestTheFirstDirectionIsTheStrongest(t *testing.T) {
	b, err := web.Page(web.Options{Generator: generator(t, "Tanh"), Noise: true})
	if err != nil {
		t.Fatal(err)
	}
	var about struct {
		Axes []struct {
			Name      string
			Direction []float64
		}
	}
	_, data, _ := strings.Cut(string(b), `<script type="application/json" id="about">`)
	data, _, _ = strings.Cut(data, "</script>")
	if err := json.Unmarshal([]byte(data), &about); err != nil {
		t.Fatal(err)
	}
	// W W^T is 1 at (0,0), 9 at (2,2), and 3 off the diagonal: all of it lies along (1, 0, 3).
	if a := about.Axes; len(a) != 3 || fmt.Sprintf("%.4f", a[0].Direction) != "[0.3162 0.0000 0.9487]" || a[0].Name != "Direction 1 (100 %)" {
		t.Errorf("the directions are %+v", a)
	}
}

// What a file says of itself does nothing on the page.
func TestNamesAreEscaped(t *testing.T) {
	hostile := `</script></title><img src=x onerror=alert(1)>"'&{{page}}`
	n := generator(t, "Tanh")
	n.Proto.Graph.Input[0].Name = &hostile
	n.Proto.Graph.Node[0].Input[0] = hostile
	b, err := web.Page(web.Options{Name: hostile, Title: hostile, About: hostile, Facts: []web.Fact{{Name: hostile, Value: hostile}}, Generator: n})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := web.Page(web.Options{Generator: generator(t, "Tanh")})
	if err != nil {
		t.Fatal(err)
	}
	tag := regexp.MustCompile(`<[a-zA-Z/!][^>]*`)
	count := func(page []byte) int { return len(tag.FindAll(page, -1)) }
	if got, want := count(b), count(plain)+4; got != want { // dt, dd and their ends
		t.Errorf("the page has %d tags, want %d", got, want)
	}
	if strings.Contains(string(b), "<img") || strings.Contains(string(b), `"name":"`+hostile) {
		t.Error("a name stands as it is")
	}
}

// The policy lets in what is on the page, and nothing else.
func TestThePolicyNamesEveryScript(t *testing.T) {
	b, err := web.Page(web.Options{Title: "t", Generator: generator(t, "Tanh")})
	if err != nil {
		t.Fatal(err)
	}
	policy := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`).FindSubmatch(b)
	if policy == nil || strings.Contains(string(policy[1]), "unsafe") || !strings.HasPrefix(string(policy[1]), "default-src 'none'; ") {
		t.Fatalf("the policy is %s", policy)
	}
	if n := strings.Count(string(policy[1]), "'sha256-"); n != 4 {
		t.Errorf("the policy names %d hashes, want those of 3 scripts and a style", n)
	}
	if found := regexp.MustCompile(`(?i)(https?:|//cdn| on[a-z]+=| style=)`).Find(b); found != nil {
		t.Errorf("the page has %q", found)
	}
}

// With ONNX Runtime Web the page may load what lies beside it, and nothing else; it takes operators that its own runtime lacks.
func TestAPageOfONNXRuntimeWeb(t *testing.T) {
	b, err := web.Page(web.Options{Title: "t", Generator: generator(t, "Sin"), Engine: web.ORT})
	if err != nil {
		t.Fatal(err)
	}
	policy := string(regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindSubmatch(b)[1])
	for _, want := range []string{"default-src 'none'; ", " 'self' 'wasm-unsafe-eval'; connect-src 'self'; "} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy is %s, want %q in it", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe-inline") || strings.Contains(policy, "'unsafe-eval'") || regexp.MustCompile(`(?i)https?:`).Match(b) {
		t.Errorf("the page lets in more: %s", policy)
	}
	if n := strings.Count(string(b), "<script src="); n != 1 {
		t.Errorf("%d scripts beside the page, want 1", n)
	}
	if _, err := web.Page(web.Options{Generator: generator(t, "Tanh"), Engine: "cdn"}); err == nil || !strings.Contains(err.Error(), `"cdn", want one of [own onnxruntime-web]`) {
		t.Errorf("another engine: %v", err)
	}
}

func TestModelsThatThePageDoesNotRun(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(*onnx.Model)
	}{
		{"an operator of another kind", "Sin", func(n *onnx.Model) { n.Proto.Graph.Node[1].OpType = new("Sin") }},
		{"another domain", "com.example", func(n *onnx.Model) { n.Proto.Graph.Node[1].Domain = new("com.example") }},
		{"an old opset", "opset 9", func(n *onnx.Model) { n.Proto.OpsetImport[0].Version = new(int64(9)) }},
		{"double precision", "DOUBLE", func(n *onnx.Model) { n.Proto.Graph.Initializer[0].DataType = new(int32(pb.TensorProto_DOUBLE)) }},
		{"no range of pixels", "want LOW,HIGH", func(n *onnx.Model) {
			n.Proto.MetadataProps = []*pb.StringStringEntryProto{{Key: new("petrify.pixels"), Value: new("1,1")}}
		}},
		{"another padding", "auto_pad", func(n *onnx.Model) {
			n.Proto.Graph.Node[1].Attribute = []*pb.AttributeProto{{Name: new("auto_pad"), Type: pb.AttributeProto_STRING.Enum(), S: []byte("SAME_UPPER")}}
		}},
	} {
		n := generator(t, "Tanh")
		c.change(n)
		if _, err := web.Page(web.Options{Generator: n}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	small := generator(t, "Tanh")
	if _, err := web.Page(web.Options{Generator: small, Encoder: small}); err == nil || !strings.Contains(err.Error(), "want images") {
		t.Errorf("an encoder of numbers: %v", err)
	}
}

// noise.js has the bits of random.Noise.
func TestNoiseIsThatOfGo(t *testing.T) {
	node := witnesstest.Program(t, "node")
	type point struct {
		Seed       string
		Image      int
		Width      int
		Truncation float64
	}
	var points []point
	for _, seed := range []uint64{0, 1, 7, 1 << 26, 1<<52 + 3, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		for _, limit := range []float64{0, 0.25, 1, 3} {
			points = append(points, point{fmt.Sprint(seed), int(seed % 1000), 100, limit})
		}
	}
	input, err := json.Marshal(points)
	if err != nil {
		t.Fatal(err)
	}
	s := random.NoiseScheme()
	scheme, err := json.Marshal(map[string]any{"quantiles": s.Quantiles, "limits": s.Limits, "levels": s.Levels, "weyl": s.Weyl, "rounds": s.Rounds})
	if err != nil {
		t.Fatal(err)
	}
	script, _ := web.Scripts()
	cmd := exec.Command(node, "-e", script+`
const [scheme, points] = JSON.parse(require('node:fs').readFileSync(0));
const noise = new Noise(scheme);
console.log(JSON.stringify(points.map((p) => Array.from(noise.point(BigInt(p.Seed), p.Image, p.Width, p.Truncation)))));`)
	cmd.Stdin = strings.NewReader("[" + string(scheme) + "," + string(input) + "]")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got [][]float32
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	for i, p := range points {
		var seed uint64
		fmt.Sscan(p.Seed, &seed)
		want := make([]float32, p.Width)
		random.Noise{Seed: int64(seed), Truncation: float32(p.Truncation)}.Fill(want, p.Width, p.Image)
		if !slices.Equal(got[i], want) {
			t.Errorf("%+v: %v, want %v", p, got[i][:3], want[:3])
		}
	}
}
