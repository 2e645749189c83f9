// Package dataset reads the images that a model learns from.
//
// MNIST is embedded in the program (package mnist); any other data set is a folder: of IDX files
// under MNIST's names, of tables with one line per image, of NumPy arrays, or of pictures. Open
// finds a data set and reports how it read the folder, without decoding anything; Train and Test
// decode one split, strictly: a file whose header and size disagree is an error that names the file
// and the numbers, and files that would need more memory or time than their size justifies are
// refused.
package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
)

// A Set is one split of a data set, decoded. It must not be changed: Digest describes the original
// contents.
type Set struct {
	Name       string   // one of Names, or the last element of its folder's path
	N, C, H, W int      // images, channels, height, width; all at least 1
	Pixels     []uint8  // N*C*H*W values from 0 to 255, in the order NCHW
	Labels     []uint32 // N class numbers, from 0; all 0 if the files have no labels
	Names      []string // names of the classes, by label; nil if the labels are only numbers
	Digest     string   // sha256 in hex, see Digest
}

// New makes a set from pixels (n, c, h, w) and labels (n) and computes its digest. It keeps the
// slices.
func New(name string, n, c, h, w int, pixels []uint8, labels []uint32) (*Set, error) {
	if err := checkSizes(name, n, c, h, w, len(pixels), len(labels)); err != nil {
		return nil, err
	}
	return &Set{
		Name: name, N: n, C: c, H: h, W: w,
		Pixels: pixels, Labels: labels,
		Digest: Digest(n, c, h, w, pixels, labels),
	}, nil
}

// Image returns image i, from 0 to N-1, as (C, H, W). It shares memory with Pixels.
func (s *Set) Image(i int) []uint8 {
	size := s.C * s.H * s.W
	return s.Pixels[i*size : (i+1)*size : (i+1)*size]
}

// Classes returns the names of the labels that occur, in ascending order of the labels, and for each image the index of
// its class in that list. A label without a name is named by its number.
func (s *Set) Classes() (names []string, of []int) {
	labels := slices.Compact(slices.Sorted(slices.Values(s.Labels)))
	for _, l := range labels {
		if uint64(l) < uint64(len(s.Names)) {
			names = append(names, s.Names[l])
		} else {
			names = append(names, strconv.FormatUint(uint64(l), 10))
		}
	}
	of = make([]int, s.N)
	for i, l := range s.Labels {
		of[i], _ = slices.BinarySearch(labels, l)
	}
	return names, of
}

// Digest is the sha256, in hex, of n, c, h and w as 64-bit little-endian integers, then the pixels,
// then the labels: one byte each, or, if any is above 255, 32-bit little-endian integers. It does
// not depend on how the files were packed.
func Digest(n, c, h, w int, pixels []uint8, labels []uint32) string {
	sum := sha256.New()
	var head []byte
	for _, d := range []int{n, c, h, w} {
		head = binary.LittleEndian.AppendUint64(head, uint64(d))
	}
	sum.Write(head)
	sum.Write(pixels)
	sum.Write(labelBytes(labels))
	return hex.EncodeToString(sum.Sum(nil))
}

func labelBytes(labels []uint32) []byte {
	wide := slices.ContainsFunc(labels, func(l uint32) bool { return l > math.MaxUint8 })
	b := make([]byte, 0, len(labels))
	for _, l := range labels {
		if wide {
			b = binary.LittleEndian.AppendUint32(b, l)
		} else {
			b = append(b, uint8(l))
		}
	}
	return b
}

func checkSizes(name string, n, c, h, w, pixels, labels int) error {
	if n < 1 || c < 1 || h < 1 || w < 1 {
		return fmt.Errorf("data set %s: size %dx%dx%dx%d, want at least 1 on every axis", name, n, c, h, w)
	}
	want, ok := product(n, c, h, w)
	if !ok || want != pixels {
		return fmt.Errorf("data set %s: %d pixels, want %dx%dx%dx%d", name, pixels, n, c, h, w)
	}
	if labels != n {
		return fmt.Errorf("data set %s: %d labels for %d images", name, labels, n)
	}
	return nil
}

// product multiplies sizes that are not negative, and says whether the result
// fits an int.
func product(sizes ...int) (int, bool) {
	const maxInt = uint64(^uint(0) >> 1)
	total, over := uint64(1), false
	zero := false
	for _, s := range sizes {
		zero = zero || s == 0
		hi, lo := bits.Mul64(total, uint64(s))
		over = over || hi != 0 || lo > maxInt
		total = lo
	}
	if zero {
		return 0, true
	}
	if over {
		return 0, false
	}
	return int(total), true
}
