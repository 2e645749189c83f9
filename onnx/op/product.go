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
		"MatMulInteger": ruleMatMulInteger,
		"QLinearMatMul": ruleQLinearMatMul,
	}
}

func ruleMatMul(n *Node) { n.matmul(1) }

func ruleMatMulInteger(n *Node) {
	n.perRow(0, 2)
	n.perColumn(1, 3)
	n.matmul(1)
}

func ruleQLinearMatMul(n *Node) {
	n.perRow(0, 1)
	n.perRow(0, 2)
	n.perColumn(3, 4)
	n.perColumn(3, 5)
	n.matmul(3)
}

// perRow sees that input s has one element for input x, or one for each row of
// its matrices.
func (n *Node) perRow(x, s int) {
	d, rows := n.dims(s), n.dims(x)
	switch {
	case len(rows) < 2 || len(d) == 0 || len(d) == 1 && d[0] == onnx.Fixed(1):
	case len(d) == 1:
		n.like(s, rows[len(rows)-2])
	default:
		n.like(s, join(rows[:len(rows)-1], []onnx.Dim{onnx.Fixed(1)})...)
	}
}

// perColumn is perRow for columns.
func (n *Node) perColumn(x, s int) {
	d, cols := n.dims(s), n.dims(x)
	switch {
	case len(cols) < 2 || len(d) == 0 || len(d) == 1 && d[0] == onnx.Fixed(1):
	case len(d) == 1:
		n.like(s, cols[len(cols)-1])
	default:
		n.like(s, join(cols[:len(cols)-2], []onnx.Dim{onnx.Fixed(1)}, cols[len(cols)-1:])...)
	}
}

// matmul is NumPy's matmul of inputs 0 and b.
func (n *Node) matmul(b int) {
	x, y := n.dims(0), n.dims(b)
	if x == nil || y == nil || !n.rank(0, 1, anyRank) || !n.rank(b, 1, anyRank) {
		return
	}
	rows, cols := []onnx.Dim{}, []onnx.Dim{}
	if len(x) > 1 {
		rows = x[len(x)-2 : len(x)-1]
	}
	if len(y) > 1 {
		cols = y[len(y)-1:]
	}
	k := n.equal(x[len(x)-1], y[max(len(y)-2, 0)], "the inner axes of %v and %v differ", n.arg(0), n.arg(b))
	batch, ok := Broadcast(x[:max(len(x)-2, 0)], y[:max(len(y)-2, 0)])
	if !ok {
		n.wrong("shape-mismatch", "the outer axes of %v and %v do not broadcast", n.arg(0), n.arg(b))
	}
	if n.failed {
		return
	}
	dims := join(batch, rows, cols)
	n.shape(0, dims)
	n.host.Spend(sat.Mul(LeastElements(dims), LeastElements([]onnx.Dim{k})))
}

func ruleGemm(n *Node) {
	a, b := n.dims(0), n.dims(1)
	if a == nil || b == nil || !n.rank(0, 2, 2) || !n.rank(1, 2, 2) {
		return
	}
	if n.flag("transA") {
		a = []onnx.Dim{a[1], a[0]}
	}
	if n.flag("transB") {
		b = []onnx.Dim{b[1], b[0]}
	}
	k := n.equal(a[1], b[0], "the inner axes of %v and %v differ", n.arg(0), n.arg(1))
	if n.failed {
		return
	}
	dims := []onnx.Dim{a[0], b[1]}
	n.shape(0, dims)
	n.host.Spend(sat.Mul(LeastElements(dims), LeastElements([]onnx.Dim{k})))
	if n.Since >= 7 || n.flag("broadcast") {
		n.fits(2, dims)
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

// ruleEinsum reads the equation: letters for axes, an ellipsis for any number
// of axes that broadcast.
func ruleEinsum(n *Node) {
	equation := strings.ReplaceAll(n.string("equation"), " ", "")
	left, right, explicit := strings.Cut(equation, "->")
	terms := strings.Split(left, ",")
	if len(equation) > 4096 {
		n.wrong("attribute-range", "an equation of %d letters", len(equation))
		return
	}
	letters := strings.NewReplacer("...", "", ",", "", "->", "").Replace(equation)
	if strings.ContainsFunc(letters, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) {
		n.wrong("attribute-range", "equation %s has more than letters, ellipses, commas and an arrow", onnx.Quote(equation))
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
		if strings.Contains(after, "...") {
			n.wrong("attribute-range", "term %s of the equation has two ellipses", onnx.Quote(term))
			return
		}
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
			if k := strings.IndexByte((before + after)[:j], letter); k >= 0 {
				// a diagonal, of axes that do not broadcast
				if k >= len(before) {
					k += cut - len(before)
				}
				if _, ok := MergeDim(d[k], d[axis]); !ok {
					n.wrong("shape-mismatch", "axis %q of equation %s has lengths %v and %v in %v", letter, onnx.Quote(equation), d[k], d[axis], n.arg(i))
					return
				}
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
	if explicit && len(rest) > 0 && !strings.Contains(right, "...") {
		n.wrong("attribute-range", "the result of equation %s has no ellipsis for the axes of the inputs' ellipses", onnx.Quote(equation))
		return
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
		if strings.Count(right, right[i:i+1]) > 1 {
			n.wrong("attribute-range", "equation %s has axis %q twice in its result", onnx.Quote(equation), right[i])
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
