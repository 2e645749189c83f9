package onnx

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// A ruleCase breaks one rule of a model that has no fault otherwise.
type ruleCase struct {
	name   string
	break_ func(m *pb.ModelProto)
	code   string
	where  string // of the finding
	what   string // part of its message
}

func node(op string, in, out []string, attrs ...Attr) *pb.NodeProto {
	n := &pb.NodeProto{OpType: proto.String(op), Input: in, Output: out}
	for _, a := range attrs {
		n.Attribute = append(n.Attribute, a.proto)
	}
	return n
}

func names(s ...string) []string { return s }

// reluFunction is the function local.act with one attribute.
func reluFunction() *pb.FunctionProto {
	return &pb.FunctionProto{
		Name: proto.String("act"), Domain: proto.String("local"), Attribute: names("slope"), Input: names("a"), Output: names("b"),
		OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(13)}},
		Node: []*pb.NodeProto{node("LeakyRelu", names("a"), names("b"), Attr{&pb.AttributeProto{
			Name: proto.String("alpha"), RefAttrName: proto.String("slope"), Type: pb.AttributeProto_FLOAT.Enum(),
		}})},
	}
}

// withFunction makes the last node of the model a call of reluFunction.
func withFunction(m *pb.ModelProto) {
	m.Functions = []*pb.FunctionProto{reluFunction()}
	m.OpsetImport = append(m.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String("local"), Version: proto.Int64(1)})
	last := m.Graph.Node[2]
	last.OpType, last.Domain = proto.String("act"), proto.String("local")
	last.Attribute[0].Name = proto.String("slope")
}

// withIf puts the last node of the model into both branches of an If.
func withIf(m *pb.ModelProto) {
	branch := func(name string) Attr {
		g := &pb.GraphProto{
			Name:   proto.String(name),
			Node:   []*pb.NodeProto{node("Relu", names("net.fc1"), names("r"))},
			Output: []*pb.ValueInfoProto{valueInfo("r", pb.TensorProto_FLOAT, []Dim{Symbolic("N"), Fixed(2)})},
		}
		return Attr{&pb.AttributeProto{Name: proto.String(name), Type: pb.AttributeProto_GRAPH.Enum(), G: g}}
	}
	m.Graph.Input = append(m.Graph.Input, valueInfo("cond", pb.TensorProto_BOOL, nil))
	last := node("If", names("cond"), names("y"), branch("then_branch"), branch("else_branch"))
	last.Name = proto.String("y")
	m.Graph.Node[2] = last
}

func branch(m *pb.ModelProto) *pb.GraphProto { return m.Graph.Node[2].Attribute[0].G }

func floats(name string, dims []int64, v ...float32) *pb.TensorProto {
	return &pb.TensorProto{Name: proto.String(name), DataType: proto.Int32(1), Dims: dims, FloatData: v}
}

func external(entries ...string) func(m *pb.ModelProto) {
	return func(m *pb.ModelProto) {
		t := m.Graph.Initializer[0]
		t.RawData, t.DataLocation = nil, pb.TensorProto_EXTERNAL.Enum()
		for i := 0; i < len(entries); i += 2 {
			t.ExternalData = append(t.ExternalData, &pb.StringStringEntryProto{Key: &entries[i], Value: &entries[i+1]})
		}
	}
}

func sparse(change func(t *pb.SparseTensorProto)) func(m *pb.ModelProto) {
	return func(m *pb.ModelProto) {
		t := &pb.SparseTensorProto{
			Values:  floats("sp", []int64{2}, 1, 2),
			Indices: &pb.TensorProto{DataType: proto.Int32(7), Dims: []int64{2}, Int64Data: []int64{1, 5}},
			Dims:    []int64{2, 3},
		}
		change(t)
		m.Graph.SparseInitializer = append(m.Graph.SparseInitializer, t)
	}
}

const (
	weightPlace = `initializer "net.fc1.weight"`
	lastPlace   = `node "y" (LeakyRelu)`
	sparsePlace = `sparse initializer "sp"`
)

