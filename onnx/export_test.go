package onnx

// What the tests of outside share with those of inside.
var Samples, Typed = samples, typed
