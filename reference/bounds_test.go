package reference

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// terms32 draws the terms of a sum of n products.
var terms32 = []struct {
	name string
	draw func(r *rand.Rand, n int) (a, b []float32)
}{
	{"normal", func(r *rand.Rand, n int) (a, b []float32) {
		return fill(n, func() float64 { return r.NormFloat64() }), fill(n, func() float64 { return r.NormFloat64() })
	}},
	{"positive", func(r *rand.Rand, n int) (a, b []float32) {
		return fill(n, r.Float64), fill(n, r.Float64)
	}},
	{"of all sizes", func(r *rand.Rand, n int) (a, b []float32) {
		size := func() float64 { return math.Exp2(30*r.Float64()-15) * r.NormFloat64() }
		return fill(n, size), fill(n, size)
	}},
	{"equal", func(r *rand.Rand, n int) (a, b []float32) {
		x, y := r.NormFloat64(), r.NormFloat64()
		return fill(n, func() float64 { return x }), fill(n, func() float64 { return y })
	}},
	{"cancelling", func(r *rand.Rand, n int) (a, b []float32) {
		a, b = fill(n, r.NormFloat64), fill(n, r.NormFloat64)
		for i := 1; i < n; i += 2 {
			a[i], b[i] = a[i-1], -b[i-1]*float32(1+1e-4*r.NormFloat64())
		}
		return a, b
	}},
}

func fill(n int, f func() float64) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(f())
	}
	return s
}

// dot32 adds products in float32: in a random order, from one end, or in
// blocks, each with or without fused multiply-add.
func dot32(r *rand.Rand, a, b []float32) float32 {
	order := r.Perm(len(a))
	if r.IntN(3) == 0 {
		slices.Sort(order)
	}
	block := 1 + r.IntN(len(a))
	fused := r.IntN(2) == 0
	var sum float32
	for start := 0; start < len(order); start += block {
		var part float32
		for _, i := range order[start:min(start+block, len(order))] {
			if fused {
				part = float32(math.FMA(float64(a[i]), float64(b[i]), float64(part)))
			} else {
				p := a[i] * b[i]
				part = float32(part + p)
			}
		}
		sum = float32(sum + part)
	}
	return sum
}

func TestNoOrderOfSummationLeavesTheSoundLimit(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	f := formatOf(1)
	for _, kind := range terms32 {
		t.Run(kind.name, func(t *testing.T) {
			worst := 0.0
			for range 3000 {
				n := 1 + r.IntN(1+r.IntN(400))
				a, b := kind.draw(r, n)
				var s dot
				for i := range a {
					s.add(exact(float64(a[i])), exact(float64(b[i])))
				}
				y := s.sum(f, 0)
				d := math.Abs(float64(dot32(r, a, b)) - y.v)
				if !(d <= y.sound) {
					t.Fatalf("%d terms: error %.3g, sound limit %.3g", n, d, y.sound)
				}
				if y.sound > 0 {
					worst = max(worst, d/y.sound)
				}
			}
			if worst < 0.01 {
				t.Errorf("no error came nearer than %.2g of the limit, which is too wide to mean anything", worst)
			}
		})
	}
}

func TestErrorsOfSumsAreAFewSpreads(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	f := formatOf(1)
	for _, kind := range terms32 {
		t.Run(kind.name, func(t *testing.T) {
			var squares, worst float64
			const runs = 4000
			for range runs {
				a, b := kind.draw(r, 2+r.IntN(1000))
				var s dot
				for i := range a {
					s.add(exact(float64(a[i])), exact(float64(b[i])))
				}
				y := s.sum(f, 0)
				e := math.Abs(float64(dot32(r, a, b))-y.v) / y.spread
				squares += e * e
				worst = max(worst, e)
			}
			rms := math.Sqrt(squares / runs)
			t.Logf("errors in spreads: rms %.2f, largest %.2f", rms, worst)
			if worst > Screens {
				t.Errorf("an error of %.1f spreads, want none beyond %d", worst, Screens)
			}
			if rms > 1 {
				t.Errorf("errors of %.2f spreads rms, want less than one", rms)
			}
		})
	}
}

func TestEqualTermsAreNoRandomWalk(t *testing.T) {
	// A running sum of one constant drops the same bits again and again: the
	// error grows like n², where that of different terms grows like n^1.5.
	const n = 20000
	v := fill(n, func() float64 { return 0.1 })
	sum := float32(0)
	terms := make([]number, n)
	for i, x := range v {
		sum += x
		terms[i] = exact(float64(x))
	}
	y := formatOf(1).sumOf(terms, 0)
	d := math.Abs(float64(sum) - y.v)
	if walk := math.Sqrt(n) * y.v * formatOf(1).u; d < 4*walk {
		t.Fatalf("error %.3g is a walk of %.3g: the test shows nothing", d, walk)
	}
	if d > Screens*y.spread {
		t.Errorf("error %.3g, spread %.3g", d, y.spread)
	}
}

