package reference

import "context"

// A Trace is one evaluation of a graph: of the main graph, of a function, or of a
// graph that a node such as If or Loop holds.
type Trace struct {
	// Graph is the attribute that holds the graph, empty for a function and the
	// main graph.
	Graph string
	// Inner are the evaluations that nodes of the graph began, in their order, by
	// the position of the node.
	Inner map[int][]*Trace

	position int // of the node that is evaluated now
}

// longestTrace is the most evaluations that a trace holds.
const longestTrace = 1 << 16

// Trace evaluates the program and tells which graphs it went through: which branch
// an If took, how often a Loop went round. It is nil where those are too many.
func (p *Program) Trace(ctx context.Context, inputs []*Value) (*Trace, error) {
	m := p.meter(ctx)
	top := &Trace{}
	m.trace, m.traces = top, longestTrace
	s := &scope{values: map[string]*Value{}}
	if err := p.bind(s, m, inputs); err != nil {
		return nil, err
	}
	if _, err := p.graph.run(m, s); err != nil {
		return nil, err
	}
	if m.traces < 0 {
		return nil, nil
	}
	return top, nil
}

// within runs f, which evaluates a graph that the node now evaluated holds.
func (m *meter) within(graph string, f func() ([]*Value, error)) ([]*Value, error) {
	outer := m.trace
	if outer == nil {
		return f()
	}
	if m.traces--; m.traces < 0 {
		m.trace = nil
		return f()
	}
	m.trace = &Trace{Graph: graph}
	if outer.Inner == nil {
		outer.Inner = map[int][]*Trace{}
	}
	outer.Inner[outer.position] = append(outer.Inner[outer.position], m.trace)
	v, err := f()
	m.trace = outer
	return v, err
}
