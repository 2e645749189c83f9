package onnx

import (
	"fmt"

	"google.golang.org/protobuf/proto"
)

// Marshal returns the bytes of a message. The same message gives the same
// bytes: ONNX has no map fields, and fields are written by number.
func Marshal(m proto.Message) ([]byte, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	return b, nil
}