var checkCases = []ruleCase{
	{"no IR version", func(m *pb.ModelProto) { m.IrVersion = nil }, "ir-version-missing", "model", "not set"},
	{"IR version 0", func(m *pb.ModelProto) { m.IrVersion = proto.Int64(0) }, "ir-version-missing", "model", "not set"},
	{"a negative IR version", func(m *pb.ModelProto) { m.IrVersion = proto.Int64(-1) }, "ir-version-unsupported", "model", "is -1, want 1 to 14"},
	{"a future IR version", func(m *pb.ModelProto) { m.IrVersion = proto.Int64(15) }, "ir-version-unsupported", "model", "is 15"},
	{"no graph", func(m *pb.ModelProto) { m.Graph = nil }, "required-field-missing", "model", "no graph"},
	{"an import without a version", func(m *pb.ModelProto) { m.OpsetImport[0].Version = nil }, "required-field-missing", "model", `domain "" has no version`},
	{"a graph without a name", func(m *pb.ModelProto) { m.Graph.Name = nil }, "required-field-empty", `graph ""`, "no name"},
	{"a node without an operator", func(m *pb.ModelProto) { m.Graph.Node[2].OpType = nil }, "required-field-empty", `node "y"`, "op_type"},
	{"an input without a name", func(m *pb.ModelProto) { m.Graph.Input[0].Name = nil }, "required-field-empty", `input ""`, "no name"},
	{"an initializer without a name", func(m *pb.ModelProto) { m.Graph.Initializer[0].Name = nil }, "required-field-empty", `initializer ""`, "no name"},
	{"an attribute without a name", func(m *pb.ModelProto) { m.Graph.Node[2].Attribute[0].Name = nil }, "required-field-empty", lastPlace + ` / attribute ""`, "no name"},
	{"no import", func(m *pb.ModelProto) { m.OpsetImport = nil }, "opset-import-missing", "model", "IR version 8 asks for"},
	{"a domain without an import", func(m *pb.ModelProto) { m.Graph.Node[2].Domain = proto.String("ai.onnx.ml") }, "opset-import-missing", lastPlace, `"ai.onnx.ml" is not imported`},
	{"a domain imported twice", func(m *pb.ModelProto) {
		m.OpsetImport = append(m.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String("ai.onnx"), Version: proto.Int64(12)})
	}, "opset-import-duplicate", "model", `"ai.onnx" is imported twice`},
	{"imports before IR 3", func(m *pb.ModelProto) { m.IrVersion = proto.Int64(2) }, "opset-import-unexpected", "model", "IR version 2"},
	{"opset 0", func(m *pb.ModelProto) { m.OpsetImport[0].Version = proto.Int64(0) }, "opset-version-invalid", "model", "version 0"},
	{"a future opset", func(m *pb.ModelProto) { m.OpsetImport[0].Version = proto.Int64(99) }, "opset-version-unknown", "model", "version 99, the newest known is 28"},
	{"metadata of a model twice", func(m *pb.ModelProto) {
		p := &pb.StringStringEntryProto{Key: proto.String("a")}
		m.MetadataProps = []*pb.StringStringEntryProto{p, p}
	}, "metadata-props-duplicate-key", "model", `key "a"`},
	{"metadata of a node twice", func(m *pb.ModelProto) {
		p := &pb.StringStringEntryProto{Key: proto.String("a")}
		m.Graph.Node[2].MetadataProps = []*pb.StringStringEntryProto{p, p}
	}, "metadata-props-duplicate-key", lastPlace, `key "a"`},
	{"an escape sequence in a name", func(m *pb.ModelProto) { m.Graph.Node[2].Name = proto.String("\x1b[31m") }, "name-unprintable", `node "\x1b[31m" (LeakyRelu)`, `\x1b`},
	{"graphs nested too deep", func(m *pb.ModelProto) {
		g := &pb.GraphProto{Name: proto.String("g")}
		for range 101 {
			g = &pb.GraphProto{Name: proto.String("g"), Node: []*pb.NodeProto{node("Custom", names("net.fc1"), names(""), Attr{&pb.AttributeProto{Name: proto.String("body"), Type: pb.AttributeProto_GRAPH.Enum(), G: g}})}}
		}
		m.Graph.Node = append(m.Graph.Node, g.Node...)
	}, "nesting-too-deep", "", "100 deep"},
	{"a function twice", func(m *pb.ModelProto) { withFunction(m); m.Functions = append(m.Functions, reluFunction()) }, "function-duplicate", "model", `"local.act" is defined twice`},
	{"a function that calls itself", func(m *pb.ModelProto) {
		withFunction(m)
		f := m.Functions[0]
		f.OpsetImport = append(f.OpsetImport, m.OpsetImport[1])
		f.Node[0].OpType, f.Node[0].Domain, f.Node[0].Attribute[0].Name = proto.String("act"), proto.String("local"), proto.String("slope")
	}, "function-recursive", "model", `"local.act" is reached from itself`},
	{"two functions that call each other in nested graphs", func(m *pb.ModelProto) {
		withFunction(m)
		a, b := m.Functions[0], reluFunction()
		b.Name = proto.String("b")
		call := func(f *pb.FunctionProto, name string) {
			f.OpsetImport = append(f.OpsetImport, m.OpsetImport[1])
			inner := node(name, names("a"), names("z"), Float("slope", 1))
			inner.Domain = proto.String("local")
			g := &pb.GraphProto{Name: proto.String("g"), Node: []*pb.NodeProto{inner}}
			f.Node = append(f.Node, node("Custom", names("a"), names("c"), Attr{&pb.AttributeProto{Name: proto.String("g"), Type: pb.AttributeProto_GRAPH.Enum(), G: g}}))
		}
		call(a, "b")
		call(b, "act")
		m.Functions = append(m.Functions, b)
	}, "function-recursive", "model", "is reached from itself"},
	{"two inputs of a function with one name", func(m *pb.ModelProto) { withFunction(m); m.Functions[0].Input = names("a", "a") }, "function-parameter-duplicate", `function "local.act"`, `two inputs of the function are named "a"`},
	{"an operator that is another one in the function's opset", func(m *pb.ModelProto) {
		withFunction(m)
		m.Functions[0].OpsetImport[0].Version = proto.Int64(5)
		m.Functions[0].Node[0].Attribute = nil
	}, "function-opset-mismatch", `function "local.act"`, "LeakyRelu is another operator at opset 5"},
	{"functions before IR 8", func(m *pb.ModelProto) { withFunction(m); m.IrVersion = proto.Int64(7) }, "function-ir-version", "model", "IR version 7"},
	{"a function without a domain", func(m *pb.ModelProto) { withFunction(m); m.Functions[0].Domain = nil }, "required-field-missing", `function ".act"`, "no domain"},

	{"two inputs of one name", func(m *pb.ModelProto) { m.Graph.Input = append(m.Graph.Input, m.Graph.Input[0]) }, "input-duplicate", `input "x"`, "this name"},
	{"two outputs of one name", func(m *pb.ModelProto) { m.Graph.Output = append(m.Graph.Output, m.Graph.Output[0]) }, "output-duplicate", `output "y"`, "this name"},
	{"two initializers of one name", func(m *pb.ModelProto) { m.Graph.Initializer = append(m.Graph.Initializer, m.Graph.Initializer[0]) }, "initializer-duplicate", weightPlace, "this name"},
	{"an initializer that is no input, before IR 4", func(m *pb.ModelProto) { m.IrVersion = proto.Int64(3) }, "initializer-not-input", weightPlace, "IR version 3"},
	{"a node that defines an input", func(m *pb.ModelProto) { m.Graph.Node[1].Output[0] = "x"; m.Graph.Node[2].Input[0] = "x" }, "value-redefined", `node "net.fc1" (Add)`, `"x" is defined before`},
	{"a node with one output twice", func(m *pb.ModelProto) { m.Graph.Node[2].Output = names("y", "y") }, "value-redefined", lastPlace, `"y" is defined before`},
	{"a nested node that defines an outer value", func(m *pb.ModelProto) {
		withIf(m)
		branch(m).Node[0].Output[0] = "x"
		branch(m).Output[0].Name = proto.String("x")
	},
		"value-redefined", `node "y" (If) / attribute "then_branch" / graph "then_branch" / node of "x" (Relu)`, "a graph around"},
	{"a nested input with the name of an outer value", func(m *pb.ModelProto) {
		withIf(m)
		branch(m).Input = []*pb.ValueInfoProto{{Name: proto.String("x")}}
	}, "value-shadowed", `node "y" (If) / attribute "then_branch" / graph "then_branch" / input "x"`, "a graph around"},
	{"an undefined value", func(m *pb.ModelProto) { m.Graph.Node[2].Input[0] = "nowhere" }, "value-undefined", lastPlace, `input 0, "nowhere", is defined nowhere`},
	{"an undefined value in a nested graph", func(m *pb.ModelProto) { withIf(m); branch(m).Node[0].Input[0] = "nowhere" },
		"value-undefined", `node "y" (If) / attribute "then_branch" / graph "then_branch" / node of "r" (Relu)`, "nowhere"},
	{"a value of one branch in the other", func(m *pb.ModelProto) {
		withIf(m)
		m.Graph.Node[2].Attribute[1].G.Node[0].Input[0] = "only"
		branch(m).Node[0].Output[0] = "only"
		branch(m).Output[0].Name = proto.String("only")
	}, "value-undefined", `node "y" (If) / attribute "else_branch" / graph "else_branch" / node of "r" (Relu)`, "only"},
	{"nodes out of order", func(m *pb.ModelProto) { n := m.Graph.Node; n[1], n[2] = n[2], n[1] }, "node-order", lastPlace, `output of a later node, "net.fc1"`},
	{"a node that reads itself", func(m *pb.ModelProto) { m.Graph.Node[1].Input[0] = "net.fc1" }, "graph-cycle", `node "net.fc1" (Add)`, "depends on the node itself"},
	{"two nodes that read each other", func(m *pb.ModelProto) { m.Graph.Node[0].Input[0] = "y" }, "graph-cycle", `node "net.fc1.matmul" (MatMul)`, "depends on the node itself"},
	{"an output from nowhere", func(m *pb.ModelProto) { m.Graph.Output[0].Name = proto.String("z") }, "output-undefined", `output "z"`, "no node"},
	{"an output of a function from nowhere", func(m *pb.ModelProto) { withFunction(m); m.Functions[0].Output = names("z") }, "output-undefined", `function "local.act"`, `"z"`},
	{"an outer value as the output of a nested graph", func(m *pb.ModelProto) { withIf(m); branch(m).Output[0].Name = proto.String("net.fc1") },
		"output-undefined", `node "y" (If) / attribute "then_branch" / graph "then_branch" / output "net.fc1"`, "no node of the graph"},
	{"a value info twice", func(m *pb.ModelProto) { m.Graph.ValueInfo = []*pb.ValueInfoProto{m.Graph.Output[0], m.Graph.Output[0]} }, "value-info-duplicate", `value info "y"`, "this name"},
	{"a value info of nothing", func(m *pb.ModelProto) { m.Graph.ValueInfo = []*pb.ValueInfoProto{{Name: proto.String("z")}} }, "value-info-unknown", `value info "z"`, "no value"},
	{"two nodes of one name", func(m *pb.ModelProto) { m.Graph.Node[1].Name = m.Graph.Node[0].Name }, "node-name-duplicate", `node "net.fc1.matmul" (Add)`, "this name"},
	{"an output that no input has a say in", func(m *pb.ModelProto) {
		m.Graph.Node = append(m.Graph.Node, node("Relu", names("net.fc1.bias"), names("z")))
		m.Graph.Output = append(m.Graph.Output, valueInfo("z", pb.TensorProto_FLOAT, []Dim{Fixed(1), Fixed(2)}))
	}, "output-constant", `output "z"`, "no input"},
	{"a node that nothing reads", func(m *pb.ModelProto) { m.Graph.Node = append(m.Graph.Node, node("Relu", names("x"), names("z"))) }, "node-unused", `node of "z" (Relu)`, "nothing reads"},
	{"an initializer that nothing reads", func(m *pb.ModelProto) { m.Graph.Initializer = append(m.Graph.Initializer, floats("z", nil, 1)) }, "initializer-unused", `initializer "z"`, "nothing reads"},
	{"an annotation of nothing", func(m *pb.ModelProto) {
		m.Graph.QuantizationAnnotation = []*pb.TensorAnnotation{{TensorName: proto.String("z")}}
	}, "quantization-annotation", `quantization annotation "z"`, "no value"},

	{"an empty node", func(m *pb.ModelProto) { m.Graph.Node = append(m.Graph.Node, node("Relu", nil, nil)) }, "node-empty", `node "" (Relu)`, "neither"},
	{"an operator that does not exist", func(m *pb.ModelProto) { m.Graph.Node[2].OpType = proto.String("LeakyReLU") }, "operator-not-registered", `node "y" (LeakyReLU)`, "no operator LeakyReLU"},
	{"an operator before its time", func(m *pb.ModelProto) { m.Graph.Node[2].OpType = proto.String("Gelu"); m.Graph.Node[2].Attribute = nil }, "operator-not-registered", `node "y" (Gelu)`, "at opset 13, it begins at 20"},
	{"an operator that is gone", func(m *pb.ModelProto) { m.Graph.Node[2].OpType = proto.String("Upsample") }, "operator-deprecated", `node "y" (Upsample)`, "gone since opset 10"},
	{"an unknown operator of the future", func(m *pb.ModelProto) {
		m.OpsetImport[0].Version = proto.Int64(99)
		m.Graph.Node[2].OpType = proto.String("Later")
	}, "operator-unknown", `node "y" (Later)`, "up to opset 28"},
	{"another domain", func(m *pb.ModelProto) {
		m.Graph.Node[2].Domain = proto.String("com.acme")
		m.OpsetImport = append(m.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String("com.acme"), Version: proto.Int64(1)})
	}, "operator-custom-domain", lastPlace, `"com.acme.LeakyRelu"`},
	{"too few inputs", func(m *pb.ModelProto) { m.Graph.Node[1].Input = names("net.fc1.matmul") }, "input-count", `node "net.fc1" (Add)`, "1 inputs, want 2"},
	{"too many inputs", func(m *pb.ModelProto) { m.Graph.Node[2].Input = names("net.fc1", "x") }, "input-count", lastPlace, "2 inputs, want 1"},
	{"too many inputs of a function", func(m *pb.ModelProto) { withFunction(m); m.Graph.Node[2].Input = names("net.fc1", "x") }, "input-count", `node "y" (act)`, "the function takes 1"},
	{"too many outputs", func(m *pb.ModelProto) { m.Graph.Node[2].Output = names("y", "z") }, "output-count", lastPlace, "2 outputs, want 1"},
	{"a required input left out", func(m *pb.ModelProto) { m.Graph.Node[1].Input[1] = "" }, "input-missing", `node "net.fc1" (Add)`, "input 1, B, is left out"},
	{"a required output left out", func(m *pb.ModelProto) {
		m.Graph.Node = append(m.Graph.Node, node("TopK", names("x", "net.fc1.bias"), names("", "")))
	}, "output-missing", `node "" (TopK)`, "output 0, Values, is left out"},
	{"an unknown attribute", func(m *pb.ModelProto) { m.Graph.Node[2].Attribute[0].Name = proto.String("slope") }, "attribute-unknown", lastPlace, `no attribute "slope"`},
	{"an unknown attribute of a function", func(m *pb.ModelProto) { withFunction(m); m.Graph.Node[2].Attribute[0].Name = proto.String("alpha") }, "attribute-unknown", `node "y" (act)`, `no attribute "alpha"`},
	{"a required attribute missing", func(m *pb.ModelProto) { m.Graph.Node[1].OpType = proto.String("Concat") }, "attribute-missing", `node "net.fc1" (Concat)`, `requires attribute "axis"`},
	{"a required attribute of a function missing", func(m *pb.ModelProto) { withFunction(m); m.Graph.Node[2].Attribute = nil }, "attribute-missing", `node "y" (act)`, `requires attribute "slope"`},
	{"an attribute twice", func(m *pb.ModelProto) { a := m.Graph.Node[2].Attribute; m.Graph.Node[2].Attribute = append(a, a[0]) }, "attribute-duplicate", lastPlace, `named "alpha"`},
	{"an attribute of another type", func(m *pb.ModelProto) { m.Graph.Node[2].Attribute[0] = Int("alpha", 1).proto }, "attribute-type", lastPlace, `"alpha" is of type INT, want FLOAT`},
	{"an attribute with two values", func(m *pb.ModelProto) { m.Graph.Node[2].Attribute[0].I = proto.Int64(1) }, "attribute-value", lastPlace + ` / attribute "alpha"`, "values of 2 types, [FLOAT INT]"},
	{"an attribute with a value of another type", func(m *pb.ModelProto) { a := m.Graph.Node[2].Attribute[0]; a.F, a.I = nil, proto.Int64(1) }, "attribute-value", lastPlace + ` / attribute "alpha"`, "of type FLOAT and has a value of type INT"},
	{"an attribute without its graph", func(m *pb.ModelProto) { withIf(m); m.Graph.Node[2].Attribute[0].G = nil }, "attribute-value", `node "y" (If) / attribute "then_branch"`, "GRAPH has no value"},
	{"an attribute without a type", func(m *pb.ModelProto) { m.Graph.Node[2].Attribute[0].Type = nil }, "required-field-missing", lastPlace + ` / attribute "alpha"`, "no type"},
	{"a reference outside a function", func(m *pb.ModelProto) { a := m.Graph.Node[2].Attribute[0]; a.F, a.RefAttrName = nil, proto.String("s") }, "attribute-reference", lastPlace + ` / attribute "alpha"`, "outside a function"},
	{"a reference to nothing", func(m *pb.ModelProto) {
		withFunction(m)
		m.Functions[0].Node[0].Attribute[0].RefAttrName = proto.String("s")
	},
		"attribute-reference", `function "local.act" / node of "b" (LeakyRelu) / attribute "alpha"`, "the function does not have"},
	{"a reference beside a value", func(m *pb.ModelProto) { withFunction(m); m.Functions[0].Node[0].Attribute[0].F = proto.Float32(1) },
		"attribute-reference", `function "local.act" / node of "b" (LeakyRelu) / attribute "alpha"`, "and has a value"},

	{"no data type", func(m *pb.ModelProto) { m.Graph.Initializer[0].DataType = nil }, "required-field-missing", weightPlace, "no data type"},
	{"an undefined data type", func(m *pb.ModelProto) { m.Graph.Initializer[0].DataType = proto.Int32(0) }, "tensor-data-type", weightPlace, "data_type is 0"},
	{"an unknown data type", func(m *pb.ModelProto) { m.Graph.Initializer[0].DataType = proto.Int32(77) }, "tensor-data-type", weightPlace, "data_type is 77"},
	{"an unknown element type", func(m *pb.ModelProto) { m.Graph.Input[0].Type.GetTensorType().ElemType = proto.Int32(77) }, "tensor-data-type", `input "x"`, "element type is 77"},
	{"a data type newer than the model", func(m *pb.ModelProto) {
		t := m.Graph.Initializer[0]
		t.DataType, t.RawData = proto.Int32(17), make([]byte, 6)
	}, "data-type-requires-newer-ir-version", weightPlace, "float8e4m3fn, which begins at IR version 9"},
	{"a negative axis", func(m *pb.ModelProto) { m.Graph.Initializer[0].Dims = []int64{-3, -2} }, "tensor-dims", weightPlace, "axis 0"},
	{"a shape whose product wraps around", func(m *pb.ModelProto) { m.Graph.Initializer[0].Dims = []int64{1 << 62, 4, 6} }, "tensor-dims", weightPlace, "more than 2^63"},
	{"elements in two fields", func(m *pb.ModelProto) { m.Graph.Initializer[0].FloatData = make([]float32, 6) }, "tensor-fields", weightPlace, "both raw_data and float_data"},
	{"elements in the field of another type", func(m *pb.ModelProto) { t := m.Graph.Initializer[0]; t.RawData, t.DoubleData = nil, make([]float64, 6) }, "tensor-fields", weightPlace, "do not go into double_data"},
	{"strings in raw_data", func(m *pb.ModelProto) { m.Graph.Initializer[0].DataType = proto.Int32(8) }, "tensor-fields", weightPlace, "string do not go into raw_data"},
	{"too few elements", func(m *pb.ModelProto) { t := m.Graph.Initializer[0]; t.RawData = t.RawData[:23] }, "tensor-length", weightPlace, "wants 24 bytes of raw_data, got 23"},
	{"too many elements", func(m *pb.ModelProto) { t := m.Graph.Initializer[0]; t.RawData = make([]byte, 28) }, "tensor-length", weightPlace, "got 28"},
	{"no elements", func(m *pb.ModelProto) { m.Graph.Initializer[0].RawData = nil }, "tensor-length", weightPlace, "got none"},
	{"elements of an empty tensor", func(m *pb.ModelProto) { m.Graph.Initializer[0].Dims = []int64{0, 2} }, "tensor-length", weightPlace, "wants 0 bytes"},
	{"4-bit elements of half the length", func(m *pb.ModelProto) {
		m.IrVersion = proto.Int64(10)
		t := m.Graph.Initializer[0]
		t.DataType, t.Dims, t.RawData = proto.Int32(22), []int64{5}, make([]byte, 2)
	}, "tensor-length", weightPlace, "wants 3 bytes"},
	{"an int8 of 200", func(m *pb.ModelProto) {
		t := m.Graph.Initializer[1]
		t.DataType, t.RawData, t.Int32Data = proto.Int32(3), nil, []int32{0, 200}
	}, "tensor-range", `initializer "net.fc1.bias"`, "element 1 is 200, beyond its type int8"},
	{"a bool of 2", func(m *pb.ModelProto) {
		t := m.Graph.Initializer[1]
		t.DataType, t.RawData = proto.Int32(9), []byte{0, 2}
	}, "tensor-range", `initializer "net.fc1.bias"`, "element 1 is 2"},
	{"a segment", func(m *pb.ModelProto) { m.Graph.Initializer[0].Segment = &pb.TensorProto_Segment{} }, "tensor-segment", weightPlace, "one segment"},
	{"external data", external("location", "sub/weights.bin", "offset", "4096", "length", "24", "checksum", "da39a3ee5e6b4b0d3255bfef95601890afd80709"), "external-data", "model", `1 tensors are in other files, which were not looked at; the first is "net.fc1.weight"`},
	{"external data without a location", external("offset", "0"), "tensor-external", weightPlace, "no location"},
	{"external data with elements", func(m *pb.ModelProto) {
		external("location", "w")(m)
		m.Graph.Initializer[0].RawData = make([]byte, 24)
	}, "tensor-external", weightPlace, "raw_data has some"},
	{"external data that is not marked", func(m *pb.ModelProto) { external("location", "w")(m); m.Graph.Initializer[0].DataLocation = nil }, "tensor-external", weightPlace, "not EXTERNAL"},
	{"an offset that is no number", external("location", "w", "offset", "0x10"), "tensor-external", weightPlace, `offset of external data is "0x10"`},
	{"a negative length", external("location", "w", "length", "-1"), "tensor-external", weightPlace, `length of external data is "-1"`},
	{"offset and length beyond 2^63", external("location", "w", "offset", "9223372036854775807", "length", "24"), "tensor-external", weightPlace, "beyond 2^63"},
	{"a length that is not the shape's", external("location", "w", "length", "20"), "tensor-length", weightPlace, "wants 24 bytes, external data says 20"},
	{"an unknown key of external data", external("location", "w", "URL", "x"), "tensor-external-key", weightPlace, `key "URL"`},
	{"a key of external data twice", external("location", "w", "location", "v"), "tensor-external-key", weightPlace, `"location" twice`},
	{"a location above the folder", external("location", "a/../../w"), "external-data-path", weightPlace, "leaves the folder"},
	{"an absolute location", external("location", "/etc/passwd"), "external-data-path", weightPlace, "an absolute path"},
	{"a location on a drive", external("location", `C:w`), "external-data-path", weightPlace, "a colon"},
	{"a location with backslashes", external("location", `..\w`), "external-data-path", weightPlace, "a backslash"},
	{"a URL as location", external("location", "https://example.com/w"), "external-data-path", weightPlace, "a URL"},
	{"a location with a NUL", external("location", "w\x00.bin"), "external-data-path", weightPlace, "a control character"},
	{"an empty location", external("location", ""), "external-data-path", weightPlace, "names no file"},
	{"a folder as location", external("location", "."), "external-data-path", weightPlace, "a folder"},
	{"a sparse tensor without values", sparse(func(t *pb.SparseTensorProto) { t.Values = nil }), "required-field-missing", `sparse initializer ""`, "no values"},
	{"a sparse scalar", sparse(func(t *pb.SparseTensorProto) { t.Dims = nil }), "sparse-tensor", sparsePlace, "one axis at least"},
	{"a sparse tensor without elements", sparse(func(t *pb.SparseTensorProto) { t.Dims = []int64{0, 3} }), "sparse-tensor", sparsePlace, "axis 0 has no elements"},
	{"values of two axes", sparse(func(t *pb.SparseTensorProto) { t.Values.Dims = []int64{2, 1} }), "sparse-tensor", sparsePlace, "want one axis"},
	{"values without indices", sparse(func(t *pb.SparseTensorProto) { t.Indices = nil }), "sparse-tensor", sparsePlace, "no indices"},
	{"indices of another type", sparse(func(t *pb.SparseTensorProto) {
		t.Indices = &pb.TensorProto{DataType: proto.Int32(6), Dims: []int64{2}, Int32Data: []int32{1, 5}}
	}), "sparse-tensor", sparsePlace, "want int64"},
	{"too few indices", sparse(func(t *pb.SparseTensorProto) { t.Indices.Dims, t.Indices.Int64Data = []int64{1}, []int64{1} }), "sparse-tensor", sparsePlace, "want [2] or [2 2]"},
	{"an index out of range", sparse(func(t *pb.SparseTensorProto) { t.Indices.Int64Data[1] = 6 }), "sparse-tensor", sparsePlace, "index 1 is 6, want 0 to 5"},
	{"an index out of range on its axis", sparse(func(t *pb.SparseTensorProto) {
		t.Indices.Dims, t.Indices.Int64Data = []int64{2, 2}, []int64{0, 3, 1, 0}
	}), "sparse-tensor", sparsePlace, "index 0 is 3 on axis 1, want 0 to 2"},
	{"indices out of order", sparse(func(t *pb.SparseTensorProto) { t.Indices.Int64Data = []int64{5, 1} }), "sparse-tensor", sparsePlace, "does not come after"},
	{"an index twice", sparse(func(t *pb.SparseTensorProto) {
		t.Indices.Dims, t.Indices.Int64Data = []int64{2, 2}, []int64{1, 1, 1, 1}
	}), "sparse-tensor", sparsePlace, "does not come after"},
	{"a weight that is NaN", func(m *pb.ModelProto) {
		m.Graph.Initializer[1] = floats("net.fc1.bias", []int64{1, 2}, float32(math.NaN()), 1)
	}, "weight-nan", `initializer "net.fc1.bias"`, "1 of 2"},
	{"a weight that is infinite", func(m *pb.ModelProto) {
		m.Graph.Initializer[1] = floats("net.fc1.bias", []int64{1, 2}, 0, float32(math.Inf(-1)))
	}, "weight-infinite", `initializer "net.fc1.bias"`, "1 of 2"},
	{"a weight that is subnormal", func(m *pb.ModelProto) { m.Graph.Initializer[1] = floats("net.fc1.bias", []int64{1, 2}, 1e-40, 1) }, "weight-subnormal", `initializer "net.fc1.bias"`, "1 of 2"},

	{"an input without a type", func(m *pb.ModelProto) { m.Graph.Input[0].Type = nil }, "required-field-missing", `input "x"`, "no type"},
	{"an output without a shape", func(m *pb.ModelProto) { m.Graph.Output[0].Type.GetTensorType().Shape = nil }, "required-field-missing", `output "y"`, "no shape"},
	{"an output without an element type", func(m *pb.ModelProto) { m.Graph.Output[0].Type.GetTensorType().ElemType = nil }, "required-field-missing", `output "y"`, "no element type"},
	{"an empty type", func(m *pb.ModelProto) { m.Graph.Output[0].Type.Value = nil }, "required-field-missing", `output "y"`, "no value"},
	{"a map with keys of floats", func(m *pb.ModelProto) {
		m.Graph.ValueInfo = []*pb.ValueInfoProto{{Name: proto.String("y"), Type: &pb.TypeProto{Value: &pb.TypeProto_MapType{MapType: &pb.TypeProto_Map{KeyType: proto.Int32(1), ValueType: m.Graph.Output[0].Type}}}}}
	}, "type-invalid", `value info "y"`, "data type 1"},
	{"a negative dimension", func(m *pb.ModelProto) {
		m.Graph.Output[0].Type = Type{Elem: 1, Dims: []Dim{Unknown(), Fixed(2)}}.Proto()
		setDim(m.Graph.Output[0], 0, -1)
	}, "dim-negative", `output "y"`, "axis 0 has length -1"},
	{"more faults than anyone reads", func(m *pb.ModelProto) {
		for range mostFindings + 1 {
			m.Graph.Node = append(m.Graph.Node, node("NoSuch", names("x"), names("")))
		}
	}, "too-many-findings", `node "" (NoSuch)`, "more than 1000"},
}

