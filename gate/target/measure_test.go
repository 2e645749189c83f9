package target

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
)

var (
	packages  = flag.String("target.packages", "", "releases of ONNX Runtime to measure, oldest first: RELEASE=FOLDER,... where each folder has node_modules with onnxruntime-node or onnxruntime-web")
	tableFlag = flag.String("target.table", "", "name of the table to write: onnxruntime or onnxruntime-web")
	day       = flag.String("target.date", "", "the day of the measurement, as 2026-11-26")
)

// A probe is a model of one node, and what its types stand for.
type probe struct {
	schema *op.Schema
	combo  []string // a type for each variable that is probed
	vars   []string
	model  *pb.ModelProto
}

// mostCombos is up to how many combinations of types all are probed; of more, one variable varies at a time.
const mostCombos = 600

// measuredDomains are those whose operators are probed.
var measuredDomains = []string{"", "ai.onnx.ml", "com.microsoft"}

// probes makes models for every version of every operator, in each combination of types that its schema has.
func probes(t *testing.T) []probe {
	var all []probe
	for s := range op.All() {
		if s.Deprecated || s.Contributed || s.Experimental || !slices.Contains(measuredDomains, s.Domain) {
			continue
		}
		vars, types := variables(s)
		for _, combo := range combinations(types) {
			if m := probeModel(t, s, vars, combo); m != nil {
				all = append(all, probe{s, combo, vars, m})
			}
		}
	}
	return all
}

// outputAttrs are attributes that say of which type an output is.
var outputAttrs = []string{"to", "dtype", "output_dtype", "output_datatype"}

// variables are the type variables of an operator that a probe can set, each with its types.
func variables(s *op.Schema) (names []string, types [][]string) {
	add := func(f op.Formal) {
		if !f.Variable || f.Mixed || slices.Contains(names, f.Type) {
			return
		}
		list := typeNames(s.Types[f.Type])
		if len(list) == 0 {
			return
		}
		names, types = append(names, f.Type), append(types, list)
	}
	if slices.Contains(bodied, s.Name) {
		return nil, nil
	}
	for _, f := range s.In {
		add(f)
	}
	if _, ok := typeAttr(s); ok {
		for _, f := range s.Out {
			add(f)
		}
	}
	return names, types
}

// bodied are operators with graphs as attributes, which are probed in one form.
var bodied = []string{"If", "Loop", "Scan", "SequenceMap"}

func typeAttr(s *op.Schema) (string, bool) {
	for _, name := range outputAttrs {
		if a, ok := s.Attrs[name]; ok && a.Type == pb.AttributeProto_INT {
			return name, true
		}
	}
	if a, ok := s.Attrs["value"]; ok && a.Type == pb.AttributeProto_TENSOR {
		return "value", true
	}
	return "", false
}

// product is how many combinations there are.
func product(types [][]string) int {
	size := 1
	for _, list := range types {
		size *= len(list)
	}
	return size
}

func combinations(types [][]string) [][]string {
	usual := make([]string, len(types))
	for i, list := range types {
		usual[i] = list[0]
		for _, want := range []string{"int64", "float"} {
			if slices.Contains(list, want) {
				usual[i] = want
			}
		}
	}
	var all [][]string
	if product(types) <= mostCombos {
		all = [][]string{{}}
		for _, list := range types {
			var longer [][]string
			for _, c := range all {
				for _, name := range list {
					longer = append(longer, append(slices.Clone(c), name))
				}
			}
			all = longer
		}
		return all
	}
	for i, list := range types {
		for _, name := range list {
			c := slices.Clone(usual)
			c[i] = name
			if !slices.ContainsFunc(all, func(d []string) bool { return slices.Equal(c, d) }) {
				all = append(all, c)
			}
		}
	}
	return all
}

func probeType(name string) *pb.TypeProto {
	if inner, ok := strings.CutPrefix(name, "seq("); ok {
		return &pb.TypeProto{Value: &pb.TypeProto_SequenceType{SequenceType: &pb.TypeProto_Sequence{ElemType: probeType(strings.TrimSuffix(inner, ")"))}}}
	}
	code := pb.TensorProto_DataType_value[strings.ToUpper(name)]
	return &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: &pb.TypeProto_Tensor{ElemType: proto.Int32(code)}}}
}

