package verify

import (
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/reference"
)

// A sharing graph is a random graph in which constants serve several nodes, outputs are
// read as well, the first axis of inputs is free, and there are layers: a product, its
// bias, normalisation and activation, with changes of shape between them. That is what
// rewrites of graphs must not get wrong.
type sharing struct {
	consts  []*reference.Value
	outputs map[string]bool
}

// note takes a node's constants for later nodes, and makes an output of what it gives
// at times.
func (s *sharing) note(g *randomGraph, n randomNode) {
	s.consts = append(s.consts, valuesOf(n.consts)...)
	s.outputs[n.out] = g.IntN(5) == 0
}

// again is a constant of an earlier node that may stand for x, nil where there is none.
func (g *randomGraph) again(x *onnx.Tensor) *reference.Value {
	if g.shared == nil || g.IntN(3) > 0 {
		return nil
	}
	for _, c := range g.shared.consts {
		if c.Type == elem && x.Type() == elem && slices.Equal(c.Dims, x.Dims) {
			return c
		}
	}
	return nil
}

// growLayer adds a product of some kind, and what often follows it.
func growLayer(g *randomGraph) {
	made := func() *reference.Value { return g.values[len(g.values)-1] }
	before := len(g.nodes)
	[]func(*randomGraph){growGemm, growMatMul, growConv, growConvTranspose}[g.IntN(4)](g)
	for _, step := range []func(x *reference.Value){
		func(x *reference.Value) { g.node("Add", []any{x, g.normal("", 1, x.Dims[len(x.Dims)-1])}) },
		func(x *reference.Value) {
			if g.IntN(2) == 0 {
				g.node("Flatten", []any{x}, onnx.Int("axis", 1))
			} else {
				g.node("Reshape", []any{x, listOf(0, int64(x.Dims[1]), 1, -1)})
			}
		},
		func(x *reference.Value) {
			c := x.Dims[1]
			g.node("BatchNormalization", []any{x, g.normal("", 1, c), g.normal("", 1, c), g.normal("", 1, c), g.positive(c)}, onnx.Float("epsilon", 1e-3))
		},
		func(x *reference.Value) {
			g.node([]string{"Relu", "Tanh", "Sigmoid", "LeakyRelu", "Elu", "Softplus"}[g.IntN(6)], []any{x})
		},
	} {
		if len(g.nodes) > before && len(made().Dims) > 1 && g.IntN(3) > 0 {
			step(made())
		}
	}
}

// others draws other values of the inputs, whose first axes are longer.
func (g *randomGraph) others() []*onnx.Tensor {
	var list []*onnx.Tensor
	for _, x := range g.inputs {
		dims := slices.Clone(x.Dims)
		dims[0] += 3
		list = append(list, g.normal(x.Name, 1, dims...))
	}
	return list
}

func newSharingPair(t *testing.T, c contender, i int, opset int64) *pair {
	g := newRandomGraph(t, 1<<23+uint64(i), opset, 4+i%10, c.only, &sharing{outputs: map[string]bool{}})
	if len(g.nodes) == 0 {
		return nil
	}
	return newPair(t, g, g.inputs, g.others())
}

// TestRandomSharing compares runtimes with the reference on sharing graphs of opsets
// old and new, each on batches of two sizes: some in every run, and thousands when
// flags ask for a sweep.
func TestRandomSharing(t *testing.T) {
	sweepPairs(t, []int64{13, 7, 8, 9, 10, 11, 12, 15, 17, 18, 20, 21, 22, 23, 24}, newSharingPair, map[string]int{"load": 2 * together})
}
