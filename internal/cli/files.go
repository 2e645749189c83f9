package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/petrify-ml/petrify/internal/atomicfile"
	"github.com/petrify-ml/petrify/internal/quote"
)

// writeFile writes a file that the user has named: completely or not at all, but straight into what is not a regular file, such as
// /dev/stdout or a named pipe. Of a pipe that nobody reads it waits for who does, or for the context to end.
func writeFile(ctx context.Context, path string, b []byte) error {
	if info, err := os.Stat(path); !isDevice(path) && (err != nil || info.Mode().IsRegular()) {
		return atomicfile.Write(path, b)
	}
	written := make(chan error, 1)
	go func() { written <- appendTo(path, b) }()
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func appendTo(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("write %w", err)
	}
	_, err = f.Write(b)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// readAtMost reads a small file that the user has named.
func readAtMost(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s: more than %d bytes", quote.Name(path), most)
	}
	return b, err
}

// isDevice tells names such as /dev/stdout, which may stand for a regular file that others write to, too.
func isDevice(path string) bool {
	path = filepath.ToSlash(filepath.Clean(path))
	return strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/proc/")
}
