package onnx

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// Attr is an attribute of a node that an Emitter writes.
type Attr struct{ proto *pb.AttributeProto }

// AttrOf is an attribute of any type, given as a message.
func AttrOf(p *pb.AttributeProto) Attr { return Attr{p} }

// Proto returns the attribute as a message, which the Attr keeps.
func (a Attr) Proto() *pb.AttributeProto { return a.proto }

func newAttr(name string, typ pb.AttributeProto_AttributeType) *pb.AttributeProto {
	return &pb.AttributeProto{Name: proto.String(name), Type: typ.Enum()}
}

// Int is an attribute of type INT.
func Int(name string, v int64) Attr {
	a := newAttr(name, pb.AttributeProto_INT)
	a.I = proto.Int64(v)
	return Attr{a}
}

// Ints is an attribute of type INTS.
func Ints(name string, v ...int64) Attr {
	a := newAttr(name, pb.AttributeProto_INTS)
	a.Ints = slices.Clone(v)
	return Attr{a}
}

// Float is an attribute of type FLOAT.
func Float(name string, v float32) Attr {
	a := newAttr(name, pb.AttributeProto_FLOAT)
	a.F = proto.Float32(v)
	return Attr{a}
}

// Floats is an attribute of type FLOATS.
func Floats(name string, v ...float32) Attr {
	a := newAttr(name, pb.AttributeProto_FLOATS)
	a.Floats = slices.Clone(v)
	return Attr{a}
}

// String is an attribute of type STRING.
func String(name, v string) Attr {
	a := newAttr(name, pb.AttributeProto_STRING)
	a.S = []byte(v)
	return Attr{a}
}

// Strings is an attribute of type STRINGS.
func Strings(name string, v ...string) Attr {
	a := newAttr(name, pb.AttributeProto_STRINGS)
	for _, s := range v {
		a.Strings = append(a.Strings, []byte(s))
	}
	return Attr{a}
}

// TensorAttr is an attribute of type TENSOR.
func TensorAttr(name string, t *Tensor) Attr {
	a := newAttr(name, pb.AttributeProto_TENSOR)
	a.T = t.Proto()
	return Attr{a}
}
