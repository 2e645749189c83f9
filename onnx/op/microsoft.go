package op

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// The domain com.microsoft is ONNX Runtime's own. Its operators are all of version
// 1 and change in place, by further optional inputs, outputs and attributes; the
// schemas are those of ONNX Runtime 1.30. Those of transformers are here, those
// that are quantised or fused in microsoft_quantize.
//
// An operator of the domain is its schema in the text of a family, a rule for its
// shapes, its evaluation in a file reference/microsoft_NAME.go with a line in
// reference/table.go, and a row of the table in verify/microsoft_test.go, which
// draws nodes of it and compares ONNX Runtime with the reference.
func microsoft() map[string]Rule {
	return map[string]Rule{
		"BiasAdd":                 ruleBiasAdd,
		"BiasSoftmax":             ruleBiasSoftmax,
		"BiasSplitGelu":           ruleBiasSplit,
		"EmbedLayerNormalization": ruleEmbeddings,
		"GroupNorm":               ruleGroupNorm,
		"SkipGroupNorm":           ruleGroupNorm,
		"BiasGelu":                ruleBiasedLast,
		"FastGelu":                ruleBiasedLast,
		"Gelu":                    ruleSame,
		"QuickGelu":               ruleSame,

		"GatherBlockQuantized":             ruleGatherBlocks,
		"MatMulBnb4":                       ruleBnb4,
		"MatMulFpQ4":                       ruleFpQ4,
		"MatMulNBits":                      ruleNBits,
		"Attention":                        ruleProjectedAttention,
		"DecoderMaskedMultiHeadAttention":  ruleDecoderMasked,
		"GroupQueryAttention":              ruleGroupQuery,
		"MoE":                              ruleExperts,
		"QMoE":                             ruleExperts,
		"MultiHeadAttention":               ruleMultiHead,
		"RotaryEmbedding":                  ruleRotaryOfPositions,
		"SkipLayerNormalization":           ruleSkipNorm,
		"SkipSimplifiedLayerNormalization": ruleSkipNorm,
	}
}

// ruleBiasedLast takes X and, along its last axis, a bias.
func ruleBiasedLast(n *Node) {
	x := n.dims(0)
	n.shape(0, x)
	if x != nil && n.given(1) && n.rank(0, 1, anyRank) {
		n.like(1, x[len(x)-1])
	}
}

// ruleSkipNorm takes X with axes (batch, length, width) or (tokens, width), what is
// added to it, which may lack the batch, and scale and biases along the last axis.
func ruleSkipNorm(n *Node) {
	x := n.dims(0)
	n.shape(0, x)
	n.shape(3, x)
	if x == nil || !n.rank(0, 2, 3) {
		return
	}
	saved := slices.Clone(x)
	saved[len(saved)-1] = onnx.Fixed(1)
	n.shape(1, saved)
	n.shape(2, saved)
	if skip := n.dims(1); skip != nil && n.rank(1, 2, 3) {
		n.fits(1, x)
		rows := len(skip) - 2
		n.equal(skip[rows], x[len(x)-2], "the lengths of input and skip differ")
		n.equal(skip[rows+1], x[len(x)-1], "the widths of input and skip differ")
	}
	for i := 2; i < len(n.Schema.In); i++ {
		n.like(i, x[len(x)-1])
	}
}

// ruleNBits multiplies rows of K by a matrix that has N rows in blocks along K.
func ruleNBits(n *Node) {
	rows, k, block, bits := n.int("N"), n.int("K"), n.int("block_size"), n.int("bits")
	if block < 16 || block&(block-1) != 0 {
		n.wrong("attribute-range", "attribute \"block_size\" is %d, want a power of two from 16 on", block)
		return
	}
	blocks := sat.Add(k, block-1) / block
	n.like(1, onnx.Fixed(rows), onnx.Fixed(blocks), onnx.Fixed(sat.Mul(block, bits)/8))
	n.perBlock(2, rows, blocks)
	zeros := blocks
	if n.arg(3).Elem == pb.TensorProto_UINT8 {
		zeros = sat.Add(sat.Mul(blocks, bits), 7) / 8
	}
	n.perBlock(3, rows, zeros)
	if d := n.dims(4); len(d) == 1 && d[0].Known() && d[0].Size != k && d[0].Size != sat.Mul(blocks, block) {
		n.wrong("shape-mismatch", "input 4, %s, has %d elements, want %d", onnx.Quote(n.proto.Input[4]), d[0].Size, k)
		return
	}
	n.like(5, onnx.Fixed(rows))
	n.rowsTimes(k, rows)
}

