package target

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A table is a file of this package:
//
//	target NAME
//	source WHERE FROM
//	date DAY
//	release NAME ir=N ai.onnx=N ...    one line each, oldest first: the newest versions that it takes
//	else NAME                          the table of what takes the rest
//	op OPERATOR VERSION                since the opset VERSION; 0 for all
//		RELEASE KERNEL                 what it takes from that release on, one line each
//
// A kernel is "none", "?" (of other types nothing is known), or the types that it takes, "any" or VARIABLE=TYPE,TYPE ... for the
// variables of the operator's schema, where "first" is the type of the first input; others=constant wants all other inputs to be
// constants. What follows "partial:" is a reason why a node may be refused all the same. The first line that fits says it.
type table struct {
	name, source, date string
	measured           bool
	releases           []release
	rest               string
	operators          map[string][]entry // by name with domain, versions ascending
}

type release struct {
	name   string
	ir     int64
	opsets map[string]int64
}

// An entry is an operator from a version on.
type entry struct {
	since   int64
	changes []change // ascending
}

type change struct {
	release int
	kernels []kernel
}

type kernel struct {
	none, open bool
	types      map[string][]string
	constants  bool
	partial    string
}

//go:embed *.txt
var files embed.FS

// tables reads all tables. They are whole: a test reads them without an error.
var tables = sync.OnceValue(func() []*table {
	all, _ := readTables()
	return all
})

func readTables() ([]*table, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var all []*table
	for _, e := range entries {
		b, err := files.ReadFile(e.Name())
		if err != nil {
			return nil, err
		}
		t, err := parseTable(string(b))
		if err == nil && t.name != strings.TrimSuffix(e.Name(), path.Ext(e.Name())) {
			err = fmt.Errorf("it is the table of %q", t.name)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		all = append(all, t)
	}
	return all, nil
}

func parseTable(text string) (*table, error) {
	t := &table{operators: map[string][]entry{}}
	var operator string
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if err := t.line(line, &operator); err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", number, line, err)
		}
	}
	t.measured = strings.Contains(t.source, "measured")
	return t, nil
}

// line reads one line; operator is the one that lines of kernels belong to.
func (t *table) line(line string, operator *string) error {
	if kernels, ok := strings.CutPrefix(line, "\t"); ok {
		list := t.operators[*operator]
		if len(list) == 0 {
			return fmt.Errorf("no operator stands before it")
		}
		name, text, _ := strings.Cut(kernels, " ")
		at := slices.IndexFunc(t.releases, func(r release) bool { return r.name == name })
		if at < 0 {
			return fmt.Errorf("unknown release %q", name)
		}
		k, err := parseKernel(text)
		if err != nil {
			return err
		}
		last := &list[len(list)-1]
		if n := len(last.changes); n > 0 && last.changes[n-1].release == at {
			last.changes[n-1].kernels = append(last.changes[n-1].kernels, k)
			return nil
		} else if n > 0 && last.changes[n-1].release > at {
			return fmt.Errorf("release %s comes after a newer one", name)
		}
		last.changes = append(last.changes, change{at, []kernel{k}})
		return nil
	}
	key, rest, _ := strings.Cut(line, " ")
	switch key {
	case "target":
		t.name = rest
	case "source":
		t.source = rest
	case "date":
		t.date = rest
	case "else":
		t.rest = rest
	case "release":
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			return fmt.Errorf("it has no name")
		}
		r := release{name: fields[0], opsets: map[string]int64{}}
		for _, f := range fields[1:] {
			what, value, _ := strings.Cut(f, "=")
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return err
			}
			if what == "ir" {
				r.ir = n
			} else {
				r.opsets[what] = n
			}
		}
		t.releases = append(t.releases, r)
	case "op":
		name, since, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseInt(since, 10, 64)
		if err != nil {
			return err
		}
		*operator = name
		t.operators[name] = append(t.operators[name], entry{since: n})
	default:
		return fmt.Errorf("it says nothing that is known")
	}
	return nil
}

