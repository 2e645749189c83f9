package rule

import (
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A Place is where in a model something is, for findings. It is turned into
// words only when there is something to say.
type Place struct {
	Up   *Place
	Kind string // "node", "graph" ...
	Name string // out of the file, shown quoted
	Op   string // of a node
}

// In is a place inside p.
func (p *Place) In(kind, name string) *Place { return &Place{Up: p, Kind: kind, Name: name} }

func (p *Place) String() string {
	var parts []string
	for leaf := p; p != nil; p = p.Up {
		// The model and its graph go without saying for what is inside them.
		if p != leaf && (p.Kind == "model" || p.Kind == "graph" && p.Up != nil && p.Up.Kind == "model") {
			continue
		}
		s := p.Kind
		if s != "model" {
			s += " " + onnx.Quote(p.Name)
		}
		if p.Op != "" {
			s += " (" + onnx.Printable(p.Op) + ")"
		}
		parts = append(parts, s)
	}
	slices.Reverse(parts)
	return strings.Join(parts, " / ")
}

// Node is the place of a node in p, named by its first output when the node has
// no name.
func (p *Place) Node(n *pb.NodeProto) *Place {
	at := p.In("node", n.GetName())
	at.Op = n.GetOpType()
	if at.Name != "" {
		return at
	}
	for _, out := range n.Output {
		if out != "" {
			at.Kind, at.Name = "node of", out
			break
		}
	}
	return at
}
