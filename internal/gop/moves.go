package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Outside is the offset of a position that no input element goes to.
const Outside = -1 << 31

// Moves says where the elements of a value come from: element (i, j, ...) is the input's element number
// Offsets[0][i] + Offsets[1][j] + ..., and a filler where one of them is Outside. Every operator that moves elements without
// computing is of this form: an axis at a time it repeats, skips, reverses, shifts or exchanges.
type Moves struct {
	Shape   []int
	Offsets [][]int

	// What plan makes of it: the innermost axes become one table, cut into runs of neighbours where those are long.
	outer [][]int
	inner []int32
	runs  []run
}

// run is n elements that lie side by side in the input, or are filled where from is Outside.
type run struct{ from, n int }

const (
	innerTable = 1024 // elements of the table of the innermost axes, unless the last axis alone has more
	shortRun   = 6    // runs of fewer elements, on average, are not worth a copy each
)

// plan checks that n input elements suffice, and settles the order of the work.
func (m *Moves) plan(n int) error {
	if len(m.Offsets) != len(m.Shape) {
		return fmt.Errorf("%d tables of offsets for %d axes", len(m.Offsets), len(m.Shape))
	}
	least, most := 0, 0
	for k, table := range m.Offsets {
		if len(table) != m.Shape[k] {
			return fmt.Errorf("%d offsets on axis %d of %v", len(table), k, m.Shape)
		}
		lo, hi, inside := 0, 0, false
		for _, o := range table {
			switch {
			case o == Outside:
			case !inside:
				lo, hi, inside = o, o, true
			default:
				lo, hi = min(lo, o), max(hi, o)
			}
		}
		least, most = least+lo, most+hi
	}
	if least < 0 || most >= n && tensor.Shape(m.Shape).TotalSize() > 0 && n > 0 {
		return fmt.Errorf("elements %d to %d of %d", least, most, n)
	}
	m.outer, m.inner = m.Offsets, []int32{0}
	for k := len(m.Shape) - 1; k >= 0; k-- {
		if size := len(m.inner) * m.Shape[k]; len(m.inner) > 1 && size > innerTable {
			break
		}
		table := make([]int32, 0, len(m.inner)*m.Shape[k])
		for _, o := range m.Offsets[k] {
			for _, i := range m.inner {
				if o == Outside || i == Outside {
					table = append(table, Outside)
				} else {
					table = append(table, int32(o)+i)
				}
			}
		}
		m.outer, m.inner = m.Offsets[:k], table
	}
	m.runs = nil
	var runs []run
	for _, o := range m.inner {
		k := len(runs) - 1
		if k >= 0 && (o == Outside && runs[k].from == Outside || o != Outside && runs[k].from != Outside && int(o) == runs[k].from+runs[k].n) {
			runs[k].n++
			continue
		}
		runs = append(runs, run{int(o), 1})
	}
	if len(runs)*shortRun <= len(m.inner) {
		m.runs = runs
	}
	return nil
}

// Rows says where the elements of the result come from, a row at a time: elements at, at+1, ... are the input's elements number
// from[0], from[1], ..., and a filler where that is negative. The input has n elements; from is only valid during the call.
func (m *Moves) Rows(n int, row func(at int, from []int)) error {
	if err := m.plan(n); err != nil {
		return err
	}
	from, rows := make([]int, len(m.inner)), 1
	for _, table := range m.outer {
		rows *= len(table)
	}
	for r := range rows {
		base, inside := m.base(r)
		for i, o := range m.inner {
			if from[i] = base + int(o); !inside || o == Outside {
				from[i] = Outside
			}
		}
		row(r*len(from), from)
	}
	return nil
}

// base is the offset that the outer axes give row r, and whether it is inside.
func (m *Moves) base(r int) (base int, inside bool) {
	for k := len(m.outer) - 1; k >= 0; k-- {
		table := m.outer[k]
		o := table[r%len(table)]
		r /= len(table)
		if o == Outside {
			return 0, false
		}
		base += o
	}
	return base, true
}

// move does rows lo to hi, each as long as the inner table.
func move[T any](m *Moves, y, x []T, filler T, lo, hi int) {
	n := len(m.inner)
	for r := lo; r < hi; r++ {
		row := y[r*n : (r+1)*n]
		base, inside := m.base(r)
		switch {
		case !inside:
			for i := range row {
				row[i] = filler
			}
		case m.runs != nil:
			for _, s := range m.runs {
				if s.from == Outside {
					for i := range s.n {
						row[i] = filler
					}
				} else {
					copy(row[:s.n], x[base+s.from:])
				}
				row = row[s.n:]
			}
		default:
			for i, o := range m.inner {
				if o == Outside {
					row[i] = filler
				} else {
					row[i] = x[base+int(o)]
				}
			}
		}
	}
}

// Take moves the elements of x. It serves inference and has no derivative.
func Take(name string, x *G.Node, m Moves, filler float64) (*G.Node, error) {
	if err := present(name, "take", x); err != nil {
		return nil, err
	}
	if len(m.Shape) == 0 {
		m = Moves{Shape: []int{1}, Offsets: [][]int{{0}}}
	}
	if err := m.plan(x.Shape().TotalSize()); err != nil {
		return nil, fmt.Errorf("%s: moves from %v to %v: %w", name, x.Shape(), m.Shape, err)
	}
	return build(name, "take", tensor.Shape(m.Shape), &moved[float32]{m: m, filler: float32(filler)}, &moved[float64]{m: m, filler: filler}, x)
}

type moved[T kernel.Float] struct {
	op
	loop
	m      Moves
	filler T
	y, x   []T
}

func (o *moved[T]) bind(b *binding) {
	take(b, &o.x)
	o.y = output[T](b)
	o.loop = parts(len(o.y), len(o.m.inner), 8192, func(lo, hi int) { move(&o.m, o.y, o.x, o.filler, lo, hi) })
}

// Transpose reorders the axes of x: axis i of the output is axis perm[i] of x. It serves inference and has no derivative.
func Transpose(name string, x *G.Node, perm ...int) (*G.Node, error) {
	if err := present(name, "transpose", x); err != nil {
		return nil, err
	}
	m, err := Transposed(x.Shape(), perm)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return Take(name, x, m, 0)
}

// Transposed is the order of axes perm as moves.
func Transposed(shape, perm []int) (m Moves, err error) {
	if len(perm) != len(shape) {
		return m, fmt.Errorf("transpose of %v by %v: want %d axes", shape, perm, len(shape))
	}
	seen := make([]bool, len(perm))
	steps := Strides(shape)
	for _, p := range perm {
		if p < 0 || p >= len(shape) || seen[p] {
			return m, fmt.Errorf("%v is not an order of %d axes", perm, len(shape))
		}
		seen[p] = true
		m.Shape = append(m.Shape, shape[p])
		m.Offsets = append(m.Offsets, Every(shape[p], steps[p]))
	}
	return m, nil
}

// Strides are the distances between neighbours along each axis.
func Strides(shape []int) []int {
	steps, step := make([]int, len(shape)), 1
	for i := len(shape) - 1; i >= 0; i-- {
		steps[i] = step
		step *= shape[i]
	}
	return steps
}

// Every is n offsets with a distance of step.
func Every(n, step int) []int {
	table := make([]int, n)
	for i := range table {
		table[i] = i * step
	}
	return table
}
