package gate

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/petrify-ml/petrify/internal/quote"
)

// A Store provides the objects that a manifest names by URLs such as s3://bucket/models/a.onnx, and keeps results as
// objects.
type Store interface {
	// Identify returns a string that changes whenever the object's bytes change, without reading the object. A URL that ends
	// in a slash stands for all objects below it.
	Identify(ctx context.Context, url string) (string, error)
	// Fetch copies the object, or all objects below a URL that ends in a slash, into an empty folder, completely or not at
	// all, and returns the path of the model.
	Fetch(ctx context.Context, url, dir string) (string, error)
	// Read returns a small object.
	Read(ctx context.Context, url string) ([]byte, error)
	// Write creates or replaces an object, atomically.
	Write(ctx context.Context, url string, b []byte) error
	// List returns the names of the objects below a URL that ends in a slash, relative to it.
	List(ctx context.Context, url string) ([]string, error)
}

// longestLine is how long a line of a manifest may be, in bytes.
const longestLine = 16 << 10

// ReadManifest reads a list of models, one per line: paths with forward slashes, relative to the policy's folder or
// absolute; file: URLs of such paths; and, if there is a store, its URLs. Empty lines, lines that begin with #, and
// duplicates are skipped.
func ReadManifest(r io.Reader, store Store) ([]string, error) {
	names := []string{}
	seen := map[string]bool{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestLine)
	number := 0
	for lines.Scan() {
		number++
		line := strings.TrimSpace(lines.Text())
		if number == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if line == "" || line[0] == '#' {
			continue
		}
		name, err := entry(line, store)
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", number, quote.Quote(line), err)
		}
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
		if len(names) > mostFiles {
			return nil, fmt.Errorf("line %d: more than %d models: split the list, or use several", number, mostFiles)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w (the longest has %d bytes)", number+1, err, longestLine)
	}
	return names, nil
}

// entry is a line of a manifest as models are named.
func entry(line string, store Store) (string, error) {
	scheme, rest, remote := strings.Cut(line, "://")
	if remote && strings.EqualFold(scheme, "file") {
		u, err := url.Parse(line)
		switch {
		case err != nil:
			return "", err
		case u.Host != "" && u.Host != "localhost":
			return "", fmt.Errorf("a file on another machine (%s), want file:///PATH", quote.Quote(u.Host))
		case !path.IsAbs(u.Path):
			return "", fmt.Errorf("want file:///PATH")
		}
		return path.Clean(u.Path), nil
	}
	if remote {
		switch {
		case store == nil:
			return "", fmt.Errorf("%s: objects of a store are read by petrify-fleet, which is a program of its own; or mount the store, or copy the files first", scheme)
		case rest == "":
			return "", fmt.Errorf("no object is named")
		}
		return line, nil
	}
	name := filepath.ToSlash(filepath.Clean(filepath.FromSlash(line)))
	if !filepath.IsAbs(filepath.FromSlash(name)) && !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", fmt.Errorf("a relative path is of a file below the policy's folder, others are absolute")
	}
	return name, nil
}

// remote reports whether a model is an object of the store.
func (o *Options) remote(name string) bool { return o.Store != nil && strings.Contains(name, "://") }

// file is where a model lies that is not an object.
func (o *Options) file(name string) string {
	at := filepath.FromSlash(name)
	if filepath.IsAbs(at) {
		return at
	}
	return filepath.Join(o.Root, at)
}

// bring fetches an object into a folder of its own, which done removes.
func (o *Options) bring(ctx context.Context, name string) (file string, done func(), err error) {
	dir, err := os.MkdirTemp("", "petrify-object-")
	if err != nil {
		return "", nil, err
	}
	done = func() { os.RemoveAll(dir) }
	if file, err = o.Store.Fetch(ctx, name, dir); err != nil {
		done()
		return "", nil, err
	}
	return file, done, nil
}
