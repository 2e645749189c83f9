package reference

import (
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// TestAPastInABufferIsThePast: ONNX Runtime has past_present_share_buffer of Attention on GPUs alone, so that it is held to what
// it means: the same attention, and the buffer with the new keys and values after those that were valid.
func TestAPastInABufferIsThePast(t *testing.T) {
	const heads, width, valid, room = 2, 2, 3, 6
	m := graph(t, 17, `in x float 1,2,4
		in w float 4,12
		in b float 12
		in past float 2,1,2,3,2
		in buffer float 2,1,2,6,2
		in n int32 1
		y, present = Attention(x, w, b, , past) num_heads=2 unidirectional=1
		z, whole = Attention(x, w, b, , buffer, , n) num_heads=2 unidirectional=1 past_present_share_buffer=1
		out y present z whole`)
	m.Proto.OpsetImport = append(m.Proto.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String("com.microsoft"), Version: proto.Int64(1)})
	for _, n := range m.Proto.Graph.Node {
		n.Domain = proto.String("com.microsoft")
	}
	p, err := Compile(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	numbers := func(name string, dims ...int) *Value {
		n := 1
		for _, d := range dims {
			n *= d
		}
		x := make(onnx.Slice[float64], n)
		for i := range x {
			x[i] = float64(i*i%13)/8 - 0.75
		}
		return &Value{Name: name, Type: pb.TensorProto_FLOAT, Dims: dims, Data: x}
	}
	past, buffer := numbers("past", 2, 1, heads, valid, width), numbers("buffer", 2, 1, heads, room, width)
	for row := range 2 * heads { // the buffer begins with the past
		buffer.Data.Copy(row*room*width, past.Data, row*valid*width, valid*width)
	}
	r, err := p.Run(t.Context(), []*Value{numbers("x", 1, 2, 4), numbers("w", 4, 12), numbers("b", 12), past, buffer, {Name: "n", Type: pb.TensorProto_INT32, Dims: []int{1}, Data: onnx.Slice[int64]{valid}}})
	if err != nil {
		t.Fatal(err)
	}
	y, present, z, whole := r.Outputs[0], r.Outputs[1], r.Outputs[2], r.Outputs[3]
	for i := range y.Len() {
		if y.Float(i) != z.Float(i) {
			t.Errorf("element %d is %v, want %v", i, z.Float(i), y.Float(i))
		}
	}
	if want := []int{2, 1, heads, room, width}; !slices.Equal(whole.Dims, want) {
		t.Fatalf("the buffer has shape %v, want %v", whole.Dims, want)
	}
	for i := range whole.Len() {
		e, j, row := i%width, i/width%room, i/width/room
		want := buffer.Float(i)
		if j < valid+2 {
			want = present.Float((row*(valid+2)+j)*width + e)
		}
		if whole.Float(i) != want {
			t.Errorf("element %d of key %d is %v, want %v", e, j, whole.Float(i), want)
		}
	}
}
