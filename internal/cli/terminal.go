package cli

import (
	"os"

	"golang.org/x/term"
)

// isTerminal tells whether a person watches f.
func isTerminal(f *os.File) bool {
	return os.Getenv("CI") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}