// perBlock sees that input i has so many elements for each row, as a list or as a
// matrix.
func (n *Node) perBlock(i int, rows, each int64) {
	if len(n.dims(i)) == 2 {
		n.like(i, onnx.Fixed(rows), onnx.Fixed(each))
	} else {
		n.like(i, onnx.Fixed(sat.Mul(rows, each)))
	}
}

// rowsTimes gives input 0, of rows of k, rows of m, by a product.
func (n *Node) rowsTimes(k, m int64) {
	a := n.dims(0)
	if a == nil || !n.rank(0, 1, anyRank) {
		return
	}
	n.equal(a[len(a)-1], onnx.Fixed(k), "the last axis of input 0 and the rows of the weights differ")
	if n.failed {
		return
	}
	n.shape(0, join(a[:len(a)-1], []onnx.Dim{onnx.Fixed(m)}))
	n.host.Spend(sat.Mul(LeastElements(a), m))
}

// ruleBnb4 multiplies by a matrix of N rows and K columns that is a list of blocks.
func ruleBnb4(n *Node) {
	rows, k, block := n.int("N"), n.int("K"), n.int("block_size")
	if block < 16 || block&(block-1) != 0 {
		n.wrong("attribute-range", "attribute \"block_size\" is %d, want a power of two from 16 on", block)
		return
	}
	all := sat.Mul(rows, k)
	n.like(1, onnx.Fixed(sat.Add(all, 1)/2))
	n.like(2, onnx.Fixed(sat.Add(all, block-1)/block))
	if n.flag("transB") {
		n.rowsTimes(k, rows)
	} else {
		n.rowsTimes(rows, k)
	}
}

// ruleFpQ4 multiplies rows by a packed matrix, whose shape is an input.
func ruleFpQ4(n *Node) {
	if shape, ok := n.constantInts(2); ok && len(shape) == 2 && slices.Min(shape) >= 0 {
		n.rowsTimes(shape[0], shape[1])
	}
}

// ruleGatherBlocks gathers along an axis of data in blocks; those of uint8 hold
// several numbers in each of their elements.
func ruleGatherBlocks(n *Node) {
	d, indices := n.dims(0), n.dims(1)
	if d == nil || indices == nil || !n.rank(0, 1, anyRank) {
		return
	}
	gather, ok := n.axis(n.int("gather_axis"), len(d))
	if !ok {
		return
	}
	along, ok := n.axis(n.int("quantize_axis"), len(d))
	if !ok {
		return
	}
	bits, block := n.int("bits"), n.int("block_size")
	each, last := int64(1), len(d)-1
	if n.arg(0).Elem == pb.TensorProto_UINT8 {
		if bits != 2 && bits != 4 && bits != 8 || gather != 0 {
			n.wrong("attribute-range", "attributes \"bits\" and \"gather_axis\" are %d and %d, data of uint8 want 2, 4 or 8, and 0", bits, gather)
			return
		}
		each = 8 / bits
	}
	if isInteger := n.arg(0).Elem == pb.TensorProto_UINT8 || n.arg(0).Elem == pb.TensorProto_INT4 || n.arg(0).Elem == pb.TensorProto_UINT4; isInteger {
		if block < 16 || block&(block-1) != 0 {
			n.wrong("attribute-range", "attribute \"block_size\" is %d, want a power of two from 16 on", block)
			return
		}
		d = slices.Clone(d)
		d[last] = scaled(d[last], each, 1)
		blocks := slices.Clone(d)
		if blocks[along] = onnx.Unknown(); d[along].Known() {
			blocks[along] = onnx.Fixed(sat.Add(d[along].Size, block-1) / block)
		}
		n.like(2, blocks...)
		packed := slices.Clone(blocks)
		if packed[last].Known() {
			packed[last] = onnx.Fixed(sat.Add(packed[last].Size, each-1) / each)
		}
		n.like(3, packed...)
	}
	n.shape(0, join(d[:gather], indices, d[gather+1:]))
}

