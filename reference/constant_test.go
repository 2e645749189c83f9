package reference

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// Long initializers stay as the file has them: operators that take them so give the very results of others, whatever field
// the elements are in, and the budget counts them while a node reads them.
func TestLongInitializersAreDecodedWhenTheyAreRead(t *testing.T) {
	const n = 96 // n*n is more than decodedOnce
	w := make([]float32, n*n)
	for i := range w {
		w[i] = float32(math.Sin(float64(i)))
	}
	source := `
		in x float 2,96
		a = MatMul(x, w)
		b = Gemm(a, w) transB=1
		i = Identity(w)
		c = MatMul(b, i)
		s = ReduceSum(w) keepdims=1
		y = Add(c, s)
		out y w`
	x := make([]float32, 2*n)
	for i := range x {
		x[i] = float32(i%7) / 8
	}
	listed := tensor(t, "w", w, n, n)
	raw := listed.Proto()
	if len(raw.RawData) == 0 {
		t.Fatal("the tensor has no raw_data")
	}
	fields := &pb.TensorProto{Name: raw.Name, Dims: raw.Dims, DataType: raw.DataType, FloatData: w}
	var first *Result
	for _, form := range []*pb.TensorProto{raw, fields} {
		m := graph(t, 12, source, listed)
		m.Proto.Graph.Initializer[0] = form
		p, err := Compile(m, Options{Memory: 70000})
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.RunTensors(t.Context(), []*onnx.Tensor{tensor(t, "x", x, 2, n)})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = r
			if got := r.Outputs[1].Float(n*n - 1); got != float64(w[n*n-1]) {
				t.Errorf("the initializer as an output ends with %v, want %v", got, w[n*n-1])
			}
			continue
		}
		for k, v := range r.Outputs {
			for i := range v.Len() {
				if v.at(i) != first.Outputs[k].at(i) {
					t.Fatalf("output %d, element %d: %v of float_data, %v of raw_data", k, i, v.at(i), first.Outputs[k].at(i))
				}
			}
		}
	}
	m := graph(t, 12, source, listed)
	p, err := Compile(m, Options{Memory: 9000})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.RunTensors(t.Context(), []*onnx.Tensor{tensor(t, "x", x, 2, n)}); err == nil {
		t.Error("a copy of the weights fits into a budget that is less")
	}
	// What is wrong with a tensor is found before the first run.
	raw.RawData = binary.LittleEndian.AppendUint32(raw.RawData, 1)
	m.Proto.Graph.Initializer[0] = raw
	if _, err := Compile(m, Options{}); err == nil {
		t.Error("raw_data that is too long is taken")
	}
}
