package load

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/internal/kernel"
)

// matMul takes in the bias and the activation after it where both operands are matrices.
func matMul(b *builder, c call) error {
	in, err := b.nodes(c)
	if err != nil {
		return err
	}
	as, bs := c.in[0].dims, c.in[1].dims
	if len(as) == 2 && len(bs) == 2 {
		name := c.name()
		bias := b.biasAfter(&name, bs[1])
		return b.dense(c, name, in[0], in[1], bias, as[0], bs[1])
	}
	n, err := gop.MatMul(c.name(), in[0], in[1])
	if err != nil {
		return err
	}
	dims, err := c.dims(0)
	if err != nil {
		return err
	}
	return b.set(c.name(), n, nil, dims...)
}

// gemm is a fully connected layer in most files, and in the others what its attributes say.
func gemm(b *builder, c call) error {
	cfg, err := gemmConfig(c.op)
	if err != nil {
		return err
	}
	dims, err := c.dims(0)
	if err != nil {
		return err
	}
	m, n := dims[0], dims[1]
	plain := !cfg.TransA && cfg.Alpha == 1
	if c.has(2) {
		plain = plain && cfg.Beta == 1 && isRow(c.in[2].dims, n)
	}
	strips := plain && cfg.TransB && inStrips(c, m, n)
	if plain && cfg.TransB && c.in[1].fixed != nil && !strips {
		if err := b.flip(c, 1); err != nil {
			return err
		}
		cfg.TransB = false
	}
	in, err := b.nodes(c)
	if err != nil {
		return err
	}
	var bias *G.Node
	if c.has(2) {
		bias = in[2]
	}
	if strips {
		return b.denseRow(c, c.name(), in[0], in[1], bias, n, true)
	}
	if plain && !cfg.TransB {
		return b.dense(c, c.name(), in[0], in[1], bias, m, n)
	}
	y, err := gop.Gemm(c.name(), in[0], in[1], bias, cfg)
	return b.set(c.name(), y, err, m, n)
}

func gemmConfig(op *operation) (cfg gop.GemmConfig, err error) {
	if cfg.Alpha, err = attribute[float32](op, "alpha", 1); err != nil {
		return cfg, err
	}
	if cfg.Beta, err = attribute[float32](op, "beta", 1); err != nil {
		return cfg, err
	}
	ta, err := attribute[int64](op, "transA", 0)
	if err != nil {
		return cfg, err
	}
	tb, err := attribute[int64](op, "transB", 0)
	cfg.TransA, cfg.TransB = ta != 0, tb != 0
	return cfg, err
}

// isRow reports whether dims are those of one value per column.
func isRow(dims []int, n int) bool {
	return slices.Equal(dims, []int{n}) || slices.Equal(dims, []int{1, n})
}

// biasAfter looks for the sum with a row that alone reads the value name, takes it into the layer and moves name on.
func (b *builder) biasAfter(name *string, n int) *G.Node {
	i, op := b.next(*name)
	if op == nil || op.name != "Add" || len(op.in) != 2 {
		return nil
	}
	k := 1 - slices.Index(op.in, *name)
	c := call{op: op, index: i, in: []value{b.values[op.in[0]], b.values[op.in[1]]}}
	if !c.has(k) || !isRow(c.in[k].dims, n) { // not computed yet, or another kind of sum
		return nil
	}
	bias, err := b.node(c, k)
	if err != nil {
		return nil // the sum itself will say so
	}
	b.done[i] = true
	*name = op.out[0]
	return bias
}

// wideRow is the number of columns from which the weights of a single row of inputs are laid in strips.
const wideRow = 4096

// inStrips reports whether the weights, input 1, of m rows by n columns are laid in strips.
func inStrips(c call, m, n int) bool { return m == 1 && n >= wideRow && c.in[1].constant }

// dense sets the value name to x w + bias, and the activation that alone reads it instead of it. w is input 1 of c.
func (b *builder) dense(c call, name string, x, w, bias *G.Node, m, n int) error {
	if inStrips(c, m, n) {
		return b.denseRow(c, name, x, w, bias, n, false)
	}
	act := b.activationAfter(&name)
	y, err := gop.Dense(name, x, w, bias, act, gop.Need{})
	return b.set(name, y, err, m, n)
}

// denseRow is dense for a single row, and weights that are laid in strips. Transposed ones are (n, k).
func (b *builder) denseRow(c call, name string, x, w, bias *G.Node, n int, transposed bool) error {
	act := b.activationAfter(&name)
	k, how := c.in[1].dims[0], " in strips"
	if transposed {
		k, how = c.in[1].dims[1], " transposed, in strips"
	}
	strips, err := b.arranged(c, 1, how, gop.Strips(k, n, transposed), k*n)
	if err != nil {
		return err
	}
	if w, err = b.nodeOf(name, strips, w.Dtype()); err != nil {
		return err
	}
	y, err := gop.DenseRow(name, x, w, bias, act)
	return b.set(name, y, err, 1, n)
}

// activationAfter looks for the activation that alone reads the value name, takes it into the operator and moves name on.
func (b *builder) activationAfter(name *string) (act kernel.Activation) {
	i, op := b.next(*name)
	if op == nil {
		return act
	}
	a, ok, err := activationOf(op)
	if !ok || err != nil { // the activation itself will say so
		return act
	}
	b.done[i] = true
	*name = op.out[0]
	return a
}

// flip replaces input k, a constant matrix, by its transpose.
func (b *builder) flip(c call, k int) error {
	m, err := gop.Transposed(c.in[k].dims, []int{1, 0})
	if err != nil {
		return fmt.Errorf("%s: %w", c.name(), err)
	}
	c.in[k], err = b.arranged(c, k, " transposed", []gop.Moves{m}, m.Shape...)
	return err
}

// arranged is input k, a constant, as moves give it, one after the other. What the model has for good is arranged once.
func (b *builder) arranged(c call, k int, how string, moves []gop.Moves, dims ...int) (value, error) {
	name := c.op.in[k] + how
	if op := (&operation{out: []string{name}}); !c.in[k].constant || !b.recall(op) {
		t, err := moveInTurn(c.in[k].fixed, moves, dims)
		if err := b.setFixed(name, t, err); err != nil {
			return value{}, err
		}
		if c.in[k].constant {
			b.mu.Lock()
			b.folded[name] = t
			b.mu.Unlock()
		}
	}
	v := b.values[name]
	v.constant = c.in[k].constant
	return v, nil
}
