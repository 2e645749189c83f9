//go:build !(amd64 || arm64)

package onnx

// views is false where the order of bytes may be another, or numbers have addresses that they must begin at.
const views = false
