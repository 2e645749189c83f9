package onnxtest

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// A RuleCase breaks one rule of a model that has no fault otherwise.
type RuleCase struct {
	Name  string
	Break func(m *pb.ModelProto)
	Code  string
	Where string // of the finding
	What  string // part of its message
}

const (
	weightPlace = `initializer "net.fc1.weight"`
	lastPlace   = `node "y" (LeakyRelu)`
	sparsePlace = `sparse initializer "sp"`
)

// CheckCases break each rule that needs no inference.
var CheckCases = []RuleCase{
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
	{"an opset beyond 31 bits", func(m *pb.ModelProto) { m.OpsetImport[0].Version = proto.Int64(1<<32 + 13) }, "opset-version-invalid", "model", "version 4294967309"},
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
			g = &pb.GraphProto{Name: proto.String("g"), Node: []*pb.NodeProto{Node("Custom", Names("net.fc1"), Names(""), onnx.AttrOf(&pb.AttributeProto{Name: proto.String("body"), Type: pb.AttributeProto_GRAPH.Enum(), G: g}))}}
		}
		m.Graph.Node = append(m.Graph.Node, g.Node...)
	}, "nesting-too-deep", "", "100 deep"},
	{"a function twice", func(m *pb.ModelProto) { WithFunction(m); m.Functions = append(m.Functions, ReluFunction()) }, "function-duplicate", "model", `"local.act" is defined twice`},
	{"a function that calls itself", func(m *pb.ModelProto) {
		WithFunction(m)
		f := m.Functions[0]
		f.OpsetImport = append(f.OpsetImport, m.OpsetImport[1])
		f.Node[0].OpType, f.Node[0].Domain, f.Node[0].Attribute[0].Name = proto.String("act"), proto.String("local"), proto.String("slope")
	}, "function-recursive", "model", `"local.act" is reached from itself`},
	{"two functions that call each other in nested graphs", func(m *pb.ModelProto) {
		WithFunction(m)
		a, b := m.Functions[0], ReluFunction()
		b.Name = proto.String("b")
		call := func(f *pb.FunctionProto, name string) {
			f.OpsetImport = append(f.OpsetImport, m.OpsetImport[1])
			inner := Node(name, Names("a"), Names("z"), onnx.Float("slope", 1))
			inner.Domain = proto.String("local")
			g := &pb.GraphProto{Name: proto.String("g"), Node: []*pb.NodeProto{inner}}
			f.Node = append(f.Node, Node("Custom", Names("a"), Names("c"), onnx.AttrOf(&pb.AttributeProto{Name: proto.String("g"), Type: pb.AttributeProto_GRAPH.Enum(), G: g})))
		}
		call(a, "b")
		call(b, "act")
		m.Functions = append(m.Functions, b)
	}, "function-recursive", "model", "is reached from itself"},
	{"two inputs of a function with one name", func(m *pb.ModelProto) { WithFunction(m); m.Functions[0].Input = Names("a", "a") }, "function-parameter-duplicate", `function "local.act"`, `two inputs of the function are named "a"`},
	{"an operator that is another one in the function's opset", func(m *pb.ModelProto) {
		WithFunction(m)
		m.Functions[0].OpsetImport[0].Version = proto.Int64(5)
		m.Functions[0].Node[0].Attribute = nil
	}, "function-opset-mismatch", `function "local.act"`, "LeakyRelu is another operator at opset 5"},
	{"functions before IR 8", func(m *pb.ModelProto) { WithFunction(m); m.IrVersion = proto.Int64(7) }, "function-ir-version", "model", "IR version 7"},
	{"a function without a domain", func(m *pb.ModelProto) { WithFunction(m); m.Functions[0].Domain = nil }, "required-field-missing", `function ".act"`, "no domain"},

	{"two inputs of one name", func(m *pb.ModelProto) { m.Graph.Input = append(m.Graph.Input, m.Graph.Input[0]) }, "input-duplicate", `input "x"`, "this name"},
	{"two outputs of one name", func(m *pb.ModelProto) { m.Graph.Output = append(m.Graph.Output, m.Graph.Output[0]) }, "output-duplicate", `output "y"`, "this name"},
	{"two initializers of one name", func(m *pb.ModelProto) { m.Graph.Initializer = append(m.Graph.Initializer, m.Graph.Initializer[0]) }, "initializer-duplicate", weightPlace, "this name"},
	{"an initializer that is not an input, before IR 4", func(m *pb.ModelProto) { m.IrVersion = proto.Int64(3) }, "initializer-not-input", weightPlace, "IR version 3"},
	{"a node that defines an input", func(m *pb.ModelProto) { m.Graph.Node[1].Output[0] = "x"; m.Graph.Node[2].Input[0] = "x" }, "value-redefined", `node "net.fc1" (Add)`, `"x" is defined before`},
	{"a node with one output twice", func(m *pb.ModelProto) { m.Graph.Node[2].Output = Names("y", "y") }, "value-redefined", lastPlace, `"y" is defined before`},
	{"a nested node that defines an outer value", func(m *pb.ModelProto) {
		WithIf(m)
		Branch(m).Node[0].Output[0] = "x"
		Branch(m).Output[0].Name = proto.String("x")
	},
		"value-redefined", `node "y" (If) / attribute "then_branch" / graph "then_branch" / node of "x" (Relu)`, "a graph around"},
	{"a nested input with the name of an outer value", func(m *pb.ModelProto) {
		WithIf(m)
		Branch(m).Input = []*pb.ValueInfoProto{{Name: proto.String("x")}}
	}, "value-shadowed", `node "y" (If) / attribute "then_branch" / graph "then_branch" / input "x"`, "a graph around"},
	{"an undefined value", func(m *pb.ModelProto) { m.Graph.Node[2].Input[0] = "nowhere" }, "value-undefined", lastPlace, `input 0, "nowhere", is defined nowhere`},
	{"an undefined value in a nested graph", func(m *pb.ModelProto) { WithIf(m); Branch(m).Node[0].Input[0] = "nowhere" },
		"value-undefined", `node "y" (If) / attribute "then_branch" / graph "then_branch" / node of "r" (Relu)`, "nowhere"},
	{"a value of one branch in the other", func(m *pb.ModelProto) {
		WithIf(m)
		m.Graph.Node[2].Attribute[1].G.Node[0].Input[0] = "only"
		Branch(m).Node[0].Output[0] = "only"
		Branch(m).Output[0].Name = proto.String("only")
	}, "value-undefined", `node "y" (If) / attribute "else_branch" / graph "else_branch" / node of "r" (Relu)`, "only"},
	{"nodes out of order", func(m *pb.ModelProto) { n := m.Graph.Node; n[1], n[2] = n[2], n[1] }, "node-order", lastPlace, `output of a later node, "net.fc1"`},
	{"a node that reads itself", func(m *pb.ModelProto) { m.Graph.Node[1].Input[0] = "net.fc1" }, "graph-cycle", `node "net.fc1" (Add)`, "depends on the node itself"},
	{"two nodes that read each other", func(m *pb.ModelProto) { m.Graph.Node[0].Input[0] = "y" }, "graph-cycle", `node "net.fc1.matmul" (MatMul)`, "depends on the node itself"},
	{"an output from nowhere", func(m *pb.ModelProto) { m.Graph.Output[0].Name = proto.String("z") }, "output-undefined", `output "z"`, "no node"},
	{"an output of a function from nowhere", func(m *pb.ModelProto) { WithFunction(m); m.Functions[0].Output = Names("z") }, "output-undefined", `function "local.act"`, `"z"`},
	{"an outer value as the output of a nested graph", func(m *pb.ModelProto) { WithIf(m); Branch(m).Output[0].Name = proto.String("net.fc1") },
		"output-undefined", `node "y" (If) / attribute "then_branch" / graph "then_branch" / output "net.fc1"`, "no node of the graph"},
	{"a value info twice", func(m *pb.ModelProto) { m.Graph.ValueInfo = []*pb.ValueInfoProto{m.Graph.Output[0], m.Graph.Output[0]} }, "value-info-repeated", `value info "y"`, "are alike"},
	{"a value info twice, in two ways", func(m *pb.ModelProto) {
		m.Graph.ValueInfo = []*pb.ValueInfoProto{m.Graph.Output[0], ValueInfo("y", pb.TensorProto_FLOAT, []onnx.Dim{onnx.Fixed(1), onnx.Fixed(2)})}
	}, "value-info-duplicate", `value info "y"`, "not alike"},
	{"a type inside a graph that says nothing", func(m *pb.ModelProto) { WithIf(m); Branch(m).Output[0].Type = &pb.TypeProto{} }, "type-empty", "", "is empty"},
	{"a value info of nothing", func(m *pb.ModelProto) { m.Graph.ValueInfo = []*pb.ValueInfoProto{{Name: proto.String("z")}} }, "value-info-unknown", `value info "z"`, "no value"},
	{"two nodes of one name", func(m *pb.ModelProto) { m.Graph.Node[1].Name = m.Graph.Node[0].Name }, "node-name-duplicate", `node "net.fc1.matmul" (Add)`, "this name"},
	{"an output that no input has a say in", func(m *pb.ModelProto) {
		m.Graph.Node = append(m.Graph.Node, Node("Relu", Names("net.fc1.bias"), Names("z")))
		m.Graph.Output = append(m.Graph.Output, ValueInfo("z", pb.TensorProto_FLOAT, []onnx.Dim{onnx.Fixed(1), onnx.Fixed(2)}))
	}, "output-constant", `output "z"`, "no input"},
	{"a node that nothing reads", func(m *pb.ModelProto) { m.Graph.Node = append(m.Graph.Node, Node("Relu", Names("x"), Names("z"))) }, "node-unused", `node of "z" (Relu)`, "nothing reads"},
	{"an initializer that nothing reads", func(m *pb.ModelProto) { m.Graph.Initializer = append(m.Graph.Initializer, Floats("z", nil, 1)) }, "initializer-unused", `initializer "z"`, "nothing reads"},
	{"an annotation of nothing", func(m *pb.ModelProto) {
		m.Graph.QuantizationAnnotation = []*pb.TensorAnnotation{{TensorName: proto.String("z")}}
	}, "quantization-annotation", `quantization annotation "z"`, "no value"},

	{"an empty node", func(m *pb.ModelProto) { m.Graph.Node = append(m.Graph.Node, Node("Relu", nil, nil)) }, "node-empty", `node "" (Relu)`, "neither"},
	{"an operator that does not exist", func(m *pb.ModelProto) { m.Graph.Node[2].OpType = proto.String("LeakyReLU") }, "operator-not-registered", `node "y" (LeakyReLU)`, "no operator LeakyReLU"},
	{"an operator of ONNX Runtime's in ONNX's domain", func(m *pb.ModelProto) {
		m.Graph.Node[2].OpType, m.Graph.Node[2].Attribute = proto.String("SimplifiedLayerNormalization"), nil
		m.Graph.Node[2].Input = append(m.Graph.Node[2].Input, m.Graph.Node[2].Input[0])
	}, "operator-contributed", `node "y" (SimplifiedLayerNormalization)`, "no specification"},
	{"an operator before its time", func(m *pb.ModelProto) { m.Graph.Node[2].OpType = proto.String("Gelu"); m.Graph.Node[2].Attribute = nil }, "operator-not-registered", `node "y" (Gelu)`, "at opset 13, it begins at 20"},
	{"an operator that is gone", func(m *pb.ModelProto) { m.Graph.Node[2].OpType = proto.String("Upsample") }, "operator-deprecated", `node "y" (Upsample)`, "withdrawn at opset 10"},
	{"an unknown operator of the future", func(m *pb.ModelProto) {
		m.OpsetImport[0].Version = proto.Int64(99)
		m.Graph.Node[2].OpType = proto.String("Later")
	}, "operator-unknown", `node "y" (Later)`, "up to opset 28"},
	{"another domain", func(m *pb.ModelProto) {
		m.Graph.Node[2].Domain = proto.String("com.acme")
		m.OpsetImport = append(m.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String("com.acme"), Version: proto.Int64(1)})
	}, "operator-custom-domain", lastPlace, `"com.acme.LeakyRelu"`},
	{"an operator of another domain that has a standard one's name", func(m *pb.ModelProto) {
		m.Graph.Node[2].Domain, m.Graph.Node[2].OpType = proto.String("com.microsoft"), proto.String("Gelu")
		m.Graph.Node[2].Attribute = []*pb.AttributeProto{{Name: proto.String("approximate"), Type: pb.AttributeProto_STRING.Enum(), S: []byte("tanh")}}
		m.OpsetImport = append(m.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String("com.microsoft"), Version: proto.Int64(1)})
	}, "attribute-unknown", `node "y" (Gelu)`, "has no attribute"},
	{"an operator of another domain that is not known", func(m *pb.ModelProto) {
		m.Graph.Node[2].Domain, m.Graph.Node[2].OpType = proto.String("com.microsoft"), proto.String("Relu")
		m.OpsetImport = append(m.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String("com.microsoft"), Version: proto.Int64(1)})
	}, "operator-custom-domain", `node "y" (Relu)`, "nor among those known"},
	{"too few inputs", func(m *pb.ModelProto) { m.Graph.Node[1].Input = Names("net.fc1.matmul") }, "input-count", `node "net.fc1" (Add)`, "1 inputs, want 2"},
	{"too many inputs", func(m *pb.ModelProto) { m.Graph.Node[2].Input = Names("net.fc1", "x") }, "input-count", lastPlace, "2 inputs, want 1"},
	{"too many inputs of a function", func(m *pb.ModelProto) { WithFunction(m); m.Graph.Node[2].Input = Names("net.fc1", "x") }, "input-count", `node "y" (act)`, "the function takes 1"},
	{"too many outputs", func(m *pb.ModelProto) { m.Graph.Node[2].Output = Names("y", "z") }, "output-count", lastPlace, "2 outputs, want 1"},
	{"a required input left out", func(m *pb.ModelProto) { m.Graph.Node[1].Input[1] = "" }, "input-missing", `node "net.fc1" (Add)`, "input 1, B, is left out"},
	{"a required output left out", func(m *pb.ModelProto) {
		m.Graph.Node = append(m.Graph.Node, Node("TopK", Names("x", "net.fc1.bias"), Names("", "")))
	}, "output-missing", `node "" (TopK)`, "output 0, Values, is left out"},
	{"an unknown attribute", func(m *pb.ModelProto) { m.Graph.Node[2].Attribute[0].Name = proto.String("slope") }, "attribute-unknown", lastPlace, `no attribute "slope"`},
	{"an unknown attribute of a function", func(m *pb.ModelProto) { WithFunction(m); m.Graph.Node[2].Attribute[0].Name = proto.String("alpha") }, "attribute-unknown", `node "y" (act)`, `no attribute "alpha"`},
	{"a required attribute missing", func(m *pb.ModelProto) { m.Graph.Node[1].OpType = proto.String("Concat") }, "attribute-missing", `node "net.fc1" (Concat)`, `requires attribute "axis"`},
	{"a required attribute of a function missing", func(m *pb.ModelProto) { WithFunction(m); m.Graph.Node[2].Attribute = nil }, "function-attribute-missing", `node "y" (act)`, `attribute "slope"`},
	{"a function named as an operator", func(m *pb.ModelProto) {
		m.Functions = []*pb.FunctionProto{ReluFunction()}
		m.Functions[0].Domain, m.Functions[0].Name = proto.String(""), proto.String("Relu")
	}, "function-shadows-operator", "model", `".Relu" has the name`},
	{"an operator that no specification describes", func(m *pb.ModelProto) {
		m.Graph.Node[2].OpType, m.Graph.Node[2].Attribute = proto.String("ImageScaler"), nil
	}, "operator-undescribed", `node "y" (ImageScaler)`, "ONNX Runtime runs it up to opset 9, the model is of opset 13"},
	{"a device configuration without a name", func(m *pb.ModelProto) {
		m.Configuration = []*pb.DeviceConfigurationProto{{NumDevices: proto.Int32(2)}}
	}, "device-configuration", `device configuration ""`, "no name"},
	{"a node on unknown devices", func(m *pb.ModelProto) {
		m.Graph.Node[2].DeviceConfigurations = []*pb.NodeDeviceConfigurationProto{{ConfigurationId: proto.String("gpus")}}
	}, "device-configuration", lastPlace, `"gpus", which the model does not have`},
	{"a shard of another node's value", func(m *pb.ModelProto) { shard(m, "x", 0) }, "device-configuration", lastPlace, `"x", which is none`},
	{"an attribute twice", func(m *pb.ModelProto) { a := m.Graph.Node[2].Attribute; m.Graph.Node[2].Attribute = append(a, a[0]) }, "attribute-duplicate", lastPlace, `named "alpha"`},
	{"an attribute of another type", func(m *pb.ModelProto) { m.Graph.Node[2].Attribute[0] = onnx.Int("alpha", 1).Proto() }, "attribute-type", lastPlace, `"alpha" is of type INT, want FLOAT`},
	{"an attribute with two values", func(m *pb.ModelProto) { m.Graph.Node[2].Attribute[0].I = proto.Int64(1) }, "attribute-value", lastPlace + ` / attribute "alpha"`, "values of 2 types, [FLOAT INT]"},
	{"an attribute with a value of another type", func(m *pb.ModelProto) { a := m.Graph.Node[2].Attribute[0]; a.F, a.I = nil, proto.Int64(1) }, "attribute-value", lastPlace + ` / attribute "alpha"`, "of type FLOAT and has a value of type INT"},
	{"an attribute without its graph", func(m *pb.ModelProto) { WithIf(m); m.Graph.Node[2].Attribute[0].G = nil }, "attribute-value", `node "y" (If) / attribute "then_branch"`, "GRAPH has no value"},
	{"an attribute without a type", func(m *pb.ModelProto) { m.Graph.Node[2].Attribute[0].Type = nil }, "required-field-missing", lastPlace + ` / attribute "alpha"`, "no type"},
	{"a reference outside a function", func(m *pb.ModelProto) { a := m.Graph.Node[2].Attribute[0]; a.F, a.RefAttrName = nil, proto.String("s") }, "attribute-reference", lastPlace + ` / attribute "alpha"`, "outside a function"},
	{"a reference to nothing", func(m *pb.ModelProto) {
		WithFunction(m)
		m.Functions[0].Node[0].Attribute[0].RefAttrName = proto.String("s")
	},
		"attribute-reference", `function "local.act" / node of "b" (LeakyRelu) / attribute "alpha"`, "the function does not have"},
	{"a reference beside a value", func(m *pb.ModelProto) { WithFunction(m); m.Functions[0].Node[0].Attribute[0].F = proto.Float32(1) },
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
	{"external data", External("location", "sub/weights.bin", "offset", "4096", "length", "24", "checksum", "da39a3ee5e6b4b0d3255bfef95601890afd80709"), "external-data", "model", `1 tensors are in other files, which were not looked at; the first is "net.fc1.weight"`},
	{"external data without a location", External("offset", "0"), "tensor-external", weightPlace, "no location"},
	{"external data with elements", func(m *pb.ModelProto) {
		External("location", "w")(m)
		m.Graph.Initializer[0].RawData = make([]byte, 24)
	}, "tensor-external", weightPlace, "raw_data has some"},
	{"external data that is not marked", func(m *pb.ModelProto) { External("location", "w")(m); m.Graph.Initializer[0].DataLocation = nil }, "tensor-external", weightPlace, "not EXTERNAL"},
	{"an offset that is not a number", External("location", "w", "offset", "0x10"), "tensor-external", weightPlace, `offset of external data is "0x10"`},
	{"a negative length", External("location", "w", "length", "-1"), "tensor-external", weightPlace, `length of external data is "-1"`},
	{"offset and length beyond 2^63", External("location", "w", "offset", "9223372036854775807", "length", "24"), "tensor-external", weightPlace, "beyond 2^63"},
	{"a length that is not the shape's", External("location", "w", "length", "20"), "tensor-length", weightPlace, "wants 24 bytes, external data says 20"},
	{"an unknown key of external data", External("location", "w", "URL", "x"), "tensor-external-key", weightPlace, `key "URL"`},
	{"a key of external data twice", External("location", "w", "location", "v"), "tensor-external-key", weightPlace, `"location" twice`},
	{"a location above the folder", External("location", "a/../../w"), "external-data-path", weightPlace, "leaves the folder"},
	{"an absolute location", External("location", "/etc/passwd"), "external-data-path", weightPlace, "an absolute path"},
	{"a location on a drive", External("location", `C:w`), "external-data-path", weightPlace, "a colon"},
	{"a location with backslashes", External("location", `..\w`), "external-data-path", weightPlace, "a backslash"},
	{"a URL as location", External("location", "https://example.com/w"), "external-data-path", weightPlace, "a URL"},
	{"a location with a NUL", External("location", "w\x00.bin"), "external-data-path", weightPlace, "a control character"},
	{"an empty location", External("location", ""), "external-data-path", weightPlace, "names no file"},
	{"a folder as location", External("location", "."), "external-data-path", weightPlace, "a folder"},
	{"a sparse tensor without values", Sparse(func(t *pb.SparseTensorProto) { t.Values = nil }), "required-field-missing", `sparse initializer ""`, "no values"},
	{"a sparse scalar", Sparse(func(t *pb.SparseTensorProto) { t.Dims = nil }), "sparse-tensor", sparsePlace, "one axis at least"},
	{"a sparse tensor without elements", Sparse(func(t *pb.SparseTensorProto) { t.Dims = []int64{0, 3} }), "sparse-tensor", sparsePlace, "axis 0 has no elements"},
	{"values of two axes", Sparse(func(t *pb.SparseTensorProto) { t.Values.Dims = []int64{2, 1} }), "sparse-tensor", sparsePlace, "want one axis"},
	{"values without indices", Sparse(func(t *pb.SparseTensorProto) { t.Indices = nil }), "sparse-tensor", sparsePlace, "no indices"},
	{"indices of another type", Sparse(func(t *pb.SparseTensorProto) {
		t.Indices = &pb.TensorProto{DataType: proto.Int32(6), Dims: []int64{2}, Int32Data: []int32{1, 5}}
	}), "sparse-tensor", sparsePlace, "want int64"},
	{"too few indices", Sparse(func(t *pb.SparseTensorProto) { t.Indices.Dims, t.Indices.Int64Data = []int64{1}, []int64{1} }), "sparse-tensor", sparsePlace, "want [2] or [2 2]"},
	{"an index out of range", Sparse(func(t *pb.SparseTensorProto) { t.Indices.Int64Data[1] = 6 }), "sparse-tensor", sparsePlace, "index 1 is 6, want 0 to 5"},
	{"an index out of range on its axis", Sparse(func(t *pb.SparseTensorProto) {
		t.Indices.Dims, t.Indices.Int64Data = []int64{2, 2}, []int64{0, 3, 1, 0}
	}), "sparse-tensor", sparsePlace, "index 0 is 3 on axis 1, want 0 to 2"},
	{"indices out of order", Sparse(func(t *pb.SparseTensorProto) { t.Indices.Int64Data = []int64{5, 1} }), "sparse-tensor", sparsePlace, "does not come after"},
	{"an index twice", Sparse(func(t *pb.SparseTensorProto) {
		t.Indices.Dims, t.Indices.Int64Data = []int64{2, 2}, []int64{1, 1, 1, 1}
	}), "sparse-tensor", sparsePlace, "does not come after"},
	{"a weight that is NaN", func(m *pb.ModelProto) {
		m.Graph.Initializer[1] = Floats("net.fc1.bias", []int64{1, 2}, float32(math.NaN()), 1)
	}, "weight-nan", `initializer "net.fc1.bias"`, "1 of 2"},
	{"a weight that is infinite", func(m *pb.ModelProto) {
		m.Graph.Initializer[1] = Floats("net.fc1.bias", []int64{1, 2}, 0, float32(math.Inf(-1)))
	}, "weight-infinite", `initializer "net.fc1.bias"`, "1 of 2"},
	{"a weight that is subnormal", func(m *pb.ModelProto) { m.Graph.Initializer[1] = Floats("net.fc1.bias", []int64{1, 2}, 1e-40, 1) }, "weight-subnormal", `initializer "net.fc1.bias"`, "1 of 2"},

	{"an input without a type", func(m *pb.ModelProto) { m.Graph.Input[0].Type = nil }, "required-field-missing", `input "x"`, "no type"},
	{"an output without a shape", func(m *pb.ModelProto) { m.Graph.Output[0].Type.GetTensorType().Shape = nil }, "required-field-missing", `output "y"`, "no shape"},
	{"an output without an element type", func(m *pb.ModelProto) { m.Graph.Output[0].Type.GetTensorType().ElemType = nil }, "required-field-missing", `output "y"`, "no element type"},
	{"an empty type", func(m *pb.ModelProto) { m.Graph.Output[0].Type.Value = nil }, "required-field-missing", `output "y"`, "no value"},
	{"a map with keys of floats", func(m *pb.ModelProto) {
		m.Graph.ValueInfo = []*pb.ValueInfoProto{{Name: proto.String("y"), Type: &pb.TypeProto{Value: &pb.TypeProto_MapType{MapType: &pb.TypeProto_Map{KeyType: proto.Int32(1), ValueType: m.Graph.Output[0].Type}}}}}
	}, "type-invalid", `value info "y"`, "data type 1"},
	{"a negative dimension", func(m *pb.ModelProto) {
		m.Graph.Output[0].Type = onnx.Type{Elem: 1, Dims: []onnx.Dim{onnx.Unknown(), onnx.Fixed(2)}}.Proto()
		SetDim(m.Graph.Output[0], 0, -1)
	}, "dim-negative", `output "y"`, "axis 0 has length -1"},
	{"more faults than anyone reads", func(m *pb.ModelProto) {
		for range 1000 + 1 {
			m.Graph.Node = append(m.Graph.Node, Node("NoSuch", Names("x"), Names("")))
		}
	}, "too-many-findings", `node "" (NoSuch)`, "more than 1000"},
}