// over divides the last axis of a value among heads.
func (n *Node) over(i int, d onnx.Dim, heads int64) onnx.Dim {
	if d.Known() && d.Size%heads != 0 {
		n.wrong("shape-mismatch", "%d heads do not divide %v of input %d, %v", heads, d, i, n.arg(i))
		return onnx.Unknown()
	}
	return scaled(d, 1, heads)
}

// scores sees that input i broadcasts to scores in its first two axes.
func (n *Node) scores(i int, batch onnx.Dim, heads int64, rows, keys onnx.Dim) {
	if d := n.dims(i); d != nil && n.given(i) && n.rank(i, 4, 4) {
		n.fits(i, []onnx.Dim{batch, onnx.Fixed(heads), rows, keys})
		n.equal(d[2], rows, "the rows of input %d and the queries differ", i)
		n.equal(d[3], keys, "the columns of input %d and the keys differ", i)
	}
}

// headInputs says which inputs of an operator hold a bias, what is added to scores,
// keys and then values of the past, how many of them are valid, and in which beams
// they are; -1 where it has none.
type headInputs struct{ bias, added, past, valid, beams int }

func ruleMultiHead(n *Node) {
	n.multiHead(headInputs{bias: 3, added: 5, past: 6, valid: 8, beams: 9})
}

// ruleDecoderMasked takes one query for each sequence.
func ruleDecoderMasked(n *Node) {
	if q := n.dims(0); len(q) == 3 {
		n.equal(q[1], onnx.Fixed(1), "there is not one query for each sequence")
	}
	in := headInputs{bias: 10, added: 4, past: 5, valid: 7, beams: 9}
	if !n.flag("past_present_share_buffer") {
		in.valid = -1
	}
	n.multiHead(in)
}

