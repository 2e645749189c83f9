package reference

import "context"

// A Trace is one evaluation of a graph: of the main graph, a function, or a subgraph of a node such
// as If or Loop.
type Trace struct {
	// Graph is the name of the attribute that holds the graph; empty for a function and for the main
	// graph.
	Graph string
	// Inner holds the evaluations started by nodes of the graph, in order, by the index of the node.
	Inner map[int][]*Trace

	position int // of the node that is evaluated now
}

// longestTrace is the most evaluations that a trace holds.
const longestTrace = 1 << 16

// Trace evaluates the program and records which subgraphs it evaluated: which branch an If took,
// how often a Loop iterated. It is nil if there are too many.
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
