package kernel

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/bits"
)

// Stream is a counter-based random stream: an endless sequence of 32-bit
// words, each a function of the stream's key and its own index, and an offset
// into it. Streams of different seeds or names are independent. The generator
// is Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, Parallel random numbers:
// as easy as 1, 2, 3, SC 2011). Every method gives the same bits on every
// machine, and the same numbers whether they are drawn at once or in parts. A
// Stream is not safe for concurrent use.
type Stream struct {
	keys   [20]uint32 // of the ten rounds
	high   [2]uint32  // upper half of the counter: tells streams apart beyond the key
	offset uint64     // index of the next word
}

// NewStream returns the stream of a seed and a name, at offset 0.
func NewStream(seed uint64, name string) *Stream {
	h := sha256.New()
	h.Write(binary.LittleEndian.AppendUint64(nil, seed))
	h.Write([]byte(name))
	sum := h.Sum(nil)
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(sum[4*i:]) }
	return &Stream{keys: roundKeys(word(0), word(1)), high: [2]uint32{word(2), word(3)}}
}

// Offset returns the index of the next word.
func (s *Stream) Offset() uint64 { return s.offset }

// Seek continues the stream from the word of that index.
func (s *Stream) Seek(offset uint64) { s.offset = offset }

// Uint64 returns the next two words, the first as the lower half.
func (s *Stream) Uint64() uint64 {
	lo := s.next()
	return uint64(s.next())<<32 | uint64(lo)
}

// Intn returns a number that is uniform in [0, n), without bias (Lemire, Fast
// random integer generation in an interval, 2019); 0 when n < 1. It takes two
// words, seldom more.
func (s *Stream) Intn(n int) int {
	if n < 1 {
		return 0
	}
	hi, lo := bits.Mul64(s.Uint64(), uint64(n))
	for floor := -uint64(n) % uint64(n); lo < floor; {
		hi, lo = bits.Mul64(s.Uint64(), uint64(n))
	}
	return int(hi)
}

// Uniform fills dst with numbers uniform in [0, 1), multiples of 2^-24, one
// word each.
func (s *Stream) Uniform(dst []float32) { s.draw(dst, false) }

// Normal fills dst with standard normal numbers, one word each, by the method
// of Box and Muller: words 2i and 2i+1 make numbers 2i and 2i+1. The largest
// magnitude is 6.7.
func (s *Stream) Normal(dst []float32) { s.draw(dst, true) }

func (s *Stream) draw(dst []float32, normal bool) {
	for len(dst) > 0 {
		block, skip := s.offset/4, int(s.offset%4)
		n := len(dst) / groupWords * groupWords
		if skip == 0 && n > 0 {
			draws{dst[:n], s.keys, s.high, block, normal}.run()
		} else {
			var group [groupWords]float32
			d := draws{group[:], s.keys, s.high, block, normal}
			d.do(0, 1, nil)
			n = copy(dst, group[skip:])
		}
		dst = dst[n:]
		s.offset += uint64(n)
	}
}

func (s *Stream) next() uint32 {
	block := philox(&s.keys, s.high, s.offset/4)
	w := block[s.offset%4]
	s.offset++
	return w
}

// draws is the task of filling dst, whose length is a multiple of groupWords,
// from the words of the blocks from block.
type draws struct {
	dst    []float32
	keys   [20]uint32
	high   [2]uint32
	block  uint64
	normal bool
}

const (
	groupWords = 32 // eight blocks
	drawWords  = 4096
)

func (d draws) run() {
	units := (len(d.dst) + drawWords - 1) / drawWords
	if units > 1 && workers.lock() {
		workers.draws = d
		workers.run(&workers.draws, units)
		return
	}
	d.do(0, units, nil)
}

func (d *draws) do(lo, hi int, _ *workspace) {
	for ; lo < hi; lo++ {
		at := lo * drawWords
		dst, block := d.dst[at:min(at+drawWords, len(d.dst))], d.block+uint64(at/4)
		if simd {
			d.fast(dst, block)
		} else {
			d.plain(dst, block)
		}
	}
}