// probeModel is a node alone in a model: of the attributes and inputs that a node of this operator has in onnxtest, or else of
// those that it must have, its inputs of unknown shapes.
func probeModel(t *testing.T, s *op.Schema, vars, combo []string) *pb.ModelProto {
	of := func(f op.Formal) string {
		if i := slices.Index(vars, f.Type); i >= 0 {
			return combo[i]
		}
		if f.Variable {
			if list := typeNames(s.Types[f.Type]); len(list) > 0 {
				return list[max(0, slices.Index(list, "float"))]
			}
			return "float"
		}
		list := typeNames(f.Set)
		if len(list) == 0 {
			return ""
		}
		return list[0]
	}
	n := &pb.NodeProto{OpType: proto.String(s.Name), Domain: proto.String(s.Domain), Name: proto.String("n")}
	g := &pb.GraphProto{Name: proto.String("g")}
	sample := nodeCase(s)
	// Interfaces to JavaScript have no tensors of the smallest floats and integers: such values are cast within the model.
	cast := func(from, to, typ string) *pb.NodeProto {
		return &pb.NodeProto{OpType: proto.String("Cast"), Input: []string{from}, Output: []string{to}, Attribute: []*pb.AttributeProto{onnx.Int("to", int64(pb.TensorProto_DataType_value[strings.ToUpper(typ)])).Proto()}}
	}
	give := func(name, typ string) {
		if pb.TensorProto_DataType_value[strings.ToUpper(typ)] >= int32(pb.TensorProto_BFLOAT16) {
			g.Node = append(g.Node, cast(name+"_float", name, typ))
			name, typ = name+"_float", "float"
		}
		g.Input = append(g.Input, &pb.ValueInfoProto{Name: proto.String(name), Type: probeType(typ)})
	}
	for i, f := range s.In {
		needed := !f.Optional || slices.Contains(vars, f.Type) && !slices.ContainsFunc(s.In[:i], func(g op.Formal) bool { return g.Type == f.Type })
		if sample != nil {
			needed = needed || i < len(sample.In) && sample.In[i] != ""
		}
		if s.Name == "Resize" && (f.Name == "roi" || f.Name == "sizes") && s.Since >= 13 {
			needed = false
		}
		name := ""
		if needed {
			name = fmt.Sprintf("x%d", i)
			typ := of(f)
			if typ == "" {
				return nil
			}
			give(name, typ)
			if f.Variadic && f.AtLeast > 1 {
				n.Input = append(n.Input, name)
			}
		}
		n.Input = append(n.Input, name)
	}
	for len(n.Input) > 0 && n.Input[len(n.Input)-1] == "" {
		n.Input = n.Input[:len(n.Input)-1]
	}
	outputs, most := op.Arity(s.Out)
	if sample != nil {
		outputs = min(len(sample.Want), most)
	}
	g.Node = append(g.Node, n)
	for i := range max(outputs, 1) {
		name := fmt.Sprintf("y%d", i)
		n.Output = append(n.Output, name)
		if f, ok := op.FormalOf(s.Out, i); ok && pb.TensorProto_DataType_value[strings.ToUpper(of(f))] >= int32(pb.TensorProto_BFLOAT16) {
			g.Node = append(g.Node, cast(name, name+"_float", "float"))
			name += "_float"
		}
		g.Output = append(g.Output, &pb.ValueInfoProto{Name: &name})
	}
	if sample != nil {
		for _, a := range sample.Attrs {
			if _, ok := s.Attrs[a.Proto().GetName()]; ok {
				n.Attribute = append(n.Attribute, a.Proto())
			}
		}
	}
	attr, typed := typeAttr(s)
	if typed {
		n.Attribute = slices.DeleteFunc(n.Attribute, func(a *pb.AttributeProto) bool { return a.GetName() == attr })
		for _, f := range s.Out {
			i := slices.Index(vars, f.Type)
			if i < 0 || slices.ContainsFunc(s.In, func(g op.Formal) bool { return g.Type == f.Type }) {
				continue
			}
			code := pb.TensorProto_DataType_value[strings.ToUpper(combo[i])]
			if attr == "value" {
				n.Attribute = append(n.Attribute, &pb.AttributeProto{Name: &attr, Type: pb.AttributeProto_TENSOR.Enum(), T: one(code)})
			} else {
				n.Attribute = append(n.Attribute, onnx.Int(attr, int64(code)).Proto())
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Attrs)) {
		if !s.Attrs[name].Required || onnx.Attribute(n, name) != nil {
			continue
		}
		a := required(name, s)
		if a == nil {
			return nil
		}
		n.Attribute = append(n.Attribute, a)
	}
	version := s.Since
	imports := []*pb.OperatorSetIdProto{{Domain: proto.String(s.Domain), Version: &version}}
	if s.Domain != "" {
		imports = append(imports, &pb.OperatorSetIdProto{Domain: proto.String(""), Version: proto.Int64(15)})
	}
	return &pb.ModelProto{IrVersion: proto.Int64(8), OpsetImport: imports, Graph: g}
}

// one is a tensor of one element.
func one(code int32) *pb.TensorProto {
	x := &pb.TensorProto{DataType: &code, Dims: []int64{1}}
	if pb.TensorProto_DataType(code) == pb.TensorProto_STRING {
		x.StringData = [][]byte{[]byte("a")}
	} else {
		size := map[pb.TensorProto_DataType]int{1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16, 16: 2}[pb.TensorProto_DataType(code)]
		x.RawData = make([]byte, max(size, 1))
	}
	return x
}

// nodeCase is a valid node of an operator, of the newest version that is not newer than s.
func nodeCase(s *op.Schema) *onnxtest.NodeCase {
	full := s.Name
	if s.Domain != "" {
		full = s.Domain + "." + s.Name
	}
	var best *onnxtest.NodeCase
	for i := range onnxtest.NodeCases {
		c := &onnxtest.NodeCases[i]
		if c.Op != full || strings.Contains(strings.Join(c.Want, ""), ": ") {
			continue
		}
		opset := max(c.Opset, 1)
		if c.Opset == 0 {
			opset = 13
		}
		if found := op.Find(s.Domain, s.Name, opset); found != nil && (found.Since == s.Since || best == nil) {
			best = c
			if found.Since == s.Since {
				break
			}
		}
	}
	return best
}

// required is a value of an attribute that a node must have.
func required(name string, s *op.Schema) *pb.AttributeProto {
	a := s.Attrs[name]
	switch a.Type {
	case pb.AttributeProto_INT:
		return onnx.Int(name, 1).Proto()
	case pb.AttributeProto_FLOAT:
		return onnx.Float(name, 1).Proto()
	case pb.AttributeProto_INTS:
		return onnx.Ints(name, 1, 1).Proto()
	case pb.AttributeProto_FLOATS:
		return onnx.Floats(name, 1, 1).Proto()
	case pb.AttributeProto_STRING:
		v := "a"
		if len(a.Enum) > 0 {
			v = a.Enum[0]
		}
		return onnx.String(name, v).Proto()
	case pb.AttributeProto_STRINGS:
		return onnx.Strings(name, "a", "b").Proto()
	case pb.AttributeProto_TENSOR:
		return &pb.AttributeProto{Name: &name, Type: pb.AttributeProto_TENSOR.Enum(), T: one(1)}
	case pb.AttributeProto_GRAPH:
		return &pb.AttributeProto{Name: &name, Type: pb.AttributeProto_GRAPH.Enum(), G: probeBody(s.Name)}
	}
	return nil
}

// probeBody is the body of an If, a Loop, a Scan or a SequenceMap.
func probeBody(operator string) *pb.GraphProto {
	value := func(name, typ string) *pb.ValueInfoProto {
		return &pb.ValueInfoProto{Name: proto.String(name), Type: probeType(typ)}
	}
	identity := func(from, to string) *pb.NodeProto {
		return &pb.NodeProto{OpType: proto.String("Identity"), Input: []string{from}, Output: []string{to}}
	}
	g := &pb.GraphProto{Name: proto.String("body")}
	switch operator {
	case "If":
		c := &pb.NodeProto{OpType: proto.String("Constant"), Output: []string{"b0"}, Attribute: []*pb.AttributeProto{{Name: proto.String("value"), Type: pb.AttributeProto_TENSOR.Enum(), T: one(1)}}}
		g.Node, g.Output = []*pb.NodeProto{c}, []*pb.ValueInfoProto{value("b0", "float")}
	case "Loop":
		g.Input = []*pb.ValueInfoProto{value("i", "int64"), value("c", "bool"), value("v", "float")}
		g.Node = []*pb.NodeProto{identity("c", "c1"), identity("v", "v1")}
		g.Output = []*pb.ValueInfoProto{value("c1", "bool"), value("v1", "float")}
	default:
		g.Input = []*pb.ValueInfoProto{value("v", "float")}
		g.Node = []*pb.NodeProto{identity("v", "v1")}
		g.Output = []*pb.ValueInfoProto{value("v1", "float")}
	}
	return g
}

// An answer is what a runtime said of a model: "" where it made a session.
type answer struct {
	OK      bool   `json:"ok"`
	Message string `json:"message"`
}

// missing reports whether a runtime lacks the operator, in this version or for these types; sure is false where its message is
// about something else, which the probe is to blame for.
func (a answer) missing() (missing, sure bool) {
	for _, s := range []string{"Could not find an implementation", "NOT_IMPLEMENTED", "is not a registered function/op", "No Op registered for", "is under development",
		"is not currently registered or supported",                             // a type that it does not have
		"InsertedPrecisionFreeCast", "_inlfunc_", "bound to different types"} { // what it makes of the node is not a model
		if strings.Contains(a.Message, s) {
			return true, true
		}
	}
	if a.OK {
		return false, true
	}
	for _, s := range []string{"Exception during initialization", "core/providers/cpu/", "contrib_ops/cpu/"} {
		if strings.Contains(a.Message, s) {
			return false, true // it has a kernel, which does not take the attributes
		}
	}
	return true, false
}

// ask gives models to the runtime in a folder, and starts it again where one of them kills it.
func ask(t *testing.T, folder string, models [][]byte) []answer {
	var answers []answer
	for len(answers) < len(models) {
		before := len(answers)
		var in bytes.Buffer
		for _, m := range models[before:] {
			in.WriteString(base64.StdEncoding.EncodeToString(m) + "\n")
		}
		cmd := exec.CommandContext(t.Context(), "node", filepath.Join("testdata", "load.js"), folder)
		cmd.Stdin, cmd.Stderr = &in, nil
		out, err := cmd.Output()
		lines := bufio.NewScanner(bytes.NewReader(out))
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			var a answer
			if json.Unmarshal(lines.Bytes(), &a) == nil {
				answers = append(answers, a)
			}
		}
		if err != nil && len(answers) < len(models) {
			answers = append(answers, answer{Message: "it crashed"})
		}
		if len(answers) == before {
			t.Fatalf("%s says nothing: %v", folder, err)
		}
	}
	return answers
}

