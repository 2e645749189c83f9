package reference

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx"
)

// opMicrosoftFusedMatMul is alpha A' B', where A' is A with its first axis moved to the rows
// (transBatchA), then with its last two swapped (transA), likewise B'. ONNX Runtime's
// com.microsoft FusedMatMul.
var opMicrosoftFusedMatMul = operator{
	name: "FusedMatMul", domain: microsoft,
	eval: single((*call).fusedMatMul),
}

// opMicrosoftTransposeMatMul is what FusedMatMul was called before. ONNX Runtime's
// com.microsoft TransposeMatMul.
var opMicrosoftTransposeMatMul = operator{
	name: "TransposeMatMul", domain: microsoft,
	eval: single((*call).fusedMatMul),
}

// opMicrosoftFusedMatMulActivation is FusedMatMul with an activation. ONNX Runtime's
// com.microsoft FusedMatMulActivation.
var opMicrosoftFusedMatMulActivation = operator{
	name: "FusedMatMulActivation", domain: microsoft,
	eval: single(func(c *call) *Value {
		y := c.fusedMatMul()
		return c.activated(y, nil, c.gemmActivation)
	}),
}

func (c *call) fusedMatMul() *Value {
	operands := [2]*Value{}
	for i, name := range []string{"A", "B"} {
		v := c.in[i]
		rank := len(v.Dims)
		if rank < 2 {
			operands[i] = v // a vector has nothing to be transposed
			continue
		}
		perm := make([]int, 0, rank)
		for a := range rank {
			perm = append(perm, a)
		}
		if c.int("transBatch"+name) != 0 {
			copy(perm, perm[1:rank-1])
			perm[rank-2] = 0
		}
		if c.int("trans"+name) != 0 {
			perm[rank-2], perm[rank-1] = perm[rank-1], perm[rank-2]
		}
		operands[i] = c.transpose(v, perm)
	}
	a, b := operands[0], operands[1]
	alpha := c.float("alpha")
	if alpha == 1 {
		return c.matMul(a, b)
	}
	scaledA := c.numbers(a.Type, a.Dims...)
	for i := range scaledA.Len() {
		n := scaled(a.at(i), alpha) // runtimes scale the sum, or an operand
		elems[float64](scaledA)[i] = n.v
		scaledA.setFigures(i, n)
	}
	y := c.matMul(scaledA, b)
	if half, _ := math.Frexp(math.Abs(alpha)); half != 0.5 {
		f := c.format(y)
		for i := range y.Len() {
			y.setFigures(i, f.rounded(y.at(i), 1))
		}
	}
	return y
}

// activated is act(y + z), or of y alone where z is nil.
func (c *call) activated(y, z *Value, activation func(f format) func(number) number) *Value {
	f := c.format(y)
	act := activation(f)
	out := c.numbers(y.Type, y.Dims...)
	for i := range out.Len() {
		n := y.at(i)
		if z != nil {
			n = f.add(n, z.at(i))
		}
		out.set(i, act(n))
	}
	return out
}

// gemmActivation is attribute activation of a fused product of matrices, with its
// parameters.
func (c *call) gemmActivation(f format) func(number) number {
	name := c.text("activation")
	act, params := activationOf(f, name)
	if act == nil {
		fail(&onnx.UnsupportedError{Op: c.step.op.name, Domain: microsoft, Why: fmt.Sprintf("activation %q", name)})
	}
	var p [3]number
	for i, attr := range []string{"activation_alpha", "activation_beta", "activation_gamma"} {
		if c.has(attr) {
			p[i] = exact(c.float(attr))
		} else if params&(1<<i) != 0 {
			fail(fmt.Errorf("attribute %s is missing, which %s needs", attr, name))
		}
	}
	return func(x number) number { return act(x, p[0], p[1], p[2]) }
}

// Which of alpha, beta and gamma an activation has.
const (
	hasAlpha = 1 << iota
	hasBeta
	hasGamma
)

// activationOf is an activation that products are fused with, by the name of its
// operator, and the parameters that it has; nil where there is none of that name.
func activationOf(f format, name string) (act func(x, alpha, beta, gamma number) number, params int) {
	plain := func(act func(x number) number) func(x, _, _, _ number) number {
		return func(x, _, _, _ number) number { return act(x) }
	}
	switch name {
	case "Relu":
		return plain(relu), 0
	case "Tanh":
		return plain(func(x number) number { return tanhFunction.at(f, x) }), 0
	case "Sigmoid":
		return plain(func(x number) number { return sigmoidFunction.at(f, x) }), 0
	case "Softplus":
		return plain(func(x number) number { return softplusFunction.at(f, x) }), 0
	case "Softsign":
		return plain(func(x number) number { return f.ratio(x, f.add(exact(1), absolute([]number{x})[0])) }), 0
	case "Silu":
		return plain(func(x number) number { return f.mul(x, sigmoidFunction.at(f, x)) }), 0
	case "HardSwish":
		return plain(func(x number) number { return f.mul(x, f.hardSigmoid(x, f.constant(1./6), exact(0.5))) }), 0
	case "LeakyRelu":
		return func(x, alpha, _, _ number) number { return f.leaky(x, alpha) }, hasAlpha
	case "Elu":
		return func(x, alpha, _, _ number) number { return f.expLinear(x, alpha, x) }, hasAlpha
	case "Celu":
		return func(x, alpha, _, _ number) number { return f.expLinear(x, alpha, f.div(x, alpha)) }, hasAlpha
	case "ThresholdedRelu":
		return func(x, alpha, _, _ number) number {
			y := x
			if !(x.v > alpha.v) {
				y = exact(0)
			}
			return jump(y, x, math.Abs(x.v-alpha.v), math.Abs(alpha.v))
		}, hasAlpha
	case "Clip":
		return func(x, least, most, _ number) number { return smaller(larger(x, least), most) }, hasAlpha | hasBeta
	case "HardSigmoid":
		return func(x, alpha, beta, _ number) number { return f.hardSigmoid(x, alpha, beta) }, hasAlpha | hasBeta
	case "ScaledTanh":
		return func(x, alpha, beta, _ number) number { return f.mul(alpha, tanhFunction.at(f, f.mul(beta, x))) }, hasAlpha | hasBeta
	case "ParametricSoftplus":
		return func(x, alpha, beta, _ number) number { return f.mul(alpha, f.softplusAsWritten(f.mul(beta, x))) }, hasAlpha | hasBeta
	case "Selu":
		return func(x, alpha, _, gamma number) number { return f.rounded(f.mul(gamma, f.expLinear(x, alpha, x)), 1) }, hasAlpha | hasGamma
	}
	return nil, 0
}
