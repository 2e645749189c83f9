package verify

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
)

// A pair is a random graph with two sets of inputs, of other sizes where the graph
// takes those.
type pair struct {
	sweptGraph
	model         *onnx.Model
	first, second drawnGraph
}

// newPair evaluates a graph on inputs, and on the first of others that it takes and
// that give outputs of the same ranks. It is nil where the graph takes none: a loop
// that collects nothing may have another shape in the whole than alone.
func newPair(t *testing.T, g sweptGraph, inputs []*onnx.Tensor, others ...[]*onnx.Tensor) *pair {
	t.Helper()
	p := &pair{sweptGraph: g, model: g.whole()}
	var err error
	if len(p.model.Proto.GetGraph().GetOutput()) == 0 {
		return nil
	}
	if p.first, err = newDrawnGraph(t, g, inputs); err != nil {
		t.Logf("the reference refuses a graph: %v", err)
		return nil
	}
	for _, other := range others {
		if p.second, err = newDrawnGraph(t, g, other); err == nil && slices.EqualFunc(p.first.data.want, p.second.data.want, func(a, b *reference.Value) bool { return len(a.Dims) == len(b.Dims) }) {
			return p
		}
	}
	p.second = p.first
	return p
}

// sweepPairs compares the runtimes that flags name, or as many graphs as usual of each
// in every run.
func sweepPairs(t *testing.T, opsets []int64, draw func(t *testing.T, c contender, i int, opset int64) *pair, usual map[string]int) {
	if *sweepRuntime != "" {
		for _, c := range contenders(t, *sweepRuntime) {
			sweepPairsOf(t, c, opsets, draw, graphsToDraw(t, race.Pick(240, 40))).judge(t, c.name, 1)
		}
		return
	}
	for name, total := range usual {
		t.Run(name, func(t *testing.T) {
			if testing.Short() {
				total = together
			}
			sweepPairsOf(t, contenders(t, name)[0], opsets, draw, graphsToDraw(t, total)).judge(t, name, 40)
		})
	}
}

func sweepPairsOf(t *testing.T, c contender, opsets []int64, draw func(t *testing.T, c contender, i int, opset int64) *pair, total int) *tally {
	y := &tally{}
	for first := *sweepFirst; first < *sweepFirst+total; first += together {
		var pairs []*pair
		for i := first; i < min(first+together, *sweepFirst+total); i++ {
			opset := opsets[first/together%len(opsets)] // of graphs that become one model
			if c.alone {
				opset = opsets[i%len(opsets)]
			}
			if p := draw(t, c, i, opset); p != nil {
				pairs = append(pairs, p)
			}
		}
		y.pairs(t, c, pairs)
	}
	return y
}

// pairs holds a runtime to pairs in one model, or to halves of them where it refuses
// that.
func (y *tally) pairs(t *testing.T, c contender, pairs []*pair) {
	if n := len(pairs); c.alone && n > 1 {
		y.pairs(t, c, pairs[:n/2])
		y.pairs(t, c, pairs[n/2:])
		return
	}
	if len(pairs) == 0 {
		return
	}
	whole := &pb.GraphProto{Name: proto.String("pairs")}
	var first, second []*onnx.Tensor
	for _, p := range pairs {
		g := p.model.Proto.Graph
		whole.Node, whole.Initializer = append(whole.Node, g.Node...), append(whole.Initializer, g.Initializer...)
		whole.Input, whole.Output = append(whole.Input, g.Input...), append(whole.Output, g.Output...)
		first, second = append(first, p.first.data.inputs...), append(second, p.second.data.inputs...)
	}
	m := &pb.ModelProto{IrVersion: pairs[0].model.Proto.IrVersion, OpsetImport: pairs[0].model.Proto.OpsetImport, Graph: whole}
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := inTurn(t, c.rt, &onnx.Model{Proto: m, Bytes: b}, first, second)
	prefix, opset, _ := pairs[0].label()
	switch _, lacks := errors.AsType[*onnx.UnsupportedError](err); {
	case err != nil && len(pairs) > 1:
		y.pairs(t, c, pairs[:len(pairs)/2])
		y.pairs(t, c, pairs[len(pairs)/2:])
		return
	case lacks || err != nil && !c.alone: // ONNX Runtime lacks scans of nothing, and Resize of all axes
		t.Logf("%s: graph %sat opset %d: %v", c.name, prefix, opset, err)
		y.unsupported++
		return
	case err != nil:
		t.Errorf("%s: graph %sat opset %d: %v\n%s", c.name, prefix, opset, err, pairs[0])
		return
	}
	for _, p := range pairs {
		y.hold(t, p.first, c.rt, func(name string) *onnx.Tensor { return outputs[0][name] })
		y.hold(t, p.second, c.rt, func(name string) *onnx.Tensor { return outputs[1][name] })
	}
}

// inTurn runs a model on two sets of inputs, in turn and at once: each gives the same
// every time.
func inTurn(t *testing.T, rt witness.Runtime, m *onnx.Model, inputs ...[]*onnx.Tensor) (outputs []map[string]*onnx.Tensor, err error) {
	s, err := rt.Open(t.Context(), m)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	run := func(k int) error {
		got, err := s.Run(t.Context(), inputs[k])
		if err != nil {
			return err
		}
		named := map[string]*onnx.Tensor{}
		for _, x := range got {
			named[x.Name] = x
		}
		if k == len(outputs) {
			outputs = append(outputs, named)
			return nil
		}
		for name, x := range named {
			if y := outputs[k][name]; !slices.Equal(x.Dims, y.Dims) || !x.Data.Equal(y.Data) {
				return fmt.Errorf("%s: %v in one run, and %v in another", name, y, x)
			}
		}
		return nil
	}
	for _, k := range []int{0, 1, 0, 1} {
		if err := run(k); err != nil {
			return nil, err
		}
	}
	if rt.Name() != "load" {
		return outputs, nil
	}
	errs := make([]error, 6)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() { errs[i] = run(i % 2) })
	}
	group.Wait()
	return outputs, errors.Join(errs...)
}
