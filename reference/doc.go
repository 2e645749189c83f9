// Package reference is the judge of the other runtimes: a plain interpreter of
// ONNX graphs in float64 that knows how far a correct float32 runtime may be
// from it.
//
// It is written to be read beside the operator documents of ONNX, one operator
// to a file, and it shares no arithmetic with any runtime that it judges. Its
// products of matrices are gonum's, in tiles of a fixed size, so that the number of
// threads changes no bit of a result.
//
// # What every element carries
//
// The value of an element is computed in float64 from the weights and inputs
// as they are stored. Beside it stand three figures. They speak of a runtime
// that computes as the Profile in Options says: by default in float32, rounding
// every result of a node to the element type of the graph, and float64 in its own
// type. u is the unit roundoff (2^-24 for float32):
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
//   - Declared is what no law of rounding gives: the error that an
//     implementation of a function such as Tanh is allowed, a table with
//     sources (see Functions), and what became of it on its way through the
//     graph, added up as if all agreed in sign. Where it is less than 2^-16 of the
//     spread, as underflow nearly always is, the spread includes it.
//
// Spread and Declared together make the screen, 8*Spread + Declared: see Value.
//
// # Where independence is not assumed
//
// Spreads would be too small if errors that agree were added as if they did
// not. So
//
//   - Add, Sub, Mul, sums and means add the spreads of their operands, not
//     their squares: both operands may come from one value. Of Add and Sub a layer
//     that lies between the operands, as in a residual block, allows for less;
//   - a sum of products takes the larger of two cases: errors of its operands
//     independent, or all of them one and the same. Of operands that are made by a
//     layer, whose weights have mixed their errors, the second case counts as much
//     as these weights are alike: see origin;
//   - equal terms make equal rounding errors: a sum with groups of n1, n2...
//     equal terms counts n1² + n2² + ... roundings where it would count n.
//
// Sums may have larger errors than that where their partial sums climb and come
// back, or where their additions all round the same way. Program.ReorderNode adds
// the terms in the orders that runtimes use, and widens the spread to what it finds.
//
// The elements of one value have errors of their own where Value.Terms is not 0:
// sums of products, plain sums and means. Elsewhere they may share roundings, as
// those of a normalisation share its mean.
//
// # Discontinuities
//
// Where an operand's error can carry it across a jump (Floor, Greater, Where,
// a cast to an integer), the height of the jump is added: to Sound if the jump
// is within Sound, to Declared if it is within the screen. Figures of integers
// and booleans say how far they may be off. An operator that has no rule for
// such an operand gives infinite figures, and Result.Notes says so by name.
//
// # NaN
//
// NaN with figures of zero is NaN in every runtime that follows IEEE 754: it was an
// input, or arithmetic made it of operands without errors, such as the difference
// of two infinities. NaN with infinite figures may be a number elsewhere, where an
// operand's error decides.
package reference
