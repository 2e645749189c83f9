package cli

import (
	"strings"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/internal/picture"
	"github.com/petrify-ml/petrify/train"
)

// pointsOfCurve is how many points a whole run puts on a curve.
const pointsOfCurve = 1000

// A history keeps what the curves of a run are drawn from: means over stretches of iterations. Adding an iteration
// allocates nothing.
type history struct {
	stretch int // iterations to a point
	sums    []float64
	summed  int
	curves  []picture.Curve
}

// newHistory is for a run of so many steps. reported are the reports of its earlier part.
func newHistory(steps int, reported []checkpoint.Event) *history {
	h := &history{stretch: (steps + pointsOfCurve - 1) / pointsOfCurve}
	for _, e := range reported {
		for _, v := range e.Values {
			if v.Name != rateName {
				h.curve(v.Name).add(float64(e.Step), v.Value)
			}
		}
	}
	return h
}

type curve struct{ *picture.Curve }

func (c curve) add(step, value float64) {
	c.Steps = append(c.Steps, step)
	c.Values = append(c.Values, value)
}

// curve finds a curve by the name of its metric, or begins it.
func (h *history) curve(name string) curve {
	for i := range h.curves {
		if h.curves[i].Name == name {
			return curve{&h.curves[i]}
		}
	}
	h.curves = append(h.curves, picture.Curve{
		Name:  name,
		Steps: make([]float64, 0, pointsOfCurve), Values: make([]float64, 0, pointsOfCurve),
	})
	return curve{&h.curves[len(h.curves)-1]}
}

// add takes an iteration in.
func (h *history) add(e train.Event) {
	if h.sums == nil {
		h.sums = make([]float64, len(e.Metrics))
	}
	for i, m := range e.Metrics {
		h.sums[i] += m.Value
	}
	if h.summed++; h.summed == h.stretch {
		h.point(e)
	}
}

// point ends a stretch, early where a report wants the curves up to now.
func (h *history) point(e train.Event) {
	if h.summed == 0 {
		return
	}
	for i, m := range e.Metrics {
		h.curve(m.Name).add(float64(e.Step)-float64(h.summed-1)/2, h.sums[i]/float64(h.summed))
		h.sums[i] = 0
	}
	h.summed = 0
}

// panels are losses above, and accuracies, which have an axis of their own, below.
func (h *history) panels() []picture.Panel {
	losses, accuracies := picture.Panel{Label: "loss"}, picture.Panel{Label: "accuracy", Low: 0, High: 1}
	for _, c := range h.curves {
		p := &losses
		if strings.HasSuffix(c.Name, "accuracy") {
			p = &accuracies
		}
		c.Name = strings.ReplaceAll(c.Name, "_", " ")
		p.Curves = append(p.Curves, c)
	}
	var panels []picture.Panel
	for _, p := range []picture.Panel{losses, accuracies} {
		if len(p.Curves) > 0 {
			panels = append(panels, p)
		}
	}
	return panels
}
