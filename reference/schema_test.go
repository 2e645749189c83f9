package reference

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// A schema is one version of an operator as the specification has it.
type schema struct {
	name, domain string
	since        int64
	deprecated   bool
	attrs        []string // names
	in           []port   // the element types of every input, whether it is optional
	types        []string // of input 0, as the specification writes them
}

// readSchemas reads the list of operators that the checker is made from.
func readSchemas(t testing.TB) []schema {
	t.Helper()
	b, err := os.ReadFile("../onnx/op/operators.txt")
	if err != nil {
		t.Fatal(err)
	}
	sets := map[string][]string{}
	var all []schema
	var inputs [][]string
	domain := ""
	variables := map[string][]string{}
	expand := func(words []string) []string {
		var out []string
		for _, w := range words {
			if s, ok := sets[w]; ok {
				out = append(out, s...)
			} else {
				out = append(out, w)
			}
		}
		return out
	}
	finish := func() {
		if len(all) == 0 {
			return
		}
		s := &all[len(all)-1]
		for i, in := range inputs {
			types := variables[in[1]]
			if types == nil {
				types = expand(in[1:2])
			}
			s.in = append(s.in, port{types: typesNamed(types), optional: slices.Contains(in, "?"), rest: strings.HasPrefix(in[len(in)-1], "...") || slices.Contains(in, "mixed")})
			if i == 0 {
				s.types = types
			}
		}
		inputs, variables = nil, map[string][]string{}
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\n")
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || f[0][0] == '#':
		case f[0] == "set":
			sets[f[1]] = expand(f[2:])
		case f[0] == "domain":
			finish()
			if domain = f[1]; domain == "ai.onnx" {
				domain = ""
			}
			inputs = nil
			all = append(all, schema{})
		case !strings.HasPrefix(line, "\t"):
			finish()
			since, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			all = append(all, schema{name: f[0], domain: domain, since: since, deprecated: len(f) > 2})
		case f[0] == "in":
			for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimSpace(line), "in "), ", ") {
				inputs = append(inputs, strings.Fields(part))
			}
		case f[0] == "attr":
			for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimSpace(line), "attr "), ", ") {
				all[len(all)-1].attrs = append(all[len(all)-1].attrs, strings.Fields(part)[0])
			}
		case f[0] == "type":
			variables[f[1]] = expand(f[2:])
		}
	}
	finish()
	return slices.DeleteFunc(all, func(s schema) bool { return s.name == "" })
}

// typesNamed is the set of the types that the reference has values for.
func typesNamed(names []string) typeSet {
	var set typeSet
	for _, n := range names {
		switch {
		case strings.HasPrefix(n, "seq("):
			set |= seqs
		case strings.HasPrefix(n, "optional("):
			set |= options
		}
		if code, ok := pb.TensorProto_DataType_value[strings.ToUpper(n)]; ok && code < 62 {
			set |= tensors & (1 << code)
		}
	}
	return set
}

func TestOperatorsTakeWhatTheSpecificationSaysAtEveryVersion(t *testing.T) {
	versions := map[string][]schema{}
	for _, s := range readSchemas(t) {
		versions[s.domain+" "+s.name] = append(versions[s.domain+" "+s.name], s)
	}
	for _, op := range operators() {
		list := versions[op.domain+" "+op.name]
		if len(list) == 0 {
			t.Errorf("%s: the specification has no such operator", op.name)
		}
		for i, s := range list {
			last := int64(newestOpset)
			if i+1 < len(list) {
				last = list[i+1].since - 1
			}
			if s.deprecated || last < 6 || op.domain == "" && s.since > newestOpset {
				continue
			}
			if last < op.since {
				t.Errorf("%s: version %d is left out, the first one here is %d", op.name, s.since, op.since)
				continue
			}
			for _, a := range s.attrs {
				if a == "sparse_value" {
					continue // of Constant: there are no sparse tensors
				}
				if got, ok := op.attrs[a]; !ok || got.last != 0 && got.last < last {
					t.Errorf("%s, version %d: attribute %s is not taken", op.name, s.since, a)
				}
			}
			for k, p := range s.in {
				got, ok := op.portOf(k)
				if ok && got.like > 0 {
					got.types = op.in[got.like-1].types
				}
				if !ok || p.types&^got.types&^got.lacks != 0 {
					t.Errorf("%s, version %d: input %d takes %v, not %v", op.name, s.since, k, namesOf(got.types), namesOf(p.types))
				}
			}
		}
	}
}

// namesOf lists the types of a set.
func namesOf(set typeSet) []string {
	var names []string
	for i := range 62 {
		if set&(1<<i) != 0 {
			names = append(names, typeName(pb.TensorProto_DataType(i)))
		}
	}
	if set&seqs != 0 {
		names = append(names, "sequence")
	}
	if set&options != 0 {
		names = append(names, "optional")
	}
	return names
}