// InferCases break each rule of types, shapes and budgets.
var InferCases = []RuleCase{
	{"a shard along an axis that is not there", func(m *pb.ModelProto) { shard(m, "y", 7) }, "device-configuration", lastPlace, "axis 7"},
	{"a value info of a weight with another shape", func(m *pb.ModelProto) {
		m.Graph.ValueInfo = []*pb.ValueInfoProto{ValueInfo("net.fc1.weight", pb.TensorProto_FLOAT, []onnx.Dim{onnx.Fixed(4), onnx.Fixed(2)})}
	}, "declared-shape-mismatch", `value info "net.fc1.weight"`, "float[4,2]"},
	{"an attribute of a function of another type", func(m *pb.ModelProto) {
		WithFunction(m)
		m.Graph.Node[2].Attribute = []*pb.AttributeProto{onnx.Int("slope", 1).Proto()}
	}, "attribute-type", "", `"alpha" is of type INT, want FLOAT`},
	{"an attribute that is NaN", func(m *pb.ModelProto) {
		m.Graph.Node[2].OpType, m.Graph.Node[2].Attribute = proto.String("LeakyRelu"), []*pb.AttributeProto{onnx.Float("alpha", float32(math.NaN())).Proto()}
	}, "attribute-nan", `node "y" (LeakyRelu)`, `"alpha" is NaN`},
	{"an attribute that is infinite", func(m *pb.ModelProto) {
		m.OpsetImport[0].Version = proto.Int64(1)
		m.Graph.Node[2].OpType, m.Graph.Node[2].Attribute = proto.String("GlobalLpPool"), []*pb.AttributeProto{onnx.Float("p", float32(math.Inf(1))).Proto()}
	}, "attribute-range", `node "y" (GlobalLpPool)`, `"p" is +Inf, want a finite number of 1 or more`},
	{"a switch that is neither on nor off", func(m *pb.ModelProto) {
		n := m.Graph.Node[0]
		n.OpType, n.Attribute = proto.String("Gemm"), []*pb.AttributeProto{onnx.Int("transA", 0).Proto(), onnx.Int("transB", 2).Proto()}
		m.Graph.Initializer[0].Dims = []int64{2, 3}
	}, "attribute-flag", "", `"transB" is 2`},
	{"branches of two types", func(m *pb.ModelProto) {
		WithIf(m)
		g := m.Graph.Node[2].Attribute[1].G
		g.Node = []*pb.NodeProto{Node("Cast", Names("net.fc1"), Names("r"), onnx.Int("to", 7))}
		g.Output[0] = ValueInfo("r", pb.TensorProto_INT64, []onnx.Dim{onnx.Symbolic("N"), onnx.Fixed(2)})
	}, "type-mismatch", `node "y" (If)`, "by the other"},
	{"inputs of the wrong type", func(m *pb.ModelProto) {
		m.Graph.Input[0].Type = onnx.Type{Elem: pb.TensorProto_DOUBLE, Dims: []onnx.Dim{onnx.Fixed(1), onnx.Fixed(3)}}.Proto()
	},
		"type-mismatch", `node "net.fc1.matmul" (MatMul)`, "another input for T is double[1,3]"},
	{"inputs of the wrong shape", func(m *pb.ModelProto) { SetDim(m.Graph.Input[0], 1, 4) }, "shape-mismatch", `node "net.fc1.matmul" (MatMul)`, "4 and 3"},
	{"an axis that does not exist", func(m *pb.ModelProto) {
		n := m.Graph.Node[2]
		n.OpType, n.Attribute = proto.String("Softmax"), []*pb.AttributeProto{onnx.Int("axis", 5).Proto()}
	}, "attribute-range", `node "y" (Softmax)`, "axis 5"},
	{"an output of another shape than declared", func(m *pb.ModelProto) { SetDim(m.Graph.Output[0], 1, 3) },
		"declared-shape-mismatch", lastPlace, `output "y" is declared as float[N,3], and is float[N,2]`},
	{"an output of another rank than declared", func(m *pb.ModelProto) {
		m.Graph.Output[0].Type = onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Fixed(2)}}.Proto()
	},
		"declared-shape-mismatch", lastPlace, `output "y" is declared as float[2], and is float[N,2]`},
	{"an output of another type than declared", func(m *pb.ModelProto) { m.Graph.Output[0].Type.GetTensorType().ElemType = proto.Int32(7) },
		"declared-type-mismatch", lastPlace, `output "y" is declared as int64[N,2], and is float[N,2]`},
	{"a value info of another shape", func(m *pb.ModelProto) {
		m.Graph.ValueInfo = []*pb.ValueInfoProto{ValueInfo("net.fc1", pb.TensorProto_FLOAT, []onnx.Dim{onnx.Symbolic("N"), onnx.Fixed(5)})}
	},
		"declared-shape-mismatch", `node "net.fc1" (Add)`, "is declared as float[N,5]"},
	{"an input of another shape than its default", func(m *pb.ModelProto) {
		m.Graph.Initializer = append(m.Graph.Initializer, Floats("x", []int64{1, 4}, 1, 2, 3, 4))
	}, "declared-shape-mismatch", `initializer "x"`, "is declared as float[N,3], and is float[1,4]"},
	{"an input passed out under another shape", func(m *pb.ModelProto) {
		m.Graph.Output[0] = ValueInfo("x", pb.TensorProto_FLOAT, []onnx.Dim{onnx.Fixed(2), onnx.Fixed(4)})
	}, "declared-shape-mismatch", `output "x"`, "is declared as float[2,4]"},
	{"a shape that contradicts in a nested graph", func(m *pb.ModelProto) { WithIf(m); SetDim(Branch(m).Output[0], 1, 3) },
		"declared-shape-mismatch", `node "y" (If) / attribute "then_branch" / graph "then_branch" / node of "r" (Relu)`, "float[N,3]"},
	{"a shape that contradicts in a function", func(m *pb.ModelProto) {
		WithFunction(m)
		m.Functions[0].Node = append(m.Functions[0].Node, Node("MatMul", Names("b", "a"), Names("c")))
		SetDim(m.Graph.Input[0], 0, 7)
	}, "shape-mismatch", `node "y" (act) / node of "c" (MatMul)`, "inner axes"},
	{"lengths doubled again and again", func(m *pb.ModelProto) {
		at := "net.fc1"
		for i := range 40 {
			next := fmt.Sprint("d", i)
			m.Graph.Node = append(m.Graph.Node, Node("Concat", Names(at, at), Names(next), onnx.Int("axis", 1)))
			at = next
		}
	}, "value-too-large", `node of "d30" (Concat)`, "more than 2147483648 elements"},
	{"large values that are all read at the end", func(m *pb.ModelProto) {
		m.Graph.Initializer = append(m.Graph.Initializer, Int64s("s", []int64{1 << 30}))
		var all []string
		for i := range 20 {
			name := fmt.Sprint("c", i)
			all = append(all, name)
			m.Graph.Node = append(m.Graph.Node, Node("ConstantOfShape", Names("s"), Names(name)))
		}
		m.Graph.Node = append(m.Graph.Node, Node("Sum", all, Names("sum")))
	}, "memory-too-large", `node of "c15" (ConstantOfShape)`, "more than 68719476736"},
	{"a loop that never ends", func(m *pb.ModelProto) {
		m.Graph.Initializer = append(m.Graph.Initializer, &pb.TensorProto{Name: proto.String("M"), DataType: proto.Int32(7), Int64Data: []int64{math.MaxInt64 - 1}})
		body := &pb.GraphProto{
			Name: proto.String("body"),
			Input: []*pb.ValueInfoProto{
				ValueInfo("i", pb.TensorProto_INT64, nil), ValueInfo("c", pb.TensorProto_BOOL, nil), ValueInfo("v", pb.TensorProto_FLOAT, []onnx.Dim{onnx.Unknown(), onnx.Fixed(2)}),
			},
			Node:   []*pb.NodeProto{Node("Identity", Names("c"), Names("c2")), Node("Relu", Names("v"), Names("v2"))},
			Output: []*pb.ValueInfoProto{{Name: proto.String("c2")}, {Name: proto.String("v2")}},
		}
		m.Graph.Node = append(m.Graph.Node, Node("Loop", Names("M", "", "net.fc1"), Names("out"), onnx.AttrOf(&pb.AttributeProto{Name: proto.String("body"), Type: pb.AttributeProto_GRAPH.Enum(), G: body})))
	}, "work-too-large", `node of "out" (Loop) / attribute "body" / graph "body" / node of "c2" (Identity)`, "more than 1125899906842624 mult"},
	{"functions that call each other twice, 60 deep", func(m *pb.ModelProto) {
		WithFunction(m)
		for i := range 60 {
			f := ReluFunction()
			f.Name = proto.String(fmt.Sprint("f", i))
			f.Attribute, f.OpsetImport = nil, append(f.OpsetImport, m.OpsetImport[1])
			call := func(in, out string) *pb.NodeProto {
				n := Node(fmt.Sprint("f", i-1), Names(in), Names(out))
				n.Domain = proto.String("local")
				if i == 0 {
					n.OpType, n.Attribute = proto.String("act"), []*pb.AttributeProto{onnx.Float("slope", 1).Proto()}
				}
				return n
			}
			f.Node = []*pb.NodeProto{call("a", "t"), call("t", "b")}
			m.Functions = append(m.Functions, f)
		}
		m.Graph.Node[2].OpType, m.Graph.Node[2].Attribute = proto.String("f59"), nil
	}, "inference-budget", "", "4194304 steps"},
	{"a function that calls itself, inferred", func(m *pb.ModelProto) {
		WithFunction(m)
		f := m.Functions[0]
		f.OpsetImport = append(f.OpsetImport, m.OpsetImport[1])
		f.Node[0].OpType, f.Node[0].Domain = proto.String("act"), proto.String("local")
	}, "inference-budget", "", "100 deep"},
}

// shard splits a value at the last node along an axis, for two devices.
func shard(m *pb.ModelProto, name string, axis int64) {
	m.Configuration = []*pb.DeviceConfigurationProto{{Name: proto.String("two"), NumDevices: proto.Int32(2)}}
	m.Graph.Node[2].DeviceConfigurations = []*pb.NodeDeviceConfigurationProto{{ConfigurationId: proto.String("two"), ShardingSpec: []*pb.ShardingSpecProto{{
		TensorName: &name, ShardedDim: []*pb.ShardedDimProto{{Axis: &axis, SimpleSharding: []*pb.SimpleShardedDimProto{{NumShards: proto.Int64(2)}}}},
	}}}}
}
