package op

import (
	"maps"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
)

func products() map[string]Rule {
	return map[string]Rule{
		"Det":           ruleDet,
		"Einsum":        ruleEinsum,
		"Gemm":          ruleGemm,
		"MatMul":        ruleMatMul,
		"MatMulInteger": ruleMatMul,
		"QLinearMatMul": ruleQLinearMatMul,
	}
}

func ruleMatMul(n *Node) { n.matmul(0, 1, 0) }

func ruleQLinearMatMul(n *Node) { n.matmul(0, 3, 0) }

// matmul is NumPy's matmul of inputs a and b.
func (n *Node) matmul(a, b, out int) {
	x, y := n.dims(a), n.dims(b)
	if x == nil || y == nil || !n.rank(a, 1, anyRank) || !n.rank(b, 1, anyRank) {
		return
	}
	rows, cols := []onnx.Dim{}, []onnx.Dim{}
	if len(x) > 1 {
		rows = x[len(x)-2 : len(x)-1]
	}
	if len(y) > 1 {
		cols = y[len(y)-1:]
	}
	k := n.equal(x[len(x)-1], y[max(len(y)-2, 0)], "the inner axes of %v and %v differ", n.arg(a), n.arg(b))
	batch, ok := Broadcast(x[:max(len(x)-2, 0)], y[:max(len(y)-2, 0)])
	if !ok {
		n.wrong("shape-mismatch", "the outer axes of %v and %v do not broadcast", n.arg(a), n.arg(b))
	}
	if n.failed {
		return
	}
	dims := join(batch, rows, cols)
	n.shape(out, dims)
	n.host.Spend(sat.Mul(LeastElements(dims), LeastElements([]onnx.Dim{k})))
}

func ruleGemm(n *Node) {
	a, b := n.dims(0), n.dims(1)
	if a == nil || b == nil || !n.rank(0, 2, 2) || !n.rank(1, 2, 2) {
		return
	}
	if n.flag("transA", false) {
		a = []onnx.Dim{a[1], a[0]}
	}
	if n.flag("transB", false) {
		b = []onnx.Dim{b[1], b[0]}
	}
	k := n.equal(a[1], b[0], "the inner axes of %v and %v differ", n.arg(0), n.arg(1))
	if n.failed {
		return
	}
	dims := []onnx.Dim{a[0], b[1]}
	n.shape(0, dims)
	n.host.Spend(sat.Mul(LeastElements(dims), LeastElements([]onnx.Dim{k})))
	if c := n.dims(2); c != nil && n.Since >= 7 {
		if joined, ok := Broadcast(dims, c); !ok || len(joined) > 2 {
			n.wrong("shape-mismatch", "C is %v, which does not broadcast to %v", n.arg(2), n.out[0])
		}
	}
}

func ruleDet(n *Node) {
	d := n.dims(0)
	if d == nil || !n.rank(0, 2, anyRank) {
		return
	}
	n.equal(d[len(d)-1], d[len(d)-2], "the matrices of %v are not square", n.arg(0))
	n.shape(0, d[:len(d)-2])
}

// inferEinsum reads the equation: letters for axes, an ellipsis for any number
// of axes that broadcast.
func ruleEinsum(n *Node) {
	equation := strings.ReplaceAll(n.string("equation", ""), " ", "")
	left, right, explicit := strings.Cut(equation, "->")
	terms := strings.Split(left, ",")
	if len(equation) > 4096 {
		n.wrong("attribute-range", "an equation of %d letters", len(equation))
		return
	}
	if len(terms) != len(n.in) {
		n.wrong("attribute-range", "equation %s has %d terms for %d inputs", onnx.Quote(equation), len(terms), len(n.in))
		return
	}
	size := make(map[byte]onnx.Dim)
	uses := make(map[byte]int)
	var rest []onnx.Dim
	for i, term := range terms {
		if n.dims(i) == nil {
			return
		}
		before, after, dots := strings.Cut(term, "...")
		d := n.dims(i)
		if few := len(before) + len(after); few > len(d) || !dots && few != len(d) {
			n.wrong("shape-mismatch", "term %s of the equation does not fit input %d, %v", onnx.Quote(term), i, n.arg(i))
			return
		}
		cut := len(d) - len(after)
		joined, ok := Broadcast(rest, d[len(before):cut])
		if rest == nil {
			joined, ok = d[len(before):cut], true
		}
		if !ok {
			n.wrong("shape-mismatch", "the ellipses of equation %s do not broadcast", onnx.Quote(equation))
			return
		}
		rest = joined
		for j := range len(before) + len(after) {
			letter, axis := (before + after)[j], j
			if j >= len(before) {
				axis = cut + j - len(before)
			}
			uses[letter]++
			if have, ok := size[letter]; ok {
				joined, ok := broadcastDim(have, d[axis])
				if !ok {
					n.wrong("shape-mismatch", "axis %q of equation %s has lengths %v and %v", letter, onnx.Quote(equation), have, d[axis])
					return
				}
				size[letter] = joined
			} else {
				size[letter] = d[axis]
			}
		}
	}
	if !explicit {
		right = "..."
		for _, letter := range slices.Sorted(maps.Keys(uses)) {
			if uses[letter] == 1 {
				right += string(letter)
			}
		}
	}
	var dims []onnx.Dim
	for i := 0; i < len(right); i++ {
		if strings.HasPrefix(right[i:], "...") {
			dims = append(dims, rest...)
			i += 2
			continue
		}
		d, ok := size[right[i]]
		if !ok {
			n.wrong("attribute-range", "equation %s has axis %q in its result only", onnx.Quote(equation), right[i])
			return
		}
		dims = append(dims, d)
	}
	work := LeastElements(rest)
	for _, d := range size {
		work = sat.Mul(work, LeastElements([]onnx.Dim{d}))
	}
	n.host.Spend(work)
	n.shape(0, join(dims))
}
