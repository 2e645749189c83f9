package target

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
)

var nodeTests = flag.String("target.tests", "/usr/share/libonnx-testdata/data/node", "folders of ONNX's node tests, with commas between them, that OpenCV is given")

// A nodeTest is one of ONNX's tests of an operator, as a model whose weights are inputs, and as one where they are constants.
type nodeTest struct {
	name      string
	schema    *op.Schema
	first     string // type of the first input
	inputs    *pb.ModelProto
	constants *pb.ModelProto // nil where there is one input, or the data is not a tensor
}

// readNodeTests reads tests of one node each.
func readNodeTests(t testing.TB, folders ...string) []nodeTest {
	var all []nodeTest
	seen := map[string]bool{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*", "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m := &pb.ModelProto{}
			if err := proto.Unmarshal(b, m); err != nil || len(m.GetGraph().GetNode()) != 1 || len(m.Functions) > 0 {
				continue
			}
			n := m.Graph.Node[0]
			s := op.Find(n.GetDomain(), n.GetOpType(), onnx.Opset(m.OpsetImport, n.GetDomain()))
			name := filepath.Base(filepath.Dir(file))
			if s == nil || seen[fmt.Sprint(name, s.Since)] {
				continue
			}
			seen[fmt.Sprint(name, s.Since)] = true
			x := nodeTest{name: name, schema: s, inputs: m, first: "?"}
			if len(m.Graph.Input) > 0 {
				if typ, ok := onnx.TypeOf(m.Graph.Input[0].Type); ok {
					x.first = onnx.ElemName(typ.Elem)
				}
			}
			x.constants = constantForm(m, filepath.Dir(file))
			all = append(all, x)
		}
	}
	return all
}

// constantForm makes constants of all inputs but the first, as networks have weights.
func constantForm(m *pb.ModelProto, folder string) *pb.ModelProto {
	if len(m.Graph.Input) < 2 {
		return nil
	}
	c := proto.CloneOf(m)
	c.Graph.Input = c.Graph.Input[:1]
	for i, v := range m.Graph.Input[1:] {
		b, err := os.ReadFile(filepath.Join(folder, "test_data_set_0", fmt.Sprintf("input_%d.pb", i+1)))
		data := &pb.TensorProto{}
		if err != nil || v.GetType().GetTensorType() == nil || proto.Unmarshal(b, data) != nil {
			return nil
		}
		data.Name = v.Name
		c.Graph.Initializer = append(c.Graph.Initializer, data)
	}
	return c
}

// OpenCV's table is measured by ONNX's own tests: which of them it loads. With -target.packages the test writes it:
//
//	go test ./gate/target -run MeasureOpenCV -timeout 0 -target.date 2026-11-26 -target.packages 4.8.0=/a -target.tests /usr/share/libonnx-testdata/data/node
//
// where the folder has the release from npm: npm install --prefix /a @techstark/opencv-js@4.8.0-release.10
func TestMeasureOpenCV(t *testing.T) {
	if *packages == "" || *tableFlag != "opencv" {
		t.Skip("writes a table: see -target.packages")
	}
	if _, err := time.Parse(time.DateOnly, *day); err != nil {
		t.Fatal("-target.date: ", err)
	}
	tests := readNodeTests(t, strings.Split(*nodeTests, ",")...)
	type form struct {
		test     *nodeTest
		constant bool
	}
	var forms []form
	var models [][]byte
	for i := range tests {
		for _, m := range []*pb.ModelProto{tests[i].inputs, tests[i].constants} {
			if m == nil {
				continue
			}
			b, err := onnx.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			forms, models = append(forms, form{&tests[i], m == tests[i].constants}), append(models, b)
		}
	}
	type tally struct {
		took, all int
		refused   string // a test that was
	}
	type tallies struct {
		types  map[string]*tally // by the type of the first input
		took   bool
		lacked bool // it said that there is no such layer
	}
	var head strings.Builder
	lines := map[string][]string{}
	last := map[string]string{}
	for _, p := range strings.Split(*packages, ",") {
		release, folder, _ := strings.Cut(p, "=")
		fmt.Fprintf(&head, "release %s\n", release)
		start := time.Now()
		counted := map[string]map[bool]*tallies{}
		for i, a := range ask(t, folder, models) {
			f := forms[i]
			name := f.test.schema.Name
			if f.test.schema.Domain != "" {
				name = f.test.schema.Domain + "." + name
			}
			if counted[name] == nil {
				counted[name] = map[bool]*tallies{false: {types: map[string]*tally{}}, true: {types: map[string]*tally{}}}
			}
			kinds := []bool{f.constant}
			if len(f.test.inputs.Graph.Input) < 2 { // there are no other inputs that could be constants
				kinds = []bool{false, true}
			}
			for _, constant := range kinds {
				x := counted[name][constant]
				y := x.types[f.test.first]
				if y == nil {
					y = &tally{}
					x.types[f.test.first] = y
				}
				y.all++
				if a.OK {
					y.took++
					x.took = true
				} else if y.refused == "" || f.test.name < y.refused {
					y.refused = f.test.name
				}
				x.lacked = x.lacked || strings.Contains(a.Message, "Can't create layer")
			}
		}
		for name, x := range counted {
			var text []string
			for _, constant := range []bool{true, false} {
				y := x[constant]
				if len(y.types) == 0 || !y.took && y.lacked {
					continue
				}
				others := ""
				if constant {
					others = " others=constant"
				}
				var whole, some []string
				took, all, refused := 0, 0, ""
				for _, typ := range slices.Sorted(maps.Keys(y.types)) {
					z := y.types[typ]
					if z.took == z.all {
						whole = append(whole, typ)
						continue
					}
					if z.took > 0 {
						some = append(some, typ)
					}
					took, all, refused = took+z.took, all+z.all, cmp.Or(refused, z.refused)
				}
				why := fmt.Sprintf(" partial: it refuses %d of %d of ONNX's own tests that are like this, such as %s", all-took, all, refused)
				if len(whole) > 0 {
					text = append(text, "first="+strings.Join(whole, ",")+others)
				}
				if len(some) > 0 {
					text = append(text, "first="+strings.Join(some, ",")+others+why)
				}
				if len(whole)+len(some) == 0 {
					text = append(text, "any"+others+why)
				}
			}
			if len(text) == 0 {
				text = []string{"none"}
			}
			if now := strings.Join(text, "\n"); now != last[name] {
				last[name] = now
				for _, line := range text {
					lines[name] = append(lines[name], "\t"+release+" "+line+"\n")
				}
			}
		}
		t.Logf("%s: %d models in %s", release, len(models), time.Since(start).Round(time.Second))
	}
	var body strings.Builder
	for _, name := range slices.SortedFunc(maps.Keys(lines), func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Count(a, "."), strings.Count(b, ".")), cmp.Compare(a, b))
	}) {
		fmt.Fprintf(&body, "op %s 0\n%s", name, strings.Join(lines[name], ""))
	}
	text := fmt.Sprintf("# Measured by go test ./gate/target -run MeasureOpenCV -target.packages ...: ONNX's own tests of operators were given to each release, as\n"+
		"# they are and with all inputs but the first as constants.\ntarget opencv\nsource https://www.npmjs.com/package/@techstark/opencv-js (cv.readNetFromONNX, measured)\ndate %s\n%s%s", *day, head.String(), body.String())
	if err := os.WriteFile("opencv.txt", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
