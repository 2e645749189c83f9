package onnx

import "github.com/petrify-ml/petrify/onnx/pb"

// A Model is a model file: the message and the bytes that it was read from, neither of which may be
// changed. Bytes may be nil for a model that was not read from a file, or that is larger than a
// message can be.
type Model struct {
	Proto *pb.ModelProto
	Bytes []byte
	Path  string
}

// Opset returns the version of the default operator set that the model
// imports, 0 when it imports none.
func (m *Model) Opset() int64 { return Opset(m.Proto.GetOpsetImport(), "") }

// External reports whether a model has tensors whose elements are in other
// files.
func (m *Model) External() bool {
	for t := range Tensors(m.Proto) {
		if IsExternal(t) {
			return true
		}
	}
	return false
}

// Opset returns the version of a domain among imports, 0 when it is absent.
func Opset(imports []*pb.OperatorSetIdProto, domain string) int64 {
	for _, o := range imports {
		if Domain(o.GetDomain()) == Domain(domain) {
			return o.GetVersion()
		}
	}
	return 0
}

// Domain returns the canonical name of a domain: "ai.onnx" is another spelling of the default
// domain "".
func Domain(d string) string {
	if d == "ai.onnx" {
		return ""
	}
	return d
}

// A FunctionKey names a function of a model.
type FunctionKey struct{ Domain, Name, Overload string }

func (k FunctionKey) String() string {
	s := k.Domain + "." + k.Name
	if k.Overload != "" {
		s += ":" + k.Overload
	}
	return s
}

// KeyOf returns the key of a function.
func KeyOf(f *pb.FunctionProto) FunctionKey {
	return FunctionKey{Domain(f.GetDomain()), f.GetName(), f.GetOverload()}
}

// CallOf returns the key of the function that a node calls, if the model has
// it.
func CallOf(n *pb.NodeProto) FunctionKey {
	return FunctionKey{Domain(n.GetDomain()), n.GetOpType(), n.GetOverload()}
}

// Attribute returns a node's attribute by name, nil when it has none.
func Attribute(n *pb.NodeProto, name string) *pb.AttributeProto {
	for _, a := range n.Attribute {
		if a.GetName() == name {
			return a
		}
	}
	return nil
}
