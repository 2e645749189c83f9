package wire

import (
	"reflect"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	// The schema is read from the registry that this package fills.
	_ "github.com/petrify-ml/petrify/onnx/pb"
)

// A wireMessage is what the scanner knows about one type of message. It is
// derived from the generated code, so the two cannot disagree.
type wireMessage struct {
	name   string
	fields []wireField // by number; the zero field is an unknown one
	size   int64       // of the Go struct
	tensor bool        // TensorProto, whose elements are kept out of Unmarshal
}

type wireKind uint8

const (
	unknownKind wireKind = iota
	int64Kind            // any 64 bits
	int32Kind            // a number of 32 bits, or an enum
	fixed32Kind
	fixed64Kind
	stringKind
	bytesKind
	messageKind
)

type wireField struct {
	full     string // MESSAGE.FIELD
	kind     wireKind
	repeated bool
	free     bool         // text without a limit on its length
	axes     bool         // a list with one entry per axis
	message  *wireMessage // for messageKind
	slot     uint         // of a field that may come once: shared by the members of a oneof
}

// wire returns what is known about a message type by its name.
func wire(name protoreflect.FullName) *wireMessage { return wireMessages()[name] }

var wireMessages = sync.OnceValue(func() map[protoreflect.FullName]*wireMessage {
	all := make(map[protoreflect.FullName]*wireMessage)
	for _, root := range []protoreflect.FullName{
		"petrify.onnx.ModelProto", "petrify.onnx.SequenceProto", "petrify.onnx.OptionalProto", "petrify.onnx.MapProto",
	} {
		t, err := protoregistry.GlobalTypes.FindMessageByName(root)
		if err == nil {
			addWire(all, t.Descriptor())
		}
	}
	return all
})

func addWire(all map[protoreflect.FullName]*wireMessage, d protoreflect.MessageDescriptor) *wireMessage {
	if w, ok := all[d.FullName()]; ok {
		return w
	}
	w := &wireMessage{name: string(d.Name()), tensor: d.FullName() == "petrify.onnx.TensorProto"}
	all[d.FullName()] = w
	if t, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName()); err == nil {
		w.size = int64(reflect.TypeOf(t.Zero().Interface()).Elem().Size())
	}
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		field := wireField{
			full:     w.name + "." + string(f.Name()),
			repeated: f.IsList(),
			free:     f.Name() == "doc_string" || d.Name() == "StringStringEntryProto" && f.Name() == "value",
			axes:     f.Name() == "dims" || f.Name() == "dim" && f.IsList(),
			slot:     uint(i),
		}
		if o := f.ContainingOneof(); o != nil {
			field.slot = uint(d.Fields().Len() + o.Index())
		}
		switch f.Kind() {
		case protoreflect.Int64Kind, protoreflect.Uint64Kind:
			field.kind = int64Kind
		case protoreflect.Int32Kind, protoreflect.EnumKind:
			field.kind = int32Kind
		case protoreflect.FloatKind:
			field.kind = fixed32Kind
		case protoreflect.DoubleKind:
			field.kind = fixed64Kind
		case protoreflect.StringKind:
			field.kind = stringKind
		case protoreflect.BytesKind:
			field.kind = bytesKind
		case protoreflect.MessageKind:
			field.kind = messageKind
			field.message = addWire(all, f.Message())
		}
		for len(w.fields) <= int(f.Number()) {
			w.fields = append(w.fields, wireField{})
		}
		w.fields[f.Number()] = field
	}
	return w
}

// field returns what is known about field number n, the zero wireField when
// nothing is.
func (w *wireMessage) field(n uint64) *wireField {
	if n < uint64(len(w.fields)) {
		return &w.fields[n]
	}
	return &wireField{}
}
