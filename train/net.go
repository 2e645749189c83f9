package train

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/random"
)

// Net is a net of a run: its parameters with the moments of Adam.
type Net struct {
	plan   *layer.Plan
	params []param
	adamT  int // Adam steps taken
}

type param struct {
	layer.Param
	net     *Net
	w, m, v []float32 // m and v are nil where the parameter is tracked
}

func newNet(n layer.Net, seed uint64) (*Net, error) {
	plan, err := n.Plan()
	if err != nil {
		return nil, err
	}
	s := &Net{plan: plan}
	for q := range plan.Params() {
		size := q.Shape.Len()
		p := param{Param: q, net: s, w: make([]float32, size)}
		if !q.Tracked {
			p.m, p.v = make([]float32, size), make([]float32, size)
		}
		q.Init(random.New(seed, q.Name), p.w)
		s.params = append(s.params, p)
	}
	return s, nil
}

// Plan returns the net's plan, with all shapes and names settled.
func (n *Net) Plan() *layer.Plan { return n.plan }

// Infer computes the outputs, each (N, out...), for a batch written by fill, (N, in...), and classes, (N), if the net takes
// them. The net behaves as in inference.
func (n *Net) Infer(batch int, fill func(x []float32), classes ...int) ([][]float32, error) {
	if c := n.plan.Net.Class; c.Count > 0 && len(classes) != batch {
		return nil, fmt.Errorf("%s: %d classes for a batch of %d", n.plan.Net.Name, len(classes), batch)
	}
	inf, err := n.plan.NewInference(batch, n.weights)
	if err != nil {
		return nil, err
	}
	fill(inf.Input())
	if x := inf.Class(); x != nil {
		n.plan.Net.Class.OneHot(x, classes)
	}
	return inf.Run()
}

// weights is the storage of a parameter.
func (n *Net) weights(q layer.Param) ([]float32, error) {
	i := slices.IndexFunc(n.params, func(p param) bool { return p.Name == q.Name })
	if i < 0 {
		return nil, fmt.Errorf("%s: no such parameter in %s", q.Name, n.plan.Net.Name)
	}
	return n.params[i].w, nil
}

// diverged names the first parameter that is not finite, or is nil.
func (n *Net) diverged() *DivergedError {
	for _, p := range n.params {
		if d := firstBad(p.Name, p.w); d != nil {
			return d
		}
	}
	return nil
}

func firstBad(name string, x []float32) *DivergedError {
	for i, v := range x {
		if !finite(float64(v)) {
			return &DivergedError{Tensor: name, Index: i, Value: float64(v)}
		}
	}
	return nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
