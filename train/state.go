package train

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/layer"
)

// The optimiser's moments stand in the same file as the weights, under names of their own.
const (
	firstMoment  = "adam.m/"
	secondMoment = "adam.v/"
)

// Snapshot copies everything that the next iteration depends on: parameters, moments, counters, positions of the
// random streams. It returns a DivergedError if a parameter is not finite, so that only good states are saved.
func (t *Trainer) Snapshot() (*checkpoint.Snapshot, error) {
	s := &checkpoint.Snapshot{Step: t.step, Meta: map[string]string{}}
	for _, n := range t.nets {
		if d := n.diverged(); d != nil {
			d.Step = t.step
			return nil, d
		}
		s.Meta["adam.t/"+n.plan.Net.Name] = strconv.Itoa(n.adamT)
	}
	for _, ns := range t.streams {
		s.Meta["stream/"+ns.name] = strconv.FormatUint(ns.stream.Offset(), 10)
	}
	for name, data := range t.state {
		s.Tensors = append(s.Tensors, checkpoint.Tensor{Name: name, Dims: data.dims, Data: slices.Clone(data.values)})
	}
	return s, nil
}

// Restore restores a snapshot of a run with the same model, seed and batch size. The error names every disagreement,
// and after an error nothing has changed.
func (t *Trainer) Restore(s *checkpoint.Snapshot) error {
	var problems []error
	have := map[string]checkpoint.Tensor{}
	for _, c := range s.Tensors {
		have[c.Name] = c
	}
	for name, want := range t.state {
		c, ok := have[name]
		switch {
		case !ok:
			problems = append(problems, fmt.Errorf("%s: missing from the checkpoint", name))
		case !slices.Equal(c.Dims, want.dims):
			problems = append(problems, fmt.Errorf("%s: shape %v, want %v", name, layer.Shape(c.Dims), layer.Shape(want.dims)))
		}
		delete(have, name)
	}
	for _, c := range s.Tensors {
		if _, left := have[c.Name]; left {
			problems = append(problems, fmt.Errorf("%s: in the checkpoint, but %s has no such tensor", c.Name, t.config.Model.Name))
		}
	}
	counter := func(key string) uint64 {
		v, err := strconv.ParseUint(s.Meta[key], 10, 63)
		if err != nil {
			problems = append(problems, fmt.Errorf("checkpoint entry %s is %q, want a number", key, s.Meta[key]))
		}
		return v
	}
	adamT := make([]uint64, len(t.nets))
	for i, n := range t.nets {
		adamT[i] = counter("adam.t/" + n.plan.Net.Name)
	}
	offsets := make([]uint64, len(t.streams))
	for i, ns := range t.streams {
		offsets[i] = counter("stream/" + ns.name)
	}
	if problems != nil {
		return errors.Join(problems...)
	}
	values := map[string][]float32{}
	for _, c := range s.Tensors {
		values[c.Name] = c.Data
	}
	for name, to := range t.state {
		copy(to.values, values[name])
	}
	for i, n := range t.nets {
		n.adamT = int(adamT[i])
	}
	for i, ns := range t.streams {
		ns.stream.Seek(offsets[i])
	}
	t.step = s.Step
	return nil
}

type stateTensor struct {
	dims   []int
	values []float32
}

// state ranges over every tensor that a snapshot holds: first all parameters, then all moments.
func (t *Trainer) state(yield func(string, stateTensor) bool) {
	kinds := []struct {
		prefix string
		of     func(param) []float32
	}{
		{"", func(p param) []float32 { return p.w }},
		{firstMoment, func(p param) []float32 { return p.m }},
		{secondMoment, func(p param) []float32 { return p.v }},
	}
	for _, k := range kinds {
		for _, n := range t.nets {
			for _, p := range n.params {
				if values := k.of(p); values != nil && !yield(k.prefix+p.Name, stateTensor{p.Shape, values}) {
					return
				}
			}
		}
	}
}
