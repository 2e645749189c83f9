package run

import (
	"math"
	"strings"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/train"
)

// health looks out for signs that a run learns nothing, or less than it seems, and tells each once. All that it knows comes
// from the iterations and the reports that it is shown; it changes nothing.
type health struct {
	tell   func(format string, args ...any)
	last   []float64 // the figures of the iteration before
	still  []int     // for each, iterations since it changed
	said   map[string]bool
	before map[string]bool // signs at the report before: one alone may be a moment
}

const (
	// standstill is how many iterations a loss may be the same number. Their batches differ, so that one that is computed
	// from them does not repeat itself, except for functions in saturation.
	standstill = 100
	// nought is a loss that has no gradient to speak of.
	nought = 1e-6
	// sameShade is half of one of the 256 levels of a pixel.
	sameShade = 0.5 / 255
	// probed is how many images are looked at for units of the code.
	probed = 256
	// inactive is the variance of the mean of a unit over images below which it says nothing of them (Burda, Grosse and
	// Salakhutdinov 2016, section 5.2).
	inactive = 0.01
)

func newHealth(tell func(format string, args ...any)) *health {
	return &health{tell: tell, said: map[string]bool{}, before: map[string]bool{}}
}

// once tells a sign, the first time that it is seen.
func (h *health) once(sign, format string, args ...any) {
	if !h.said[sign] {
		h.said[sign] = true
		h.tell(format, args...)
	}
}

// begin looks at what is to be learnt, and by what.
func (h *health) begin(c train.Config) error {
	if same, flat := contrast(c.Data); flat {
		h.once("contrast", "the images of %s have no contrast: every pixel of every one has the same value", c.Data.Name)
	} else if same && c.Data.N > 1 {
		h.once("contrast", "the %d images of %s are all the same", c.Data.N, c.Data.Name)
	}
	for _, n := range c.Model.Nets {
		plan, err := n.Plan()
		if err != nil {
			return err
		}
		for _, s := range plan.Steps {
			if _, ok := s.Layer.(layer.BatchNorm); ok && c.Batch*s.In[0].Len() == s.In[0][0] {
				h.once("one value", "%s normalises over one value, a batch of 1 at one place, and makes the same of every image: a larger batch is needed", s.Name)
			}
		}
	}
	return nil
}

// contrast tells whether all images of a set are the same, and whether all their pixels are.
func contrast(s *dataset.Set) (same, flat bool) {
	first := s.Image(0)
	for i := range s.N {
		if string(s.Image(i)) != string(first) {
			return false, false
		}
	}
	for _, v := range first {
		if v != first[0] {
			return true, false
		}
	}
	return true, true
}

// iteration looks at the losses. It allocates nothing after the first.
func (h *health) iteration(metrics []train.Metric) {
	if h.last == nil {
		h.last, h.still = make([]float64, len(metrics)), make([]int, len(metrics))
		for i := range h.last {
			h.last[i] = math.NaN()
		}
	}
	for i, m := range metrics {
		still := m.Value == h.last[i] || math.Max(math.Abs(m.Value), math.Abs(h.last[i])) < nought
		h.last[i] = m.Value
		if !still {
			h.still[i] = 0
			continue
		}
		if h.still[i]++; h.still[i] == standstill && !strings.HasSuffix(m.Name, "accuracy") {
			h.once("standstill", "%s has been %.6g for %d iterations: the model no longer learns from it (try a smaller --lr)", m.Name, m.Value, standstill)
		}
	}
}

// report looks at what the model makes. last tells whether the training ends with it.
func (h *health) report(t *train.Trainer, pictures []train.Picture, last bool) error {
	now := map[string]bool{}
	seen := func(sign, format string, args ...any) {
		if now[sign] = true; h.before[sign] || last {
			h.once(sign, format, args...)
		}
	}
	m := t.Config().Model
	sampler, ok := m.Net(m.Objective.Roles().Sampler)
	noise := ok && sampler.Input.Noise
	if images := pictures[0].Images; noise && images != nil && images.N > 1 && indistinct(images) {
		seen("alike", "all samples are alike: whatever the noise, %s makes one picture", sampler.Name)
	}
	points, size, err := t.Codes(probed)
	if err != nil {
		return err
	}
	if n := len(points) / max(1, size); n > 1 {
		dead, dull := units(points, size)
		switch {
		case noise && dull == size:
			seen("code", "the code says nothing of the images: all of its %d units are as good as constant (try a smaller --beta, or a larger --latent)", size)
		case !noise && dead > 0:
			seen("code", "%d of the %d units of the code are dead: the same for each of %d images (another --seed or a smaller --lr may keep them alive)", dead, size, n)
		}
	}
	h.before = now
	return nil
}

// indistinct tells whether no pixel tells the images apart.
func indistinct(m *train.Images) bool {
	size := m.C * m.H * m.W
	for k := range size {
		low, high := m.Pixels[k], m.Pixels[k]
		for i := 1; i < m.N; i++ {
			low, high = min(low, m.Pixels[i*size+k]), max(high, m.Pixels[i*size+k])
		}
		if !(high-low <= sameShade) {
			return false
		}
	}
	return true
}

// units counts those of the points of a code, (N, size), that are the same everywhere, and those that hardly vary.
func units(points []float32, size int) (dead, dull int) {
	n := len(points) / size
	for k := range size {
		same := true
		var mean, square float64
		for i := range n {
			v := points[i*size+k]
			same = same && v == points[k]
			mean += float64(v) / float64(n)
		}
		for i := range n {
			d := float64(points[i*size+k]) - mean
			square += d * d / float64(n)
		}
		if same {
			dead++
		}
		if square < inactive {
			dull++
		}
	}
	return dead, dull
}
