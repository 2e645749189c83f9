// Package onnx represents ONNX in Go: models, tensors and types, writing them, and printing them as
// text.
//
// An Emitter writes a model, a Tensor holds a value, and Text prints a model, with names from the
// file quoted. The messages themselves are those of package pb. Other operations on models have
// packages of their own:
//
//   - wire reads bytes that may be hostile, within limits;
//   - rule lists what a model must keep to, and says how findings look;
//   - op is the schema of all operators;
//   - infer derives types and shapes, and what a run would take;
//   - check puts these together: is this file valid ONNX?
package onnx
