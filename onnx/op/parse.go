package op

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

//go:embed operators.txt
var operatorsText string

// parseOperators reads operators.txt, whose form its head describes.
func parseOperators(text string) (*table, error) {
	t := &table{versions: make(map[key][]*Schema), newest: make(map[string]int64)}
	sets := make(map[string]uint64)
	for code, name := range pb.TensorProto_DataType_name {
		sets[strings.ToLower(name)] = 1 << code
	}
	var (
		domain string
		op     *Schema
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
			domain = onnx.Domain(fields[1])
		default:
			version := ""
			if len(fields) > 1 {
				version = fields[1]
			}
			since, err := strconv.ParseInt(version, 10, 64)
			if err != nil {
				return t, fmt.Errorf("line %d: operator %q has no version", n, fields[0])
			}
			op = &Schema{
				Name: fields[0], Domain: domain, Since: since, Deprecated: slices.Contains(fields[2:], "deprecated"),
				Attrs: make(map[string]Attr), Types: make(map[string]TypeSet),
			}
			key := key{domain, op.Name}
			if v := t.versions[key]; len(v) > 0 && v[len(v)-1].Since >= since {
				return t, fmt.Errorf("line %d: %s %d comes after a newer version", n, op.Name, since)
			}
			t.versions[key] = append(t.versions[key], op)
			t.newest[domain] = max(t.newest[domain], since)
		}
	}
	return t, t.resolve(sets)
}

// resolve finds the types of all params.
func (t *table) resolve(sets map[string]uint64) error {
	for _, versions := range t.versions {
		for _, op := range versions {
			for _, ps := range [][]Formal{op.In, op.Out} {
				for i := range ps {
					p := &ps[i]
					if p.Set, p.Variable = op.Types[p.Type]; p.Variable {
						continue
					}
					var err error
					if p.Set, err = parseTypes([]string{p.Type}, sets); err != nil {
						return fmt.Errorf("%s %d: %s has type %q, which is neither a variable nor a type", op.Name, op.Since, p.Name, p.Type)
					}
				}
			}
		}
	}
	return nil
}

// parseLine reads one of the lines below an operator's name.
func (op *Schema) parseLine(fields []string, sets map[string]uint64) error {
	kind, rest := fields[0], fields[1:]
	if kind == "type" {
		set, err := parseTypes(rest[1:], sets)
		op.Types[rest[0]] = set
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
			op.Attrs[f[0]] = Attr{pb.AttributeProto_AttributeType(typ), slices.Contains(f[2:], "!")}
			continue
		}
		p := Formal{Name: f[0], Type: f[1]}
		for _, flag := range f[2:] {
			switch {
			case flag == "?":
				p.Optional = true
			case flag == "mixed":
				p.Mixed = true
			case strings.HasPrefix(flag, "..."):
				least, err := strconv.Atoi(flag[3:])
				if err != nil {
					return fmt.Errorf("%q: %w", part, err)
				}
				p.Variadic, p.AtLeast = true, least
			default:
				return fmt.Errorf("%q has an unknown mark %q", part, flag)
			}
		}
		switch kind {
		case "in":
			op.In = append(op.In, p)
		case "out":
			op.Out = append(op.Out, p)
		default:
			return fmt.Errorf("unknown line %q", kind)
		}
	}
	return nil
}

// parseTypes reads a list of types and sets.
func parseTypes(list []string, sets map[string]uint64) (TypeSet, error) {
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
		case sets[inner] != 0:
			*into |= sets[inner]
		case strings.Contains(f, "map("):
			s.Other = append(s.Other, f)
		default:
			return s, fmt.Errorf("unknown type %q", f)
		}
	}
	return s, nil
}