// multiHead takes query, key and value with heads in their last axis, or packed
// into five axes, or key and value with an axis for the heads.
func (n *Node) multiHead(in headInputs) {
	heads, q := n.int("num_heads", 1), n.dims(0)
	if heads < 1 || q == nil || !n.rank(0, 3, 5) {
		return
	}
	batch, rows := q[0], q[1]
	var width, length, wide onnx.Dim // of a head of the keys, of the keys, of a head of the values
	switch k, v := n.dims(1), n.dims(2); {
	case len(q) == 5:
		n.like(0, batch, rows, onnx.Fixed(heads), onnx.Fixed(3), onnx.Unknown())
		if n.given(1) || n.given(2) {
			n.wrong("either-or", "key or value is given, and query holds both")
		}
		width, length, wide = q[4], rows, q[4]
	case len(q) == 4:
		n.rank(0, 3, 3)
		return
	case !n.given(1):
		n.wrong("either-or", "no key is given, and query has three axes")
		return
	case len(k) == 5:
		n.like(1, batch, onnx.Unknown(), onnx.Fixed(heads), onnx.Fixed(2), onnx.Unknown())
		width, length, wide = k[4], k[1], k[4]
	case k == nil || v == nil && n.given(2):
		return
	case !n.given(2):
		n.wrong("either-or", "key is given without value")
		return
	case len(k) == 4 && n.rank(2, 4, 4):
		n.like(1, batch, onnx.Fixed(heads), onnx.Unknown(), onnx.Unknown())
		n.like(2, batch, onnx.Fixed(heads), k[2], onnx.Unknown())
		width, length, wide = k[3], k[2], v[3]
	case len(k) == 3 && n.rank(2, 3, 3):
		n.like(1, batch, onnx.Unknown(), q[2])
		n.like(2, batch, k[1], onnx.Unknown())
		width, length, wide = n.over(1, k[2], heads), k[1], n.over(2, v[2], heads)
	default:
		n.rank(1, 3, 5)
		return
	}
	if len(q) == 3 {
		n.equal(n.over(0, q[2], heads), width, "the widths of the heads of query and key differ")
	}
	if bias := n.dims(in.bias); len(bias) == 1 && width.Known() && wide.Known() && len(n.dims(1)) != 4 {
		n.like(in.bias, onnx.Fixed(sat.Add(sat.Mul(heads, 2*width.Size), sat.Mul(heads, wide.Size))))
	}
	total := n.withPast(in.past, batch, heads, length, width)
	n.withPast(in.past+1, batch, heads, length, wide)
	held := total // what is passed on
	if past := n.dims(in.past); n.given(in.valid) && n.given(in.past) {
		if total, held = onnx.Unknown(), onnx.Unknown(); len(past) == 4 {
			held = past[2]
		}
		if valid, ok := n.knownInts(in.valid); ok && len(valid) == 1 && valid[0] >= 0 {
			total = sum(onnx.Fixed(valid[0]), length)
		}
		n.like(in.beams, onnx.Unknown(), onnx.Unknown(), held)
	}
	n.scores(in.added, batch, heads, rows, total)
	if n.failed {
		return
	}
	n.shape(0, []onnx.Dim{batch, rows, scaled(wide, heads, 1)})
	n.shape(1, []onnx.Dim{batch, onnx.Fixed(heads), held, width})
	n.shape(2, []onnx.Dim{batch, onnx.Fixed(heads), held, wide})
	if len(n.out) > 3 {
		n.set(3, n.arg(0).Elem, []onnx.Dim{batch, onnx.Fixed(heads), rows, total})
	}
	n.host.Spend(sat.Mul(sat.Mul(LeastElements(q), 2), LeastElements([]onnx.Dim{total})))
}

// withPast sees that input i, keys or values of the past, fits those that are new, and
// returns how many there are together.
func (n *Node) withPast(i int, batch onnx.Dim, heads int64, length, width onnx.Dim) onnx.Dim {
	if !n.given(i) {
		return length
	}
	n.like(i, batch, onnx.Fixed(heads), onnx.Unknown(), width)
	if past := n.dims(i); len(past) == 4 {
		return sum(past[2], length)
	}
	return onnx.Unknown()
}

// ruleProjectedAttention projects its input to queries, keys and values.
func ruleProjectedAttention(n *Node) {
	heads, x, w := n.int("num_heads", 1), n.dims(0), n.dims(1)
	if heads < 1 || x == nil || len(w) != 2 || !n.rank(0, 3, 3) {
		return
	}
	n.equal(x[2], w[0], "the width of the input and the rows of the weights differ")
	n.like(2, w[1])
	width, wide := scaled(w[1], 1, 3), scaled(w[1], 1, 3)
	if sizes, ok := n.ints("qkv_hidden_sizes"); ok {
		if len(sizes) != 3 || sizes[0] != sizes[1] || w[1].Known() && sat.Add(sat.Add(sizes[0], sizes[1]), sizes[2]) != w[1].Size {
			n.wrong("attribute-range", "attribute \"qkv_hidden_sizes\" is %s, want two equal widths and one more, the %v columns of the weights together", onnx.Few(sizes), w[1])
			return
		}
		width, wide = onnx.Fixed(sizes[0]), onnx.Fixed(sizes[2])
	}
	head := n.over(1, width, heads)
	n.over(1, wide, heads)
	total := x[1]
	held := total // what is passed on
	if n.given(4) {
		n.like(4, onnx.Fixed(2), x[0], onnx.Fixed(heads), onnx.Unknown(), head)
		total, held = onnx.Unknown(), onnx.Unknown()
		switch past := n.dims(4); {
		case len(past) != 5:
		case n.flag("past_present_share_buffer"):
			held = past[3]
		default:
			total = sum(past[3], x[1])
			held = total
		}
	}
	n.scores(5, x[0], heads, x[1], total)
	if n.failed {
		return
	}
	n.shape(0, []onnx.Dim{x[0], x[1], wide})
	n.shape(1, []onnx.Dim{onnx.Fixed(2), x[0], onnx.Fixed(heads), held, head})
	work := sat.Mul(LeastElements(x), LeastElements(w[1:]))
	n.host.Spend(sat.Add(work, sat.Mul(LeastElements([]onnx.Dim{x[0], x[1], w[1]}), LeastElements([]onnx.Dim{total}))))
}

