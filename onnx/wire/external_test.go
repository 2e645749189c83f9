package wire

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// elsewhere is a tensor of two bytes in a file.
func elsewhere(name, file string, more ...string) *pb.TensorProto {
	t := &pb.TensorProto{Name: &name, DataType: proto.Int32(int32(pb.TensorProto_UINT8)), Dims: []int64{2}, DataLocation: new(pb.TensorProto_EXTERNAL)}
	more = append([]string{"location", file}, more...)
	for i := 0; i < len(more); i += 2 {
		t.ExternalData = append(t.ExternalData, &pb.StringStringEntryProto{Key: &more[i], Value: &more[i+1]})
	}
	return t
}

// PyTorch's exporter writes a file for each tensor of a model that is larger than a message may be.
func TestEachTensorMayHaveAFileOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	m := &onnx.Model{Path: filepath.Join(dir, "model.onnx"), Proto: &pb.ModelProto{Graph: &pb.GraphProto{}}}
	for i := range 2*mostOpen + 1 {
		name := fmt.Sprint("w", i)
		if err := os.WriteFile(filepath.Join(dir, name), []byte{byte(i), byte(i >> 8)}, 0o644); err != nil {
			t.Fatal(err)
		}
		m.Proto.Graph.Initializer = append(m.Proto.Graph.Initializer, elsewhere(name, name))
	}
	if found := CheckExternal(m); len(found) > 0 {
		t.Fatal(found)
	}
	if err := Embed(m, Limits{}); err != nil {
		t.Fatal(err)
	}
	for i, w := range m.Proto.Graph.Initializer {
		if want := []byte{byte(i), byte(i >> 8)}; !slices.Equal(w.RawData, want) {
			t.Errorf("%s is %v, want %v", w.GetName(), w.RawData, want)
		}
	}
}

// That a file became shorter while it was read says nothing of the model.
func TestAFileThatBecomesShorterIsNotAFaultOfTheModel(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "w.bin")
	if err := os.WriteFile(path, []byte{1, 2}, 0o644); err != nil {
		t.Fatal(err)
	}
	x, err := openExternal(filepath.Join(dir, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	file, e, fault := x.find(elsewhere("w", "w.bin"))
	if fault != nil {
		t.Fatal(fault)
	}
	if b, err := file.elements(e); err != nil || !slices.Equal(b, []byte{1, 2}) {
		t.Errorf("%v, %v, want its bytes", b, err)
	}
	for _, left := range []int64{1, 0} {
		if err := os.Truncate(path, left); err != nil {
			t.Fatal(err)
		}
		_, err := file.elements(e)
		if _, format := errors.AsType[*onnx.FormatError](err); err == nil || format || !strings.Contains(err.Error(), "became shorter") {
			t.Errorf("%d bytes are left: %v", left, err)
		}
	}
}
