package gop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/internal/witnesstest"
)

// torchCase is one operator on one set of tensors, in the terms of testdata/torch_cases.py.
type torchCase struct {
	Operator   string         `json:"operator"`
	Attributes map[string]any `json:"attributes"`
	Activation string         `json:"activation"`
	Inputs     []torchTensor  `json:"inputs"`
	Wanted     []bool         `json:"wanted"` // inputs whose gradients are asked for
	Targets    []float64      `json:"targets"`

	build func(g *G.ExprGraph, in []*G.Node) (*G.Node, error)
}

type torchTensor struct {
	Shape []int     `json:"shape"`
	Data  []float64 `json:"data"`
}

type torchResult struct {
	Shape  []int       `json:"shape"`
	Value  []float64   `json:"value"`
	Grads  [][]float64 `json:"grads"`
	Inputs [][]float64 `json:"inputs"`
}

// caseActivations are what cases draw from; those with a scale have 0.1.
var caseActivations = []kernel.Activation{
	{}, {Func: kernel.ReLU}, {Func: kernel.LeakyReLU, Alpha: 0.1}, {Func: kernel.Tanh}, {Func: kernel.Sigmoid}, {Func: kernel.Softplus}, {Func: kernel.ELU, Alpha: 0.1},
}

// draws makes tensors. The values are float32 numbers, so that the float32 path is judged by its arithmetic alone.
type draws struct{ *rand.Rand }

func (d draws) tensor(shape ...int) torchTensor {
	x := torchTensor{Shape: shape, Data: make([]float64, tensor.Shape(shape).TotalSize())}
	for i := range x.Data {
		x.Data[i] = float64(float32(2*d.Float64() - 1))
	}
	return x
}

// between draws from lo to hi, both included.
func (d draws) between(lo, hi int) int { return lo + d.IntN(hi-lo+1) }

func (d draws) batch() int { return []int{1, 3}[d.IntN(2)] }

func (d draws) activation() kernel.Activation { return caseActivations[d.IntN(len(caseActivations))] }

// name is the activation in the terms of the cases.
func (c *torchCase) activate(act kernel.Activation) {
	if act.Func != kernel.Identity {
		c.Activation = act.Func.String()
	}
}

