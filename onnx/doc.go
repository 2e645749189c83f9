// Package onnx is ONNX as Go: models, tensors and types, writing them, and
// showing them as text.
//
// An Emitter writes a model, a Tensor holds a value, Text shows what is in a
// model, each name out of it quoted. The messages themselves are those of
// package pb. What else can be done with a model has a room of its own:
//
//   - wire reads bytes that may be hostile, within limits;
//   - rule lists what a model must keep to, and says how findings look;
//   - op is the schema of all operators;
//   - infer derives types and shapes, and what a run would take;
//   - check puts these together: is this file valid ONNX?
package onnx
