package export

import (
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/internal/atomicfile"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/random"
)

// A Vector is one recorded run: inputs, and the outputs that the training graph computes from them
// in inference.
type Vector struct {
	Inputs, Outputs []*onnx.Tensor
}

// goldenBatches are the batch sizes of the recorded runs. The last run has extreme input.
var goldenBatches = []int{1, 2, 7}

// Golden records the golden vectors of a net in Gorgonia, with the weights of a snapshot. Inputs are drawn from
// separate streams, so they are the same for every checkpoint.
func Golden(m model.Model, net layer.Net, s *checkpoint.Snapshot) ([]Vector, error) {
	return newSource(m, s, Options{}).golden(net)
}

// golden is Golden in the precision of the options.
func (s *source) golden(net layer.Net) ([]Vector, error) {
	plan, err := net.Plan()
	if err != nil {
		return nil, err
	}
	in := plan.Net.Input
	var vectors []Vector
	for i, batch := range goldenBatches {
		x := make([]float32, batch*in.Shape.Len())
		fill(random.New(0, fmt.Sprintf("golden/%s/%d", net.Name, i)), x, in, s.model.Recipe.Pixels)
		if i == len(goldenBatches)-1 {
			exaggerate(x)
		}
		given := given{n: batch, x: x, classes: classesFor(net.Class, i)}
		outputs, err := s.run(net, given)
		if err != nil {
			return nil, err
		}
		v := Vector{Inputs: pointers(given.tensors(net))}
		for k, step := range plan.Outputs {
			v.Outputs = append(v.Outputs, &onnx.Tensor{Name: plan.Steps[step].ONNX, Dims: dims(batch, plan.Steps[step].Out), Data: onnx.Slice[float32](outputs[k])})
		}
		vectors = append(vectors, v)
	}
	return vectors, nil
}

// classesFor are the classes of a recorded run, nil where the net takes none: from the first one on, and in the last run from
// the end, by negative numbers.
func classesFor(c layer.Class, run int) []int64 {
	classes := inTurn(c, goldenBatches[run])
	if run == len(goldenBatches)-1 {
		for i, k := range classes {
			classes[i] = -1 - k
		}
	}
	return classes
}

func pointers[T any](list []T) (p []*T) {
	for i := range list {
		p = append(p, &list[i])
	}
	return p
}

// fill draws what the net is made for: standard normal noise, or pixels.
func fill(r *random.Stream, x []float32, port layer.Input, px model.Pixels) {
	if port.Noise {
		r.Normal(x)
		return
	}
	r.Uniform(x)
	for i, u := range x {
		x[i] = float32(px.Low + float64(u)*(px.High-px.Low))
	}
}

// exaggerate makes input that no training has seen: large values that drive activations into saturation, exact zeros of
// either sign, and numbers at the lower end of float32.
func exaggerate(x []float32) {
	negativeZero := float32(math.Copysign(0, -1))
	for i := range x {
		switch i % 8 {
		case 0, 1, 2, 3:
			x[i] *= 30
		case 4:
			x[i] = 0
		case 5:
			x[i] = negativeZero
		case 6:
			x[i] *= 1e-38
		}
	}
}

func dims(batch int, s layer.Shape) []int { return append([]int{batch}, s...) }

// writeVectors writes DIR/test_data_set_N/{input,output}_K.pb.
func writeVectors(dir string, vectors []Vector) error {
	for i, v := range vectors {
		set := filepath.Join(dir, fmt.Sprintf("test_data_set_%d", i))
		if err := os.MkdirAll(set, 0o777); err != nil {
			return err
		}
		for kind, tensors := range map[string][]*onnx.Tensor{"input": v.Inputs, "output": v.Outputs} {
			for k, t := range tensors {
				b, err := onnx.Marshal(t.Proto())
				if err != nil {
					return err
				}
				if err := atomicfile.Write(filepath.Join(set, fmt.Sprintf("%s_%d.pb", kind, k)), b); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