// caseMakers is the list of operators, each with the number of cases drawn.
var caseMakers = []struct {
	operator string
	cases    int
	make     func(d draws) torchCase
}{
	{"l1", 6, func(d draws) torchCase {
		shape := []int{d.batch(), d.between(1, 2000)}
		return torchCase{Inputs: []torchTensor{d.tensor(shape...), d.tensor(shape...)}, Wanted: []bool{true, false},
			build: func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return L1("y", in[0], in[1]) }}
	}},
	{"bce", 6, func(d draws) torchCase {
		shape := []int{d.batch(), d.between(1, 7), d.between(1, 900)}
		targets := d.tensor(shape...)
		for i, v := range targets.Data {
			targets.Data[i] = float64(float32(v+1) / 2)
		}
		return torchCase{Inputs: []torchTensor{d.tensor(shape...), targets}, Wanted: []bool{true, false},
			build: func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return BCEWithLogitsTargets("y", in[0], in[1]) }}
	}},
	{"kl", 6, func(d draws) torchCase {
		shape := []int{d.batch(), d.between(1, 1500)}
		return torchCase{Inputs: []torchTensor{d.tensor(shape...), d.tensor(shape...)}, Wanted: []bool{true, true},
			build: func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return KL("y", in[0], in[1]) }}
	}},
	{"reparameterize", 6, func(d draws) torchCase {
		shape := []int{d.batch(), d.between(1, 40)}
		return torchCase{Inputs: []torchTensor{d.tensor(shape...), d.tensor(shape...), d.tensor(shape...)}, Wanted: []bool{true, true, false},
			build: func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return Reparameterize("y", in[0], in[1], in[2]) }}
	}},
	{"add", 4, func(d draws) torchCase {
		shape := []int{d.batch(), d.between(1, 5), d.between(1, 5), d.between(1, 5)}
		return torchCase{Inputs: []torchTensor{d.tensor(shape...), d.tensor(shape...)}, Wanted: []bool{true, true},
			build: func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return Add("y", in[0], in[1]) }}
	}},
	{"conv", 120, func(d draws) torchCase { return convolutionCase(d, false) }},
	{"convtranspose", 120, func(d draws) torchCase { return convolutionCase(d, true) }},
	{"batchnorm", 30, batchNormCase},
	{"maxpool", 30, func(d draws) torchCase { return poolCase(d, MaxPool, 2) }},
	{"averagepool", 30, func(d draws) torchCase { return poolCase(d, AveragePool, 1) }},
	{"globalaveragepool", 4, func(d draws) torchCase {
		return torchCase{Inputs: []torchTensor{d.tensor(d.batch(), d.between(1, 5), d.between(1, 9), d.between(1, 9))}, Wanted: []bool{true},
			build: func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return GlobalAveragePool("y", in[0]) }}
	}},
	{"upsample", 8, func(d draws) torchCase {
		factors := [2]int{d.between(1, 3), d.between(1, 4)}
		return torchCase{Attributes: map[string]any{"factors": factors}, Wanted: []bool{true},
			Inputs: []torchTensor{d.tensor(d.batch(), d.between(1, 5), d.between(1, 7), d.between(1, 6))},
			build: func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
				return UpsampleNearest("y", in[0], factors[0], factors[1])
			}}
	}},
	{"layernorm", 10, func(d draws) torchCase {
		shape := []int{d.batch(), d.between(1, 4), d.between(2, 5), d.between(2, 40)}
		last := shape[d.between(1, 3):]
		return torchCase{Attributes: map[string]any{"epsilon": 1e-3}, Wanted: []bool{true, true, true},
			Inputs: []torchTensor{d.tensor(shape...), d.tensor(last...), d.tensor(last...)},
			build: func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
				return LayerNorm("y", in[0], in[1], in[2], 1e-3, Need{Input: true, Params: true})
			}}
	}},
	{"concat", 8, func(d draws) torchCase {
		axis, shape := d.IntN(4), []int{d.batch(), d.between(1, 4), d.between(1, 5), d.between(1, 4)}
		c := torchCase{Attributes: map[string]any{"axis": axis},
			build: func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return Concat("y", axis, in...) }}
		for range d.between(2, 3) {
			s := slices.Clone(shape)
			s[axis] = d.between(1, 4)
			c.Inputs, c.Wanted = append(c.Inputs, d.tensor(s...)), append(c.Wanted, true)
		}
		return c
	}},
}

// window draws a window of unequal numbers that leads somewhere from an image of h by w, transposed or not.
func (d draws) window(h, w, groups int, transposed bool) kernel.Window {
	for {
		win := kernel.Window{
			Kernel: [2]int{d.between(1, 4), d.between(1, 5)}, Stride: [2]int{d.between(1, 3), d.between(1, 3)},
			Dilation: [2]int{d.between(1, 2), d.between(1, 3)}, Groups: groups,
			Pads: [4]int{d.between(0, 2), d.between(0, 2), d.between(0, 2), d.between(0, 2)},
		}
		if transposed {
			win.OutputPad = [2]int{d.IntN(max(win.Stride[0], win.Dilation[0])), d.IntN(max(win.Stride[1], win.Dilation[1]))}
			if _, _, err := win.TransposedOutput(h, w); err == nil {
				return win
			}
		} else if _, _, err := win.Output(h, w); err == nil {
			return win
		}
	}
}

func windowAttributes(win kernel.Window) map[string]any {
	a := map[string]any{"stride": win.Stride, "dilation": win.Dilation, "groups": win.Groups, "pads": win.Pads}
	if win.OutputPad != [2]int{} {
		a["output_pad"] = win.OutputPad
	}
	return a
}

