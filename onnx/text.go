package onnx

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// Text writes a model in readable form: its imports and metadata, then for each graph its inputs,
// outputs and initializers with type and digest, and one line per node:
//
//	OUTPUT TYPE, ... @NAME = OPERATOR(INPUT, ...) ATTRIBUTE=VALUE ...
//
// TYPE is there when the graph declares it, @NAME when the node has a name and it is not that of
// its first output. Graphs inside nodes follow, indented. The same model gives the same text;
// invalid models can be printed, too. Names that are not plain are quoted, long strings and lists
// are shortened.
func Text(w io.Writer, m *pb.ModelProto) error {
	t := &texter{w: bufio.NewWriter(w)}
	t.model(m)
	return t.w.Flush() // the first error of a write sticks until here
}

type texter struct {
	w      *bufio.Writer
	indent int
}

// line writes one line; its parts are separated by spaces, empty ones left out.
func (t *texter) line(parts ...string) {
	for range t.indent {
		t.w.WriteString("  ")
	}
	first := true
	for _, p := range parts {
		if p == "" {
			continue
		}
		if !first {
			t.w.WriteByte(' ')
		}
		first = false
		t.w.WriteString(p)
	}
	t.w.WriteByte('\n')
}

func (t *texter) model(m *pb.ModelProto) {
	t.line("ir", fmt.Sprint(m.GetIrVersion()))
	t.imports(m.OpsetImport)
	if m.GetProducerName() != "" || m.GetProducerVersion() != "" {
		t.line("producer", Quote(m.GetProducerName()), Quote(m.GetProducerVersion()))
	}
	if m.GetDomain() != "" {
		t.line("domain", Quote(m.GetDomain()))
	}
	if m.ModelVersion != nil {
		t.line("version", fmt.Sprint(m.GetModelVersion()))
	}
	t.doc(m.GetDocString())
	t.metadata(m.MetadataProps)
	if m.Graph != nil {
		t.graph("graph", m.Graph)
	}
	for _, f := range m.Functions {
		t.function(f)
	}
	for _, info := range m.TrainingInfo {
		t.line("training")
		t.indent++
		if info.Initialization != nil {
			t.graph("initialization", info.Initialization)
		}
		if info.Algorithm != nil {
			t.graph("algorithm", info.Algorithm)
		}
		t.bindings("initialize", info.InitializationBinding)
		t.bindings("update", info.UpdateBinding)
		t.indent--
	}
}

func (t *texter) imports(list []*pb.OperatorSetIdProto) {
	for _, o := range list {
		domain := o.GetDomain()
		if domain == "" {
			domain = "ai.onnx"
		}
		t.line("opset", Printable(domain), fmt.Sprint(o.GetVersion()))
	}
}

func (t *texter) doc(s string) {
	if s != "" {
		t.line("doc", Quote(s))
	}
}

func (t *texter) metadata(props []*pb.StringStringEntryProto) { t.bindings("meta", props) }

func (t *texter) bindings(what string, list []*pb.StringStringEntryProto) {
	for _, e := range list {
		t.line(what, Printable(e.GetKey()), "=", Quote(e.GetValue()))
	}
}

func (t *texter) graph(what string, g *pb.GraphProto) {
	t.line(what, Quote(g.GetName()))
	t.indent++
	defer func() { t.indent-- }()
	t.doc(g.GetDocString())
	t.metadata(g.MetadataProps)
	declared := make(map[string]string, len(g.ValueInfo))
	for _, v := range g.ValueInfo {
		declared[v.GetName()] = TypeText(v.Type)
	}
	for _, v := range g.Input {
		t.line("input", Printable(v.GetName()), TypeText(v.Type))
	}
	for _, v := range g.Output {
		t.line("output", Printable(v.GetName()), TypeText(v.Type))
	}
	for _, p := range g.Initializer {
		t.line("initializer", Printable(p.GetName()), tensorText(p))
	}
	for _, p := range g.SparseInitializer {
		t.line("initializer", Printable(p.GetValues().GetName()), sparseText(p))
	}
	for _, q := range g.QuantizationAnnotation {
		t.line("quantization", Printable(q.GetTensorName()))
		t.indent++
		t.bindings("", q.QuantParameterTensorNames)
		t.indent--
	}
	t.nodes(g.Node, declared)
}

func (t *texter) function(f *pb.FunctionProto) {
	t.line("function", Quote(KeyOf(f).String()))
	t.indent++
	defer func() { t.indent-- }()
	t.doc(f.GetDocString())
	t.metadata(f.MetadataProps)
	t.imports(f.OpsetImport)
	for _, name := range f.Input {
		t.line("input", Printable(name))
	}
	for _, name := range f.Output {
		t.line("output", Printable(name))
	}
	for _, name := range f.Attribute {
		t.line("attribute", Printable(name))
	}
	for _, a := range f.AttributeProto {
		text, _ := attributeText(a)
		t.line("attribute", text)
	}
	declared := make(map[string]string, len(f.ValueInfo))
	for _, v := range f.ValueInfo {
		declared[v.GetName()] = TypeText(v.Type)
	}
	t.nodes(f.Node, declared)
}

