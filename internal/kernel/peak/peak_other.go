//go:build !amd64 || noasm

package peak

const lanes = 0

func fma8(int)  {}
func fma16(int) {}
