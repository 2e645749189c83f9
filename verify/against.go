package verify

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A Weight is a tensor that a model was made from: float32, or float16 or int8 widened to float32.
type Weight struct {
	Dims []int
	Data []float32
}

// Weights says whether the float and int8 initializers of a model equal the tensors that it was
// made from, bit for bit.
type Weights struct {
	Equal    bool `json:"equal"`
	Tensors  int  `json:"tensors"`  // compared
	Elements int  `json:"elements"` // compared
	// Problems lists the first difference of every tensor, and the tensors that are missing on either
	// side.
	Problems []string `json:"problems,omitempty"`
}

// againstWeights compares the initializers of g with the tensors. Tensors of
// other nets, whose names begin with another word than all initializers, are
// left out; so are initializers that are not weights: not of float32, of a single
// element, or the scale of a quantiser.
func againstWeights(g *pb.GraphProto, tensors map[string]Weight) Weights {
	var w Weights
	nets := map[string]bool{}
	inModel := map[string]bool{}
	scales := map[string]bool{}
	for _, n := range g.GetNode() {
		if in := n.GetInput(); len(in) > 1 && slices.Contains([]string{"QuantizeLinear", "DequantizeLinear"}, n.GetOpType()) {
			scales[in[1]] = true
		}
	}
	for _, init := range g.GetInitializer() {
		name := init.GetName()
		inModel[name] = true
		nets[net(name)] = true
		want, ok := tensors[name]
		if !ok {
			if t, err := onnx.FromProto(init); err == nil && t.Type() == pb.TensorProto_FLOAT && t.Len() > 1 && !scales[name] {
				w.problem("%s: only in the model", name)
			}
			continue
		}
		w.Tensors++
		w.Elements += len(want.Data)
		if err := sameWeight(init, want); err != nil {
			w.problem("%s: %w", name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		if nets[net(name)] && !inModel[name] {
			w.problem("%s: missing in the model", name)
		}
	}
	if w.Tensors == 0 {
		w.problem("none of the %d tensors is in the model", len(tensors))
	}
	w.Equal = len(w.Problems) == 0
	return w
}

func (w *Weights) problem(format string, args ...any) {
	w.Problems = append(w.Problems, fmt.Errorf(format, args...).Error())
}

// net is the first word of a full parameter name: "generator" of
// "generator.fc1.weight".
func net(name string) string {
	first, _, _ := strings.Cut(name, ".")
	return first
}

// sameWeight returns the first difference.
func sameWeight(init *pb.TensorProto, want Weight) error {
	got, err := onnx.FromProto(init)
	if err != nil {
		return err
	}
	data, ok := got.Weights()
	if !ok {
		return fmt.Errorf("element type is %s, want float32, float16 or int8", typeText(got))
	}
	// An export may insert axes of length 1, such as a bias of [1,N].
	if !slices.Equal(squeezed(got.Dims), squeezed(want.Dims)) {
		return fmt.Errorf("shape is %v, want %v", got.Dims, want.Dims)
	}
	if len(data) != len(want.Data) {
		return fmt.Errorf("%d elements, want %d", len(data), len(want.Data))
	}
	for i, x := range data {
		if a, b := math.Float32bits(x), math.Float32bits(want.Data[i]); a != b {
			return fmt.Errorf("%s is %v (bits %08x), want %v (bits %08x)", indexText(coordinates(i, got.Dims)), x, a, want.Data[i], b)
		}
	}
	return nil
}

func squeezed(dims []int) []int {
	return slices.DeleteFunc(slices.Clone(dims), func(d int) bool { return d == 1 })
}