func (t *texter) nodes(list []*pb.NodeProto, declared map[string]string) {
	for _, n := range list {
		outputs := make([]string, len(n.Output))
		for i, name := range n.Output {
			outputs[i] = strings.TrimSpace(argument(name) + " " + declared[name])
		}
		name := ""
		if n.GetName() != "" && (len(n.Output) == 0 || n.GetName() != n.Output[0]) {
			name = "@" + Printable(n.GetName())
		}
		inputs := make([]string, len(n.Input))
		for i, in := range n.Input {
			inputs[i] = argument(in)
		}
		op := n.GetOpType()
		if d := Domain(n.GetDomain()); d != "" {
			op = d + "." + op
		}
		if n.GetOverload() != "" {
			op += ":" + n.GetOverload()
		}
		parts := []string{strings.Join(outputs, ", "), name, "=", Printable(op) + "(" + strings.Join(inputs, ", ") + ")"}
		var graphs []*pb.AttributeProto
		for _, a := range n.Attribute {
			text, nested := attributeText(a)
			parts = append(parts, text)
			if nested {
				graphs = append(graphs, a)
			}
		}
		t.line(parts...)
		t.indent++
		t.metadata(n.MetadataProps)
		for _, a := range graphs {
			if a.G != nil {
				t.graph(Printable(a.GetName())+":", a.G)
			}
			for _, g := range a.Graphs {
				t.graph(Printable(a.GetName())+":", g)
			}
		}
		t.indent--
	}
}

// argument shows the name of a value; "_" is one that is left out.
func argument(name string) string {
	switch name {
	case "":
		return "_"
	case "_":
		return `"_"`
	}
	return Printable(name)
}

// AttributeText shows an attribute as Text does; graphs and tensors are named and not
// written out.
func AttributeText(a *pb.AttributeProto) string {
	text, _ := attributeText(a)
	return text
}

// attributeText shows an attribute, and says whether graphs are to follow.
func attributeText(a *pb.AttributeProto) (text string, nested bool) {
	var v string
	switch {
	case a.GetRefAttrName() != "":
		v = "@" + Printable(a.GetRefAttrName())
	default:
		v, nested = attributeValue(a)
	}
	return Printable(a.GetName()) + "=" + v, nested
}

func attributeValue(a *pb.AttributeProto) (text string, nested bool) {
	number := func(v float32) string { return strconv.FormatFloat(float64(v), 'g', -1, 32) }
	switch a.GetType() {
	case pb.AttributeProto_FLOAT:
		return number(a.GetF()), false
	case pb.AttributeProto_INT:
		return fmt.Sprint(a.GetI()), false
	case pb.AttributeProto_STRING:
		return Quote(string(a.GetS())), false
	case pb.AttributeProto_TENSOR:
		return tensorText(a.GetT()), false
	case pb.AttributeProto_SPARSE_TENSOR:
		return sparseText(a.GetSparseTensor()), false
	case pb.AttributeProto_TYPE_PROTO:
		return TypeText(a.GetTp()), false
	case pb.AttributeProto_GRAPH:
		return "graph", a.G != nil
	case pb.AttributeProto_GRAPHS:
		return fmt.Sprintf("%d graphs", len(a.Graphs)), len(a.Graphs) > 0
	case pb.AttributeProto_FLOATS:
		return listText(a.Floats, number), false
	case pb.AttributeProto_INTS:
		return listText(a.Ints, func(v int64) string { return fmt.Sprint(v) }), false
	case pb.AttributeProto_STRINGS:
		return listText(a.Strings, func(v []byte) string { return Quote(string(v)) }), false
	case pb.AttributeProto_TENSORS:
		return listText(a.Tensors, tensorText), false
	case pb.AttributeProto_SPARSE_TENSORS:
		return listText(a.SparseTensors, sparseText), false
	case pb.AttributeProto_TYPE_PROTOS:
		return listText(a.TypeProtos, TypeText), false
	}
	return "?", false
}

// listText shows a list; of a long one the beginning and the length.
func listText[T any](list []T, show func(T) string) string {
	const most = 32
	var b strings.Builder
	b.WriteByte('[')
	for i, v := range list[:min(len(list), most)] {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(show(v))
	}
	if len(list) > most {
		fmt.Fprintf(&b, ",... %d in all", len(list))
	}
	b.WriteByte(']')
	return b.String()
}

