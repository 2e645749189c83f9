package gop

import (
	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Owner is the node whose operator fills the storage that n shows: n itself, or what it is a view of.
func Owner(n *G.Node) *G.Node {
	for {
		switch o := n.Op().(type) {
		case *reshape[float32]:
			n = o.inputs[0]
		case *reshape[float64]:
			n = o.inputs[0]
		default:
			return n
		}
	}
}

// Redirect returns a function that has the elements of n written to other storage from the next run of its machine on, and nil
// where that cannot be: an operator without the ability, or storage that another operator reads. It saves those who must hand out
// results a copy. The values of the nodes keep showing the old storage.
func Redirect[T kernel.Float](n *G.Node) func(y []T) {
	owner := Owner(n)
	for v, readers := n, 0; ; v, readers = v.Op().(operator).common().inputs[0], 1 {
		if v.Graph().To(v.ID()).Len() != readers {
			return nil
		}
		if v == owner {
			break
		}
	}
	if o, ok := owner.Op().(interface{ redirect([]T) }); ok {
		return o.redirect
	}
	return nil
}

// KeepWeights tells the operator of n that its weights never change, so that what it makes of them can be made once.
func KeepWeights(n *G.Node) {
	if o, ok := n.Op().(interface{ keepWeights() }); ok {
		o.keepWeights()
	}
}

func (o *dense[T]) redirect(y []T)       { o.y = y }
func (o *activate[T]) redirect(y []T)    { o.y = y }
func (o *broadcast[T]) redirect(y []T)   { o.y = y }
func (o *convolution[T]) redirect(y []T) { o.y = y }
