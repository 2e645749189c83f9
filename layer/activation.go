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
	Try:  []Trial{{Layer: LeakyReLU{Alpha: 0.01}, In: Shape{5}}, {Layer: LeakyReLU{Alpha: 0.2}, In: Shape{3, 5, 7}}},
}

var reluKind = Kind{
	Name: "ReLU",
	Doc:  "y = max(x, 0).",
	Ops:  []string{"Relu"},
	New:  func() Layer { return ReLU{} },
	Try:  []Trial{{Layer: ReLU{}, In: Shape{5}}, {Layer: ReLU{}, In: Shape{3, 5, 7}}},
}

var tanhKind = Kind{
	Name: "Tanh",
	Doc:  "y = tanh(x).",
	Ops:  []string{"Tanh"},
	New:  func() Layer { return Tanh{} },
	Try:  []Trial{{Layer: Tanh{}, In: Shape{5}}, {Layer: Tanh{}, In: Shape{3, 5, 7}}},
}

var sigmoidKind = Kind{
	Name: "Sigmoid",
	Doc:  "y = 1/(1 + exp(-x)).",
	Ops:  []string{"Sigmoid"},
	New:  func() Layer { return Sigmoid{} },
	Try:  []Trial{{Layer: Sigmoid{}, In: Shape{5}}, {Layer: Sigmoid{}, In: Shape{3, 5, 7}}},
}

var softplusKind = Kind{
	Name: "Softplus",
	Doc:  "y = log(1 + exp(x)).",
	Ops:  []string{"Softplus"},
	New:  func() Layer { return Softplus{} },
	Try:  []Trial{{Layer: Softplus{}, In: Shape{5}}, {Layer: Softplus{}, In: Shape{3, 5, 7}}},
}

var eluKind = Kind{
	Name: "ELU",
	Doc:  "y = x where x > 0, alpha (exp(x) - 1) elsewhere (Clevert et al. 2016).",
	Ops:  []string{"Elu"},
	New:  func() Layer { return ELU{Alpha: 1} },
	Try:  []Trial{{Layer: ELU{Alpha: 1}, In: Shape{5}}, {Layer: ELU{Alpha: 0.5}, In: Shape{3, 5, 7}}},
}

// elementWise is what all activations share: the shape stays, nothing is learnt.
type elementWise struct{}

// OutShape is the input's shape.
func (elementWise) OutShape(in Shape) (Shape, error) { return in, nil }

// Params lists none.
func (elementWise) Params(Shape) []Param { return nil }

// LeakyReLU is y = x where x > 0, Alpha x elsewhere.
type LeakyReLU struct {
	elementWise
	Alpha float64
}

func (l LeakyReLU) activation() kernel.Activation {
	return kernel.Activation{Func: kernel.LeakyReLU, Alpha: l.Alpha}
}

// Build makes one gop.Activate.
func (l LeakyReLU) Build(s Scope, x *G.Node) (*G.Node, error) {
	return gop.Activate(s.Name, x, l.activation())
}

// Emit writes LeakyRelu. Alpha is always written, since ONNX's default is 0.01.
func (l LeakyReLU) Emit(e *onnx.Emitter, x onnx.Value) onnx.Value {
	return e.Node("LeakyRelu", "", []onnx.Value{x}, onnx.Float("alpha", float32(l.Alpha)))
}

// ReLU is y = max(x, 0).
type ReLU struct{ elementWise }

func (ReLU) activation() kernel.Activation { return kernel.Activation{Func: kernel.ReLU} }

// Build makes one gop.Activate.
func (l ReLU) Build(s Scope, x *G.Node) (*G.Node, error) {
	return gop.Activate(s.Name, x, l.activation())
}

// Emit writes Relu.
func (ReLU) Emit(e *onnx.Emitter, x onnx.Value) onnx.Value {
	return e.Node("Relu", "", []onnx.Value{x})
}

// Tanh is y = tanh(x).
type Tanh struct{ elementWise }

func (Tanh) activation() kernel.Activation { return kernel.Activation{Func: kernel.Tanh} }

// Build makes one gop.Activate.
func (l Tanh) Build(s Scope, x *G.Node) (*G.Node, error) {
	return gop.Activate(s.Name, x, l.activation())
}

// Emit writes Tanh.
func (Tanh) Emit(e *onnx.Emitter, x onnx.Value) onnx.Value {
	return e.Node("Tanh", "", []onnx.Value{x})
}

// Sigmoid is y = 1/(1 + exp(-x)).
type Sigmoid struct{ elementWise }

func (Sigmoid) activation() kernel.Activation { return kernel.Activation{Func: kernel.Sigmoid} }

// Build makes one gop.Activate.
func (l Sigmoid) Build(s Scope, x *G.Node) (*G.Node, error) {
	return gop.Activate(s.Name, x, l.activation())
}

// Emit writes Sigmoid.
func (Sigmoid) Emit(e *onnx.Emitter, x onnx.Value) onnx.Value {
	return e.Node("Sigmoid", "", []onnx.Value{x})
}

// Softplus is y = log(1 + exp(x)).
type Softplus struct{ elementWise }

func (Softplus) activation() kernel.Activation { return kernel.Activation{Func: kernel.Softplus} }

// Build makes one gop.Activate.
func (l Softplus) Build(s Scope, x *G.Node) (*G.Node, error) {
	return gop.Activate(s.Name, x, l.activation())
}

// Emit writes Softplus.
func (Softplus) Emit(e *onnx.Emitter, x onnx.Value) onnx.Value {
	return e.Node("Softplus", "", []onnx.Value{x})
}

// ELU is y = x where x > 0, Alpha (exp(x) - 1) elsewhere.
type ELU struct {
	elementWise
	Alpha float64
}

func (l ELU) activation() kernel.Activation {
	return kernel.Activation{Func: kernel.ELU, Alpha: l.Alpha}
}

// Build makes one gop.Activate.
func (l ELU) Build(s Scope, x *G.Node) (*G.Node, error) {
	return gop.Activate(s.Name, x, l.activation())
}

// Emit writes Elu.
func (l ELU) Emit(e *onnx.Emitter, x onnx.Value) onnx.Value {
	return e.Node("Elu", "", []onnx.Value{x}, onnx.Float("alpha", float32(l.Alpha)))
}