// convolutionCase draws a convolution, with sizes that fill panels and with sizes that do not.
func convolutionCase(d draws, transposed bool) torchCase {
	groups := []int{1, 1, 2, 3}[d.IntN(4)]
	in, out := d.between(1, 4), d.between(1, 5)
	if d.IntN(4) == 0 {
		out += 30
	}
	h, w := d.between(1, 9), d.between(1, 11)
	win := d.window(h, w, groups, transposed)
	x := d.tensor(d.batch(), in*groups, h, w)
	weights, build := []int{out * groups, in}, Conv
	if transposed {
		weights, build = []int{in * groups, out}, ConvTranspose
	}
	c := torchCase{Attributes: windowAttributes(win), Inputs: []torchTensor{x, d.tensor(weights[0], weights[1], win.Kernel[0], win.Kernel[1])}, Wanted: []bool{true, true}}
	if transposed {
		c.Attributes["output_pad"] = win.OutputPad
	}
	if d.IntN(2) == 0 {
		c.Inputs, c.Wanted = append(c.Inputs, d.tensor(out*groups)), append(c.Wanted, true)
	}
	act := d.activation()
	c.activate(act)
	c.build = func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
		var b *G.Node
		if len(in) > 2 {
			b = in[2]
		}
		return build("y", in[0], in[1], b, win, act, Need{Input: true, Params: true})
	}
	return c
}

func batchNormCase(d draws) torchCase {
	shape := []int{d.between(2, 5), d.between(1, 7)}
	if d.IntN(2) == 0 {
		shape = append(shape, d.between(1, 7), d.between(1, 9))
	}
	variance := d.tensor(shape[1])
	for i, v := range variance.Data {
		variance.Data[i] = float64(float32(v*v + 0.5))
	}
	cfg := BatchNormConfig{Momentum: 0.875, Epsilon: 1e-3, Training: d.IntN(2) == 0}
	act := d.activation()
	c := torchCase{
		Attributes: map[string]any{"momentum": cfg.Momentum, "epsilon": cfg.Epsilon, "training": cfg.Training},
		Inputs:     []torchTensor{d.tensor(shape...), d.tensor(shape[1]), d.tensor(shape[1]), d.tensor(shape[1]), variance},
		Wanted:     []bool{true, true, true, false, false},
		build: func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
			return BatchNorm("y", in[0], in[1], in[2], in[3], in[4], cfg, act, Need{Input: true, Params: true})
		},
	}
	c.activate(act)
	return c
}

// poolCase draws a pooling whose windows all meet the image, as PyTorch wants them.
func poolCase(d draws, build func(name string, x *G.Node, win kernel.Window) (*G.Node, error), dilation int) torchCase {
	h, w := d.between(2, 9), d.between(2, 11)
	var win kernel.Window
	for {
		win = kernel.Window{
			Kernel: [2]int{d.between(1, 3), d.between(1, 4)}, Stride: [2]int{d.between(1, 3), d.between(1, 3)}, Dilation: [2]int{1, d.between(1, dilation)},
		}
		for i := range win.Pads {
			win.Pads[i] = d.between(0, win.Kernel[i%2]/2)
		}
		if _, _, err := win.Output(h, w); err == nil {
			break
		}
	}
	a := windowAttributes(win)
	a["kernel"] = win.Kernel
	return torchCase{Attributes: a, Inputs: []torchTensor{d.tensor(d.batch(), d.between(1, 4), h, w)}, Wanted: []bool{true},
		build: func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return build("y", in[0], win) }}
}

