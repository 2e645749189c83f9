package onnx

import (
	"slices"
	"strings"
)

// A place is where in a model something is, for findings. It is turned into
// words only when there is something to say.
type place struct {
	up   *place
	kind string // "node", "graph" ...
	name string // out of the file, shown quoted
	op   string // of a node
}

func (p *place) in(kind, name string) *place { return &place{up: p, kind: kind, name: name} }

func (p *place) String() string {
	var parts []string
	for leaf := p; p != nil; p = p.up {
		// The model and its graph go without saying for what is inside them.
		if p != leaf && (p.kind == "model" || p.kind == "graph" && p.up != nil && p.up.kind == "model") {
			continue
		}
		s := p.kind
		if s != "model" {
			s += " " + Quote(p.name)
		}
		if p.op != "" {
			s += " (" + Printable(p.op) + ")"
		}
		parts = append(parts, s)
	}
	slices.Reverse(parts)
	return strings.Join(parts, " / ")
}

// Printable returns an identifier as it is when it is a plain one, quoted
// otherwise.
func Printable(s string) string {
	plain := s != "" && len(s) <= 64
	for i := range len(s) {
		c := s[i]
		plain = plain && (c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("_./:-+", c) >= 0)
	}
	if plain {
		return s
	}
	return Quote(s)
}
