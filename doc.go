// Package petrify is the root of a toolkit that trains generative image models in Gorgonia and turns them to stone: ONNX
// files that any runtime loads, each with a certificate that the file computes what was trained.
//
// The program is cmd/petrify. For Go programs that run a generator there is package load; for those that judge model files
// packages onnx/check, reference and verify; for those that train packages run, models and train. Layers, objectives and
// models of your own are values of the types in packages layer, train and model: they train, export and load like ours.
package petrify
