package cli

import (
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/cpu"
)

// version is that of the module which this program was built from, "devel" for a build of a work tree.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}

// machine names the kind of machine on which one seed gives the same bytes.
func machine() string {
	kind := runtime.GOARCH
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		kind += " avx2 fma"
	}
	return kind
}
