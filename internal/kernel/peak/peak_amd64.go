//go:build !noasm

package peak

import "golang.org/x/sys/cpu"

var lanes = func() int {
	switch x := &cpu.X86; {
	case x.HasAVX512F:
		return 16
	case x.HasAVX2 && x.HasFMA:
		return 8
	}
	return 0
}()
