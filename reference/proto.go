package reference

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// FromProto converts a tensor message to an exact value.
func FromProto(p *pb.TensorProto) (*Value, error) {
	t, err := onnx.FromProto(p)
	if err != nil {
		return nil, err
	}
	return FromTensor(t)
}

// FromSequence converts a sequence message. Sparse tensors are unsupported.
func FromSequence(p *pb.SequenceProto) (*Value, error) { return fromSequence(p, 0) }

// FromOptional converts an optional message, which may be empty.
func FromOptional(p *pb.OptionalProto) (*Value, error) { return fromOptional(p, 0) }

func fromSequence(p *pb.SequenceProto, depth int) (*Value, error) {
	if depth > deepest {
		return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("values nested deeper than %d", deepest)}
	}
	v := &Value{Name: p.GetName(), Kind: Sequence}
	add := func(e *Value, err error) error {
		v.Elems = append(v.Elems, e)
		return err
	}
	for i, t := range p.GetTensorValues() {
		if err := add(FromProto(t)); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	for i, s := range p.GetSequenceValues() {
		if err := add(fromSequence(s, depth+1)); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	for i, o := range p.GetOptionalValues() {
		if err := add(fromOptional(o, depth+1)); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	for i, m := range p.GetMapValues() {
		if err := add(FromMap(m)); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	if len(p.GetSparseTensorValues()) > 0 {
		return nil, &onnx.UnsupportedError{Why: "sequences of sparse tensors"}
	}
	return v, nil
}

func fromOptional(p *pb.OptionalProto, depth int) (*Value, error) {
	v := &Value{Name: p.GetName(), Kind: Optional}
	var e *Value
	var err error
	switch {
	case p.GetTensorValue() != nil:
		e, err = FromProto(p.GetTensorValue())
	case p.GetSequenceValue() != nil:
		e, err = fromSequence(p.GetSequenceValue(), depth+1)
	case p.GetOptionalValue() != nil && depth < deepest:
		e, err = fromOptional(p.GetOptionalValue(), depth+1)
	case p.GetMapValue() != nil, p.GetSparseTensorValue() != nil, p.GetOptionalValue() != nil:
		return nil, &onnx.UnsupportedError{Why: "optionals of this kind of element"}
	default:
		return v, nil
	}
	v.Elems = []*Value{e}
	return v, err
}
