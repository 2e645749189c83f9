package pass

import (
	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// productsToGemm writes dense layers as PyTorch does: y = x Wᵀ + b, with W (outputs, inputs) and b (outputs). A MatMul of a
// matrix with constant weights, and the Add of a constant bias after it where there is one, become a Gemm. Weights keep
// their names and bits. Opset 11 and later.
func productsToGemm(g *graph) {
	if g.opset < 11 {
		return // a Gemm has a bias there
	}
	for i := range g.nodes.each {
		l, ok := g.linearAt(i, g.nodes.items[i])
		if ok && is(l.product, "MatMul") && (l.sum != nil) == (l.bias != nil) && len(l.biasDims) <= 2 && g.rank(l.product.GetInput()[0]) == 2 {
			g.gemm(i, l)
		}
	}
}

// gemm puts a Gemm in the place of node i, which is the last of a layer.
func (g *graph) gemm(i int, l linear) {
	if l.sum == nil && g.adds(l.product) {
		return // the Add's turn comes
	}
	last := g.nodes.items[i]
	inputs := l.dims[0]
	turned := make([]float32, len(l.weights))
	for k, w := range l.weights {
		turned[k%l.outputs*inputs+k/l.outputs] = w
	}
	n := &pb.NodeProto{
		Input:  []string{l.product.GetInput()[0], g.replace(l.product.GetInput()[1], []int{l.outputs, inputs}, turned)},
		Output: []string{last.GetOutput()[0]}, Name: proto.String(last.GetName()), OpType: proto.String("Gemm"),
		Attribute: []*pb.AttributeProto{onnx.Int("transB", 1).Proto()},
	}
	if l.sum != nil {
		n.Input = append(n.Input, g.replace(l.sum.GetInput()[l.biasAt], []int{l.outputs}, l.bias))
		g.put(l.at, nil)
	}
	g.put(i, n)
	g.tidy([]string{l.product.GetInput()[1]})
}

// adds tells whether the only reader of a product adds a bias that a Gemm can take on.
func (g *graph) adds(product *pb.NodeProto) bool {
	at, reader := g.reader(product.GetOutput()[0])
	if !is(reader, "Add") {
		return false
	}
	l, ok := g.linearAt(at, reader)
	return ok && l.sum != nil && l.bias != nil && len(l.biasDims) <= 2
}
