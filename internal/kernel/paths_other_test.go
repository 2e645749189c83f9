//go:build !amd64 || noasm

package kernel

import "testing"

func onPaths(t *testing.T, f func(t *testing.T)) { t.Run("portable", f) }

func portably(f func()) { f() }