func TestOneErrorOnManyPathsIsNotAveragedAway(t *testing.T) {
	// x is repeated 64 times and averaged: the error of x stays whole.
	x := number{v: 1, sound: 1e-3, spread: 1e-4, declared: 1e-5}
	copies := slices.Repeat([]number{x}, 64)
	f := formatOf(1)
	var weights dot
	for _, c := range copies {
		weights.add(c, exact(1./64))
	}
	for name, y := range map[string]number{
		"mean":                f.meanOf(copies, 64),
		"sum of products":     weights.sum(f, 0),
		"sum of two":          f.mul(exact(0.5), f.add(x, x)),
		"difference of twice": f.sub(f.mul(exact(2), x), x),
	} {
		if y.spread < x.spread || y.declared < x.declared || y.sound < x.sound {
			t.Errorf("%s: figures %+v, want none below those of %+v", name, y, x)
		}
	}
}

func TestRowSumsAreDots(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	random := func() number {
		return number{r.NormFloat64(), r.Float64() * 1e-3, r.Float64() * 1e-5, r.Float64() * 1e-6}
	}
	for _, tc := range []struct {
		name        string
		left, right bool // with errors
	}{{"exact", false, false}, {"left", true, false}, {"right", false, true}, {"both", true, true}} {
		t.Run(tc.name, func(t *testing.T) {
			const k, n = 37, 5
			b := matrix{rows: k, cols: n, v: make([]float64, k*n)}
			if tc.right {
				b.sound, b.spread, b.declared = make([]float64, k*n), make([]float64, k*n), make([]float64, k*n)
			}
			row, dots := newRowSum(formatOf(1), n), make([]dot, n)
			for i := range k {
				a := random()
				if !tc.left {
					a = exact(a.v)
				}
				for j := range n {
					x := random()
					b.v[i*n+j] = x.v
					if tc.right {
						b.sound[i*n+j], b.spread[i*n+j], b.declared[i*n+j] = x.sound, x.spread, x.declared
					}
					dots[j].add(a, b.at(i*n+j))
				}
				row.add(a, b, i)
			}
			for j := range n {
				got, want := row.dot(j).sum2(), dots[j].sum2()
				for i := range got {
					if math.Abs(got[i]-want[i]) > 1e-12*math.Abs(want[i]) {
						t.Errorf("column %d: figure %d is %v, a dot has %v", j, i, got[i], want[i])
					}
				}
			}
		})
	}
}

func (s dot) sum2() [4]float64 {
	y := s.sum(formatOf(1), 0)
	return [4]float64{y.v, y.sound, y.spread, y.declared}
}

// TestArithmeticStaysInTheLimit moves operands within their limits, rounds to
// float32, and expects the result within its limit.
func TestArithmeticStaysInTheLimit(t *testing.T) {
	f := formatOf(1)
	for _, tc := range []struct {
		name string
		rule func(a, b number) number
		f32  func(a, b float32) float32
	}{
		{"add", f.add, func(a, b float32) float32 { return a + b }},
		{"sub", f.sub, func(a, b float32) float32 { return a - b }},
		{"mul", f.mul, func(a, b float32) float32 { return a * b }},
		{"div", f.div, func(a, b float32) float32 { return a / b }},
		{"pow", func(a, b number) number { a.v = math.Abs(a.v); return f.pow(a, b) }, func(a, b float32) float32 {
			return float32(math.Pow(math.Abs(float64(a)), float64(b)))
		}},
		{"max", larger, func(a, b float32) float32 { return max(a, b) }},
		{"min", smaller, func(a, b float32) float32 { return min(a, b) }},
		{"leaky", f.leaky, func(a, b float32) float32 {
			if a < 0 {
				return a * b
			}
			return a
		}},
		{"elu", func(a, b number) number { return f.expLinear(a, b, a) }, func(a, b float32) float32 {
			if a < 0 {
				return b * (float32(math.Exp(float64(a))) - 1)
			}
			return a
		}},
		{"remainder", remainder, func(a, b float32) float32 { return float32(math.Mod(float64(a), float64(b))) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, 8))
			inside := func(n number, e float64) float32 {
				v := float32(n.v + (2*r.Float64()-1)*e)
				if math.Abs(float64(v)-n.v) > e { // rounding to float32 left the interval
					v = float32(n.v)
				}
				return v
			}
			for range 20000 {
				draw := func() number {
					v := float64(float32(r.NormFloat64() * math.Exp2(float64(r.IntN(12)-6))))
					e := math.Abs(v) * math.Exp2(-1-20*r.Float64())
					if r.IntN(4) == 0 {
						e = 0
					}
					return number{v: v, sound: e, spread: e / 16, declared: e / 4}
				}
				a, b := draw(), draw()
				y := tc.rule(a, b)
				x1, x2 := inside(a, a.sound), inside(b, b.sound)
				if d := distance(float64(tc.f32(x1, x2)), y.v); !(d <= y.sound) {
					t.Fatalf("of %+v and %+v, taken as %v and %v: error %.3g, sound limit %.3g", a, b, x1, x2, d, y.sound)
				}
				x1, x2 = inside(a, a.screen()), inside(b, b.screen())
				// What rounds here is at most one rounding beyond the spread.
				if d := distance(float64(tc.f32(x1, x2)), y.v); !(d <= y.screen()+f.u*math.Abs(y.v)) {
					t.Fatalf("of %+v and %+v, taken as %v and %v: error %.3g, screen %.3g", a, b, x1, x2, d, y.screen())
				}
			}
		})
	}
}

