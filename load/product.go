package load

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/internal/kernel"
)

// matMul takes in the bias and the activation after it where both operands are matrices.
func matMul(b *builder, c call) {
	in := b.nodes(c)
	as, bs := c.in[0].dims, c.in[1].dims
	if len(as) == 2 && len(bs) == 2 {
		name := c.name()
		bias := b.biasAfter(&name, bs[1])
		b.dense(c, name, in[0], in[1], bias, as[0], bs[1])
		return
	}
	n := must(gop.MatMul(c.name(), in[0], in[1]))
	dims := c.dims(0)
	b.set(c.name(), n, dims...)
}

// gemm is a fully connected layer in most files, and in the others what its attributes say.
func gemm(b *builder, c call) {
	cfg := gemmConfig(c.op)
	dims := c.dims(0)
	m, n := dims[0], dims[1]
	plain := !cfg.TransA && cfg.Alpha == 1
	if c.has(2) {
		plain = plain && cfg.Beta == 1 && isRow(c.in[2].dims, n)
	}
	strips := plain && cfg.TransB && inStrips(c, m, n)
	if plain && cfg.TransB && c.in[1].fixed != nil && !strips && sizeOf(c.in[1].fixed) <= mostCopied {
		b.flip(c, 1)
		cfg.TransB = false
	}
	in := b.nodes(c)
	var bias *G.Node
	if c.has(2) {
		bias = in[2]
	}
	if strips {
		b.denseRow(c, c.name(), in[0], in[1], bias, n, true)
		return
	}
	if plain && !cfg.TransB {
		b.dense(c, c.name(), in[0], in[1], bias, m, n)
		return
	}
	b.set(c.name(), must(gop.Gemm(c.name(), in[0], in[1], bias, cfg)), m, n)
}

func gemmConfig(op *operation) (cfg gop.GemmConfig) {
	cfg.Alpha = attribute[float32](op, "alpha")
	cfg.Beta = attribute[float32](op, "beta")
	cfg.TransA = attribute[int64](op, "transA") != 0
	cfg.TransB = attribute[int64](op, "transB") != 0
	return cfg
}

// isRow reports whether dims are those of one value per column.
func isRow(dims []int, n int) bool {
	return slices.Equal(dims, []int{n}) || slices.Equal(dims, []int{1, n})
}

// biasAfter looks for the sum with a row that alone reads the value name, takes it into the layer and moves name on.
func (b *builder) biasAfter(name *string, n int) *G.Node {
	i, op := b.next(*name)
	if op == nil || op.name != "Add" || len(op.in) != 2 || b.opset < 7 { // an axis may say there what the row is added along
		return nil
	}
	k := 1 - slices.Index(op.in, *name)
	c := call{op: op, index: i, in: []value{b.values[op.in[0]], b.values[op.in[1]]}}
	if !c.has(k) || !isRow(c.in[k].dims, n) { // not computed yet, or another kind of sum
		return nil
	}
	bias := b.node(c, k)
	b.done[i] = true
	*name = op.out[0]
	return bias
}

// wideRow is the number of columns from which the weights of a single row of inputs are laid in strips.
const wideRow = 4096

// mostCopied is how many bytes of weights there may be twice: as they are, and in the order that is fastest.
const mostCopied = 64 << 20

// inStrips reports whether the weights, input 1, of m rows by n columns are laid in strips.
func inStrips(c call, m, n int) bool {
	return m == 1 && n >= wideRow && c.in[1].constant && sizeOf(c.in[1].fixed) <= mostCopied
}

// dense sets the value name to x w + bias, and the activation that alone reads it instead of it. w is input 1 of c.
func (b *builder) dense(c call, name string, x, w, bias *G.Node, m, n int) {
	if inStrips(c, m, n) {
		b.denseRow(c, name, x, w, bias, n, false)
		return
	}
	act := b.activationAfter(&name)
	y := must(gop.Dense(name, x, w, bias, act, gop.Need{}))
	if c.in[1].fixed != nil {
		gop.KeepWeights(y)
	}
	b.set(name, y, m, n)
}

// denseRow is dense for a single row, and weights that are laid in strips. Transposed ones are (n, k).
func (b *builder) denseRow(c call, name string, x, w, bias *G.Node, n int, transposed bool) {
	act := b.activationAfter(&name)
	k, how := c.in[1].dims[0], " in strips"
	if transposed {
		k, how = c.in[1].dims[1], " transposed, in strips"
	}
	strips := b.arranged(c, 1, how, gop.Strips(k, n, transposed), k*n)
	w = b.nodeOf(name, strips, w.Dtype())
	b.set(name, must(gop.DenseRow(name, x, w, bias, act)), 1, n)
}

// activationAfter looks for the activation that alone reads the value name, takes it into the operator and moves name on.
func (b *builder) activationAfter(name *string) (act kernel.Activation) {
	i, op := b.next(*name)
	if op == nil {
		return act
	}
	a, ok := activationOf(op)
	if !ok {
		return act
	}
	b.done[i] = true
	*name = op.out[0]
	return a
}

// flip replaces input k, a constant matrix, by its transpose.
func (b *builder) flip(c call, k int) {
	m, err := gop.Transposed(c.in[k].dims, []int{1, 0})
	if err != nil {
		fail(fmt.Errorf("%s: %w", c.name(), err))
	}
	c.in[k] = b.arranged(c, k, " transposed", []gop.Moves{m}, m.Shape...)
}

// arranged is input k, a constant, as moves give it, one after the other. What the model has for good is arranged once.
func (b *builder) arranged(c call, k int, how string, moves []gop.Moves, dims ...int) value {
	name := c.op.in[k] + how
	if op := (&operation{out: []string{name}}); !c.in[k].constant || !b.recall(op) {
		t := must(moveInTurn(c.in[k].fixed, moves, dims))
		b.setFixed(name, t)
		if c.in[k].constant {
			b.mu.Lock()
			b.folded[b.key(name)] = t
			b.mu.Unlock()
		}
	}
	v := b.values[name]
	v.constant = c.in[k].constant
	return v
}
