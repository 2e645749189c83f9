package kernel

import "math"

// vectors is the task of an elementwise operation over float32.
type vectors struct {
	op      operation
	act     Activation
	y       []float32 // written; its length counts
	a, b, c []float32 // read; b and c are written too where they hold state
	s       [4]float32
}

type operation uint8

const (
	opActivate   operation = iota // y = act(a)
	opGrad                        // y = b act'(.), the output being a
	opExp                         // y = exp(a)
	opAdd                         // y = a + b
	opMul                         // y = a b
	opFloat16                     // y = a in the precision of float16
	opBFloat16                    // and of bfloat16
	opQuantize                    // y = a / scale + zero within lo and hi
	opDequantize                  // y = (a - zero) scale
	opAdam                        // w = y, g = a, m = b, v = c
)

const (
	// spanElements is the length of a unit. It bounds how long the assembly
	// runs without a point where the scheduler may stop it.
	spanElements = 2048
	// smallSpan is the number of elements from which threads pay.
	smallSpan = 4 * spanElements
)

func (v vectors) run() {
	n := len(v.y)
	if n >= smallSpan && workers.lock() {
		workers.vectors = v
		workers.run(&workers.vectors, (n+spanElements-1)/spanElements)
		return
	}
	v.do(0, (n+spanElements-1)/spanElements, nil)
}

func (v *vectors) do(lo, hi int, _ *workspace) {
	for ; lo < hi; lo++ {
		i, j := lo*spanElements, min((lo+1)*spanElements, len(v.y))
		if simd {
			v.fast(i, j)
		} else {
			v.plain(i, j)
		}
	}
}

// plain does elements [lo, hi) in portable Go.
func (v *vectors) plain(lo, hi int) {
	y, a := v.y[lo:hi], v.a[lo:hi]
	var b, c []float32
	if v.b != nil {
		b = v.b[lo:hi]
	}
	if v.c != nil {
		c = v.c[lo:hi]
	}
	switch v.op {
	case opActivate:
		activate(v.act, y, a)
	case opGrad:
		activateGrad(v.act, y, a, b)
	case opExp:
		exp(y, a)
	case opAdd:
		add(y, a, b)
	case opMul:
		mul(y, a, b)
	case opFloat16:
		roundFloat16(y, a)
	case opBFloat16:
		roundBFloat16(y, a)
	case opQuantize:
		quantize(y, a, v.s[0], v.s[1], v.s[2], v.s[3])
	case opDequantize:
		dequantize(y, a, v.s[0], v.s[1])
	case opAdam:
		adam(y, a, b, c, v.s[0], v.s[1], v.s[2], v.s[3])
	}
}

// Add writes a + b into y, elementwise over len(y). y may be a or b.
func Add[T Float](y, a, b []T) {
	need("add", "a", len(a), len(y))
	need("add", "b", len(b), len(y))
	a, b = a[:len(y)], b[:len(y)]
	if y, ok := any(y).([]float32); ok {
		vectors{op: opAdd, y: y, a: any(a).([]float32), b: any(b).([]float32)}.run()
		return
	}
	add(y, a, b)
}

// Mul writes the elementwise product a b into y, over len(y). y may be a or b.
func Mul[T Float](y, a, b []T) {
	need("multiply", "a", len(a), len(y))
	need("multiply", "b", len(b), len(y))
	a, b = a[:len(y)], b[:len(y)]
	if y, ok := any(y).([]float32); ok {
		vectors{op: opMul, y: y, a: any(a).([]float32), b: any(b).([]float32)}.run()
		return
	}
	mul(y, a, b)
}

// Exp writes e^x into y, elementwise over len(y). y may be x. In float32 the
// error is below 1 unit in the last place, subnormal results included.
func Exp[T Float](y, x []T) {
	need("exp", "x", len(x), len(y))
	x = x[:len(y)]
	if y, ok := any(y).([]float32); ok {
		vectors{op: opExp, y: y, a: any(x).([]float32)}.run()
		return
	}
	exp(y, x)
}

func add[T Float](y, a, b []T) {
	for i := range y {
		y[i] = a[i] + b[i]
	}
}

func mul[T Float](y, a, b []T) {
	for i := range y {
		y[i] = a[i] * b[i]
	}
}

func exp[T Float](y, x []T) {
	for i, v := range x {
		y[i] = T(math.Exp(float64(v)))
	}
}
