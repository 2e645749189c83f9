// Package kernel is the arithmetic of petrify: matrix products, activations
// and their derivatives, optimiser steps and random streams.
//
// Every function is generic over Float. float32 is the path that training and
// inference use: on amd64 it runs assembly, with AVX-512 or with AVX2 and FMA,
// whichever the machine has; elsewhere, and under the build tag noasm, portable
// Go. The tag noavx512 leaves AVX2 as the widest. float64 is plain Go
// everywhere; it is what gradients are checked with.
//
// Matrices are row-major slices: element (i, j) of a matrix with leading
// dimension ld is x[i*ld+j]. The results of one call depend on its arguments
// alone. Work is split over threads by blocks of the output, never inside a
// sum, and every element is computed by the same sequence of operations
// wherever a block begins or ends, so the number of threads, the alignment of
// a slice and the position of an element never change a bit of it. The two
// paths of assembly agree to the last bit, so that a training run gives one
// result on any amd64 machine that has either. The portable path agrees with
// them within rounding, and to the last bit where a comment says so: it does not
// fuse products with sums.
//
// Shapes are the caller's contract. A slice too short for the shape given
// with it stops the call before anything is read or written, by a panic whose
// value is an error that names the function and the slice, as an index out of
// range would. An output may overlap an input only where a comment says so.
//
// No function allocates once the pool is running.
package kernel

//go:generate go run ./asm

// Float is the set of element types.
type Float interface{ float32 | float64 }
