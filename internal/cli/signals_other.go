//go:build !unix

package cli

import (
	"os"
	"syscall"
)

// endings are the signals that ask a process to end: Ctrl-C, and a scheduler's.
func endings() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }
