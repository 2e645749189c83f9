// Package verify answers one question: do these runtimes compute what this
// ONNX file says?
//
// Every runtime is compared, on its own, with package reference, which gives
// each element of each output in float64 together with the error that rounding
// can explain. No tolerance is chosen by hand. There are three stages:
//
//   - the screen: every element is within 8 spreads (and the declared error of
//     the functions) of the reference. That is what correct runtimes do.
//   - the proof, where the screen fails or when it is asked for: all intermediate values
//     become outputs, and every node is compared with the reference on the very inputs
//     that the runtime gave it. If all nodes pass, rounding alone explains the outputs;
//     if not, the first node that fails is named, with index, values and limit;
//   - sampling, for recorded outputs that the screen says nothing about: they show no
//     intermediate values, so nothing can be proven. The reference is evaluated with random
//     errors in the result of every node, which show how far rounding takes the outputs.
//
// The inputs are those recorded beside the model in ONNX's own layout (test_data_set_N/input_K.pb),
// and the outputs recorded there are judged like those of a runtime. For a model without recorded
// inputs they are drawn from a seed.
//
// Every session runs twice on the same inputs, and once more after a batch of another size, to
// detect runtimes that keep state or write into their inputs. NaN passes only where the reference
// has NaN, too, and not as the result of arithmetic.
package verify