// TestNoFigureIsNaN draws operands whose error is unbounded, by worst case or by
// expectation: nothing is beyond a limit that is not a number.
func TestNoFigureIsNaN(t *testing.T) {
	f := formatOf(1)
	r := rand.New(rand.NewPCG(9, 10))
	figure := func() float64 { return []float64{0, 1e-6, math.Inf(1)}[r.IntN(3)] }
	draw := func() number {
		return number{v: []float64{0, 1, -3, 1e38, math.Inf(1)}[r.IntN(5)], sound: figure(), spread: figure(), declared: figure()}
	}
	for range 20000 {
		a, b := draw(), draw()
		for name, y := range map[string]number{
			"add": f.add(a, b), "sub": f.sub(a, b), "mul": f.mul(a, b), "div": f.div(a, b), "ratio": f.ratio(a, b), "max": larger(a, b), "min": smaller(a, b),
			"pow": f.pow(a, b), "leaky": f.leaky(a, b), "scaled": f.rounded(scaled(a, b.v), 1), "Sin": sinFunction.at(f, a), "Floor": floorFunction.at(f, a),
		} {
			if math.IsNaN(y.sound) || math.IsNaN(y.spread) || math.IsNaN(y.declared) {
				t.Fatalf("%s of %+v and %+v has the figures %+v", name, a, b, y)
			}
		}
	}
}

// distance is |a - b|, zero for equal infinities.
func distance(a, b float64) float64 {
	if a == b {
		return 0
	}
	return math.Abs(a - b)
}

// TestNoFunctionChangesMoreThanItSays compares the change of every function
// with its values at random points of the interval.
func TestNoFunctionChangesMoreThanItSays(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, tc := range []struct {
		name   string
		fn     function
		lo, hi float64
	}{
		{"Exp", expFunction, -20, 20},
		{"Log", logFunction, 1e-3, 20},
		{"Sqrt", sqrtFunction, 0, 20},
		{"Tanh", tanhFunction, -10, 10},
		{"Sigmoid", sigmoidFunction, -30, 30},
		{"Softplus", softplusFunction, -30, 30},
		{"Erf", erfFunction, -5, 5},
		{"Sin", sinFunction, -50, 50},
		{"Cos", cosFunction, -50, 50},
		{"Tan", tanFunction, -50, 50},
		{"Asin", asinFunction, -1, 1},
		{"Acos", acosFunction, -1, 1},
		{"Atan", atanFunction, -50, 50},
		{"Sinh", sinhFunction, -20, 20},
		{"Cosh", coshFunction, -20, 20},
		{"Asinh", asinhFunction, -50, 50},
		{"Acosh", acoshFunction, 1, 50},
		{"Atanh", atanhFunction, -1, 1},
		{"Floor", floorFunction, -5, 5},
		{"Ceil", ceilFunction, -5, 5},
		{"Round", roundFunction, -5, 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			finite := 0
			for range 20000 {
				x := tc.lo + (tc.hi-tc.lo)*r.Float64()
				e := math.Exp2(-30 * r.Float64())
				limit := tc.fn.change(x, e)
				y := min(max(x+(2*r.Float64()-1)*e, tc.lo), tc.hi)
				d := math.Abs(tc.fn.f(y) - tc.fn.f(x))
				if slack := 1e-15 * (1 + math.Abs(tc.fn.f(x))); !(d <= limit+slack) {
					t.Fatalf("from %v to %v the change is %.3g, limit %.3g for a distance of %.3g", x, y, d, limit, e)
				}
				if !math.IsInf(limit, 1) {
					finite++
				}
			}
			if finite < 10000 {
				t.Errorf("only %d of 20000 limits are finite", finite)
			}
		})
	}
}

