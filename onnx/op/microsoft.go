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
// draws nodes of it and holds ONNX Runtime against the reference.
func microsoft() map[string]Rule {
	return map[string]Rule{
		"BiasGelu":  ruleBiasedLast,
		"FastGelu":  ruleBiasedLast,
		"Gelu":      ruleSame,
		"QuickGelu": ruleSame,

		"GatherBlockQuantized":             ruleGatherBlocks,
		"MatMulBnb4":                       ruleBnb4,
		"MatMulNBits":                      ruleNBits,
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
	rows, k, block, bits := n.int("N", 0), n.int("K", 0), n.int("block_size", 0), n.int("bits", 4)
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
	rows, k, block := n.int("N", 0), n.int("K", 0), n.int("block_size", 0)
	if block < 16 || block&(block-1) != 0 {
		n.wrong("attribute-range", "attribute \"block_size\" is %d, want a power of two from 16 on", block)
		return
	}
	all := sat.Mul(rows, k)
	n.like(1, onnx.Fixed(sat.Add(all, 1)/2))
	n.like(2, onnx.Fixed(sat.Add(all, block-1)/block))
	if n.flag("transB", true) {
		n.rowsTimes(k, rows)
	} else {
		n.rowsTimes(rows, k)
	}
}

// ruleGatherBlocks gathers along an axis of data in blocks; those of uint8 hold
// several numbers in each of their elements.
func ruleGatherBlocks(n *Node) {
	d, indices := n.dims(0), n.dims(1)
	if d == nil || indices == nil || !n.rank(0, 1, anyRank) {
		return
	}
	gather, ok := n.axis(n.int("gather_axis", 0), len(d))
	if !ok {
		return
	}
	along, ok := n.axis(n.int("quantize_axis", 1), len(d))
	if !ok {
		return
	}
	bits, block := n.int("bits", 4), n.int("block_size", 128)
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
