package run

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/internal/picture"
	"github.com/petrify-ml/petrify/train"
)

// mostPoints is how many points a curve has at most.
const mostPoints = 1000

// curves keep what curves.png is drawn from: means over stretches of iterations, all of the same length. When there are
// mostPoints of them, neighbours are merged and the length doubles. A checkpoint carries them, so that the curves of a run
// that was interrupted are those of one that was not. Adding an iteration allocates nothing.
type curves struct {
	First   int         `json:"first"`   // the step before the first stretch
	Stretch int         `json:"stretch"` // iterations to a point
	Names   []string    `json:"names"`
	Sums    []float64   `json:"sums"`   // of the stretch under way, for each name
	Summed  int         `json:"summed"` // iterations in it
	points  [][]float32 // for each name; tensors of their own in a checkpoint
}

const (
	curvesKey    = "curves"  // where a checkpoint's metadata carries them
	curvesPrefix = "curves/" // of the tensors with their points
)

// add takes an iteration in.
func (c *curves) add(metrics []train.Metric) {
	if c.Names == nil {
		c.Stretch, c.Sums = 1, make([]float64, len(metrics))
		for _, m := range metrics {
			c.Names, c.points = append(c.Names, m.Name), append(c.points, make([]float32, 0, mostPoints))
		}
	}
	for i, m := range metrics {
		c.Sums[i] += m.Value
	}
	if c.Summed++; c.Summed < c.Stretch {
		return
	}
	for i := range c.points {
		c.points[i] = append(c.points[i], float32(c.Sums[i]/float64(c.Summed)))
		c.Sums[i] = 0
	}
	c.Summed = 0
	if len(c.points[0]) < mostPoints {
		return
	}
	for i, p := range c.points {
		for k := range mostPoints / 2 {
			p[k] = (p[2*k] + p[2*k+1]) / 2
		}
		c.points[i] = p[:mostPoints/2]
	}
	c.Stretch *= 2
}

// seal puts the curves into a checkpoint.
func (c *curves) seal(s *checkpoint.Snapshot) error {
	b, err := json.Marshal(c)
	s.Meta[curvesKey] = string(b)
	for i, p := range c.points {
		if len(p) > 0 {
			s.Tensors = append(s.Tensors, checkpoint.Tensor{Name: curvesPrefix + c.Names[i], Dims: []int{len(p)}, Data: p})
		}
	}
	return err
}

// takeCurves takes them out of a checkpoint of a run with those figures; one of an earlier version carries none, and they
// begin after it.
func takeCurves(s *checkpoint.Snapshot, figures []string) (*curves, error) {
	text, ok := s.Meta[curvesKey]
	if !ok {
		return &curves{First: s.Step}, nil
	}
	c := &curves{}
	if err := json.Unmarshal([]byte(text), c); err != nil {
		return nil, fmt.Errorf("the curves in the checkpoint of step %d: %w", s.Step, err)
	}
	if len(c.Names) == 0 { // before the first iteration
		return &curves{First: s.Step}, nil
	}
	c.points = make([][]float32, len(c.Names))
	s.Tensors = slices.DeleteFunc(s.Tensors, func(t checkpoint.Tensor) bool {
		name, ok := strings.CutPrefix(t.Name, curvesPrefix)
		i := slices.Index(c.Names, name)
		if !ok || i < 0 || len(t.Data) >= mostPoints {
			return false
		}
		c.points[i] = append(make([]float32, 0, mostPoints), t.Data...)
		return true
	})
	fit := slices.Equal(c.Names, figures) && len(c.Sums) == len(c.Names) &&
		0 <= c.First && c.First < s.Step && 1 <= c.Stretch && c.Stretch <= s.Step && 0 <= c.Summed && c.Summed < c.Stretch
	for i, p := range c.points {
		done := s.Step - c.First - c.Summed
		fit = fit && done%c.Stretch == 0 && done/c.Stretch == len(p)
		if p == nil {
			c.points[i] = make([]float32, 0, mostPoints)
		}
	}
	if !fit {
		return nil, fmt.Errorf("the curves in the checkpoint of step %d do not fit together", s.Step)
	}
	return c, nil
}

// curve is one of them, up to the latest iteration.
func (c *curves) curve(i int) picture.Curve {
	p := picture.Curve{Name: strings.ReplaceAll(c.Names[i], "_", " ")}
	at := float64(c.First)
	for _, v := range c.points[i] {
		p.Steps, p.Values = append(p.Steps, at+float64(c.Stretch+1)/2), append(p.Values, float64(v))
		at += float64(c.Stretch)
	}
	if c.Summed > 0 {
		p.Steps, p.Values = append(p.Steps, at+float64(c.Summed+1)/2), append(p.Values, c.Sums[i]/float64(c.Summed))
	}
	return p
}

// draw makes the picture: losses above, and accuracies, which have an axis of their own, below.
func (c *curves) draw(title string) ([]byte, error) {
	losses, accuracies := picture.Panel{Label: "loss"}, picture.Panel{Label: "accuracy", Low: 0, High: 1}
	for i, name := range c.Names {
		p := &losses
		if strings.HasSuffix(name, "accuracy") {
			p = &accuracies
		}
		p.Curves = append(p.Curves, c.curve(i))
	}
	var panels []picture.Panel
	for _, p := range []picture.Panel{losses, accuracies} {
		if len(p.Curves) > 0 {
			panels = append(panels, p)
		}
	}
	var b bytes.Buffer
	err := picture.Curves(&b, panels, picture.CurveOptions{Title: title})
	return b.Bytes(), err
}