func parseKernel(text string) (kernel, error) {
	k := kernel{types: map[string][]string{}}
	text, k.partial, _ = strings.Cut(text, "partial: ")
	for _, f := range strings.Fields(text) {
		name, types, named := strings.Cut(f, "=")
		switch {
		case f == "none":
			k.none = true
		case f == "?":
			k.open = true
		case f == "any":
		case f == "others=constant":
			k.constants = true
		case named && types != "":
			k.types[name] = strings.Split(types, ",")
		default:
			return k, fmt.Errorf("%q is not part of a kernel", f)
		}
	}
	return k, nil
}

// node is the class of a node in one release, with the reason where it is not supported.
func (t *table) node(at int, n *pb.NodeProto, s scope) (Class, string) {
	domain := onnx.Domain(n.GetDomain())
	operator, shown := n.GetOpType(), onnx.Printable(n.GetOpType())
	if domain != "" {
		operator = domain + "." + operator
		shown = onnx.Printable(operator)
	}
	schema := op.Find(domain, n.GetOpType(), s.imports[domain])
	var found *entry
	for i, e := range t.operators[operator] {
		if e.since == 0 || schema != nil && e.since == schema.Since {
			found = &t.operators[operator][i]
		}
	}
	if found == nil {
		if t.rest != "" {
			other, err := tableOf(t.rest)
			if err != nil {
				return Unknown, err.Error()
			}
			class, why := other.node(len(other.releases)-1, n, s)
			if class == Supported {
				return Partial, fmt.Sprintf("%s is none of the operators that %s has; it runs on the processor, in %s", shown, t.name, t.rest)
			}
			return class, why
		}
		return Unknown, fmt.Sprintf("the table does not have %s", shown)
	}
	var kernels []kernel
	for _, c := range found.changes {
		if c.release <= at {
			kernels = c.kernels
		}
	}
	version := ""
	if found.since > 0 {
		version = fmt.Sprintf(" of opset %d", found.since)
	}
	if len(kernels) == 0 {
		return Unknown, fmt.Sprintf("the table does not have %s%s", shown, version)
	}
	if kernels[0].none {
		return Unsupported, fmt.Sprintf("it does not have %s%s", shown, version)
	}
	if class, why, ok := t.condition(n); ok {
		return class, why
	}
	types := typesOf(n, schema, s)
	if schema != nil {
		for name, has := range types {
			if allowed := typeNames(schema.Types[name]); len(allowed) > 0 && !slices.Contains(allowed, has) {
				return Unknown, fmt.Sprintf("%s%s does not have %s for %s", shown, version, has, name)
			}
		}
	}
	open, doubt := false, ""
	for _, k := range kernels {
		if k.open {
			open = true
			continue
		}
		if k.constants && !othersConstant(n, s) {
			continue
		}
		fits, why := k.fits(types, schema)
		switch {
		case fits && why != "":
			doubt = why
		case fits && k.partial != "":
			return Partial, fmt.Sprintf("%s: %s", shown, k.partial)
		case fits:
			return Supported, ""
		}
	}
	switch {
	case doubt != "":
		return Unknown, fmt.Sprintf("%s%s: %s", shown, version, doubt)
	case open:
		return Unknown, fmt.Sprintf("the table does not mention %s%s with %s", shown, version, typesText(types))
	case t.measured && found.since == 0: // it was seen with other types, and with these not tried
		return Unknown, fmt.Sprintf("the table has %s, and not with %s", shown, typesText(types))
	}
	return Unsupported, fmt.Sprintf("it has %s%s, and not with %s", shown, version, typesText(types))
}

// conditions are what tables of types cannot say: attributes that a runtime does not take, by what it does with ONNX's own tests.
var conditions = []struct {
	target, operator, attribute string
	value                       string // of an attribute that is an integer; empty for any
	class                       Class
	why                         string
}{
	{"onnxruntime", "LSTM", "layout", "1", Unsupported, "it takes layout 0 alone"},
	{"onnxruntime", "GRU", "layout", "1", Unsupported, "it takes layout 0 alone"},
	{"onnxruntime", "RNN", "layout", "1", Unsupported, "it takes layout 0 alone"},
	{"onnxruntime", "StringNormalizer", "", "", Partial, "it is refused on a machine without the node's locale, en_US where it names none"},
	{"opencv", "Flatten", "", "", Partial, "values of one axis are refused"},
}

