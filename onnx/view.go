//go:build amd64 || arm64

package onnx

// views says that raw_data can be read where it lies: these machines have its order of bytes, and read numbers at any address.
const views = true