func setDim(v *pb.ValueInfoProto, axis int, n int64) {
	v.Type.GetTensorType().Shape.Dim[axis].Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: n}
}

func testRules(t *testing.T, cases []ruleCase, check func(*pb.ModelProto) []Finding) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := denseModel(t)
			c.break_(m)
			before, err := Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			found := check(m)
			if !slices.ContainsFunc(found, func(f Finding) bool {
				return f.Code == c.code && (f.Where == c.where || c.where == "") && strings.Contains(f.Message, c.what)
			}) {
				t.Errorf("got %v\nwant %s: %s: %s", lines(found), c.where, c.code, c.what)
			}
			if after, _ := Marshal(m); string(after) != string(before) {
				t.Error("the model was changed")
			}
			if max := mostFindings + 1; len(found) > max {
				t.Errorf("%d findings, want %d at most", len(found), max)
			}
		})
	}
}

func lines(found []Finding) string {
	var b strings.Builder
	for _, f := range found[:min(len(found), 10)] {
		fmt.Fprintf(&b, "\n  %v", f)
	}
	return b.String()
}

func TestEachRuleIsFoundBroken(t *testing.T) { testRules(t, checkCases, Check) }

func TestSoundModelsHaveNoFindings(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(m *pb.ModelProto)
	}{
		{"as emitted", func(m *pb.ModelProto) {}},
		{"with a function", withFunction},
		{"with nested graphs", withIf},
		{"with a default of an input", func(m *pb.ModelProto) {
			m.Graph.Initializer = append(m.Graph.Initializer, floats("x", []int64{1, 3}, 1, 2, 3))
		}},
		{"with a private attribute", func(m *pb.ModelProto) {
			m.Graph.Node[2].Attribute = append(m.Graph.Node[2].Attribute, Int("__tool", 1).proto)
		}},
		{"with a zero that proto3 leaves out", func(m *pb.ModelProto) { m.Graph.Node[2].Attribute[0].F = nil }},
		{"at IR 3", func(m *pb.ModelProto) {
			m.IrVersion = proto.Int64(3)
			for _, p := range m.Graph.Initializer {
				m.Graph.Input = append(m.Graph.Input, valueInfo(p.GetName(), pb.TensorProto_FLOAT, []Dim{Fixed(p.Dims[0]), Fixed(p.Dims[1])}))
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := denseModel(t)
			c.change(m)
			if found := Check(m); len(found) > 0 {
				t.Errorf("got %s", lines(found))
			}
		})
	}
}