// plain draws in portable Go.
func (d *draws) plain(dst []float32, block uint64) {
	for ; len(dst) > 0; dst, block = dst[4:], block+1 {
		w := philox(&d.keys, d.high, block)
		if d.normal {
			dst[0], dst[1] = normalPair(w[0], w[1])
			dst[2], dst[3] = normalPair(w[2], w[3])
			continue
		}
		for i, v := range w {
			dst[i] = float32(v>>8) * 0x1p-24
		}
	}
}

// roundKeys is Philox's key schedule.
func roundKeys(k0, k1 uint32) (keys [20]uint32) {
	for i := 0; i < len(keys); i += 2 {
		keys[i], keys[i+1] = k0, k1
		k0 += 0x9E3779B9
		k1 += 0xBB67AE85
	}
	return keys
}

// philox returns a block of four words.
func philox(keys *[20]uint32, high [2]uint32, block uint64) [4]uint32 {
	x0, x1, x2, x3 := uint32(block), uint32(block>>32), high[0], high[1]
	for i := 0; i < len(keys); i += 2 {
		p0, p1 := 0xD2511F53*uint64(x0), 0xCD9E8D57*uint64(x2)
		x0, x1, x2, x3 = uint32(p1>>32)^x1^keys[i], uint32(p1), uint32(p0>>32)^x3^keys[i+1], uint32(p0)
	}
	return [4]uint32{x0, x1, x2, x3}
}

// The polynomials of normalPair, lowest coefficient first, minimax in the
// relative error of the function that they serve.
var (
	// (log(1 + f) - f + f^2/2) / f^3 over [sqrt(1/2)-1, sqrt(2)-1]
	polyLog = [8]uint32{0x3eaaaaaa, 0xbe800113, 0x3e4cd00d, 0xbe2a3944, 0x3e116cb7, 0xbe06c152, 0x3e02ae74, 0xbd9c6153}
	// (sin(a) - a) / a^3 in a^2 over |a| <= pi/4
	polySin = [3]uint32{0xbe2aaaa3, 0x3c0883bc, 0xb94caa04}
	// (cos(a) - 1 + a^2/2) / a^4 in a^2 over |a| <= pi/4
	polyCos = [3]uint32{0x3d2aaaa5, 0xbab60615, 0x37ccf48a}
)

// normalPair is sqrt(-2 log(u)) times the cosine and the sine of an angle,
// with u in (0, 1] from the first word and the angle from the second. It works
// in float32 and rounds every operation, as the assembly does: the conversions
// keep compilers from fusing products with sums.
func normalPair(w0, w1 uint32) (float32, float32) {
	u := (float32(int32(w0>>1)) + 0.5) * 0x1p-31
	b := int32(math.Float32bits(u))
	e := (b - 0x3f3504f3) >> 23 // u = 2^e (1 + f), 1 + f within [sqrt(1/2), sqrt(2))
	f := math.Float32frombits(uint32(b-e<<23)) - 1
	z := float32(f * f)
	log := float32(float32(f*z) * horner(polyLog[:], f))
	log += float32(float32(e) * lnLow)
	log -= float32(0.5 * z)
	log += f
	log += float32(float32(e) * lnHigh)
	r := float32(math.Sqrt(float64(-2 * log)))

	s := w1 + 1<<29 // quarter turns in the upper two bits, rounded to the nearest
	a := float32(int32(s&(1<<30-1))-1<<29) * quarter
	z = float32(a * a)
	sin := a + float32(float32(a*z)*horner(polySin[:], z))
	cos := 1 + (float32(float32(z*z)*horner(polyCos[:], z)) - float32(0.5*z))
	if s>>30&1 == 1 {
		sin, cos = cos, sin
	}
	cos = math.Float32frombits(math.Float32bits(cos) ^ (s+1<<30)&(1<<31))
	sin = math.Float32frombits(math.Float32bits(sin) ^ s&(1<<31))
	return r * cos, r * sin
}

const (
	lnHigh  = 0x1.62e4p-1 // 16 bits of log(2): exponents times it are exact
	lnLow   = math.Ln2 - lnHigh
	quarter = math.Pi / 2 * 0x1p-30
)

// horner evaluates a polynomial, rounding each operation.
func horner(c []uint32, x float32) float32 {
	p := math.Float32frombits(c[len(c)-1])
	for i := len(c) - 2; i >= 0; i-- {
		p = float32(p*x) + math.Float32frombits(c[i])
	}
	return p
}
