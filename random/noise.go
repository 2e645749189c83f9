package random

import (
	_ "embed"
	"encoding/binary"
	"math"
	"sort"
	"sync"
)

// Noise is standard normal noise by a counter: each number is a function of the seed, the index of an image and the index of
// a latent axis, and of nothing else. Image 7 is the same whether it is made alone or among a thousand.
//
// It is made of exact arithmetic only, whole numbers below 2^53 that are added, multiplied, divided and looked up, with one
// conversion and one product by a power of two at the end, so that ONNX Runtime, JavaScript's numbers and Go give the same
// bits: no logarithm, no cosine, whose last bits differ from library to library, and no exclusive or, which ONNX lacks before
// opset 18. Scheme has the constants.
//
// A Feistel network of ten rounds, whose round function takes the middle bits of a square (von Neumann's, in the manner of
// Widynski, Squares: A Fast Counter-Based RNG, 2020), turns (image, axis) into 52 bits. One of them is the sign, 26 are
// looked up in the quantiles of |z|. The numbers are multiples of 2^-21, the largest magnitude is 5.8.
type Noise struct {
	Seed int64
	// Truncation limits the noise: |z| is at most this, in steps of 1/64 rounded down. Numbers are drawn from the normal
	// distribution as it is within the limit, and grow with it: nothing is drawn twice. 0, or more than 5.8, means no limit.
	Truncation float32
}

// Scheme are the constants of Noise, for the one who computes it elsewhere.
//
//	half  = 2^Bits
//	seed  = s0 + s1 half + s2 half^2, with s0 and s1 in [0, half) and s2 = the rest mod half
//	l, r  = image mod half, axis mod half
//	round i = 0, 1, ..., Rounds-1:
//		x    = (r + s[i mod 3] + (i+1) Weyl) mod half
//		l, r = r, (l + floor(x^2 / 2^(Bits/2))) mod half
//	a     = Limits[min(floor(64 truncation), len(Limits)-1)]
//	v     = a + floor(r (half-a) / half)
//	level = how many of Levels are at most v
//	width = 32^level
//	k     = 1984 level + floor(v / width)
//	size  = Quantiles[k] - floor(((Quantiles[k] - Quantiles[k+1]) (v mod width) + floor(width/2)) / width)
//	z     = (1 - 2 floor(l / (half/2))) size / Scale
type Scheme struct {
	Bits   int   // of half a block
	Rounds int   // of the network
	Weyl   int64 // what a round's key is more than the one before
	Scale  int64 // of quantiles
	// Levels are the values of v from which on quantiles are 32 times further apart.
	Levels [3]int64
	// Quantiles of |z|, in units of 1/Scale, falling: the number at v is exceeded with probability (v + 1/2) / 2^Bits.
	Quantiles []int32
	// Limits are the smallest v whose number is at most k/64; 0, which is none, for k = 0.
	Limits []int64
}

const (
	noiseBits   = 26
	noiseHalf   = 1 << noiseBits
	noiseRounds = 10
	noiseWeyl   = 41475557 // 2^26 divided by the golden ratio
	noiseScale  = 1 << 21
	noiseStep   = 1984 // entries of a level
	limitSteps  = 64   // of truncation, to one
)

// noiseLevels are where one table ends and the next begins.
var noiseLevels = [3]int64{1 << 11, 1 << 16, 1 << 21}

//go:embed quantiles.bin
var quantileBytes []byte // little-endian int32

var noiseTables = sync.OnceValue(func() Scheme {
	s := Scheme{Bits: noiseBits, Rounds: noiseRounds, Weyl: noiseWeyl, Scale: noiseScale, Levels: noiseLevels}
	s.Quantiles = make([]int32, len(quantileBytes)/4)
	for i := range s.Quantiles {
		s.Quantiles[i] = int32(binary.LittleEndian.Uint32(quantileBytes[4*i:]))
	}
	s.Limits = []int64{0}
	for k := 1; ; k++ {
		limit := int64(k) * noiseScale / limitSteps
		v := int64(sort.Search(noiseHalf, func(v int) bool { return s.size(int64(v)) <= limit }))
		s.Limits = append(s.Limits, v)
		if v == 0 {
			return s
		}
	}
})

// NoiseScheme returns the constants of Noise. Its slices must only be read.
func NoiseScheme() Scheme { return noiseTables() }

// size is the quantile at v, in units of 1/Scale.
func (s *Scheme) size(v int64) int64 {
	level, width := int64(0), int64(1)
	for level < int64(len(s.Levels)) && v >= s.Levels[level] {
		level, width = level+1, 32*width
	}
	k := noiseStep*level + v/width
	here, next := int64(s.Quantiles[k]), int64(s.Quantiles[k+1])
	return here - ((here-next)*(v%width)+width/2)/width
}

// At is the number of one axis of one image. Indices below 2^26 are different ones.
func (n Noise) At(image, axis int) float32 {
	d := n.drawing()
	return d.at(int64(image), int64(axis))
}

// Fill fills dst with rows of the given width, at least 1, one an image, from the image of index first on.
func (n Noise) Fill(dst []float32, width, first int) {
	d := n.drawing()
	for i := range dst {
		dst[i] = d.at(int64(first+i/width), int64(i%width))
	}
}

// drawing is what a Noise needs for every number.
type drawing struct {
	scheme Scheme
	keys   [noiseRounds]int64
	limit  int64 // the first v within the truncation
}

func (n Noise) drawing() drawing {
	d := drawing{scheme: noiseTables(), keys: n.keys()}
	if k := math.Floor(limitSteps * float64(n.Truncation)); k >= 0 && k < float64(len(d.scheme.Limits)) {
		d.limit = d.scheme.Limits[int(k)]
	}
	return d
}

func (d *drawing) at(image, axis int64) float32 {
	l, r := mix(&d.keys, image, axis)
	v := d.limit + r*(noiseHalf-d.limit)/noiseHalf
	return float32((1-2*(l/(noiseHalf/2)))*d.scheme.size(v)) * (1.0 / noiseScale)
}

// keys are those of the rounds.
func (n Noise) keys() (keys [noiseRounds]int64) {
	parts := [3]int64{n.Seed & (noiseHalf - 1), n.Seed >> noiseBits & (noiseHalf - 1), n.Seed >> (2 * noiseBits) & (noiseHalf - 1)}
	for i := range keys {
		keys[i] = (parts[i%len(parts)] + int64(i+1)*noiseWeyl) & (noiseHalf - 1)
	}
	return keys
}

// mix turns a counter into two halves of a random block.
func mix(keys *[noiseRounds]int64, image, axis int64) (l, r int64) {
	l, r = image&(noiseHalf-1), axis&(noiseHalf-1)
	for _, key := range keys {
		x := (r + key) & (noiseHalf - 1)
		l, r = r, (l+x*x>>(noiseBits/2))&(noiseHalf-1)
	}
	return l, r
}
