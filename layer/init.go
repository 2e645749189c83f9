package layer

import (
	"math"

	"github.com/petrify-ml/petrify/random"
)

// An Init fills a new parameter. It draws from a stream that belongs only to that parameter, so that adding a layer
// does not change the initial values of the others.
type Init func(r *random.Stream, w []float32)

// or is what stands for an Init that is not given.
func (i Init) or(own Init) Init {
	if i == nil {
		return own
	}
	return i
}

// Zeros fills with 0.
func Zeros(_ *random.Stream, w []float32) { clear(w) }

// Ones fills with 1.
func Ones(r *random.Stream, w []float32) { Constant(1)(r, w) }

// Constant fills with v.
func Constant(v float32) Init {
	return func(_ *random.Stream, w []float32) {
		for i := range w {
			w[i] = v
		}
	}
}

// GlorotUniform draws from U(-a, a), a = sqrt(6/(fanIn+fanOut)): Glorot and Bengio 2010, Keras's default.
func GlorotUniform(fanIn, fanOut int) Init {
	a := math.Sqrt(6 / float64(fanIn+fanOut))
	return func(r *random.Stream, w []float32) {
		r.Uniform(w)
		for i, u := range w {
			w[i] = float32((2*float64(u) - 1) * a)
		}
	}
}

// Normal draws from a normal distribution.
func Normal(mean, deviation float64) Init {
	return func(r *random.Stream, w []float32) {
		r.Normal(w)
		for i, z := range w {
			w[i] = float32(mean + deviation*float64(z))
		}
	}
}
