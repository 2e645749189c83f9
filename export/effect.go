package export

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/layer"
)

// An Effect is what a precision does to a net. Errors are the root mean square of the change of the first output, relative to the root
// mean square of that output.
type Effect struct {
	Net string
	// Inputs says what the net was given: "draws of noise", "images", "drawn images", or points of the latent space of such.
	Inputs string
	// Predicted is the error expected in float32 from rounding the weights, and from rounding intermediate values by their usual amounts
	// with random signs. It does not involve the file itself.
	Predicted float64
	// Measured is the error of the file when package load runs it.
	Measured float64
	// Frechet is the distance between the images of a net before and after, from the same noise, and FrechetSeeds that between the images
	// of two seeds, for scale. Both are 0 for nets that do not make images from noise. For a net that takes classes, the images go through
	// all of them in turn.
	Frechet, FrechetSeeds float64
}

// refused tells whether a limit, unless it is 0, or arithmetic itself forbids the precision.
func (e Effect) refused(limit float64) bool {
	most := max(e.Predicted, e.Measured)
	return math.IsNaN(most) || math.IsInf(most, 0) || limit > 0 && most > limit
}

// A PrecisionError says that a precision changes a net by more than the user allows, or that its numbers exceed the range of the
// type.
type PrecisionError struct {
	Precision Precision
	Effect    Effect
	Limit     float64
}

func (e *PrecisionError) Error() string {
	if e.Limit == 0 {
		return fmt.Sprintf("%s: numbers leave the range of %s", e.Effect.Net, e.Precision)
	}
	return fmt.Sprintf("%s: %s changes the output by %.2g of its size (predicted %.2g), but only %g is allowed", e.Effect.Net, e.Precision, e.Effect.Measured, e.Effect.Predicted, e.Limit)
}

const (
	effectSamples = 256 // inputs of an effect
	effectDraws   = 4   // of roundings
)

// effect measures what the precision does to a net.
func (s *source) effect(net layer.Net) (e Effect, err error) {
	e.Net = net.Name
	wide := s.wide()
	x, of, err := s.inputs(net, effectSamples, forEffect)
	if err != nil {
		return e, err
	}
	e.Inputs = of
	before, err := wide.train(net, x)
	if err != nil {
		return e, err
	}
	after, err := s.run(net, x)
	if err != nil {
		return e, err
	}
	e.Measured = relative(before[0], after[0])
	p, err := s.perturbed(net)
	if err != nil {
		return e, err
	}
	drawn, err := p.draws(effectDraws, x)
	if err != nil {
		return e, err
	}
	for _, y := range drawn {
		e.Predicted += relative(before[0], y) * relative(before[0], y) / float64(len(drawn))
	}
	e.Predicted = math.Sqrt(e.Predicted)
	if entrance(net).Noise && makesImages(s.model, net) {
		z, _, err := s.inputs(net, effectSamples, forScale)
		if err != nil {
			return e, err
		}
		other, err := wide.train(net, z)
		if err != nil {
			return e, err
		}
		plan, err := net.Plan()
		if err != nil {
			return e, err
		}
		shape := plan.Steps[plan.Outputs[0]].Out
		a, b, c := coarse(before[0], shape), coarse(after[0], shape), coarse(other[0], shape)
		e.Frechet, e.FrechetSeeds = frechet(a, b), frechet(a, c)
	}
	return e, nil
}

// relative is the root mean square of y-x in parts of that of x.
func relative(x, y []float32) float64 {
	var size, change float64
	for i, v := range x {
		size += float64(v) * float64(v)
		change += (float64(y[i]) - float64(v)) * (float64(y[i]) - float64(v))
	}
	if change == 0 {
		return 0
	}
	return math.Sqrt(change / size)
}