// TypeText formats a type; "?" stands for one that is not declared.
func TypeText(p *pb.TypeProto) string {
	switch v := p.GetValue().(type) {
	case *pb.TypeProto_TensorType:
		t, _ := TypeOf(p)
		return t.String()
	case *pb.TypeProto_SparseTensorType:
		t, _ := TypeOf(&pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: &pb.TypeProto_Tensor{
			ElemType: v.SparseTensorType.ElemType, Shape: v.SparseTensorType.Shape,
		}}})
		return "sparse(" + t.String() + ")"
	case *pb.TypeProto_SequenceType:
		return "seq(" + TypeText(v.SequenceType.GetElemType()) + ")"
	case *pb.TypeProto_OptionalType:
		return "optional(" + TypeText(v.OptionalType.GetElemType()) + ")"
	case *pb.TypeProto_MapType:
		return "map(" + ElemName(pb.TensorProto_DataType(v.MapType.GetKeyType())) + "," + TypeText(v.MapType.GetValueType()) + ")"
	case *pb.TypeProto_OpaqueType:
		return "opaque(" + Quote(v.OpaqueType.GetDomain()) + "," + Quote(v.OpaqueType.GetName()) + ")"
	}
	return "?"
}

// tensorText shows type, shape and elements of a tensor: a few of them as they
// are, more by their digest.
func tensorText(p *pb.TensorProto) string {
	dims := make([]Dim, len(p.GetDims()))
	for i, d := range p.GetDims() {
		dims[i] = Dim{Size: max(d, -1)}
	}
	typ := Type{pb.TensorProto_DataType(p.GetDataType()), dims}.String()
	if p.GetDataLocation() == pb.TensorProto_EXTERNAL {
		return typ + " external " + Quote(location(p))
	}
	const most = 8
	if n, err := ElementCount(p.GetDims()); err == nil && n <= most {
		if t, err := FromProto(p); err == nil {
			return typ + elementsText(t.Data)
		}
	}
	sum, err := Digest(p)
	if err != nil {
		return typ + " invalid"
	}
	return typ + " sha256:" + sum[:12]
}

// location is the file that external data names, "" when it names none.
func location(p *pb.TensorProto) string {
	for _, e := range p.ExternalData {
		if e.GetKey() == "location" {
			return e.GetValue()
		}
	}
	return ""
}

// elementsText shows elements in braces.
func elementsText(data Data) string {
	var s string
	switch d := data.(type) {
	case Slice[string]:
		s = listText(d, Quote)
	case Slice[float32]:
		s = listText(d, func(v float32) string { return strconv.FormatFloat(float64(v), 'g', -1, 32) })
	case Slice[Float16]:
		s = listText(d, func(v Float16) string { return strconv.FormatFloat(float64(v.Float32()), 'g', -1, 32) })
	case Slice[BFloat16]:
		s = listText(d, func(v BFloat16) string { return strconv.FormatFloat(float64(v.Float32()), 'g', -1, 32) })
	default:
		if wide, ok := data.Wide().(Slice[float64]); ok { // floats that hold their bits
			d = wide
		}
		s = strings.ReplaceAll(fmt.Sprint(d), " ", ",")
	}
	return "{" + s[1:len(s)-1] + "}"
}

func sparseText(p *pb.SparseTensorProto) string {
	dims := make([]Dim, len(p.GetDims()))
	for i, d := range p.GetDims() {
		dims[i] = Dim{Size: max(d, -1)}
	}
	typ := Type{pb.TensorProto_DataType(p.GetValues().GetDataType()), dims}
	return "sparse " + typ.String() + " values " + tensorText(p.GetValues()) + " at " + tensorText(p.GetIndices())
}

// Digest returns the SHA-256 of a tensor's elements in hexadecimal, whichever
// field they are in: of their little-endian bytes as in raw_data, and of
// strings each with its length of 8 bytes before it. Errors are those of
// FromProto.
func Digest(p *pb.TensorProto) (string, error) {
	h := sha256.New()
	if p.GetRawData() == nil {
		t, err := FromProto(p)
		if err != nil {
			return "", err
		}
		if s, ok := t.Data.(Slice[string]); ok {
			for _, v := range s {
				h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(v))))
				io.WriteString(h, v)
			}
		} else {
			h.Write(t.Data.raw())
		}
		return hex.EncodeToString(h.Sum(nil)), nil
	}
	s, ok := storages[pb.TensorProto_DataType(p.GetDataType())]
	if !ok {
		_, err := FromProto(p)
		return "", err
	}
	n, err := ElementCount(p.Dims)
	if err != nil {
		return "", &FormatError{Offset: -1, Where: "tensor " + Quote(p.GetName()), What: err.Error()}
	}
	if f := checkStorage(p, s, n); f != nil {
		return "", &FormatError{Offset: -1, Where: "tensor " + Quote(p.GetName()), What: f.what}
	}
	h.Write(p.RawData)
	return hex.EncodeToString(h.Sum(nil)), nil
}
