package kernel

import (
	"fmt"
	"math"
)

// Func names an activation function.
type Func uint8

// The activation functions. The derivative of each can be written in terms of
// its output y, which is all that the backward pass keeps.
const (
	Identity  Func = iota // x
	ReLU                  // x > 0: x, otherwise 0
	LeakyReLU             // x > 0: x, otherwise Alpha x; Alpha >= 0
	Tanh                  // tanh x
	Sigmoid               // 1 / (1 + e^-x)
	Softplus              // log(1 + e^x)
	ELU                   // x > 0: x, otherwise Alpha (e^x - 1); Alpha >= 0
)

var funcNames = [...]string{"identity", "relu", "leaky-relu", "tanh", "sigmoid", "softplus", "elu"}

// String returns the name in lower case.
func (f Func) String() string {
	if int(f) < len(funcNames) {
		return funcNames[f]
	}
	return fmt.Sprintf("func(%d)", uint8(f))
}

// Activation is a function with its parameter. The zero value is the identity.
type Activation struct {
	Func  Func
	Alpha float64 // slope of LeakyReLU, scale of ELU; the others ignore it
}

// Activate writes act(x) into y, elementwise over len(y). y may be x. NaN comes
// out as NaN.
//
// In float32 the identity and ReLU are exact, LeakyReLU is a product rounded
// once, and the others have an error, in units in the last place of the true
// value, of at most 2.5 (Tanh, Sigmoid, Softplus) or 1 (ELU, before the product
// with Alpha). That holds over the whole range, subnormal numbers and results
// included, so Sigmoid and Softplus keep their relative accuracy as they
// approach zero.
func Activate[T Float](act Activation, y, x []T) {
	act.check("activate")
	need("activate", "x", len(x), len(y))
	x = x[:len(y)]
	if y, ok := any(y).([]float32); ok {
		vectors{op: opActivate, act: act, y: y, a: any(x).([]float32)}.run()
		return
	}
	activate(act, y, x)
}

// ActivateGrad writes dy act'(.) into dx, elementwise over len(dx), where the
// derivative is taken at the point whose output is y. At the kink of a
// rectifier it is that of the negative side. dx may be y or dy. NaN in dy, and
// in y where the derivative depends on it, comes out as NaN.
//
// In float32 the operations that the formulas have, dy (1 - y y) of Tanh and
// dy (y (1 - y)) of Sigmoid for instance, are rounded one by one, with the same
// bits on every machine. Softplus alone has a function in it, 1 - e^-y, whose
// error is at most 1 unit in the last place.
func ActivateGrad[T Float](act Activation, dx, y, dy []T) {
	act.check("activate gradient")
	need("activate gradient", "y", len(y), len(dx))
	need("activate gradient", "dy", len(dy), len(dx))
	y, dy = y[:len(dx)], dy[:len(dx)]
	if dx, ok := any(dx).([]float32); ok {
		vectors{op: opGrad, act: act, y: dx, a: any(y).([]float32), b: any(dy).([]float32)}.run()
		return
	}
	activateGrad(act, dx, y, dy)
}

func (act Activation) check(fn string) {
	if int(act.Func) >= len(funcNames) {
		panic(fmt.Errorf("kernel: %s: unknown activation %v", fn, act.Func))
	}
}

// activate is Activate in portable Go, each function in float64.
func activate[T Float](act Activation, y, x []T) {
	alpha := T(act.Alpha)
	switch act.Func {
	case Identity:
		copy(y, x)
	case ReLU:
		for i, v := range x {
			if v < 0 {
				v = 0
			}
			y[i] = v
		}
	case LeakyReLU:
		for i, v := range x {
			if v < 0 {
				v *= alpha
			}
			y[i] = v
		}
	case Tanh:
		for i, v := range x {
			y[i] = T(math.Tanh(float64(v)))
		}
	case Sigmoid:
		for i, v := range x {
			y[i] = T(sigmoid(float64(v)))
		}
	case Softplus:
		for i, v := range x {
			y[i] = T(softplus(float64(v)))
		}
	case ELU:
		for i, v := range x {
			if v <= 0 {
				v = T(act.Alpha * math.Expm1(float64(v)))
			}
			y[i] = v
		}
	}
}

// activateGrad is ActivateGrad in portable Go.
func activateGrad[T Float](act Activation, dx, y, dy []T) {
	alpha := T(act.Alpha)
	switch act.Func {
	case Identity:
		copy(dx, dy)
	case ReLU:
		for i, v := range y {
			if v <= 0 {
				dx[i] = 0
			} else {
				dx[i] = dy[i] * slope(v, 0)
			}
		}
	case LeakyReLU:
		for i, v := range y {
			dx[i] = dy[i] * slope(v, alpha)
		}
	case Tanh:
		for i, v := range y {
			dx[i] = dy[i] * (1 - T(v*v))
		}
	case Sigmoid:
		for i, v := range y {
			dx[i] = dy[i] * (v * (1 - v))
		}
	case Softplus: // sigmoid(x) = 1 - e^-softplus(x)
		for i, v := range y {
			dx[i] = dy[i] * T(-math.Expm1(-float64(v)))
		}
	case ELU: // alpha e^x = y + alpha
		for i, v := range y {
			if v <= 0 {
				dx[i] = dy[i] * (v + alpha)
			} else {
				dx[i] = dy[i] * slope(v, 0)
			}
		}
	}
}

// slope is the derivative of a rectifier: 1 where y > 0, alpha where y <= 0,
// NaN where y is NaN.
func slope[T Float](y, alpha T) T {
	switch {
	case y > 0:
		return 1
	case y <= 0:
		return alpha
	}
	return y
}

// sigmoid keeps its relative accuracy where e^-x overflows.
func sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

// softplus is log(1 + e^x) without overflow.
func softplus(x float64) float64 {
	return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
}
