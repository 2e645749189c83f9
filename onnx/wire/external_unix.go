//go:build unix

package wire

import (
	"io/fs"
	"syscall"
)

// openFlags keep open from waiting when a pipe takes a file's place.
const openFlags = syscall.O_NONBLOCK

// linkCount returns how many names a file has.
func linkCount(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Nlink)
	}
	return 1
}