// limits measures the newest IR version and opsets that a runtime takes.
func limits(t *testing.T, folder string) (ir int64, opsets map[string]int64) {
	var models [][]byte
	add := func(ir int64, imports ...*pb.OperatorSetIdProto) {
		g := &pb.GraphProto{Name: proto.String("g"), Node: []*pb.NodeProto{{OpType: proto.String("Relu"), Input: []string{"x"}, Output: []string{"y"}}},
			Input: []*pb.ValueInfoProto{{Name: proto.String("x"), Type: probeType("float")}}, Output: []*pb.ValueInfoProto{{Name: proto.String("y"), Type: probeType("float")}}}
		b, err := onnx.Marshal(&pb.ModelProto{IrVersion: &ir, OpsetImport: imports, Graph: g})
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, b)
	}
	const most = 40
	version := func(domain string, v int64) *pb.OperatorSetIdProto {
		return &pb.OperatorSetIdProto{Domain: &domain, Version: &v}
	}
	for v := int64(3); v < most; v++ {
		add(v, version("", 9))
		add(8, version("", v))
		add(8, version("", 9), version("ai.onnx.ml", v-2))
	}
	opsets = map[string]int64{}
	for i, a := range ask(t, folder, models) {
		v := int64(3 + i/3)
		if !a.OK {
			continue
		}
		switch i % 3 {
		case 0:
			ir = v
		case 1:
			opsets["ai.onnx"] = v
		case 2:
			opsets["ai.onnx.ml"] = v - 2
		}
	}
	return ir, opsets
}

