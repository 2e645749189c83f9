package gop

import (
	"slices"

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

// Lend returns a function that has those who read n, an input of the graph, or a view of it read other storage from the next run on, and
// nil where that cannot be: one of them lacks the ability. It saves those who hand in large inputs a copy. The values of n and of its views keep
// showing the old storage.
func Lend[T kernel.Float](n *G.Node) func(x []T) {
	list, ok := borrowers[T](n)
	if !ok {
		return nil
	}
	return func(x []T) {
		for _, b := range list {
			b.borrow(x)
		}
	}
}

// borrower is an operator that can read its first input elsewhere.
type borrower[T kernel.Float] interface{ borrow(x []T) }

// borrowers are those who read n or its views, if all of them can borrow.
func borrowers[T kernel.Float](n *G.Node) (list []borrower[T], ok bool) {
	for it := n.Graph().To(n.ID()); it.Next(); {
		reader := it.Node().(*G.Node)
		switch o := reader.Op().(type) {
		case *reshape[T]:
			further, ok := borrowers[T](reader)
			if !ok {
				return nil, false
			}
			list = append(list, further...)
		case borrower[T]:
			if in := o.(operator).common().inputs; in[0] != n || slices.Contains(in[1:], n) {
				return nil, false
			}
			list = append(list, o)
		default:
			return nil, false
		}
	}
	return list, true
}

func (o *dense[T]) borrow(x []T)       { o.x = x }
func (o *convolution[T]) borrow(x []T) { o.x = x }

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
func (o *sliced) redirect(y []float32)   { o.y = y }