// ruleGroupQuery has fewer heads of keys and values than of queries. How many keys
// there are is in an input.
func ruleGroupQuery(n *Node) {
	heads, fewer, q := n.int("num_heads", 1), n.int("kv_num_heads", 1), n.dims(0)
	if heads < 1 || fewer < 1 || q == nil || !n.rank(0, 3, 3) {
		return
	}
	if heads%fewer != 0 {
		n.wrong("attribute-range", "attributes \"num_heads\" and \"kv_num_heads\" are %d and %d, of which the first is not a multiple", heads, fewer)
		return
	}
	all := heads
	if !n.given(1) {
		all = sat.Add(heads, sat.Mul(fewer, 2))
	}
	width := n.over(0, q[2], all)
	if n.given(1) {
		want := scaled(width, fewer, 1)
		n.like(1, q[0], q[1], want)
		n.like(2, q[0], q[1], want)
	}
	if len(n.dims(5)) == 2 { // a sum of a mask that keeps its axis, as in ONNX Runtime's own decoders
		n.like(5, q[0], onnx.Fixed(1))
	} else {
		n.like(5, q[0])
	}
	elem, kept := n.arg(0).Elem, width    // of the keys and values that are kept
	if n.int("kv_cache_bit_width") == 4 { // two to a byte
		if kept.Known() {
			kept = onnx.Fixed((kept.Size + 1) / 2)
		} else {
			kept = onnx.Unknown()
		}
	}
	held, past := onnx.Unknown(), n.dims(3)
	if n.given(3) {
		n.like(3, q[0], onnx.Fixed(fewer), onnx.Unknown(), kept)
		n.like(4, q[0], onnx.Fixed(fewer), onnx.Unknown(), kept)
		if len(past) == 4 {
			held = past[2]
		}
	} else {
		held = onnx.Fixed(0)
	}
	n.like(11, onnx.Fixed(heads))
	if n.failed {
		return
	}
	room, total := onnx.Unknown(), onnx.Unknown()
	if list, ok := n.knownInts(6); ok && len(list) == 1 && list[0] >= 0 {
		if total = onnx.Fixed(list[0]); held.Known() {
			room = onnx.Fixed(max(list[0], held.Size))
		}
	}
	if n.flag("sliding_window_cache") {
		room = held
	}
	n.shape(0, []onnx.Dim{q[0], q[1], scaled(width, heads, 1)})
	cache := []onnx.Dim{q[0], onnx.Fixed(fewer), room, kept}
	if n.given(3) {
		elem = n.arg(3).Elem
	}
	n.set(1, elem, cache)
	n.set(2, elem, cache)
	n.shape(3, []onnx.Dim{q[0], onnx.Fixed(heads), q[1], total})
	n.host.Spend(sat.Mul(LeastElements(q), LeastElements([]onnx.Dim{q[1]})))
}

// ruleRotaryOfPositions turns its input, of three or four axes, by rows of caches.
func ruleRotaryOfPositions(n *Node) {
	x := n.dims(0)
	n.shape(0, x)
	if x == nil || !n.rank(0, 3, 4) {
		return
	}
	length := x[len(x)-2]
	if len(x) == 3 {
		length = x[1]
	}
	if ids := n.dims(1); len(ids) == 2 {
		n.like(1, x[0], length)
	}
	if cos := n.dims(2); len(cos) == 2 {
		n.like(3, cos...)
		if turned := n.int("rotary_embedding_dim"); turned > 0 {
			n.equal(cos[1], onnx.Fixed(turned/2), "the columns of the cosines and what is turned differ")
		}
	}
}

