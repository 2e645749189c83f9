package layer

import (
	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/onnx"
)

var leakyReLUKind = Kind{
	Name: "LeakyReLU",
	Doc:  "y = x where x > 0, alpha x elsewhere (Maas et al. 2013).",
	Ops:  []string{"LeakyRelu"},
	New:  func() Layer { return LeakyReLU{Alpha: 0.01} },
	Try:  flatAndImage(LeakyReLU{Alpha: 0.01}, LeakyReLU{Alpha: 0.2}),
}

var reluKind = Kind{
	Name: "ReLU",
	Doc:  "y = max(x, 0).",
	Ops:  []string{"Relu"},
	New:  func() Layer { return ReLU{} },
	Try:  flatAndImage(ReLU{}, ReLU{}),
}

var tanhKind = Kind{
	Name: "Tanh",
	Doc:  "y = tanh(x).",
	Ops:  []string{"Tanh"},
	New:  func() Layer { return Tanh{} },
	Try:  flatAndImage(Tanh{}, Tanh{}),
}

var sigmoidKind = Kind{
	Name: "Sigmoid",
	Doc:  "y = 1/(1 + exp(-x)).",
	Ops:  []string{"Sigmoid"},
	New:  func() Layer { return Sigmoid{} },
	Try:  flatAndImage(Sigmoid{}, Sigmoid{}),
}

var softplusKind = Kind{
	Name: "Softplus",
	Doc:  "y = log(1 + exp(x)).",
	Ops:  []string{"Softplus"},
	New:  func() Layer { return Softplus{} },
	Try:  flatAndImage(Softplus{}, Softplus{}),
}

var eluKind = Kind{
	Name: "ELU",
	Doc:  "y = x where x > 0, alpha (exp(x) - 1) elsewhere (Clevert et al. 2016).",
	Ops:  []string{"Elu"},
	New:  func() Layer { return ELU{Alpha: 1} },
	Try:  flatAndImage(ELU{Alpha: 1}, ELU{Alpha: 0.5}),
}

// flatAndImage tries a layer on samples of one axis and another on images.
func flatAndImage(flat, image Layer) []Trial {
	return []Trial{{Layer: flat, In: Shape{5}}, {Layer: image, In: Shape{3, 5, 7}}}
}

// noParams is embedded by layers that learn nothing.
type noParams struct{}

// Params lists none.
func (noParams) Params(...Shape) []Param { return nil }

// elementWise is embedded by all activations: the shape stays, nothing is learnt.
type elementWise struct{ noParams }

// OutShape is the input's shape.
func (elementWise) OutShape(in ...Shape) (Shape, error) { return in[0], nil }

// activation is a layer that our kernels can apply to their results.
type activation interface {
	Layer
	kernel() kernel.Activation
}

// applies is embedded by layers that can apply an activation within their own operator.
type applies struct{}

// Fuses accepts the activations of this package.
func (applies) Fuses(next Layer) bool {
	_, ok := next.(activation)
	return ok
}

// then is what a layer that applies an activation is to apply.
func (s Scope) then() kernel.Activation {
	if a, ok := s.Then.(activation); ok {
		return a.kernel()
	}
	return kernel.Activation{Func: kernel.Identity}
}

func activate(s Scope, a activation, x *G.Node) (*G.Node, error) {
	return gop.Activate(s.Name, x, a.kernel())
}

// LeakyReLU is y = x where x > 0, Alpha x elsewhere.
type LeakyReLU struct {
	elementWise
	Alpha float64
}

func (l LeakyReLU) kernel() kernel.Activation {
	return kernel.Activation{Func: kernel.LeakyReLU, Alpha: l.Alpha}
}

// Build makes one operator.
func (l LeakyReLU) Build(s Scope, x ...*G.Node) (*G.Node, error) { return activate(s, l, x[0]) }

// Emit writes LeakyRelu. Alpha is always written, since ONNX's default is 0.01.
func (l LeakyReLU) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	return e.Node("LeakyRelu", "", x, onnx.Float("alpha", float32(l.Alpha)))
}

// ReLU is y = max(x, 0).
type ReLU struct{ elementWise }

func (ReLU) kernel() kernel.Activation { return kernel.Activation{Func: kernel.ReLU} }

// Build makes one operator.
func (l ReLU) Build(s Scope, x ...*G.Node) (*G.Node, error) { return activate(s, l, x[0]) }

// Emit writes Relu.
func (ReLU) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value { return e.Node("Relu", "", x) }

// Tanh is y = tanh(x).
type Tanh struct{ elementWise }

func (Tanh) kernel() kernel.Activation { return kernel.Activation{Func: kernel.Tanh} }

// Build makes one operator.
func (l Tanh) Build(s Scope, x ...*G.Node) (*G.Node, error) { return activate(s, l, x[0]) }

// Emit writes Tanh.
func (Tanh) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value { return e.Node("Tanh", "", x) }

// Sigmoid is y = 1/(1 + exp(-x)).
type Sigmoid struct{ elementWise }

func (Sigmoid) kernel() kernel.Activation { return kernel.Activation{Func: kernel.Sigmoid} }

// Build makes one operator.
func (l Sigmoid) Build(s Scope, x ...*G.Node) (*G.Node, error) { return activate(s, l, x[0]) }

// Emit writes Sigmoid.
func (Sigmoid) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value { return e.Node("Sigmoid", "", x) }

// Softplus is y = log(1 + exp(x)).
type Softplus struct{ elementWise }

func (Softplus) kernel() kernel.Activation { return kernel.Activation{Func: kernel.Softplus} }

// Build makes one operator.
func (l Softplus) Build(s Scope, x ...*G.Node) (*G.Node, error) { return activate(s, l, x[0]) }

// Emit writes Softplus.
func (Softplus) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value { return e.Node("Softplus", "", x) }

// ELU is y = x where x > 0, Alpha (exp(x) - 1) elsewhere.
type ELU struct {
	elementWise
	Alpha float64
}

func (l ELU) kernel() kernel.Activation {
	return kernel.Activation{Func: kernel.ELU, Alpha: l.Alpha}
}

// Build makes one operator.
func (l ELU) Build(s Scope, x ...*G.Node) (*G.Node, error) { return activate(s, l, x[0]) }

// Emit writes Elu.
func (l ELU) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	return e.Node("Elu", "", x, onnx.Float("alpha", float32(l.Alpha)))
}