// condition is what a condition says of a node, if there is one that fits.
func (t *table) condition(n *pb.NodeProto) (Class, string, bool) {
	for _, c := range conditions {
		if strings.TrimSuffix(t.name, "-web") != c.target || n.GetOpType() != c.operator || onnx.Domain(n.GetDomain()) != "" {
			continue
		}
		if c.attribute == "" {
			return c.class, c.operator + ": " + c.why, true
		}
		if a := onnx.Attribute(n, c.attribute); a != nil && fmt.Sprint(a.GetI()) == c.value {
			return c.class, fmt.Sprintf("%s with %s %s: %s", c.operator, c.attribute, c.value, c.why), true
		}
	}
	return Supported, "", false
}

// othersConstant reports whether all inputs but the first are constants.
func othersConstant(n *pb.NodeProto, s scope) bool {
	for i, name := range n.Input {
		if i > 0 && name != "" && !s.constants[name] {
			return false
		}
	}
	return true
}

// typesOf are the element types of a node's type variables, and of its first input; those that are not known are missing.
func typesOf(n *pb.NodeProto, schema *op.Schema, s scope) map[string]string {
	types := map[string]string{}
	set := func(name string, value string) {
		if t, ok := s.types[value]; ok && value != "" && t.Elem != 0 {
			if _, known := types[name]; !known {
				types[name] = onnx.ElemName(t.Elem)
			}
		}
	}
	if len(n.Input) > 0 {
		set("first", n.Input[0])
	} else if len(n.Output) > 0 {
		set("first", n.Output[0])
	}
	if schema == nil {
		return types
	}
	for i, v := range n.Input {
		if f, ok := op.FormalOf(schema.In, i); ok && f.Variable && !f.Mixed {
			set(f.Type, v)
		}
	}
	for i, v := range n.Output {
		if f, ok := op.FormalOf(schema.Out, i); ok && f.Variable && !f.Mixed {
			set(f.Type, v)
		}
	}
	return types
}

// fits reports whether a kernel takes these types. Where a type is not known and the kernel does not take all that the operator
// allows, it says so.
func (k *kernel) fits(types map[string]string, schema *op.Schema) (fits bool, doubt string) {
	for name, takes := range k.types {
		has, known := types[name]
		switch {
		case known && !slices.Contains(takes, has):
			return false, ""
		case known:
			continue
		case name == "first":
			doubt = "the type of its first input is not known"
			continue
		}
		if schema == nil || !used(schema, name) {
			continue
		}
		for _, allowed := range typeNames(schema.Types[name]) {
			if strings.HasPrefix(allowed, "seq(") {
				break // inference follows tensors alone
			}
			if !slices.Contains(takes, allowed) {
				doubt = fmt.Sprintf("the type of %s is not known, and %s is not taken", name, allowed)
				break
			}
		}
	}
	return true, doubt
}

// used reports whether a type variable is that of an input that a node must have, or of an output.
func used(s *op.Schema, name string) bool {
	return slices.ContainsFunc(s.In, func(f op.Formal) bool { return f.Type == name && !f.Optional }) ||
		slices.ContainsFunc(s.Out, func(f op.Formal) bool { return f.Type == name })
}

// typeNames lists a set of types, tensors by their elements, or else sequences of them.
func typeNames(s op.TypeSet) []string {
	list := func(bits uint64, format string) (all []string) {
		for code := range int32(64) {
			if name, ok := pb.TensorProto_DataType_name[code]; ok && code > 0 && bits&(1<<code) != 0 {
				all = append(all, fmt.Sprintf(format, strings.ToLower(name)))
			}
		}
		return all
	}
	if all := list(s.Tensor, "%s"); len(all) > 0 {
		return all
	}
	return list(s.Seq, "seq(%s)")
}

// typesText writes types for people.
func typesText(types map[string]string) string {
	var all []string
	for name, typ := range types {
		if name != "first" {
			all = append(all, name+" "+typ)
		}
	}
	slices.Sort(all)
	if len(all) == 0 {
		if first := types["first"]; first != "" {
			return first
		}
		return "these types"
	}
	return strings.Join(all, ", ")
}
