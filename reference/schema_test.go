package reference

import (
	"testing"

	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// ofSchema is the set of the types that the reference has values for.
func ofSchema(set op.TypeSet) typeSet {
	all := tensors & typeSet(set.Tensor)
	if set.Seq != 0 {
		all |= seqs
	}
	if set.Opt|set.OptSeq != 0 {
		all |= options
	}
	return all
}

func TestOperatorsTakeWhatTheSpecificationSaysAtEveryVersion(t *testing.T) {
	for _, row := range operators() {
		list := op.Versions(row.domain, row.name)
		if len(list) == 0 {
			t.Errorf("%s: the specification has no such operator", row.name)
		}
		for i, s := range list {
			last := int64(newestOpset)
			if i+1 < len(list) {
				last = list[i+1].Since - 1
			}
			if s.Deprecated || last < 6 || row.domain == "" && s.Since > newestOpset {
				continue
			}
			if last < row.since {
				t.Errorf("%s: version %d is left out, the first one here is %d", row.name, s.Since, row.since)
				continue
			}
			for a := range s.Attrs {
				if a == "sparse_value" {
					continue // of Constant: there are no sparse tensors
				}
				if got, ok := row.attrs[a]; !ok || got.last != 0 && got.last < last {
					t.Errorf("%s, version %d: attribute %s is not taken", row.name, s.Since, a)
				}
			}
			for k, p := range s.In {
				want := ofSchema(p.Set)
				got, ok := row.portOf(k)
				if ok && got.like > 0 {
					got.types, got.lacks = row.in[got.like-1].types, row.in[got.like-1].lacks
				}
				if !ok || want&^got.types&^got.lacks != 0 {
					t.Errorf("%s, version %d: input %d takes %v, not %v", row.name, s.Since, k, namesOf(got.types), namesOf(want))
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
