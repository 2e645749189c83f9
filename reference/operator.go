package reference

import (
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// An operator is one row of the table: how it computes, what becomes of the errors
// of its inputs, and what it lacks. What a node of it looks like is in package op.
type operator struct {
	name   string
	domain string // "" is ONNX's own
	in     []port // of the first inputs; further ones are derived, or like the last where any number is taken
	width  int    // how many formal inputs any of its versions has at most
	drawn  bool   // the result is random
	// asStored are the inputs that may be float32 as the file has them: see numbersOf.
	asStored []int
	loops    bool // the node evaluates a graph many times
	eval     func(c *call) []*Value
}

// A typeSet is a set of element types, and of sequences and optionals.
type typeSet uint64

const (
	bools  typeSet = 1 << pb.TensorProto_BOOL
	texts  typeSet = 1 << pb.TensorProto_STRING
	int64s typeSet = 1 << pb.TensorProto_INT64
	// The floats of 8 bits and fewer, and the integers of fewer than 8.
	minifloats typeSet = 1<<pb.TensorProto_FLOAT8E4M3FN | 1<<pb.TensorProto_FLOAT8E4M3FNUZ | 1<<pb.TensorProto_FLOAT8E5M2 | 1<<pb.TensorProto_FLOAT8E5M2FNUZ |
		1<<pb.TensorProto_FLOAT8E8M0 | 1<<pb.TensorProto_FLOAT4E2M1
	packed typeSet = 1<<pb.TensorProto_INT4 | 1<<pb.TensorProto_INT2 | 1<<pb.TensorProto_UINT4 | 1<<pb.TensorProto_UINT2

	floats   = wideFloats | minifloats
	signed   = wideSigned | 1<<pb.TensorProto_INT4 | 1<<pb.TensorProto_INT2
	unsigned = wideUnsigned | 1<<pb.TensorProto_UINT4 | 1<<pb.TensorProto_UINT2
	integers = signed | unsigned
	numeric  = floats | integers
	tensors  = numeric | bools | texts

	wideFloats   typeSet = 1<<pb.TensorProto_FLOAT | 1<<pb.TensorProto_DOUBLE | 1<<pb.TensorProto_FLOAT16 | 1<<pb.TensorProto_BFLOAT16
	wideSigned   typeSet = 1<<pb.TensorProto_INT8 | 1<<pb.TensorProto_INT16 | 1<<pb.TensorProto_INT32 | int64s
	wideUnsigned typeSet = 1<<pb.TensorProto_UINT8 | 1<<pb.TensorProto_UINT16 | 1<<pb.TensorProto_UINT32 | 1<<pb.TensorProto_UINT64

	mappings typeSet = 1 << 61
	seqs     typeSet = 1 << 62
	options  typeSet = 1 << 63
	anything         = tensors | mappings | seqs | options
)

// setOf returns the set of v's own type alone.
func setOf(v *Value) typeSet {
	switch v.Kind {
	case Sequence:
		return seqs
	case Optional:
		return options
	case Map:
		return mappings
	}
	return 1 << v.Type
}

// A port says what an operator makes of the figures of an input.
type port struct {
	moved bool    // those of integers and booleans are handled, too
	blind bool    // there is no rule: the outputs get infinite ones
	sizes bool    // it decides how many elements the outputs have, too
	lacks typeSet // types that the specification allows and the reference has no rule for
}

var (
	derived = port{}            // there is a rule for errors of floating-point numbers
	moves   = port{moved: true} // figures of every type are handed on
	blind   = port{blind: true}
	sizing  = port{blind: true, sizes: true}
)

// lacking is a derived input that lacks some types.
func lacking(t typeSet) port { return port{lacks: t} }

// handles reports whether the operator has a rule for the figures of v.
func (p port) handles(v *Value) bool {
	switch {
	case v.exact():
		return true
	case p.blind:
		return false
	case p.moved:
		return true
	}
	return v.Kind == Tensor && floats&setOf(v) != 0
}

// portOf returns the port of input i of a node with the schema.
func (o *operator) portOf(s *op.Schema, i int) port {
	if i < len(o.in) {
		return o.in[i]
	}
	if f, ok := op.FormalOf(s.In, i); ok && f.Variadic && len(o.in) > 0 {
		return o.in[len(o.in)-1]
	}
	return derived
}

// typesOf is the set of the types that the reference has values for. What may be an
// optional may be its element, too: a loop hands on either.
func typesOf(set op.TypeSet) typeSet {
	all := tensors & typeSet(set.Tensor|set.Opt)
	if set.Seq|set.OptSeq != 0 {
		all |= seqs
	}
	if set.Opt|set.OptSeq != 0 {
		all |= options
	}
	if slices.ContainsFunc(set.Other, func(t string) bool { return strings.HasPrefix(t, "map(") }) {
		all |= mappings
	}
	return all
}

// What fails in an evaluation ends it: try, must and fail panic with a failure, which attempt catches.
type failure struct{ error }

func fail(err error) { panic(failure{err}) }

func try(err error) {
	if err != nil {
		fail(err)
	}
}

func must[T any](v T, err error) T {
	try(err)
	return v
}

// attempt evaluates, and returns why it could not.
func attempt(eval func(c *call) []*Value, c *call) (outputs []*Value, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r.error
		default:
			panic(r)
		}
	}()
	return eval(c), nil
}

// single makes an eval of one that returns a single output.
func single(f func(c *call) *Value) func(c *call) []*Value {
	return func(c *call) []*Value { return []*Value{f(c)} }
}
