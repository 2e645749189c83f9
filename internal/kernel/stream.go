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
// as easy as 1, 2, 3, SC 2011). A Stream is not safe for concurrent use.
type Stream struct {
	key    [2]uint32
	high   [2]uint32 // upper half of the counter: tells streams apart beyond the key
	offset uint64    // index of the next word
}

// NewStream returns the stream of a seed and a name, at offset 0.
func NewStream(seed uint64, name string) *Stream {
	h := sha256.New()
	h.Write(binary.LittleEndian.AppendUint64(nil, seed))
	h.Write([]byte(name))
	sum := h.Sum(nil)
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(sum[4*i:]) }
	return &Stream{key: [2]uint32{word(0), word(1)}, high: [2]uint32{word(2), word(3)}}
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
// random integer generation in an interval, 2019); 0 when n < 1.
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
func (s *Stream) Uniform(dst []float32) {
	for i := range dst {
		dst[i] = float32(s.next()>>8) * 0x1p-24
	}
}

// Normal fills dst with standard normal numbers, one word each.
func (s *Stream) Normal(dst []float32) {
	for i := range dst {
		at := (s.offset + uint64(i)) &^ 1
		u := (float64(s.word(at)) + 0.5) * 0x1p-32
		sin, cos := math.Sincos(2 * math.Pi * 0x1p-32 * float64(s.word(at+1)))
		if (s.offset+uint64(i))&1 == 1 {
			cos = sin
		}
		dst[i] = float32(math.Sqrt(-2*math.Log(u)) * cos)
	}
	s.offset += uint64(len(dst))
}

func (s *Stream) next() uint32 {
	w := s.word(s.offset)
	s.offset++
	return w
}

// word returns the word of that index.
func (s *Stream) word(i uint64) uint32 {
	block := i / 4
	x := philox(s.key, [4]uint32{uint32(block), uint32(block >> 32), s.high[0], s.high[1]})
	return x[i%4]
}

// philox returns the block of counter x under key k.
func philox(k [2]uint32, x [4]uint32) [4]uint32 {
	for range 10 {
		h0, l0 := bits.Mul32(0xD2511F53, x[0])
		h1, l1 := bits.Mul32(0xCD9E8D57, x[2])
		x = [4]uint32{h1 ^ x[1] ^ k[0], l1, h0 ^ x[3] ^ k[1], l0}
		k[0] += 0x9E3779B9
		k[1] += 0xBB67AE85
	}
	return x
}
