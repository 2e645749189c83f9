// Package buildinfo says which petrify a program holds, and on which kind of machine it runs.
package buildinfo

import (
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/cpu"
)

const module = "github.com/petrify-ml/petrify"

// Version is that of petrify's module in this program, "devel" for a build of a work tree.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module && m.Version != "" && m.Version != "(devel)" {
			return m.Version
		}
	}
	return "devel"
}

// Machine names the kind of machine on which one seed gives the same bytes, such as "amd64 avx2 fma".
func Machine() string {
	kind := runtime.GOARCH
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		kind += " avx2 fma"
	}
	return kind
}