// ruleBiasAdd adds a bias along the last axis, and a tensor of the same shape.
func ruleBiasAdd(n *Node) {
	if ruleBiasedLast(n); n.dims(0) != nil {
		n.like(2, n.dims(0)...)
	}
}

func ruleBiasSoftmax(n *Node) {
	x := n.dims(0)
	n.shape(0, x)
	if x == nil {
		return
	}
	if _, ok := n.axis(n.int("axis"), len(x)); ok {
		n.fits(1, x)
	}
}

// ruleBiasSplit halves the last axis.
func ruleBiasSplit(n *Node) {
	x := n.dims(0)
	if ruleBiasedLast(n); x == nil || n.failed {
		return
	}
	last := len(x) - 1
	if x[last].Known() && x[last].Size%2 != 0 {
		n.wrong("shape-mismatch", "the last axis of %v has no halves", n.arg(0))
		return
	}
	n.shape(0, join(x[:last], []onnx.Dim{scaled(x[last], 1, 2)}))
}

// ruleEmbeddings adds up rows of tables, all of one width, and normalises the sums.
func ruleEmbeddings(n *Node) {
	ids, words := n.dims(0), n.dims(2)
	if len(ids) != 2 || len(words) != 2 {
		return
	}
	for _, i := range []int{1, 7} {
		n.like(i, ids...)
	}
	if n.given(1) != n.given(4) {
		n.wrong("either-or", "segment_ids and segment_embedding are not given together")
		return
	}
	n.like(3, onnx.Unknown(), words[1])
	n.like(4, onnx.Unknown(), words[1])
	n.like(5, words[1])
	n.like(6, words[1])
	n.fits(8, ids)
	n.shape(0, []onnx.Dim{ids[0], ids[1], words[1]})
	n.shape(1, ids[:1])
	n.shape(2, []onnx.Dim{ids[0], ids[1], words[1]})
}

// ruleGroupNorm normalises groups of channels, which are the last axis or axis 1.
func ruleGroupNorm(n *Node) {
	x := n.dims(0)
	n.shape(0, x)
	n.shape(1, x)
	if len(x) != 4 {
		return
	}
	channels := x[1]
	if n.flag("channels_last") {
		channels = x[3]
	}
	if groups := n.int("groups", 1); groups < 1 || channels.Known() && channels.Size%groups != 0 {
		n.wrong("attribute-range", "attribute \"groups\" is %d, which does not divide the %v channels", groups, channels)
		return
	}
	for _, i := range []int{1, 2, 4} {
		n.like(i, channels)
	}
	if len(n.dims(3)) == 2 {
		n.like(3, x[0], channels)
	}
}

// ruleExperts sends each row of its input to some of the experts, whose weights have one entry for each.
func ruleExperts(n *Node) {
	x, router := n.dims(0), n.dims(1)
	n.shape(0, x)
	if x == nil || !n.rank(0, 2, 3) {
		return
	}
	if k := n.int("k"); len(router) == 2 && router[1].Known() && k > router[1].Size {
		n.wrong("attribute-range", "attribute \"k\" is %d of %d experts", k, router[1].Size)
		return
	}
	second := map[string]int{"MoE": 4, "QMoE": 5}[n.Name]
	for _, i := range []int{2, second} {
		if w := n.dims(i); len(w) == 3 && len(router) == 2 {
			n.equal(w[0], router[1], "input %d and the router have different numbers of experts", i)
		}
	}
	if w := n.dims(second); len(w) == 3 {
		n.equal(w[1], x[len(x)-1], "the widths of the input and of what the experts give differ")
	}
	if w := n.dims(2); len(w) == 3 {
		n.host.Spend(sat.Mul(sat.Mul(LeastElements(x), LeastElements(w[1:2])), 2))
	}
}
