package sign

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/petrify-ml/petrify/internal/quote"
)

// alwaysIgnored is what git keeps at the top of a model's folder.
var alwaysIgnored = []string{".git", ".gitattributes", ".github", ".gitignore"}

// mostFiles bounds what is looked through.
const mostFiles = 1 << 20

// files is a model on disk: a folder, or one file in a folder. Nothing outside of it is read.
type files struct {
	root *os.Root
	only string // the one file; "" is all of the folder
}

func openModel(path string) (*files, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		root, err := os.OpenRoot(path)
		return &files{root: root}, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: neither a file nor a folder", quote.Name(path))
	}
	// A link to a file is that file, as for every program that opens it.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(filepath.Dir(real))
	return &files{root: root, only: filepath.Base(real)}, err
}

func (m *files) Close() { m.root.Close() }

// list gives the names of all files in order. Symbolic links are refused, unless follow: then they are what they point to, inside
// the folder.
func (m *files) list(ctx context.Context, ignore []string, follow bool) ([]string, error) {
	if m.only != "" {
		return []string{m.only}, nil
	}
	var names []string
	err := fs.WalkDir(m.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		switch {
		case err != nil:
			return err
		case name == ".":
			return nil
		case slices.Contains(ignore, name) && e.IsDir():
			return fs.SkipDir
		case slices.Contains(ignore, name), e.IsDir():
			return nil
		case !utf8.ValidString(name):
			return fmt.Errorf("%s: the name is not valid UTF-8, which a signature cannot represent", quote.Name(name))
		case e.Type()&fs.ModeSymlink != 0 && !follow:
			return fmt.Errorf("%s: a symbolic link, which a signature does not cover: ignore it, or put the file in its place", quote.Name(name))
		case e.Type()&fs.ModeSymlink != 0:
			info, err := m.root.Stat(name)
			if err != nil {
				return err
			}
			if !info.Mode().IsRegular() {
				return &UnsupportedError{What: quote.Name(name) + ", a symbolic link that leads to no file"}
			}
		case !e.Type().IsRegular():
			return fmt.Errorf("%s: not a regular file", quote.Name(name))
		}
		if names = append(names, name); len(names) > mostFiles {
			return &UnsupportedError{What: fmt.Sprintf("a model of more than %d files", mostFiles)}
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

// span is a range of the bytes of a file; an end below 0 is that of the file.
type span struct{ start, end int64 }

// digest is the SHA-256 of a range of a file.
func (m *files) digest(ctx context.Context, name string, r span, follow bool) ([]byte, error) {
	info, err := m.root.Lstat(name)
	if err == nil && follow && info.Mode()&fs.ModeSymlink != 0 {
		info, err = m.root.Stat(name)
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", quote.Name(name))
	}
	f, err := m.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var from io.Reader = f
	if r.end >= 0 {
		from = io.NewSectionReader(f, r.start, r.end-r.start)
	}
	h := sha256.New()
	n, err := io.Copy(h, paced{ctx, from})
	if err == nil && r.end >= 0 && n != r.end-r.start {
		err = errShort
	}
	return h.Sum(nil), err
}

var errShort = errors.New("the file is shorter than the range")

// paced is a reader that ends with a context.
type paced struct {
	ctx context.Context
	io.Reader
}

func (p paced) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, context.Cause(p.ctx)
	}
	return p.Reader.Read(b)
}

// covered reports whether a name is among ignored ones, or below one.
func covered(name string, ignore []string) bool {
	return slices.ContainsFunc(ignore, func(i string) bool { return name == i || strings.HasPrefix(name, i+"/") })
}