func TestFloat64RuntimesShareTheErrorWithTheReference(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	f := formatOf(11)
	for range 2000 {
		n := 1 + r.IntN(300)
		var s dot
		a, b := make([]float64, n), make([]float64, n)
		for i := range a {
			a[i], b[i] = r.NormFloat64(), r.NormFloat64()
			s.add(exact(a[i]), exact(b[i]))
		}
		sum := 0.0
		for _, i := range r.Perm(n) {
			sum += a[i] * b[i]
		}
		if y := s.sum(f, 0); !(math.Abs(sum-y.v) <= y.sound) {
			t.Fatalf("error %.3g, sound limit %.3g", math.Abs(sum-y.v), y.sound)
		}
	}
}

func TestSpecialValues(t *testing.T) {
	f := formatOf(1)
	inf, nan := math.Inf(1), math.NaN()
	for _, tc := range []struct {
		name  string
		got   number
		v     float64
		sound float64
	}{
		{"infinity is not rounded", f.add(exact(inf), exact(1)), inf, 0},
		{"infinity less infinity is not a number", f.sub(exact(inf), exact(inf)), nan, 0},
		{"zero over what may be zero", f.div(exact(0), number{v: 0, sound: 1e-9}), nan, inf},
		{"beyond the largest float32 is infinite", f.mul(exact(1e38), exact(1e38)), inf, 0},
		{"one over infinity is zero", f.div(exact(1), exact(inf)), 0, f.gamma(1)*0 + f.tiny},
		{"a divisor that may be zero", f.div(exact(1), number{v: 1e-3, sound: 2e-3}), 1000, inf},
		{"an exact zero", f.div(exact(1), exact(0)), inf, 0},
		{"the largest float32 and less than half a unit", f.add(exact(math.MaxFloat32), number{v: 1e30, sound: 1e29}), math.MaxFloat32, 0},
		{"half a unit beyond the largest float32", f.add(exact(math.MaxFloat32), exact(1.2e31)), math.MaxFloat32 + 1.2e31, inf},
		{"a sum of whole numbers", plainly(format.add, func(x, y float64) float64 { return x + y })(f, exact(1), exact(-1)), 0, 0},
		{"exp of minus infinity", expFunction.at(f, exact(-inf)), 0, f.tiny},
		{"maximum of NaN", larger(exact(nan), number{v: 1, sound: 1e-3}), nan, 0},
	} {
		if tc.got.v != tc.v && !(math.IsNaN(tc.got.v) && math.IsNaN(tc.v)) || tc.got.sound != tc.sound {
			t.Errorf("%s: %v ± %v, want %v ± %v", tc.name, tc.got.v, tc.got.sound, tc.v, tc.sound)
		}
	}
}

func TestJumpsAreAddedWhereErrorsReachThem(t *testing.T) {
	f := formatOf(1)
	floor := floorFunction
	for _, tc := range []struct {
		x               number
		sound, declared float64
	}{
		{exact(2), 0, 0},
		{number{v: 2.5, sound: 0.4}, 0, 0},
		{number{v: 2.0001, sound: 0.01}, 1, 0},
		{number{v: 2.0001, sound: 0.01, spread: 0.001}, 1, 1},
		{number{v: 2.9, sound: 1.2}, 2, 0},
	} {
		y := floor.at(f, tc.x)
		if y.v != math.Floor(tc.x.v) || y.sound != tc.sound || y.declared != tc.declared {
			t.Errorf("floor of %+v is %+v, want sound %v, declared %v", tc.x, y, tc.sound, tc.declared)
		}
	}
	if n := flips(number{v: 1, sound: 0.2}, exact(1.1)); n.sound != 1 || n.declared != 0 {
		t.Errorf("a comparison within the sound limit: %+v, want sound 1 and declared 0", n)
	}
	if n := flips(exact(1), exact(1)); n != (number{}) {
		t.Errorf("a comparison of exact equals: %+v, want no error", n)
	}
}

func TestDeclaredErrorsHaveASourceAndAnOrder(t *testing.T) {
	table := Functions()
	if !slices.IsSortedFunc(table, func(a, b Function) int { return compareText(a.Name, b.Name) }) {
		t.Error("the table is not in the order of the names")
	}
	for _, f := range table {
		if f.Source == "" || f.Rel <= 0 {
			t.Errorf("%s: declared error %v |y| + %v from %q", f.Name, f.Rel, f.Abs, f.Source)
		}
	}
	if d := declared("no such function"); !math.IsInf(d.rel, 1) {
		t.Errorf("a function outside of the table has the declared error %v, want infinite", d)
	}
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func ExampleFunctions() {
	for _, f := range Functions() {
		if f.Name == "Tanh" {
			fmt.Printf("%s: %v u of the result\n", f.Name, f.Rel)
		}
	}
	// Output: Tanh: 8 u of the result
}