// coarse is the means of images over a grid of 4 by 4 fields a channel: the simple space in which distances are taken.
func coarse(x []float32, s layer.Shape) [][]float64 {
	const grid = 4
	c, h, w := s[0], s[1], s[2]
	rows := make([][]float64, len(x)/s.Len())
	for n := range rows {
		sums, counts := make([]float64, c*grid*grid), make([]float64, c*grid*grid)
		for i, v := range x[n*s.Len() : (n+1)*s.Len()] {
			k := i/(h*w)*grid*grid + i/w%h*grid/h*grid + i%w*grid/w
			sums[k] += float64(v)
			counts[k]++
		}
		for k := range sums {
			sums[k] /= max(counts[k], 1)
		}
		rows[n] = sums
	}
	return rows
}

// frechet is the squared distance of Fréchet between normal distributions with the means and covariances of two samples (Dowson and
// Landau 1982): |m1-m2|² + tr(C1 + C2 - 2 (C1^½ C2 C1^½)^½).
func frechet(a, b [][]float64) float64 {
	ma, ca := moments(a)
	mb, cb := moments(b)
	d := 0.0
	for i := range ma {
		d += (ma[i]-mb[i])*(ma[i]-mb[i]) + ca[i][i] + cb[i][i]
	}
	root := function(ca, math.Sqrt)
	values, _ := eigen(product(product(root, cb), root))
	for _, v := range values {
		d -= 2 * math.Sqrt(max(v, 0))
	}
	return max(d, 0)
}

func moments(x [][]float64) (mean []float64, cov [][]float64) {
	n := len(x[0])
	mean, cov = make([]float64, n), square(n)
	for _, row := range x {
		for i, v := range row {
			mean[i] += v / float64(len(x))
		}
	}
	for _, row := range x {
		for i := range n {
			for j := range n {
				cov[i][j] += (row[i] - mean[i]) * (row[j] - mean[j]) / float64(len(x)-1)
			}
		}
	}
	return mean, cov
}

func square(n int) [][]float64 {
	m := make([][]float64, n)
	for i := range m {
		m[i] = make([]float64, n)
	}
	return m
}

func product(a, b [][]float64) [][]float64 {
	c := square(len(a))
	for i := range a {
		for k := range a {
			for j := range a {
				c[i][j] += a[i][k] * b[k][j]
			}
		}
	}
	return c
}

// function is f of a symmetric matrix without negative eigenvalues.
func function(a [][]float64, f func(float64) float64) [][]float64 {
	values, vectors := eigen(a)
	c := square(len(a))
	for k, v := range values {
		for i := range a {
			for j := range a {
				c[i][j] += f(max(v, 0)) * vectors[i][k] * vectors[j][k]
			}
		}
	}
	return c
}

// eigen are the eigenvalues of a symmetric matrix, and its eigenvectors as columns, by Jacobi's rotations.
func eigen(a [][]float64) (values []float64, vectors [][]float64) {
	n := len(a)
	m, v := square(n), square(n)
	for i := range n {
		v[i][i] = 1
		for j := range n {
			m[i][j] = (a[i][j] + a[j][i]) / 2
		}
	}
	for range 60 {
		off, all := 0.0, 0.0
		for i := range n {
			for j := range n {
				if all += m[i][j] * m[i][j]; i != j {
					off += m[i][j] * m[i][j]
				}
			}
		}
		if off <= 1e-30*all {
			break
		}
		for p := range n {
			for q := p + 1; q < n; q++ {
				if m[p][q] == 0 {
					continue
				}
				theta := (m[q][q] - m[p][p]) / (2 * m[p][q])
				t := math.Copysign(1, theta) / (math.Abs(theta) + math.Sqrt(theta*theta+1))
				c := 1 / math.Sqrt(t*t+1)
				s := t * c
				for k := range n {
					m[k][p], m[k][q] = c*m[k][p]-s*m[k][q], s*m[k][p]+c*m[k][q]
				}
				for k := range n {
					m[p][k], m[q][k] = c*m[p][k]-s*m[q][k], s*m[p][k]+c*m[q][k]
				}
				for k := range n {
					v[k][p], v[k][q] = c*v[k][p]-s*v[k][q], s*v[k][p]+c*v[k][q]
				}
			}
		}
	}
	for i := range n {
		values = append(values, m[i][i])
	}
	return values, v
}
