package op

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func TestTheOperatorTableIsWhole(t *testing.T) {
	table, err := readTable()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for key, versions := range table.versions {
		n += len(versions)
		for _, op := range versions {
			where := fmt.Sprintf("%s %d", key.name, op.Since)
			for i, ps := range [][]Formal{op.In, op.Out} {
				for j, p := range ps {
					if p.Variadic && j != len(ps)-1 {
						t.Errorf("%s: variadic %s is not the last of its list %d", where, p.Name, i)
					}
				}
			}
			if len(op.Out) == 0 && !op.Deprecated {
				t.Errorf("%s has no output", where)
			}
		}
	}
	if n < 640 || table.newest[""] < 28 || table.newest["ai.onnx.ml"] < 5 {
		t.Errorf("%d versions, newest %v", n, table.newest)
	}
}

func TestLookupFindsTheVersionThatAnOpsetMeans(t *testing.T) {
	for _, c := range []struct {
		domain, name string
		opset, since int64
	}{
		{"", "Relu", 13, 13}, {"ai.onnx", "Relu", 12, 6}, {"", "Relu", 5, 1}, {"", "Relu", 1000, 14},
		{"", "Gelu", 19, 0}, {"", "Gelu", 20, 20}, {"", "NoSuch", 13, 0}, {"ai.onnx.ml", "Scaler", 1, 1}, {"ai.onnx.ml", "Relu", 1, 0},
		{"", "Upsample", 9, 9}, {"", "Upsample", 10, 10},
	} {
		op := Find(c.domain, c.name, c.opset)
		if got := map[bool]int64{true: 0}[op == nil]; op == nil && got != c.since || op != nil && op.Since != c.since {
			t.Errorf("%q %s at opset %d: got %+v, want version %d", c.domain, c.name, c.opset, op, c.since)
		}
	}
	if !Find("", "Upsample", 13).Deprecated {
		t.Error("Upsample is deprecated from opset 10 on")
	}
}

func TestTheOperatorTableAgreesWithTheONNXPackage(t *testing.T) {
	ours := make(map[string]string)
	for op := range All() {
		if op.Contributed || Partly(op.Domain) || Undescribed(op.Domain, op.Name) {
			continue // ONNX Runtime's own
		}
		domain := op.Domain
		if domain == "" {
			domain = "ai.onnx"
		}
		ours[fmt.Sprintf("%s\t%s\t%d", domain, op.Name, op.Since)] = describe(op)
	}
	newest := make(map[string]int)
	compared := 0
	corrected := map[string]bool{
		"ai.onnx\tGridSample\t16": true, // onnx 1.12 has the types of grid and Y exchanged
		"ai.onnx\tGRU\t1":         true, // its default of direction is misspelt
	}
	for line := range strings.Lines(onnxtest.Python(t, "operators.py", nil)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		key := strings.Join(f[:3], "\t")
		theirs := strings.Join(f[3:], "\t")
		if f[3] == "True" {
			theirs = "True" // nothing else matters of what is gone
		}
		if have, ok := ours[key]; !ok {
			t.Errorf("missing: %s", line)
		} else if have != theirs && !corrected[key] {
			t.Errorf("%s:\n ours   %q\n theirs %q", key, have, theirs)
		}
		delete(ours, key)
		compared++
		var since int
		if _, err := fmt.Sscan(f[2], &since); err == nil {
			newest[f[0]] = max(newest[f[0]], since)
		}
	}
	if compared < 400 {
		t.Errorf("compared %d operators, want 400 at least", compared)
	}
	// What is left must be newer than the package.
	for _, key := range slices.Sorted(maps.Keys(ours)) {
		f := strings.Split(key, "\t")
		var since int
		if _, err := fmt.Sscan(f[2], &since); err != nil || since <= newest[f[0]] {
			t.Errorf("%s is not known to the package, whose newest opset is %d", key, newest[f[0]])
		}
	}
	t.Logf("%d operator versions agree", compared)
}

// describe writes an operator as testdata/operators.py does.
func describe(op *Schema) string {
	if op.Deprecated {
		return "True"
	}
	params := func(ps []Formal) string {
		var out []string
		for _, p := range ps {
			s := p.Name + " " + p.Type
			switch {
			case p.Variadic:
				s += "..."
			case p.Optional:
				s += "?"
			}
			if p.Mixed {
				s += "mixed"
			}
			out = append(out, s)
		}
		return strings.Join(out, ",")
	}
	few := func(n int) string {
		if n == math.MaxInt {
			return "*"
		}
		return fmt.Sprint(n)
	}
	leastIn, mostIn := Arity(op.In)
	leastOut, mostOut := Arity(op.Out)
	var attrs, types []string
	for _, name := range slices.Sorted(maps.Keys(op.Attrs)) {
		a := name + " " + op.Attrs[name].Type.String()
		if op.Attrs[name].Required {
			a += "!"
		}
		a += defaultText(op.Attrs[name].Default)
		attrs = append(attrs, a)
	}
	for _, v := range slices.Sorted(maps.Keys(op.Types)) {
		s := op.Types[v]
		names := slices.Clone(s.Other)
		for code := range pb.TensorProto_DataType_name {
			bit, name := uint64(1)<<code, onnx.ElemName(pb.TensorProto_DataType(code))
			for form, set := range map[string]uint64{"%s": s.Tensor, "seq(%s)": s.Seq, "optional(%s)": s.Opt, "optional(seq(%s))": s.OptSeq} {
				if set&bit != 0 {
					names = append(names, fmt.Sprintf(form, name))
				}
			}
		}
		sort.Strings(names)
		types = append(types, v+" "+strings.Join(names, " "))
	}
	return strings.Join([]string{
		"False", strings.Join([]string{few(leastIn), few(mostIn), few(leastOut), few(mostOut)}, " "),
		params(op.In), params(op.Out), strings.Join(attrs, ","), strings.Join(types, "; "),
	}, "\t")
}

// defaultText writes a default as testdata/operators.py does.
func defaultText(d *pb.AttributeProto) string {
	switch d.GetType() {
	case pb.AttributeProto_INT:
		return fmt.Sprintf("=%d", d.GetI())
	case pb.AttributeProto_FLOAT:
		return fmt.Sprintf("=%08x", math.Float32bits(d.GetF()))
	case pb.AttributeProto_STRING:
		return "=" + string(d.S)
	case pb.AttributeProto_INTS:
		return fmt.Sprint("=", d.Ints)
	case pb.AttributeProto_STRINGS:
		return fmt.Sprintf("=%s", d.Strings)
	}
	return ""
}

func FuzzParse(f *testing.F) {
	f.Add("domain x\nOp 1\n\tin X T [*]|[1,*], Y T ...2 mixed\n\tattr a int ! =1 0..1, b string =x {x|y}~\n\ttype T float seq(float)\n\tone X a\nOp 2\n\tno attr a\n")
	f.Add("0")
	f.Fuzz(func(t *testing.T, text string) {
		table := &table{versions: make(map[key][]*Schema), newest: make(map[string]int64)}
		if table.parse(text, nil) == nil {
			_ = table.resolve()
		}
	})
}
