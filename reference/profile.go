package reference

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A Profile is the arithmetic that a runtime is expected to compute in. The zero value is float32:
// see Profiles.
type Profile struct {
	Name, Doc string

	operand  float64 // relative error of the operands of products of float32; 0 where they are used as they are
	narrow   *format // what every float32 value is stored in, nil for float32 itself
	own      bool    // float16 and bfloat16 are added up in their own type, and float32 in the narrower format, not in float32
	saturate bool    // sums of two products of uint8 and int8 stay within int16
	flush    bool    // subnormal operands and results may count as zero
}

// Flush is a suffix to the name of a profile: the profile then flushes subnormal operands and
// results to zero.
const Flush = "+ftz"

// Profiles returns the named profiles, the default first. The others are in the order in which they
// are tried as explanations, narrower ones before wider ones.
func Profiles() []Profile {
	half, brain := formatOf(pb.TensorProto_FLOAT16), formatOf(pb.TensorProto_BFLOAT16)
	return []Profile{
		{Name: "float32", Doc: "values in the graph's types; float32, float16 and bfloat16 are added up in float32; integers are exact"},
		{Name: "tf32", Doc: "operands of products rounded or cut to 10 bits after the point, added up in float32", operand: 0x1p-10},
		{Name: "float16", Doc: "operands and results in float16, added up in float32", operand: half.u, narrow: &half},
		{Name: "bfloat16", Doc: "operands and results in bfloat16, added up in float32", operand: brain.u, narrow: &brain},
		{Name: "float16-sums", Doc: "operands, partial sums and results in float16", operand: half.u, narrow: &half, own: true},
		{Name: "bfloat16-sums", Doc: "operands, partial sums and results in bfloat16", operand: brain.u, narrow: &brain, own: true},
		{Name: "int8-saturating", Doc: "as float32; sums of two products of uint8 and int8 are cut off at the range of int16 (vpmaddubsw, x86 without VNNI)", saturate: true},
	}
}

// FindProfile returns the profile of that name, with or without the suffix Flush; the empty name is
// the default.
func FindProfile(name string) (Profile, error) {
	all := Profiles()
	if name == "" {
		return all[0], nil
	}
	if base, ok := strings.CutSuffix(name, Flush); ok {
		p, err := FindProfile(base)
		if err != nil || base == "" || p.flush {
			return Profile{}, fmt.Errorf("unknown arithmetic %q: %s goes after one name", name, Flush)
		}
		p.Name, p.Doc, p.flush = name, p.Doc+"; subnormal operands and results may count as zero", true
		return p, nil
	}
	names := convert(all, func(p Profile) string { return p.Name })
	if i := slices.Index(names, name); i >= 0 {
		return all[i], nil
	}
	return Profile{}, fmt.Errorf("unknown arithmetic %q, want one of %s, and %s after it where subnormals are flushed to zero", name, strings.Join(names, ", "), Flush)
}

// SumsInOwnType reports whether partial results are no wider than the graph's types.
func (p Profile) SumsInOwnType() bool { return p.own }

// Narrows reports whether results of float32 are stored in a narrower format.
func (p Profile) Narrows() bool { return p.narrow != nil }

// Misnames reports whether v is float16 and the profile sums in bfloat16, or the other way round,
// so that the profile's name would mislead.
func (p Profile) Misnames(v *Value) bool {
	return p.own && (v.Type == pb.TensorProto_FLOAT16 || v.Type == pb.TensorProto_BFLOAT16) && p.narrow.u != formatOf(v.Type).u
}

// CouldStore reports whether a runtime with this profile could have stored v: if the profile stores
// float32 in a narrower format, all elements must be representable in it.
func (p Profile) CouldStore(v *Value) bool {
	if p.narrow == nil || v.Kind != Tensor || v.Type != pb.TensorProto_FLOAT {
		return true
	}
	return !slices.ContainsFunc(v.floats(), func(x float64) bool { return !math.IsNaN(x) && p.narrow.nearest(x) != x })
}

// leastNormal is the smallest number of a type that is not subnormal, 0 for types
// that have none.
func leastNormal(t pb.TensorProto_DataType) float64 {
	switch t {
	case pb.TensorProto_DOUBLE:
		return 0x1p-1022
	case pb.TensorProto_FLOAT, pb.TensorProto_BFLOAT16:
		return 0x1p-126
	case pb.TensorProto_FLOAT16:
		return 0x1p-14
	}
	return 0
}

