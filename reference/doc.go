// Package reference is the judge of the other runtimes: a plain interpreter of
// ONNX graphs in float64 that knows how far a correct float32 runtime may be
// from it.
//
// It is written to be read beside ONNX's operator documentation, one operator per file, and it
// shares no arithmetic with any runtime that it judges. Matrix products are gonum's, in tiles of a
// fixed size, so that the number of threads does not change a single bit of a result.
//
// # What every element carries
//
// The value of an element is computed in float64 from the weights and inputs as they are stored.
// Three figures accompany it. They apply to a runtime that computes as the Profile in Options says:
// by default in float32 (float64 values in float64), rounding every result of a node to the element
// type of the graph. u is the unit roundoff (2^-24 for float32):
//
//   - Sound is a proof. A runtime that computes each operator by the usual
//     formula is within it, whatever the order of its sums, with or without
//     fused multiply-add, whether or not it flushes subnormal results to zero.
//     A sum of n terms costs gamma(n+1) = (n+1)u / (1-(n+1)u) times the sum
//     of the magnitudes (Higham, Accuracy and Stability of Numerical Algorithms,
//     2nd ed., section 3.1); an error e of an operand passes a function with the
//     function's largest slope between x-e and x+e.
//   - Spread is an estimate. Rounding errors are taken as independent with mean
//     zero and variance u²/3, and variances are propagated to first order. Real
//     errors of correct runtimes stay within a few spreads, where Sound, which
//     assumes that every error is the largest and all agree in sign, can be
//     thousands of times more.
//   - Declared covers what no model of rounding gives: the error that an implementation
//     of a function such as Tanh is allowed, from a table with sources (see Functions),
//     propagated through the graph and added up as if all errors had the same sign. If it
//     is less than 2^-16 of the spread, as it nearly always is for underflow, the spread
//     includes it. A product of 32 terms and more takes the declared errors of its operands
//     as rounding errors of that size: with the worst sign for every weight they would
//     make the screen of a transformer infinite within three layers.
//
// Spread and Declared together make the screen, 8*Spread + Declared: see Value.
//
// # Where independence is not assumed
//
// Spreads would be too small if correlated errors were added as if they were independent.
// Therefore:
//
//   - Add, Sub, Mul, sums and means add the spreads of their operands, not their squares,
//     since both operands may come from the same value. For Add and Sub, a layer that
//     lies between the operands, as in a residual block, allows for less;
//   - a sum of products takes the larger of two cases: the errors of its operands are
//     independent, or all of them are the same error. For operands computed by a layer,
//     whose weights have mixed their errors, the second case counts in proportion to how
//     similar these weights are: see origin;
//   - equal terms have equal rounding errors: a sum with groups of n1, n2, ... equal
//     terms counts n1² + n2² + ... roundings instead of n.
//
// A normalisation is an exception: its mean and its variance take the errors of a row as independent,
// since what they have in common moves the statistics and the elements alike and cancels.
// That holds for LayerNormalization and its kind, and for the ReduceMean nodes that exporters write
// instead: see markStatistics.
//
// Sums may have larger errors than that if their partial sums grow large and then cancel, or if
// their additions all round the same way. Program.ReorderNode adds the terms in the orders that
// runtimes use, and widens the spread to match what it finds.
//
// The elements of a value have independent rounding errors if Value.Terms is not 0: sums of
// products, plain sums and means. Otherwise they may share roundings, as the elements of a
// normalisation share its mean.
//
// # Discontinuities
//
// Where an operand's error can carry it across a discontinuity (Floor, Greater, Where, a cast to an
// integer), the height of the jump is added: to Sound if the jump is within Sound, to Declared if
// it is within the screen. The figures of integers and booleans say how far off they may be. An
// operator without a rule for such an operand gives infinite figures, and Result.Notes names it.
//
// # NaN
//
// NaN with figures of zero is NaN in every runtime that follows IEEE 754: it was an input, or
// arithmetic produced it from operands without errors, such as the difference of two infinities.
// NaN with infinite figures may be a number in another runtime, depending on an operand's error.
package reference
