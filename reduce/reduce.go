// Package reduce finds, within a model that a runtime gets wrong, a small one on which the runtime
// still fails in the same way, with few nodes and small inputs. The result is a folder that is
// ready for a bug report: model.onnx, its inputs, the outputs that the reference computes, and a
// README that says how to reproduce the failure without petrify.
//
// The search changes the model, and keeps a change if the runtime still fails. It
// begins with the cut that usually settles it: the first wrong node alone, on the
// inputs that the runtime itself gave it. Then come delta debugging over the nodes
// (Zeller and Hildebrandt 2002), in the main graph and in the graphs within, and
// smaller attributes, shapes and numbers. A model that fails in another way is no
// progress, so the failure has a kind: see [Failure].
//
// Every candidate is judged as package verify judges a model. The search draws
// nothing and reads no clock except for its end, so that the same failure is reduced to
// the same bytes.
package reduce

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/verify"
	"github.com/petrify-ml/petrify/witness"
)

// Options say what to reduce, and how long to try.
type Options struct {
	// Verify says how models are judged: Paths is one model file, or a folder with one and its recorded inputs, and Runtimes
	// are tried in order until one fails. Named says that they were asked for by name, so that one that lacks an operator fails,
	// too.
	Verify verify.Options
	// Search bounds the time that the search takes; what was found until then is the result. No time is no bound.
	Search time.Duration
	// Tries bounds the candidates that are tried, so that a bounded search gives the same model everywhere. 0 is no bound.
	Tries int
	// Progress, unless nil, is called before each candidate is tried.
	Progress func(Event)
}

// An Event says how far a search is.
type Event struct {
	Runtime string
	Doing   string // what is tried to be made less
	Tries   int
	Nodes   int // of the smallest model so far
}

// A Result is the smallest model that was found to fail.
type Result struct {
	Model    *onnx.Model
	Inputs   []*onnx.Tensor      // in the order of the graph's
	Want     []*reference.Value  // the reference's outputs
	Rows     []verify.Comparison // of the runtime, where it gave outputs
	Failure  Failure
	Runtime  string
	Version  string
	Settings string // of the runtime's sessions, where they are not the usual ones

	Source       string // the model's path
	Set          string // of its inputs
	Before       Size
	After        Size
	Tries        int
	Unfinished   bool // the search was at its bound, or was interrupted, before nothing could be made less
	Interrupted  bool
	OriginalName map[string]string // what the outputs of the nodes that are left were called
}

// A Size is how large a model is.
type Size struct {
	Nodes int // those of functions and of graphs within nodes included
	Bytes int // of the model file and its inputs
}

var (
	// ErrNothing says that no runtime fails.
	ErrNothing = errors.New("nothing fails")
	// ErrUnsteady says that a runtime fails, and does not when it is asked again, or not on a copy of the model.
	ErrUnsteady = errors.New("the failure does not come again")
)

// Run finds a runtime that fails on the model, and the smallest model that it fails on in the same way. It returns ErrNothing
// where none fails and ErrUnsteady where the failure cannot be had again. Where ctx ends in the middle of the search, the
// result is what was found until then.
func Run(ctx context.Context, o Options) (*Result, error) {
	subjects, err := verify.Read(ctx, o.Verify)
	if err != nil {
		return nil, err
	}
	var absent []error
	for _, rt := range o.Verify.Runtimes {
		if o.Verify.Omit != nil && o.Verify.Omit(rt, subjects.Model) {
			continue
		}
		version, err := versionOf(ctx, rt, o.Verify.Timeout)
		if err != nil {
			absent = append(absent, err)
			continue
		}
		for _, set := range subjects.Sets {
			s := &search{ctx: ctx, o: o, rt: rt, seen: map[[32]byte]bool{}}
			s.tell("")
			first, err := verify.Try(ctx, rt, subjects.Model, set.Values, s.o.Verify)
			if err != nil {
				return nil, err
			}
			f, failed := failureOf(first, subjects.Model, o.Verify.Named)
			if !failed {
				continue
			}
			s.aim = f
			r, err := s.run(subjects, set)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w: %s", rt.Name(), set.Name, err, f)
			}
			r.Version = version
			return r, nil
		}
	}
	if len(absent) > 0 {
		return nil, fmt.Errorf("%w in the installed runtimes: %w", ErrNothing, errors.Join(absent...))
	}
	return nil, ErrNothing
}

func versionOf(ctx context.Context, rt witness.Runtime, limit time.Duration) (string, error) {
	limited, cancel := context.WithTimeout(ctx, cmp.Or(limit, time.Minute))
	defer cancel()
	return rt.Version(limited)
}

// A state is a model with its inputs.
type state struct {
	model  *pb.ModelProto
	inputs []*onnx.Tensor // in the order of the graph's
}

// A search is the reduction of one failure of one runtime.
type search struct {
	ctx   context.Context
	o     Options
	rt    witness.Runtime
	aim   Failure // that must stay
	end   time.Time
	doing string
	tries int
	seen  map[[32]byte]bool // candidates that do not fail

	best    *state
	trial   *verify.Trial     // of the best
	origins map[string]string // new names to old ones
}

func (s *search) tell(doing string) {
	s.doing = cmp.Or(doing, s.doing)
	if s.o.Progress != nil {
		nodes := 0
		if s.best != nil {
			nodes = len(s.best.model.GetGraph().GetNode())
		}
		s.o.Progress(Event{Runtime: s.rt.Name(), Doing: s.doing, Tries: s.tries, Nodes: nodes})
	}
}

