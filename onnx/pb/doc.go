// Package pb holds the messages of ONNX as protoc-gen-go makes them from
// onnx.proto. Package onnx is what programs use; the messages appear in its
// signatures.
package pb

//go:generate sh -c "protoc --plugin=protoc-gen-go=$(go tool -n protoc-gen-go) -Ipetrify=.. --go_out=. --go_opt=module=github.com/petrify-ml/petrify/onnx/pb petrify/onnx.proto"