// Subnormal reports whether v is a tensor with subnormal elements.
func (v *Value) Subnormal() bool {
	if v.Kind != Tensor {
		return false
	}
	x, ok := v.Data.(onnx.Slice[float64])
	least := leastNormal(v.Type)
	return ok && slices.ContainsFunc(x, func(x float64) bool { return x != 0 && math.Abs(x) < least })
}

// Flushes reports whether subnormal numbers may count as zero.
func (p Profile) Flushes() bool { return p.flush }

// operands are the inputs of a node as the profile's runtime may read them: where
// it flushes, a subnormal number may be zero.
func (p Profile) operands(in []*Value) []*Value {
	if !p.flush {
		return in
	}
	read := slices.Clone(in)
	for k, v := range in {
		if v == nil || !v.Subnormal() {
			continue
		}
		x, least := v.floats(), leastNormal(v.Type)
		w := *v
		w.Sound, w.Spread, w.Declared = make([]float64, len(x)), make([]float64, len(x)), make([]float64, len(x))
		for i := range x {
			n := v.figures(i)
			if x[i] != 0 && math.Abs(x[i]) < least {
				n.sound += math.Abs(x[i])
				n.declared += math.Abs(x[i])
			}
			w.setFigures(i, n)
		}
		read[k] = &w
	}
	return read
}

// underflow is f with what an underflow costs where subnormals are flushed.
func (p Profile) underflow(f format, t pb.TensorProto_DataType) format {
	if p.flush {
		f.tiny = max(f.tiny, leastNormal(t))
	}
	return f
}

// working is the format that values of a type are computed in, within a node.
func (p Profile) working(t pb.TensorProto_DataType) format {
	switch {
	case p.own && t == pb.TensorProto_FLOAT && p.narrow != nil:
		return *p.narrow
	case p.own && (t == pb.TensorProto_FLOAT16 || t == pb.TensorProto_BFLOAT16):
		return p.underflow(formatOf(t), t)
	case t == pb.TensorProto_FLOAT16, t == pb.TensorProto_BFLOAT16, minifloats&(1<<t) != 0:
		return formatOf(pb.TensorProto_FLOAT)
	}
	return formatOf(t)
}

// stored is the format that results of a type are rounded to, nil if they were
// computed in it.
func (p Profile) stored(t pb.TensorProto_DataType) *format {
	var f format
	switch t {
	case pb.TensorProto_FLOAT16, pb.TensorProto_BFLOAT16:
		f = p.underflow(formatOf(t), t)
	case pb.TensorProto_FLOAT:
		if p.narrow == nil {
			return nil
		}
		f = *p.narrow
	default:
		if minifloats&(1<<t) == 0 {
			return nil
		}
		f = formatOf(t)
	}
	if f.u == p.working(t).u {
		return nil
	}
	return &f
}

// products is the format of a sum of products of values of a type.
func (p Profile) products(t pb.TensorProto_DataType) format {
	f := p.working(t)
	if t == pb.TensorProto_FLOAT {
		f.operand = p.operand
	}
	return f
}

// store is n as a result of the format. What is exact and fits costs nothing.
func (f *format) store(n number) number {
	if n == exact(n.v) && f.has(n.v) {
		return n
	}
	return f.rounded(n, 1)
}

// kept is store, and n itself where there is no format.
func (f *format) kept(n number) number {
	if f == nil {
		return n
	}
	return f.store(n)
}

// Unrounded returns v as another node of the same runtime may read it: runtimes that compute
// float16 and bfloat16 in float32 do not always round values passed from one node to the next, only
// those that they return. Other types are returned unchanged.
func (v *Value) Unrounded() *Value {
	if v.Kind != Tensor || v.Type != pb.TensorProto_FLOAT16 && v.Type != pb.TensorProto_BFLOAT16 {
		return v
	}
	f := formatOf(v.Type)
	w := *v
	n := v.Len()
	w.Sound, w.Spread, w.Declared = make([]float64, n), make([]float64, n), make([]float64, n)
	for i, x := range v.floats() {
		if !math.IsInf(x, 0) {
			w.setFigures(i, f.rounded(exact(x), 1))
		}
	}
	w.trim()
	return &w
}
