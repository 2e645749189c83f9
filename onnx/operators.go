package onnx

import (
	_ "embed"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/petrify-ml/petrify/onnx/pb"
)

//go:embed operators.txt
var operatorsText string

// An operator is one version of an operator: what a node must look like whose
// opset import selects it.
type operator struct {
	name       string
	domain     string // "" for ai.onnx
	since      int64
	deprecated bool // from since on there is no such operator
	in, out    []param
	attrs      map[string]attrSpec
	types      map[string]typeSet // of the type variables
}

// A param is a formal input or output.
type param struct {
	name     string
	typ      string // a type variable, or a type
	optional bool
	variadic bool // the last one: any number
	atLeast  int  // of a variadic one
	mixed    bool // a variadic one's types may differ
	variable bool // typ is a type variable
	set      typeSet
}

type attrSpec struct {
	typ      pb.AttributeProto_AttributeType
	required bool
}

// A typeSet is a set of types: element types of tensors, sequences and
// optionals as bits by DataType, and what else there is by name.
type typeSet struct {
	tensor, seq, opt, optSeq uint64
	other                    []string
}

// arity returns how many inputs or outputs a list of params allows.
func arity(ps []param) (least, most int) {
	for i, p := range ps {
		switch {
		case p.variadic:
			return max(least, i+p.atLeast), math.MaxInt
		case !p.optional:
			least = i + 1
		}
	}
	return least, len(ps)
}

// formal returns the param of argument i; the last one stands for all further ones
// when it is variadic.
func formal(ps []param, i int) (param, bool) {
	if i < len(ps) {
		return ps[i], true
	}
	if n := len(ps); n > 0 && ps[n-1].variadic {
		return ps[n-1], true
	}
	return param{}, false
}

// An operatorTable holds the versions of each operator in ascending order, and
// the newest version of each domain.
type operatorTable struct {
	versions map[operatorKey][]*operator
	newest   map[string]int64
}

type operatorKey struct{ domain, name string }

// lookup returns the operator that a model with that opset import means: the
// newest version that is not newer. It is nil when there is none.
func (t *operatorTable) lookup(domain, name string, opset int64) *operator {
	versions := t.versions[operatorKey{canonicalDomain(domain), name}]
	for _, op := range slices.Backward(versions) {
		if op.since <= opset {
			return op
		}
	}
	return nil
}

// operators returns the table. It is whole: a test reads it without an error.
var operators = sync.OnceValue(func() *operatorTable {
	t, _ := parseOperators(operatorsText)
	return t
})

// parseOperators reads operators.txt, whose form its head describes.
func parseOperators(text string) (*operatorTable, error) {
	t := &operatorTable{versions: make(map[operatorKey][]*operator), newest: make(map[string]int64)}
	sets := make(map[string]uint64)
	for code, name := range pb.TensorProto_DataType_name {
		sets[strings.ToLower(name)] = 1 << code
	}
	var (
		domain string
		op     *operator
		n      int
	)
	for line := range strings.Lines(text) {
		n++
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		if line[0] == '\t' {
			if op == nil || len(fields) < 2 {
				return t, fmt.Errorf("line %d: %q belongs to no operator", n, line)
			}
			if err := op.parseLine(fields, sets); err != nil {
				return t, fmt.Errorf("line %d: %w", n, err)
			}
			continue
		}
		switch {
		case fields[0] == "set" && len(fields) > 2:
			var set uint64
			for _, f := range fields[2:] {
				if sets[f] == 0 {
					return t, fmt.Errorf("line %d: unknown type %q", n, f)
				}
				set |= sets[f]
			}
			sets[fields[1]] = set
		case fields[0] == "domain" && len(fields) == 2:
			domain = canonicalDomain(fields[1])
		default:
			version := ""
			if len(fields) > 1 {
				version = fields[1]
			}
			since, err := strconv.ParseInt(version, 10, 64)
			if err != nil {
				return t, fmt.Errorf("line %d: operator %q has no version", n, fields[0])
			}
			op = &operator{
				name: fields[0], domain: domain, since: since, deprecated: slices.Contains(fields[2:], "deprecated"),
				attrs: make(map[string]attrSpec), types: make(map[string]typeSet),
			}
			key := operatorKey{domain, op.name}
			if v := t.versions[key]; len(v) > 0 && v[len(v)-1].since >= since {
				return t, fmt.Errorf("line %d: %s %d comes after a newer version", n, op.name, since)
			}
			t.versions[key] = append(t.versions[key], op)
			t.newest[domain] = max(t.newest[domain], since)
		}
	}
	return t, t.resolve(sets)
}

// resolve finds the types of all params.
func (t *operatorTable) resolve(sets map[string]uint64) error {
	for _, versions := range t.versions {
		for _, op := range versions {
			for _, ps := range [][]param{op.in, op.out} {
				for i := range ps {
					p := &ps[i]
					if p.set, p.variable = op.types[p.typ]; p.variable {
						continue
					}
					var err error
					if p.set, err = parseTypes([]string{p.typ}, sets); err != nil {
						return fmt.Errorf("%s %d: %s has type %q, which is neither a variable nor a type", op.name, op.since, p.name, p.typ)
					}
				}
			}
		}
	}
	return nil
}

// parseLine reads one of the lines below an operator's name.
func (op *operator) parseLine(fields []string, sets map[string]uint64) error {
	kind, rest := fields[0], fields[1:]
	if kind == "type" {
		set, err := parseTypes(rest[1:], sets)
		op.types[rest[0]] = set
		return err
	}
	for part := range strings.SplitSeq(strings.Join(rest, " "), ", ") {
		f := strings.Fields(part)
		if len(f) < 2 {
			return fmt.Errorf("%q has no type", part)
		}
		if kind == "attr" {
			typ, ok := pb.AttributeProto_AttributeType_value[strings.ToUpper(f[1])]
			if !ok {
				return fmt.Errorf("unknown type of attribute %q", part)
			}
			op.attrs[f[0]] = attrSpec{pb.AttributeProto_AttributeType(typ), slices.Contains(f[2:], "!")}
			continue
		}
		p := param{name: f[0], typ: f[1]}
		for _, flag := range f[2:] {
			switch {
			case flag == "?":
				p.optional = true
			case flag == "mixed":
				p.mixed = true
			case strings.HasPrefix(flag, "..."):
				least, err := strconv.Atoi(flag[3:])
				if err != nil {
					return fmt.Errorf("%q: %w", part, err)
				}
				p.variadic, p.atLeast = true, least
			default:
				return fmt.Errorf("%q has an unknown mark %q", part, flag)
			}
		}
		switch kind {
		case "in":
			op.in = append(op.in, p)
		case "out":
			op.out = append(op.out, p)
		default:
			return fmt.Errorf("unknown line %q", kind)
		}
	}
	return nil
}

// parseTypes reads a list of types and sets.
func parseTypes(list []string, sets map[string]uint64) (typeSet, error) {
	var s typeSet
	for _, f := range list {
		inner := strings.TrimRight(f, ")")
		into := &s.tensor
		switch {
		case strings.HasPrefix(f, "optional(seq("):
			inner, into = inner[len("optional(seq("):], &s.optSeq
		case strings.HasPrefix(f, "optional("):
			inner, into = inner[len("optional("):], &s.opt
		case strings.HasPrefix(f, "seq("):
			inner, into = inner[len("seq("):], &s.seq
		}
		switch {
		case sets[inner] != 0:
			*into |= sets[inner]
		case strings.Contains(f, "map("):
			s.other = append(s.other, f)
		default:
			return s, fmt.Errorf("unknown type %q", f)
		}
	}
	return s, nil
}
