package latent

import (
	"math"
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/random"
)

func length(p []float32) float64 {
	s := 0.0
	for _, v := range p {
		s += float64(v) * float64(v)
	}
	return math.Sqrt(s)
}

func TestTheArcKeepsTheLength(t *testing.T) {
	a, b, p := []float32{3, 0, 0}, []float32{0, 0, 3}, make([]float32, 3)
	for _, at := range []float64{0, 0.25, 0.5, 1} {
		Spherical(p, a, b, at)
		angle := math.Atan2(float64(p[2]), float64(p[0]))
		if math.Abs(length(p)-3) > 1e-6 || math.Abs(angle-at*math.Pi/2) > 1e-6 || p[1] != 0 {
			t.Errorf("at %v: %v, of length %v and angle %v", at, p, length(p), angle)
		}
	}
}

func TestPointsWithoutAnArc(t *testing.T) {
	for _, c := range []struct{ a, b, want []float32 }{
		{[]float32{1, 1}, []float32{3, 3}, []float32{2, 2}},
		{[]float32{1, 0}, []float32{-1, 0}, []float32{0, 0}},
		{[]float32{0, 0}, []float32{2, 0}, []float32{1, 0}},
		{[]float32{5}, []float32{-3}, []float32{1}},
	} {
		got := make([]float32, len(c.a))
		Spherical(got, c.a, c.b, 0.5)
		for i := range got {
			if math.Abs(float64(got[i]-c.want[i])) > 1e-6 {
				t.Errorf("between %v and %v: %v, want %v", c.a, c.b, got, c.want)
				break
			}
		}
	}
}

func TestBetweenBeginsAndEndsAtThePoints(t *testing.T) {
	a, b := make([]float32, 50), make([]float32, 50)
	n := random.Noise{Seed: 3}
	n.Fill(a, 50, 0)
	n.Fill(b, 50, 1)
	p := Between(Spherical, a, b, 5)
	if !slices.Equal(p[:50], a) || !slices.Equal(p[200:], b) {
		t.Error("the ends are not the points")
	}
	if !slices.Equal(Between(Spherical, a, b, 1), a) {
		t.Error("one point is not the first")
	}
}

// A film of the walk runs over its end without a jump, and no step of it is much longer than all.
func TestWalkIsClosedAndSmooth(t *testing.T) {
	const width, stops, n = 64, 5, 240
	at := make([]float32, stops*width)
	random.Noise{Seed: 8}.Fill(at, width, 0)
	p := Walk(Spherical, at, width, n)
	steps := make([]float64, n)
	for i := range n {
		next := p[(i+1)%n*width:][:width]
		d := make([]float32, width)
		for k := range d {
			d[k] = next[k] - p[i*width+k]
		}
		steps[i] = length(d)
	}
	// An arc is about a right angle of a sphere of radius 8, so 12.6 long; eased, its fastest step is 1.5 of the mean.
	if most := slices.Max(steps); most > 2.2*12.6*stops/n {
		t.Errorf("the longest step is %v", most)
	}
	for i, s := range steps {
		if jump := math.Abs(steps[(i+1)%n] - s); jump > 0.08 {
			t.Errorf("step %d: the speed changes by %v", i, jump)
		}
	}
	for k := range stops {
		if !slices.Equal(p[k*n/stops*width:][:width], at[k*width:][:width]) {
			t.Errorf("the walk misses stop %d", k)
		}
	}
}
