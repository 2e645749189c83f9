// Package latent moves through the latent space of a generator: along arcs between points, around closed walks.
//
// Points are rows of one slice of float32: a point of width K is K numbers, n points are (n, K) in row-major order.
package latent

import "math"

// A Way is how to get from point a to point b: it writes to dst the point at t, 0 at a and 1 at b.
type Way func(dst, a, b []float32, t float64)

// Straight is the way along the line, for latent spaces that nothing is known of.
func Straight(dst, a, b []float32, t float64) {
	for i := range dst {
		dst[i] = float32((1-t)*float64(a[i]) + t*float64(b[i]))
	}
}

// Spherical is the way for spaces that are filled by a normal distribution, along the arc between the directions of the points
// (Shoemake 1985; White, Sampling Generative Networks, 2016): in many dimensions all noise lies near one sphere, and the
// straight line leaves it. Where the points have no arc between them, in one direction, or opposite, the way is straight.
func Spherical(dst, a, b []float32, t float64) {
	var aa, bb, ab float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		aa, bb, ab = aa+x*x, bb+y*y, ab+x*y
	}
	angle := math.Acos(min(max(ab/math.Sqrt(aa*bb), -1), 1))
	sin := math.Sin(angle)
	if !(sin > 1e-6) {
		Straight(dst, a, b, t)
		return
	}
	p, q := math.Sin((1-t)*angle)/sin, math.Sin(t*angle)/sin
	for i := range dst {
		dst[i] = float32(p*float64(a[i]) + q*float64(b[i]))
	}
}

// Between is n points from a to b, both of them among the n, which is 2 or more; a alone for 1.
func Between(way Way, a, b []float32, n int) []float32 {
	width := len(a)
	points := make([]float32, n*width)
	for i := range n {
		way(points[i*width:(i+1)*width], a, b, float64(i)/float64(max(1, n-1)))
	}
	copy(points, a) // to the last bit
	if n > 1 {
		copy(points[(n-1)*width:], b)
	}
	return points
}

// Walk is n points on a closed walk past the stops, each of the given width, and back to the first. It slows down at every
// stop, so that it has no corners.
func Walk(way Way, stops []float32, width, n int) []float32 {
	count := len(stops) / width
	stop := func(i int) []float32 { return stops[i%count*width:][:width] }
	points := make([]float32, n*width)
	for i := range n {
		at := i * count / n
		part := float64(i*count%n) / float64(n)
		way(points[i*width:(i+1)*width], stop(at), stop(at+1), Ease(part))
	}
	return points
}

// Ease runs from 0 to 1 as t does, and stands still at both ends.
func Ease(t float64) float64 { return t * t * (3 - 2*t) }
