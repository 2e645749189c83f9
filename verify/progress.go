package verify

import "sync"

// An Event says what Run is about to do.
type Event struct {
	Path    string // of the model
	Runtime string // empty while the reference evaluates
	Set     string
	// Model counts the models started so far, out of Models.
	Model, Models int
	// Node counts the nodes that the reference has evaluated, out of Nodes; 0 before the first one.
	Node, Nodes int
}

// progress serialises the events of models that are verified at once.
type progress struct {
	mu     sync.Mutex
	f      func(Event)
	begun  int
	models int
}

func newProgress(f func(Event), models int) *progress { return &progress{f: f, models: models} }

func (p *progress) begin() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun++
	return p.begun
}

func (p *progress) tell(e Event) {
	if p == nil || p.f == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e.Models = p.models
	p.f(e)
}