// over reports whether the search is to end.
func (s *search) over() bool {
	return s.ctx.Err() != nil || !s.end.IsZero() && time.Now().After(s.end) || s.o.Tries > 0 && s.tries >= s.o.Tries
}

// run reduces the failure on one set of inputs.
func (s *search) run(subjects *verify.Subject, set verify.InputSet) (*Result, error) {
	if s.o.Search > 0 {
		s.end = time.Now().Add(s.o.Search)
	}
	s.tell("the model as it is")
	whole, err := begin(subjects.Model.Proto, set.Values)
	if err != nil {
		return nil, err
	}
	if !s.fails(whole) {
		if err := s.ctx.Err(); err != nil {
			return nil, err
		}
		return nil, ErrUnsteady
	}
	before := sizeOf(whole)
	for _, pass := range passes {
		s.tell(pass.doing)
		pass.do(s)
	}
	unfinished := s.over()
	if !unfinished {
		if clear(s.seen); !s.confirmed() {
			return nil, fmt.Errorf("%w (on %d nodes)", ErrUnsteady, len(s.best.model.GetGraph().GetNode()))
		}
	}
	model, err := modelOf(s.best.model)
	if err != nil {
		return nil, err
	}
	f, _ := failureOf(s.trial, model, true)
	return &Result{
		Model: model, Inputs: s.best.inputs, Want: s.trial.Want, Rows: s.trial.Rows, Failure: f, Runtime: s.rt.Name(), Settings: s.trial.Settings,
		Source: subjects.Path, Set: set.Name, Before: before, After: sizeOf(s.best), Tries: s.tries,
		Unfinished: unfinished, Interrupted: s.ctx.Err() != nil, OriginalName: s.origins,
	}, nil
}

// passes are the ways to make a model less, in the order in which they are gone through.
var passes = []struct {
	doing string
	do    func(*search)
}{
	{"the first wrong node", (*search).firstWrong},
	{"nodes", (*search).nodes},
	{"functions, branches and loops", (*search).inside},
	{"nodes", (*search).nodes},
	{"optional inputs and attributes", (*search).attributes},
	{"shapes", (*search).lengths},
	{"numbers", (*search).numbers},
	{"attributes", (*search).attributes},
	{"names", (*search).names},
}

// fails reports whether the runtime fails on a candidate as it is to. The candidate is then the best.
func (s *search) fails(c *state) bool {
	if c == nil || s.over() {
		return false
	}
	key := c.digest()
	if s.seen[key] {
		return false
	}
	s.tries++
	s.tell("")
	t, f, ok := s.judge(c)
	if !ok {
		s.seen[key] = true
		return false
	}
	s.best, s.trial = c, t
	if s.aim.Op == "" && s.aim.Class == Different {
		s.aim.Op, s.aim.Proven = f.Op, f.Proven // from here on
	}
	return true
}

func (s *search) judge(c *state) (*verify.Trial, Failure, bool) {
	m, err := modelOf(c.model)
	if err != nil {
		return nil, Failure{}, false
	}
	t, err := verify.Try(s.ctx, s.rt, m, valuesOf(c.inputs), s.o.Verify)
	if err != nil {
		return nil, Failure{}, false
	}
	f, failed := failureOf(t, m, true)
	return t, f, failed && f.same(s.aim)
}

// confirmed asks once more whether the best fails.
func (s *search) confirmed() bool {
	t, _, ok := s.judge(s.best)
	if ok {
		s.trial = t
	}
	return ok
}

// minimize returns a part of the items for which holds is still true, of which nothing can be left out: delta debugging, by
// complements, with chunks that become smaller. holds is true for all items; it is never asked about none.
func minimize[T any](items []T, holds func([]T) bool) []T {
	for chunk := (len(items) + 1) / 2; chunk >= 1 && len(items) > 1; {
		before := len(items)
		for end := len(items); end > 0; {
			start := max(end-chunk, 0)
			if rest := slices.Concat(items[:start], items[end:]); len(rest) > 0 && holds(rest) {
				items = rest
			}
			end = min(start, len(items))
		}
		switch {
		case chunk > 1:
			chunk = (chunk + 1) / 2
		case len(items) == before:
			return items
		}
	}
	return items
}

func (c *state) digest() [32]byte {
	h := sha256.New()
	b, err := onnx.Marshal(c.model)
	if err == nil {
		h.Write(b)
	}
	for _, t := range c.inputs {
		if b, err := onnx.Marshal(t.Proto()); err == nil {
			fmt.Fprintf(h, "%d\n", len(b))
			h.Write(b)
		}
	}
	return [32]byte(h.Sum(nil))
}

func modelOf(p *pb.ModelProto) (*onnx.Model, error) {
	b, err := onnx.Marshal(p)
	if err != nil {
		return nil, err
	}
	return &onnx.Model{Proto: p, Bytes: b, Path: "model.onnx"}, nil
}

func valuesOf(tensors []*onnx.Tensor) []*reference.Value {
	values := make([]*reference.Value, len(tensors))
	for i, t := range tensors {
		v, err := reference.FromTensor(t)
		if err != nil {
			return nil // the model then misses its inputs
		}
		v.Name = t.Name
		values[i] = v
	}
	return values
}

func sizeOf(c *state) Size {
	var z Size
	for range onnx.Nodes(c.model.GetGraph().GetNode()) {
		z.Nodes++
	}
	for _, f := range c.model.GetFunctions() {
		for range onnx.Nodes(f.GetNode()) {
			z.Nodes++
		}
	}
	z.Bytes = proto.Size(c.model)
	for _, t := range c.inputs {
		z.Bytes += proto.Size(t.Proto())
	}
	return z
}
