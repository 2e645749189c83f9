// Package random holds petrify's streams of random numbers: named, seeded, and the same on every machine.
//
// Randomness is an input, never hidden. Each parameter, each layer that draws and each purpose of a training run has a stream
// of its own, chosen by a seed and a name, so that adding one leaves the others' numbers as they were. The noise that pictures
// are made from is Noise, which other programs and ONNX graphs compute bit for bit.
package random

import "github.com/petrify-ml/petrify/internal/kernel"

// Stream is an endless sequence of 32-bit words, each a function of the stream's seed and name and of its own index (Philox
// 4x32-10, Salmon, Moraes, Dror and Shaw 2011), and an offset into it. Every method gives the same numbers whether they are
// drawn at once or in parts. A Stream is not safe for concurrent use.
type Stream struct{ words *kernel.Stream }

// New returns the stream of a seed and a name, at offset 0. Streams of different seeds or names are independent.
func New(seed uint64, name string) *Stream { return &Stream{kernel.NewStream(seed, name)} }

// Offset returns the index of the next word: with seed and name, all that a stream is.
func (s *Stream) Offset() uint64 { return s.words.Offset() }

// Seek continues the stream from the word of that index.
func (s *Stream) Seek(offset uint64) { s.words.Seek(offset) }

// Uint64 returns the next two words, the first as the lower half.
func (s *Stream) Uint64() uint64 { return s.words.Uint64() }

// Intn returns a number that is uniform in [0, n), without bias; 0 when n < 1. It takes two words, seldom more.
func (s *Stream) Intn(n int) int { return s.words.Intn(n) }

// Uniform fills dst with numbers uniform in [0, 1), multiples of 2^-24, one word each.
func (s *Stream) Uniform(dst []float32) { s.words.Uniform(dst) }

// Normal fills dst with standard normal numbers, one word each. The largest magnitude is 6.7.
func (s *Stream) Normal(dst []float32) { s.words.Normal(dst) }
