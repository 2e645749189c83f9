//go:build unix

package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A pipe that nobody reads is waited for until Ctrl-C; one that somebody reads gets all.
func TestPipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip("no named pipes here: ", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := writeFile(ctx, pipe, []byte("a")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with no reader: %v", err)
	}
	read := make(chan string)
	go func() {
		b, _ := os.ReadFile(pipe) // it ends the first writer's wait, too
		read <- string(b)
	}()
	if got := <-read; got != "a" {
		t.Errorf("read %q from the writer that was waited for", got)
	}
	go func() {
		b, _ := os.ReadFile(pipe)
		read <- string(b)
	}()
	if err := writeFile(t.Context(), pipe, []byte("b")); err != nil {
		t.Error(err)
	}
	if got := <-read; got != "b" {
		t.Errorf("read %q", got)
	}
}
