//go:build !amd64 || noasm

package peak

const supported = false

func fma(int) {}
