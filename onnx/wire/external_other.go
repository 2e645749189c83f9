//go:build !unix

package wire

import "io/fs"

const openFlags = 0

// linkCount is not known here.
func linkCount(fs.FileInfo) uint64 { return 1 }