// The tables of ONNX Runtime are measured: which nodes it makes a session of. With -target.packages the test writes one:
//
//	go test ./gate/target -run Measure -timeout 0 -target.table onnxruntime -target.date 2026-11-26 -target.packages 1.17.3=/a,1.18.0=/b
//
// where each folder has the release from npm: npm install --prefix /a onnxruntime-node@1.17.3
func TestMeasure(t *testing.T) {
	if *packages == "" || *tableFlag == "opencv" {
		t.Skip("writes a table: see -target.packages")
	}
	if _, err := time.Parse(time.DateOnly, *day); err != nil {
		t.Fatal("-target.date: ", err)
	}
	all, whole := probes(t), map[string]bool{}
	for _, p := range all {
		_, types := variables(p.schema)
		whole[opKey(p.schema)] = product(types) <= mostCombos
	}
	models := make([][]byte, len(all))
	for i, p := range all {
		b, err := onnx.Marshal(p.model)
		if err != nil {
			t.Fatal(err)
		}
		models[i] = b
	}
	var head, body strings.Builder
	type history struct {
		at      *op.Schema
		vars    []string
		changes []string // release and kernels, in lines
		last    string
	}
	byOp := map[string]*history{}
	var order []string
	for _, p := range strings.Split(*packages, ",") {
		release, folder, _ := strings.Cut(p, "=")
		start := time.Now()
		ir, opsets := limits(t, folder)
		fmt.Fprintf(&head, "release %s ir=%d ai.onnx=%d ai.onnx.ml=%d\n", release, ir, opsets["ai.onnx"], opsets["ai.onnx.ml"])
		answers := ask(t, folder, models)
		took := map[string][][]string{}
		unsure := map[string]string{}
		for i, a := range answers {
			p := all[i]
			k := opKey(p.schema)
			if byOp[k] == nil {
				byOp[k] = &history{at: p.schema, vars: p.vars}
				order = append(order, k)
			}
			lacks, sure := a.missing()
			if len(p.vars) > 0 && strings.Contains(a.Message, "of input parameter") && strings.Contains(a.Message, "of operator ("+p.schema.Name+")") {
				sure = true // the release's own schema has no such type
			}
			if !sure {
				unsure[k] = fmt.Sprintf("%v: %s", p.combo, a.Message)
			}
			if !lacks {
				took[k] = append(took[k], p.combo)
			}
		}
		for _, k := range slices.Sorted(maps.Keys(unsure)) {
			t.Logf("%s %s: unsure: %.300s", release, k, unsure[k])
		}
		for _, k := range order {
			h := byOp[k]
			text := kernelsText(h.vars, took[k])
			if _, bad := unsure[k]; bad || !whole[k] {
				text = strings.TrimPrefix(text+"\n?", "none\n") // of other types nothing is known
			}
			if text != h.last {
				h.changes = append(h.changes, release+" "+text)
				h.last = text
			}
		}
		t.Logf("%s: %d models in %s", release, len(models), time.Since(start).Round(time.Second))
	}
	for _, k := range order {
		h := byOp[k]
		fmt.Fprintf(&body, "op %s\n", k)
		for _, c := range h.changes {
			release, text, _ := strings.Cut(c, " ")
			for line := range strings.SplitSeq(text, "\n") {
				fmt.Fprintf(&body, "\t%s %s\n", release, line)
			}
		}
	}
	file := *tableFlag + ".txt"
	notes := "# Measured by go test ./gate/target -run Measure -target.packages ...: a model of one node for each version of each operator that petrify\n# knows, in each combination of its types, was given to each release.\n"
	text := fmt.Sprintf("%starget %s\nsource %s\ndate %s\n%s%s", notes, *tableFlag, sources[*tableFlag], *day, head.String(), body.String())
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

var sources = map[string]string{
	"onnxruntime":     "https://www.npmjs.com/package/onnxruntime-node (CPU execution provider, measured)",
	"onnxruntime-web": "https://www.npmjs.com/package/onnxruntime-web (WebAssembly execution provider, measured)",
}

func opKey(s *op.Schema) string {
	name := s.Name
	if s.Domain != "" {
		name = s.Domain + "." + s.Name
	}
	return name + " " + strconv.FormatInt(s.Since, 10)
}

// kernelsText writes combinations of types as few products of sets, one line each.
func kernelsText(vars []string, combos [][]string) string {
	if len(combos) == 0 {
		return "none"
	}
	if len(vars) == 0 {
		return "any"
	}
	var lines []string
	for _, p := range products(vars, combos) {
		lines = append(lines, strings.Join(p, " "))
	}
	return strings.Join(lines, "\n")
}

// products groups combinations by their first variable: those of its types that go with the same rest are one set.
func products(vars []string, combos [][]string) [][]string {
	if len(vars) == 0 {
		return [][]string{nil}
	}
	rests := map[string][][]string{}
	var heads []string
	for _, c := range combos {
		if !slices.Contains(heads, c[0]) {
			heads = append(heads, c[0])
		}
		rests[c[0]] = append(rests[c[0]], c[1:])
	}
	grouped := map[string][]string{}
	var keys []string
	for _, h := range heads {
		k := fmt.Sprint(rests[h])
		if grouped[k] == nil {
			keys = append(keys, k)
		}
		grouped[k] = append(grouped[k], h)
	}
	var all [][]string
	for _, k := range keys {
		for _, rest := range products(vars[1:], rests[grouped[k][0]]) {
			all = append(all, append([]string{vars[0] + "=" + strings.Join(grouped[k], ",")}, rest...))
		}
	}
	return all
}