// TestOperatorsAgreeWithPyTorch draws cases of unequal sizes and compares values and gradients with PyTorch's: those of the float64
// path to 11 digits, those of the float32 path within what its rounding explains.
func TestOperatorsAgreeWithPyTorch(t *testing.T) {
	python := witnesstest.Python(t, "torch")
	var cases []torchCase
	for i, m := range caseMakers {
		d := draws{rand.New(rand.NewPCG(20, uint64(i)))}
		for range m.cases {
			c := m.make(d)
			c.Operator = m.operator
			if c.Attributes == nil {
				c.Attributes = map[string]any{}
			}
			y := built[float64](t, &c).y
			if !y.Shape().IsScalar() {
				c.Targets = d.tensor(y.Shape().TotalSize()).Data
			}
			cases = append(cases, c)
		}
	}
	request, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/torch_cases.py")
	var answer, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(request), &answer, &complaints
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, complaints.Bytes())
	}
	var results []torchResult
	if err := json.Unmarshal(answer.Bytes(), &results); err != nil || len(results) != len(cases) {
		t.Fatalf("%d results for %d cases: %v", len(results), len(cases), err)
	}
	for i := range cases {
		c := &cases[i]
		t.Run(fmt.Sprintf("%s/%d", c.Operator, i), func(t *testing.T) {
			compareWithTorch[float64](t, c, results[i], 1e-11)
			compareWithTorch[float32](t, c, results[i], 1e-4)
		})
	}
}

// graphOf is a case as a graph.
type graphOf struct {
	in      []*G.Node
	y, cost *G.Node
}

func built[T kernel.Float](t *testing.T, c *torchCase) (b graphOf) {
	t.Helper()
	g := G.NewGraph()
	for i, x := range c.Inputs {
		b.in = append(b.in, valued[T](g, fmt.Sprint("in", i), x))
	}
	var err error
	if b.y, err = c.build(g, b.in); err != nil {
		t.Fatalf("%s %v of %s: %v", c.Operator, c.Attributes, shapesOf(c), err)
	}
	b.cost = b.y
	if c.Targets != nil {
		targets := valued[T](g, "targets", torchTensor{b.y.Shape(), c.Targets})
		if b.cost, err = BCEWithLogitsTargets("cost", b.y, targets); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func shapesOf(c *torchCase) (s string) {
	for _, x := range c.Inputs {
		s += fmt.Sprint(x.Shape)
	}
	return s
}

// valued is an input node with a copy of the data.
func valued[T kernel.Float](g *G.ExprGraph, name string, x torchTensor) *G.Node {
	data := make([]T, len(x.Data))
	for i, v := range x.Data {
		data[i] = T(v)
	}
	v := tensor.New(tensor.WithShape(x.Shape...), tensor.WithBacking(data))
	return G.NewTensor(g, v.Dtype(), len(x.Shape), G.WithShape(x.Shape...), G.WithName(name), G.WithValue(v))
}

func compareWithTorch[T kernel.Float](t *testing.T, c *torchCase, want torchResult, limit float64) {
	t.Helper()
	b := built[T](t, c)
	var wrt []*G.Node
	for i, wanted := range c.Wanted {
		if wanted {
			wrt = append(wrt, b.in[i])
		}
	}
	grads, err := Grad(b.cost, wrt...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMachine(append(G.Nodes{b.cost}, grads...)...)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	if got := b.y.Shape(); !slices.Equal([]int(got), want.Shape) {
		t.Fatalf("%T: %v of %s has shape %v, want %v", T(0), c.Attributes, shapesOf(c), got, want.Shape)
	}
	near(t, c, fmt.Sprintf("%T: value", T(0)), valuesOf(b.y), want.Value, limit)
	for i, k := 0, 0; i < len(c.Wanted); i++ {
		if c.Wanted[i] {
			near(t, c, fmt.Sprintf("%T: gradient by input %d", T(0), i), valuesOf(grads[k]), want.Grads[i], limit)
			k++
		}
		near(t, c, fmt.Sprintf("%T: input %d afterwards", T(0), i), valuesOf(b.in[i]), want.Inputs[i], limit)
	}
}

// near compares elements relative to the largest of them: sums of terms of that size.
func near(t *testing.T, c *torchCase, what string, got, want []float64, limit float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d elements, want %d", what, len(got), len(want))
	}
	size := 1e-30
	for _, v := range want {
		size = max(size, math.Abs(v))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= limit*size) {
			t.Fatalf("%s[%d] is %v, want %v within %.0e of %v; %v %s of %s", what, i, got[i], want[i], limit, size, c.Attributes, c.Activation, shapesOf(c))
		}
	}
}