// ofONNX explains what Check has to say about the models of ONNX.
var ofONNX = []struct{ models, code, where, why string }{
	{
		"test_layer_normalization_*_expanded", "node-unused", "_function_Rank\" (Size)",
		"the function body of LayerNormalization in onnx 1.12 computes a rank that it does not use",
	},
}

func TestCheckExplainsAllItFindsInTheModelsOfONNX(t *testing.T) {
	models := worldModels(t)
	explained := make([]int, len(ofONNX))
	for _, path := range models {
		m, err := Read(path, Limits{})
		if err != nil {
			t.Error(err)
			continue
		}
		for _, f := range Check(m.Proto) {
			i := slices.IndexFunc(ofONNX, func(e struct{ models, code, where, why string }) bool {
				fits, err := filepath.Match(e.models, filepath.Base(filepath.Dir(path)))
				return err == nil && fits && f.Code == e.code && strings.Contains(f.Where, e.where)
			})
			if i < 0 || f.Severity == Error {
				t.Errorf("%s: %v", path, f)
				continue
			}
			explained[i]++
		}
	}
	for i, e := range ofONNX {
		if explained[i] == 0 {
			t.Errorf("nothing is found that is explained by: %s", e.why)
		}
	}
	t.Logf("%d models, %v findings, all explained", len(models), explained)
}

func FuzzCheck(f *testing.F) {
	for _, c := range checkCases {
		m := denseModel(f)
		c.break_(m)
		if b, err := Marshal(m); err == nil && len(b) < 4096 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse("m.onnx", b, Limits{})
		if err != nil {
			return
		}
		for _, found := range Check(m.Proto) {
			if s, ok := severities[found.Code]; !ok || s != found.Severity || found.Where == "" || found.Message == "" {
				t.Fatalf("finding without a rule: %+v", found)
			}
			for _, r := range found.String() {
				if r < ' ' {
					t.Fatalf("a control character in %q", found.String())
				}
			}
		}
	})
}
