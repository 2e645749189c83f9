//go:build !amd64 && !arm64

package wire

// floatsOf and doublesOf read packed little-endian numbers.

func floatsOf(b []byte) []float32 { return appendFloats(make([]float32, 0, len(b)/4), b) }

func doublesOf(b []byte) []float64 { return appendDoubles(make([]float64, 0, len(b)/8), b) }
