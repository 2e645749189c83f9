package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftMoE is a mixture of experts: the k experts with the highest scores, (tokens,
// experts), see a token of the input, (tokens, width) or (batch, steps, width), each as
// fc2 activation(fc1 x + bias) + bias, and what they give is added up by the softmax of
// their scores, that of all scores or, with normalize_routing_weights, of theirs. ONNX
// Runtime's com.microsoft MoE.
var opMicrosoftMoE = operator{
	name: "MoE", domain: microsoft,
	eval: single(func(c *call) *Value {
		if c.given(6) || c.given(7) {
			c.onlyOnGPUs("fc3_experts_weights")
		}
		m := c.newMixture(c.in[1])
		m.first = m.dense(c.in[2], c.in[3])
		m.second = m.dense(c.in[4], c.in[5])
		return m.run()
	}),
}

// opMicrosoftQMoE is MoE with weights of 2, 4 or 8 bits, (experts, rows, columns), packed
// along the columns from the lowest bits on: (q - zero point) scale, with a scale and a
// zero point for each row, or for each block of its columns. Where there are
// router_weights they are what the experts are mixed by; else ONNX Runtime's kernel for
// CPUs takes the softmax of the chosen scores whatever normalize_routing_weights says, and
// so does this. ONNX Runtime's com.microsoft QMoE, of quant_type int.
var opMicrosoftQMoE = operator{
	name: "QMoE", domain: microsoft,
	eval: single(func(c *call) *Value {
		switch kind := c.text("quant_type"); {
		case kind != "int":
			c.onlyOnGPUs("quant_type " + kind)
		case c.given(8) || c.given(9) || c.given(10) || c.given(13):
			c.onlyOnGPUs("fc3_experts_weights")
		case c.int("weights_prepacked") > 0:
			c.onlyOnGPUs("weights_prepacked")
		case c.in[3] == nil || c.in[6] == nil:
			fail(fmt.Errorf("the weights have no scales"))
		}
		m := c.newMixture(c.in[1])
		m.mixing, m.ofChosen = c.in[14], true
		m.first = m.quantized(c.in[2], c.in[3], c.in[11], c.in[4])
		m.second = m.quantized(c.in[5], c.in[6], c.in[12], c.in[7])
		return m.run()
	}),
}

// onlyOnGPUs refuses what ONNX Runtime's kernel for CPUs refuses, too.
func (c *call) onlyOnGPUs(what string) {
	fail(&onnx.UnsupportedError{Op: c.step.op.name, Domain: microsoft, Opset: c.opset, Why: what + ", which ONNX Runtime has on GPUs only"})
}

// A mixture is the operands of MoE.
type mixture struct {
	c              *call
	x              *Value // (tokens, width)
	scores, mixing *Value // mixing is nil where scores are that, too
	experts, k     int
	ofChosen       bool // the softmax is that of the chosen scores in any case
	first, second  expertLayer
}

// An expertLayer is one matrix of rows x columns for each expert, which begins at an
// element of a value, and a bias; every weight has some roundings of its own.
type expertLayer struct {
	rows, columns int
	weights       func(expert int) (v *Value, from int)
	bias          *Value
	roundings     int
}

func (c *call) newMixture(scores *Value) *mixture {
	x := c.in[0]
	if c.int("use_sparse_mixer") != 0 {
		c.onlyOnGPUs("use_sparse_mixer")
	}
	if len(x.Dims) != 2 && len(x.Dims) != 3 || len(scores.Dims) != 2 {
		fail(fmt.Errorf("input of shape %v, scores of %v", x.Dims, scores.Dims))
	}
	width := x.Dims[len(x.Dims)-1]
	m := &mixture{c: c, x: reshaped(x, []int{size(x.Dims[:len(x.Dims)-1]), width}), scores: scores, experts: scores.Dims[1], k: c.int("k")}
	if scores.Dims[0] != m.x.Dims[0] || m.k < 1 || m.k > m.experts {
		fail(fmt.Errorf("%d of the experts, by scores of shape %v, for %d tokens", m.k, scores.Dims, m.x.Dims[0]))
	}
	return m
}

// layer is the shape of a layer that has so many numbers in each element of its weights.
func (m *mixture) layer(w, bias *Value, each int) expertLayer {
	if len(w.Dims) != 3 || w.Dims[0] != m.experts || w.Dims[2] > math.MaxInt32 {
		fail(fmt.Errorf("weights of shape %v for %d experts", w.Dims, m.experts))
	}
	l := expertLayer{rows: w.Dims[1], columns: w.Dims[2] * each, bias: bias}
	if bias != nil && !slices.Equal(bias.Dims, []int{m.experts, l.rows}) {
		fail(fmt.Errorf("bias of shape %v, want %v", bias.Dims, []int{m.experts, l.rows}))
	}
	return l
}

func (m *mixture) dense(w, bias *Value) expertLayer {
	l := m.layer(w, bias, 1)
	l.weights = func(expert int) (*Value, int) { return w, expert * l.rows * l.columns }
	return l
}

func (m *mixture) quantized(w, scales, zeros, bias *Value) expertLayer {
	c, bits := m.c, m.c.int("expert_weight_bits")
	bytes, ok := w.Data.(onnx.Slice[uint64])
	if !ok || bits != 2 && bits != 4 && bits != 8 || wideFloats&setOf(scales) == 0 {
		fail(fmt.Errorf("weights %s of %d bits with scales %s, want bytes, 2, 4 or 8 bits, and scales of 16 bits or more", w, bits, scales))
	}
	each := 8 / bits
	l := m.layer(w, bias, each)
	block, blocks := l.columns, 1
	if b := c.int("block_size"); b > 0 {
		if block = b; l.columns%b != 0 {
			fail(fmt.Errorf("blocks of %d in rows of %d", b, l.columns))
		}
		blocks = l.columns / b
	}
	if scales.Len() != m.experts*l.rows*blocks {
		fail(fmt.Errorf("scales of shape %v for %d experts with %d rows of %d blocks", scales.Dims, m.experts, l.rows, blocks))
	}
	zero := m.zeroPoints(zeros, l.rows, blocks, bits)
	l.roundings = 2
	l.weights = func(expert int) (*Value, int) {
		v := c.numbers(pb.TensorProto_FLOAT, l.rows, l.columns)
		v.stored = nil
		c.spend(int64(v.Len()))
		for i := range v.Len() {
			row := expert*l.rows + i/l.columns
			at := row*blocks + i%l.columns/block
			q := float64(bitsOf(bytes[row*w.Dims[2]:], i%l.columns, bits)) - zero(expert, i/l.columns, at-row*blocks)
			v.set(i, scaled(scales.at(at), q))
		}
		v.trim()
		return v, 0
	}
	return l
}

// zeroPoints are packed as weights are: along the rows of an expert, or along the blocks of each row.
func (m *mixture) zeroPoints(zeros *Value, rows, blocks, bits int) func(expert, row, block int) float64 {
	if zeros == nil {
		return func(int, int, int) float64 { return float64(int(1) << (bits - 1)) }
	}
	bytes, ok := zeros.Data.(onnx.Slice[uint64])
	perExpert, perRow := (rows*bits+7)/8, (blocks*bits+7)/8
	byBlock := len(zeros.Dims) == 3
	if want := m.experts * perExpert; !ok || !byBlock && zeros.Len() != want || byBlock && zeros.Len() != m.experts*rows*perRow {
		fail(fmt.Errorf("zero points %s for %d experts with %d rows of %d blocks", zeros, m.experts, rows, blocks))
	}
	return func(expert, row, block int) float64 {
		if byBlock {
			return float64(bitsOf(bytes[(expert*rows+row)*perRow:], block, bits))
		}
		return float64(bitsOf(bytes[expert*perExpert:], row, bits))
	}
}

// A share is what an expert gives to a token.
type share struct {
	token  int
	weight number
}

func (m *mixture) run() *Value {
	c, tokens, width := m.c, m.x.Dims[0], m.x.Dims[1]
	inner := m.second.columns
	fused := 1
	if c.text("activation_type") == "swiglu" {
		if fused = 2; c.int("swiglu_fusion") == 0 {
			c.onlyOnGPUs("swiglu_fusion 0")
		}
	}
	if m.first.columns != width || m.first.rows != fused*inner || m.second.rows != width {
		fail(fmt.Errorf("experts of %d x %d and %d x %d for an input of width %d", m.first.rows, m.first.columns, m.second.rows, m.second.columns, width))
	}
	if m.mixing != nil && !slices.Equal(m.mixing.Dims, m.scores.Dims) {
		fail(fmt.Errorf("router_weights of shape %v beside scores of %v", m.mixing.Dims, m.scores.Dims))
	}
	c.afford(tokens, m.k, m.first.rows+width, max(width, inner))
	out := c.numbers(c.in[0].Type, c.in[0].Dims...)
	f := c.products(out)
	shares, given := make([][]share, m.experts), make([][]number, tokens*width)
	unsure := make([]number, tokens)
	for t := range tokens {
		unsure[t] = m.choose(f, t, shares)
	}
	for expert, list := range shares {
		if len(list) == 0 {
			continue
		}
		rows := c.pick(m.x, []int{len(list), width}, func(i int) int { return list[i/width].token*width + i%width })
		y := m.apply(m.second, expert, m.activated(m.apply(m.first, expert, rows), inner))
		for i := range y.Len() {
			s := list[i/width]
			to := s.token*width + i%width
			given[to] = append(given[to], f.mul(s.weight, y.at(i)))
		}
	}
	for i, terms := range given {
		n := f.sumOf(terms, 0)
		n.sound += unsure[i/width].sound
		n.declared += unsure[i/width].declared
		out.set(i, n)
	}
	return out
}

// choose adds a token to the lists of the experts with the highest scores. Where errors may choose others it returns
// infinite figures.
func (m *mixture) choose(f format, token int, shares [][]share) (unsure number) {
	all := make([]number, m.experts)
	order := make([]int, m.experts)
	for e := range all {
		all[e], order[e] = m.scores.at(token*m.experts+e), e
	}
	slices.SortStableFunc(order, func(a, b int) int { return compareNumbers(all[b].v, all[a].v) })
	chosen, others := order[:m.k], order[m.k:]
	for _, a := range chosen {
		for _, b := range others {
			gap := all[a].v - all[b].v
			if !(gap > all[a].sound+all[b].sound) {
				unsure.sound = math.Inf(1)
			}
			if !(gap > all[a].screen()+all[b].screen()) {
				unsure.declared = math.Inf(1)
			}
		}
	}
	scores, at := all, chosen // of the softmax, and where the chosen ones are in it
	if m.c.int("normalize_routing_weights") != 0 || m.ofChosen {
		scores = convert(chosen, func(e int) number { return all[e] })
		at = slices.Clone(chosen)
		for i := range at {
			at[i] = i
		}
	}
	powers, sum := f.exponentials(scores)
	weights := convert(at, func(i int) number { return f.ratio(powers[i], sum) })
	if m.mixing != nil {
		weights = m.mixedBy(f, token, chosen)
	}
	for i, e := range chosen {
		shares[e] = append(shares[e], share{token, weights[i]})
	}
	return unsure
}

// mixedBy is what router_weights say of the chosen experts, together 1 with normalize_routing_weights.
func (m *mixture) mixedBy(f format, token int, chosen []int) []number {
	weights := convert(chosen, func(e int) number { return m.mixing.at(token*m.experts + e) })
	if m.c.int("normalize_routing_weights") != 0 {
		sum := f.sumOf(weights, 0)
		for i := range weights {
			weights[i] = f.ratio(weights[i], sum)
		}
	}
	return weights
}

// apply is a layer of an expert, not rounded to the type of the graph.
func (m *mixture) apply(l expertLayer, expert int, x *Value) *Value {
	c := m.c
	w, from := l.weights(expert)
	out := c.numbers(x.Type, x.Dims[0], l.rows)
	out.stored = nil
	f := c.products(out)
	c.multiply(f, []matrixProduct{{rowsOf(x, 0, x.Dims[0], l.columns), rowsOf(w, from, l.rows, l.columns), func(i, j int, s dot) {
		if l.bias != nil {
			s.term(l.bias.at(expert*l.rows + j))
		}
		out.set(i*l.rows+j, s.sum(f, l.roundings))
	}}})
	return out
}

// activated is the activation of rows of so many elements. That of swiglu is of pairs: a
// gate and what it lets through, side by side, or in two halves.
func (m *mixture) activated(x *Value, inner int) *Value {
	c := m.c
	f := c.products(x)
	var act func(number) number
	switch name := c.text("activation_type"); name {
	case "swiglu":
		return m.gated(x, inner)
	case "relu":
		act = relu
	case "silu":
		act = func(n number) number { return f.swish(n, exact(1)) }
	case "gelu":
		act = c.geluByTanh()
	case "identity":
		return x
	default:
		fail(fmt.Errorf("attribute activation_type is %q", name))
	}
	out := c.mapNumbers(x, act)
	out.stored = nil
	return out
}

// gated is gate sigmoid(alpha gate) (through + beta), both within swiglu_limit.
func (m *mixture) gated(x *Value, inner int) *Value {
	c := m.c
	f, alpha, beta := c.products(x), exact(c.float("activation_alpha")), exact(c.float("activation_beta"))
	limit := exact(c.float("swiglu_limit", math.Inf(1)))
	out := c.numbers(x.Type, x.Dims[0], inner)
	out.stored = nil
	for i := range out.Len() {
		row, j := i/inner*2*inner, i%inner
		gate, through := row+2*j, row+2*j+1
		if c.int("swiglu_fusion") == 2 {
			gate, through = row+j, row+inner+j
		}
		g, l := smaller(x.at(gate), limit), larger(smaller(x.at(through), limit), neg(limit))
		out.set(i, f.mul(f.swish(g, alpha), f.add(l, beta)))
	}
	return out
}
