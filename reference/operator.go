package reference

import (
	"github.com/petrify-ml/petrify/onnx/pb"
)

// An operator is one row of the table: what it accepts, and how it computes.
type operator struct {
	name   string
	domain string // "" is ONNX's own
	since  int64  // the oldest opset that is implemented; 0 means all
	attrs  attrs
	in     []port
	out    int  // the most outputs, 0 stands for 1, many for any number
	drawn  bool // the result is random
	eval   func(c *call) ([]*Value, error)
}

const many = -1

// attrs are the attributes that an operator knows.
type attrs map[string]attr

// An attr is the type of an attribute, and the last opset that has it, 0 if
// the newest still does.
type attr struct {
	pb.AttributeProto_AttributeType
	last int64
}

func (a attr) until(opset int64) attr { a.last = opset; return a }

var (
	aFloat   = attr{pb.AttributeProto_FLOAT, 0}
	aInt     = attr{pb.AttributeProto_INT, 0}
	aString  = attr{pb.AttributeProto_STRING, 0}
	aTensor  = attr{pb.AttributeProto_TENSOR, 0}
	aGraph   = attr{pb.AttributeProto_GRAPH, 0}
	aFloats  = attr{pb.AttributeProto_FLOATS, 0}
	aInts    = attr{pb.AttributeProto_INTS, 0}
	aStrings = attr{pb.AttributeProto_STRINGS, 0}
	aType    = attr{pb.AttributeProto_TYPE_PROTO, 0}
)

// A typeSet is a set of element types, and of sequences and optionals.
type typeSet uint64

const (
	bools    typeSet = 1 << pb.TensorProto_BOOL
	texts    typeSet = 1 << pb.TensorProto_STRING
	int64s   typeSet = 1 << pb.TensorProto_INT64
	floats   typeSet = 1<<pb.TensorProto_FLOAT | 1<<pb.TensorProto_DOUBLE | 1<<pb.TensorProto_FLOAT16 | 1<<pb.TensorProto_BFLOAT16
	signed   typeSet = 1<<pb.TensorProto_INT8 | 1<<pb.TensorProto_INT16 | 1<<pb.TensorProto_INT32 | int64s
	unsigned typeSet = 1<<pb.TensorProto_UINT8 | 1<<pb.TensorProto_UINT16 | 1<<pb.TensorProto_UINT32 | 1<<pb.TensorProto_UINT64
	integers         = signed | unsigned
	numeric          = floats | integers
	tensors          = numeric | bools | texts
	seqs     typeSet = 1 << 62
	options  typeSet = 1 << 63
	anything         = tensors | seqs | options
)

// setOf returns the set of v's own type alone.
func setOf(v *Value) typeSet {
	switch v.Kind {
	case Sequence:
		return seqs
	case Optional:
		return options
	}
	return 1 << v.Type
}

// A port is what an operator accepts as one of its inputs.
type port struct {
	types    typeSet
	like     int     // 1 + the input whose type this one must have, 0 for none
	optional bool    // the input may be absent
	rest     bool    // the last port: any number of inputs
	moved    bool    // figures of integers and booleans are handled, too
	blind    bool    // figures have no rule: the outputs get infinite ones
	lacks    typeSet // types that the specification allows and the reference has no rule for
}

// need is an input with one of the types.
func need(t typeSet) port { return port{types: t} }

// same is an input with the type of input i.
func same(i int) port { return port{types: anything, like: i + 1} }

func (p port) opt() port  { p.optional = true; return p }
func (p port) more() port { p.rest = true; return p }

// move says that the operator hands on figures of every type.
func (p port) move() port { p.moved = true; return p }

// lacking names types that are valid and unsupported.
func (p port) lacking(t typeSet) port { p.lacks = t; return p }

// jumpy says that the operator has no rule for errors of this input.
func (p port) jumpy() port { p.blind = true; return p }

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

// portOf returns the port of input i, false if the operator has none.
func (o *operator) portOf(i int) (port, bool) {
	if i < len(o.in) {
		return o.in[i], true
	}
	if n := len(o.in); n > 0 && o.in[n-1].rest {
		return o.in[n-1], true
	}
	return port{}, false
}

// single makes an eval of one that returns a single output.
func single(f func(c *call) (*Value, error)) func(c *call) ([]*Value, error) {
	return func(c *call) ([]*Value, error) {
		v, err := f(c)
		if err != nil {
			return nil, err
		}
		return []*Value{v}, nil
	}
}
