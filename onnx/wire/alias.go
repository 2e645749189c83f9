//go:build amd64 || arm64

package wire

import "unsafe"

// floatsOf and doublesOf read packed little-endian numbers where they lie: these
// machines have that order of bytes, and read numbers at any address. A file of
// float_data then takes no more memory than one of raw_data.

func floatsOf(b []byte) []float32 { return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), len(b)/4) }

func doublesOf(b []byte) []float64 {
	return unsafe.Slice((*float64)(unsafe.Pointer(&b[0])), len(b)/8)
}
