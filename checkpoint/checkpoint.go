// Package checkpoint keeps the state of a training run on disk: tensors as
// safetensors, the run's description as run.json, its reports as events.jsonl.
//
// A checkpoint is an ordinary safetensors file, readable by any program for
// that format, with a sha256 of itself in its metadata. ReadFile trusts
// nothing: a file that was cut at any length, or of which any byte was
// changed, is a *FormatError that names the file and what is wrong. Files are
// written beside their place, synced and renamed, so that they appear whole or
// not at all.
package checkpoint

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"
	"math/bits"
	"strings"
	"unicode/utf8"

	"github.com/petrify-ml/petrify/internal/quote"
)

// Tensor is a named array of float32 in row-major order under Dims. No Dims is
// a scalar; a dimension is never 0.
type Tensor struct {
	Name string
	Dims []int
	Data []float32
}

// Snapshot is the state of a run after Step iterations. The order of Tensors
// is kept in the file.
//
// What an optimiser remembers about a parameter stands beside it under a name
// with a slash, such as "adam.m/generator.fc1.weight"; a parameter's own name
// has none. Counters go into Meta as decimal numbers. Keys of Meta that start
// with "petrify." belong to this package.
type Snapshot struct {
	Step    int
	Tensors []Tensor
	Meta    map[string]string
}

// Weights returns the tensors other than the optimiser's, which are those without a slash in their
// names, in order.
func (s *Snapshot) Weights() []Tensor {
	var weights []Tensor
	for _, t := range s.Tensors {
		if !strings.Contains(t.Name, "/") {
			weights = append(weights, t)
		}
	}
	return weights
}

// Digest is a sha256 in hex over tensors in their order: for each the length
// of its name and the name, the number of dimensions and the dimensions, all
// numbers 64-bit little-endian, and then its elements as little-endian
// float32.
func Digest(tensors []Tensor) string {
	sum := sha256.New()
	for _, t := range tensors {
		var head []byte
		head = binary.LittleEndian.AppendUint64(head, uint64(len(t.Name)))
		head = append(head, t.Name...)
		head = binary.LittleEndian.AppendUint64(head, uint64(len(t.Dims)))
		for _, d := range t.Dims {
			head = binary.LittleEndian.AppendUint64(head, uint64(d))
		}
		sum.Write(head)
		writeElements(sum, t.Data)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// writeElements feeds float32 values to a hash, little-endian.
func writeElements(sum hash.Hash, data []float32) {
	var block [16 << 10]byte
	for len(data) > 0 {
		n := min(len(data), len(block)/4)
		for i, v := range data[:n] {
			binary.LittleEndian.PutUint32(block[4*i:], math.Float32bits(v))
		}
		sum.Write(block[:4*n])
		data = data[n:]
	}
}

// A FormatError says that a file is not a valid checkpoint: cut short, damaged, or of another kind.
// Other errors mean that the file could not be read.
type FormatError struct {
	File string
	Why  string // what was wanted and what came
}

func (e *FormatError) Error() string { return quote.Name(e.File) + ": " + e.Why }

// check lists everything that keeps a snapshot from being written.
func (s *Snapshot) check() error {
	var problems []error
	fail := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if s.Step < 0 {
		fail("step is %d, want 0 or more", s.Step)
	}
	for key, value := range s.Meta {
		switch {
		case strings.HasPrefix(key, reserved):
			fail("meta key %q: names that start with %q are reserved", key, reserved)
		case !utf8.ValidString(key) || !utf8.ValidString(value):
			fail("meta %q: %q is not valid UTF-8", key, value)
		}
	}
	seen := map[string]bool{}
	for i, t := range s.Tensors {
		switch {
		case t.Name == "" || t.Name == metadataKey || !utf8.ValidString(t.Name):
			fail("tensor %d: %q cannot be a name", i, t.Name)
		case seen[t.Name]:
			fail("%s: appears twice", t.Name)
		}
		seen[t.Name] = true
		if n, ok := elements(t.Dims); !ok {
			fail("%s: shape %s, want dimensions from 1 on whose product can be addressed", t.Name, shape(t.Dims))
		} else if n != len(t.Data) {
			fail("%s: %d values, want %d for shape %s", t.Name, len(t.Data), n, shape(t.Dims))
		}
	}
	return errors.Join(problems...)
}

// elements multiplies dimensions. It is not ok where one is below 1, or where
// the bytes of so many float32 could not be counted in an int.
func elements(dims []int) (n int, ok bool) {
	const most = math.MaxInt / 4
	n = 1
	for _, d := range dims {
		if d < 1 {
			return 0, false
		}
		hi, lo := bits.Mul64(uint64(n), uint64(d))
		if hi != 0 || lo > most {
			return 0, false
		}
		n = int(lo)
	}
	return n, true
}

// shape writes dimensions as 2x3x4, and none as "scalar".
func shape(dims []int) string {
	if len(dims) == 0 {
		return "scalar"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(dims), " ", "x"), "[]")
}
