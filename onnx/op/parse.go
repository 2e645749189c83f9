package op

import (
	"embed"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// The operators of each family, in this form:
//
//	domain NAME                what follows belongs to it
//	OPERATOR SINCE             one version; "experimental" may follow, "contributed"
//	                           of one that is ONNX Runtime's in ONNX's domain, and
//	                           "deprecated", which ends the operator
//	    in  NAME TYPE ..., ... "?" optional, "...N" any number but N at least,
//	    out NAME TYPE ..., ... "mixed" where their types may differ, and the shapes
//	                           that are allowed: [] a scalar, [*] one axis of any
//	                           length, [1]|[2] one axis of length 1 or 2
//	    attr NAME TYPE ...,    "!" required, =VALUE the default (lists with "|"),
//	                           {A|B} the values allowed ("~" after it: in any case
//	                           of letters), 1.. or 0..1 the range of each number
//	    type VARIABLE TYPE ... the types that a variable may stand for
//	    one NAME NAME ...      exactly one of these inputs or attributes is given,
//	    most NAME NAME ...     one at most, some NAME NAME ... one at least,
//	    together NAME NAME ... all of them or none,
//	    equal NAME NAME ...    and the lists that are given have one length
//	    no attr NAME ...       these are gone, as are types; "no rules" drops those
//	                           about what is given
//
// A version begins as the one before it, and says what is different: lists of
// inputs and outputs as a whole, the rest by name.
//
// float is tensor(float); seq(float), optional(float) and map(int64,float) hold
// tensors; a set in parentheses stands for each of its members. A "flag" is an
// int that is 0 or 1.
//
//go:embed *.txt
var texts embed.FS

// typeSets are names for sets of element types.
var typeSets = map[string]string{
	"floats":  "float16 float double",
	"ints":    "int8 int16 int32 int64",
	"uints":   "uint8 uint16 uint32 uint64",
	"float8s": "float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz",
	"int4s":   "int4 uint4",
	"int2s":   "int2 uint2",
	"numbers": "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float double",
	"plain":   "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float double bool string complex64 complex128",
}

// elems returns the bits of each element type, and of each set, by name.
func elems() map[string]uint64 {
	sets := make(map[string]uint64)
	for code := range pb.TensorProto_DataType_name {
		if code > 0 {
			sets[onnx.ElemName(pb.TensorProto_DataType(code))] = 1 << code
		}
	}
	for name, members := range typeSets {
		for _, m := range strings.Fields(members) {
			sets[name] |= sets[m]
		}
	}
	return sets
}

// A parser reads the text of a family into a table.
type parser struct {
	*table
	sets   map[string]uint64
	domain string
	schema *Schema
}

// parse reads the text of a family. Rules are by the name of their operator.
func (t *table) parse(text string, rules map[string]Rule) error {
	p := &parser{table: t, sets: elems()}
	n := 0
	for line := range strings.Lines(text) {
		n++
		fields := strings.Fields(line)
		var err error
		switch {
		case len(fields) == 0:
		case line[0] != '\t' && fields[0] == "domain" && len(fields) == 2:
			p.domain, p.schema = onnx.Domain(fields[1]), nil
		case line[0] != '\t':
			err = p.version(fields)
			if err == nil {
				p.schema.Rule = rules[p.schema.Name]
			}
		case p.schema == nil:
			err = fmt.Errorf("%q belongs to no operator", line)
		default:
			err = p.line(fields)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return nil
}

// version begins a version of an operator.
func (p *parser) version(fields []string) error {
	since := int64(0)
	if len(fields) > 1 {
		since, _ = strconv.ParseInt(fields[1], 10, 64)
	}
	if since < 1 {
		return fmt.Errorf("operator %q has no version", fields[0])
	}
	s := &Schema{Name: fields[0], Domain: p.domain, Since: since, Attrs: make(map[string]Attr), Types: make(map[string]TypeSet)}
	k := key{p.domain, s.Name}
	if v := p.versions[k]; len(v) > 0 {
		before := v[len(v)-1]
		if before.Since >= since {
			return fmt.Errorf("%s %d comes after a newer version", s.Name, since)
		}
		s.In, s.Out, s.Choices = before.In, before.Out, before.Choices
		for name, a := range before.Attrs {
			s.Attrs[name] = a
		}
		for name, set := range before.Types {
			s.Types[name] = set
		}
	}
	for _, mark := range fields[2:] {
		switch mark {
		case "deprecated":
			s = &Schema{Name: s.Name, Domain: s.Domain, Since: since, Deprecated: true}
		case "experimental":
			s.Experimental = true
		case "contributed":
			s.Contributed = true
		default:
			return fmt.Errorf("%s has an unknown mark %q", s.Name, mark)
		}
	}
	p.versions[k] = append(p.versions[k], s)
	p.newest[p.domain] = max(p.newest[p.domain], since)
	p.schema = s
	return nil
}

// line reads one of the lines below an operator's name.
func (p *parser) line(fields []string) error {
	s, kind, rest := p.schema, fields[0], fields[1:]
	if s.Deprecated {
		return fmt.Errorf("%s is deprecated, and has a line %q", s.Name, kind)
	}
	parts := func(read func(f []string) error) error {
		for part := range strings.SplitSeq(strings.Join(rest, " "), ", ") {
			if f := strings.Fields(part); len(f) < 2 {
				return fmt.Errorf("%q has no type", part)
			} else if err := read(f); err != nil {
				return fmt.Errorf("%q: %w", part, err)
			}
		}
		return nil
	}
	switch {
	case kind == "type" && len(rest) > 1:
		set, err := p.types(rest[1:])
		s.Types[rest[0]] = set
		return err
	case kind == "no" && len(rest) > 0 && rest[0] == "attr":
		for _, name := range rest[1:] {
			delete(s.Attrs, name)
		}
		return nil
	case kind == "no" && len(rest) > 0 && rest[0] == "type":
		for _, name := range rest[1:] {
			delete(s.Types, name)
		}
		return nil
	case kind == "no" && len(rest) > 0 && rest[0] == "rules":
		s.Choices = nil
		return nil
	case kind == "attr":
		return parts(func(f []string) error {
			a, err := parseAttr(f)
			s.Attrs[f[0]] = a
			return err
		})
	case kind == "in" || kind == "out":
		var list []Formal
		if len(rest) > 0 {
			if err := parts(func(f []string) error {
				formal, err := parseFormal(f)
				list = append(list, formal)
				return err
			}); err != nil {
				return err
			}
		}
		if kind == "in" {
			s.In = list
		} else {
			s.Out = list
		}
		return nil
	}
	for k, word := range choiceWords {
		if word == kind && len(rest) > 1 {
			s.Choices = append(slices.Clip(s.Choices), Choice{ChoiceKind(k), rest})
			return nil
		}
	}
	return fmt.Errorf("unknown line %q", strings.Join(fields, " "))
}

// resolve finds the types of all formals, once their variables are known.
func (t *table) resolve() error {
	p := &parser{table: t, sets: elems()}
	for _, versions := range t.versions {
		for _, s := range versions {
			s.versions = versions
			for _, list := range []*[]Formal{&s.In, &s.Out} {
				*list = slices.Clone(*list)
				for i := range *list {
					f := &(*list)[i]
					if f.Set, f.Variable = s.Types[f.Type]; f.Variable {
						continue
					}
					var err error
					if f.Set, err = p.types([]string{f.Type}); err != nil {
						return fmt.Errorf("%s %d: %s has type %q, which is neither a variable nor a type", s.Name, s.Since, f.Name, f.Type)
					}
				}
			}
		}
	}
	return nil
}

func parseFormal(f []string) (Formal, error) {
	p := Formal{Name: f[0], Type: f[1]}
	for _, mark := range f[2:] {
		switch {
		case mark == "?":
			p.Optional = true
		case mark == "mixed":
			p.Mixed = true
		case strings.HasPrefix(mark, "..."):
			least, err := strconv.Atoi(mark[3:])
			if err != nil || least < 0 {
				return p, fmt.Errorf("%q is not a number", mark[3:])
			}
			p.Variadic, p.AtLeast = true, least
		case strings.HasPrefix(mark, "["):
			for form := range strings.SplitSeq(mark, "|") {
				shape, err := parseShape(form)
				if err != nil {
					return p, err
				}
				p.Shapes = append(p.Shapes, shape)
			}
		default:
			return p, fmt.Errorf("unknown mark %q", mark)
		}
	}
	return p, nil
}

// parseShape reads [], [*,2].
func parseShape(form string) ([]onnx.Dim, error) {
	inner, ok := strings.CutPrefix(form, "[")
	inner, end := strings.CutSuffix(inner, "]")
	if !ok || !end {
		return nil, fmt.Errorf("%q is not a shape", form)
	}
	shape := []onnx.Dim{}
	if inner == "" {
		return shape, nil
	}
	for d := range strings.SplitSeq(inner, ",") {
		if d == "*" {
			shape = append(shape, onnx.Unknown())
			continue
		}
		n, err := strconv.ParseInt(d, 10, 32)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is not a shape", form)
		}
		shape = append(shape, onnx.Fixed(n))
	}
	return shape, nil
}

func parseAttr(f []string) (Attr, error) {
	a := Attr{Least: math.Inf(-1), Most: math.Inf(1)}
	word := f[1]
	if word == "flag" {
		a.Flag, word = true, "int"
	}
	typ, ok := pb.AttributeProto_AttributeType_value[strings.ToUpper(word)]
	if !ok || typ == 0 {
		return a, fmt.Errorf("unknown type of attribute %q", f[1])
	}
	a.Type = pb.AttributeProto_AttributeType(typ)
	for _, mark := range f[2:] {
		value, isDefault := strings.CutPrefix(mark, "=")
		least, most, isRange := strings.Cut(mark, "..")
		var err error
		switch {
		case mark == "!":
			a.Required = true
		case isDefault:
			a.Default, err = parseDefault(f[0], a.Type, value)
		case mark[0] == '{':
			inner, any := strings.CutSuffix(mark[1:], "~")
			inner, end := strings.CutSuffix(inner, "}")
			if !end || inner == "" {
				return a, fmt.Errorf("%q is not a list of values", mark)
			}
			a.Enum, a.AnyCase = strings.Split(inner, "|"), any
		case isRange:
			if a.Least, err = strconv.ParseFloat(least, 64); err == nil && most != "" {
				a.Most, err = strconv.ParseFloat(most, 64)
			}
		default:
			err = fmt.Errorf("unknown mark %q", mark)
		}
		if err != nil {
			return a, err
		}
	}
	return a, nil
}

func parseDefault(name string, typ pb.AttributeProto_AttributeType, value string) (*pb.AttributeProto, error) {
	d := &pb.AttributeProto{Name: proto.String(name), Type: typ.Enum()}
	value = strings.Trim(value, `"`)
	switch typ {
	case pb.AttributeProto_INT:
		v, err := strconv.ParseInt(value, 10, 64)
		d.I = proto.Int64(v)
		return d, err
	case pb.AttributeProto_FLOAT:
		v, err := strconv.ParseFloat(value, 32)
		d.F = proto.Float32(float32(v))
		return d, err
	case pb.AttributeProto_STRING:
		d.S = []byte(value)
		return d, nil
	case pb.AttributeProto_INTS:
		for part := range strings.SplitSeq(value, "|") {
			v, err := strconv.ParseInt(part, 10, 64)
			if err != nil {
				return nil, err
			}
			d.Ints = append(d.Ints, v)
		}
		return d, nil
	case pb.AttributeProto_STRINGS:
		for part := range strings.SplitSeq(value, "|") {
			d.Strings = append(d.Strings, []byte(part))
		}
		return d, nil
	}
	return nil, fmt.Errorf("no default is read for an attribute of type %s", typ)
}

// types reads a list of types and sets.
func (p *parser) types(list []string) (TypeSet, error) {
	var s TypeSet
	for _, f := range list {
		inner := strings.TrimRight(f, ")")
		into := &s.Tensor
		switch {
		case strings.HasPrefix(f, "optional(seq("):
			inner, into = inner[len("optional(seq("):], &s.OptSeq
		case strings.HasPrefix(f, "optional("):
			inner, into = inner[len("optional("):], &s.Opt
		case strings.HasPrefix(f, "seq("):
			inner, into = inner[len("seq("):], &s.Seq
		}
		switch {
		case p.sets[inner] != 0:
			*into |= p.sets[inner]
		case strings.Contains(f, "map("):
			s.Other = append(s.Other, f)
		default:
			return s, fmt.Errorf("unknown type %q", f)
		}
	}
	return s, nil
}
