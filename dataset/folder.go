package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/internal/quote"
)

// A folder is read by names below it, and called as the user calls it in messages.
type folder struct {
	files fs.FS
	where string
}

func newFolder(where string) folder { return folder{os.DirFS(where), where} }

// path is a name as it stands in messages.
func (f folder) path(name string) string { return filepath.Join(f.where, filepath.FromSlash(name)) }

// blame completes an error of the file system, which knows only the name below the folder.
func (f folder) blame(err error, name string) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: e.Op, Path: f.path(name), Err: e.Err}
	}
	return err
}

func (f folder) stat(name string) (fs.FileInfo, error) {
	info, err := fs.Stat(f.files, name)
	return info, f.blame(err, name)
}

// open opens a regular file.
func (f folder) open(name string) (fs.File, int64, error) {
	info, err := f.stat(name)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s: not a regular file", f.path(name))
	}
	file, err := f.files.Open(name)
	return file, info.Size(), f.blame(err, name)
}

// A tree is a folder with all that is below it, except for what begins with a dot, what systems leave behind, and runs.
type tree struct {
	folder
	root *node
	runs []string // folders that hold a training run, left out
}

// A node is a folder of a tree.
type node struct {
	path  string   // below the root, "." for the root itself
	files []string // names in the folder, in order: what is not a folder
	dirs  []*node
}

func (n *node) name() string { return path.Base(n.path) }

const (
	mostDepth = 8
	mostFiles = 5 << 20
)

// leftBehind are folders that systems and programs put beside images.
var leftBehind = []string{"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "__pycache__", "lost+found"}

// ofARun is what a training run puts into its folder.
var ofARun = []string{"run.json", "run.lock", "checkpoints", "samples", "onnx", "curves.png", "events.jsonl"}

// walk goes through a folder. Links to folders are followed, but not those to a folder that they lie in.
func walk(f folder) (*tree, error) {
	t := &tree{folder: f}
	files := 0
	var visit func(name string, depth int, above []fs.FileInfo) (*node, error)
	visit = func(name string, depth int, above []fs.FileInfo) (*node, error) {
		n := &node{path: name}
		entries, err := fs.ReadDir(f.files, name) // sorted
		if err != nil {
			return nil, f.blame(err, name)
		}
		run := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "run.json" })
		if run && name != "." {
			t.runs = append(t.runs, name)
			return n, nil
		}
		for _, e := range entries {
			inner := path.Join(name, e.Name())
			if strings.HasPrefix(e.Name(), ".") || run && slices.Contains(ofARun, e.Name()) {
				continue
			}
			folder := e.IsDir()
			if e.Type()&fs.ModeSymlink != 0 {
				info, err := fs.Stat(f.files, inner)
				folder = err == nil && info.IsDir() // of a broken link is told who reads it
			}
			if !folder {
				if files++; files > mostFiles {
					return nil, fmt.Errorf("%s has more than %d files in and below it, want a folder of images", f.where, mostFiles)
				}
				n.files = append(n.files, e.Name())
				continue
			}
			info, err := f.stat(inner)
			if err != nil {
				return nil, err
			}
			around := slices.ContainsFunc(above, func(a fs.FileInfo) bool { return os.SameFile(a, info) })
			if around || depth == mostDepth || slices.Contains(leftBehind, e.Name()) {
				continue
			}
			d, err := visit(inner, depth+1, append(slices.Clip(above), info))
			if err != nil {
				return nil, err
			}
			if len(d.files)+len(d.dirs) > 0 {
				n.dirs = append(n.dirs, d)
			}
		}
		return n, nil
	}
	info, err := f.stat(".")
	if err != nil {
		return nil, err
	}
	t.root, err = visit(".", 0, []fs.FileInfo{info})
	return t, err
}

// all lists a node and those below it, the nearest to the root first.
func (n *node) all() []*node {
	list := []*node{n}
	for i := 0; i < len(list); i++ {
		list = append(list, list[i].dirs...)
	}
	return list
}

// names are those of the files and folders in a node, in order.
func (n *node) names() []string {
	names := slices.Clone(n.files)
	for _, d := range n.dirs {
		names = append(names, d.name())
	}
	slices.Sort(names)
	return names
}

// keep drops from the root all whose names do not begin with a prefix.
func (t *tree) keep(prefix string) {
	t.root.files = slices.DeleteFunc(t.root.files, func(name string) bool { return !strings.HasPrefix(name, prefix) })
	t.root.dirs = slices.DeleteFunc(t.root.dirs, func(d *node) bool { return !strings.HasPrefix(d.name(), prefix) })
}

// only returns the one of several sets in a folder that there is, told apart by what their names begin with.
func (t *tree) only(n *node, prefixes []string) (string, error) {
	if len(prefixes) == 1 {
		return prefixes[0], nil
	}
	shown := make([]string, len(prefixes))
	for i, p := range prefixes {
		shown[i] = quote.Name(t.path(path.Join(n.path, strings.TrimRight(p, separators))))
	}
	return "", fmt.Errorf("%d sets of images in one folder, want the name of one: %s", len(prefixes), strings.Join(shown, ", "))
}

// separators stand between the words of a file's name.
const separators = "-_. "

// count counts the files in and below a node that pass.
func (n *node) count(pass func(name string) bool) int {
	c := 0
	for _, d := range n.all() {
		for _, f := range d.files {
			if pass(f) {
				c++
			}
		}
	}
	return c
}

// contents names the first few files of a folder, for who wonders why nothing was found in it.
func (t *tree) contents() string {
	const few = 5
	names := t.root.names()
	if len(names) == 0 {
		return " (it is empty)"
	}
	more := ""
	if len(names) > few {
		more = fmt.Sprintf(" and %d more", len(names)-few)
	}
	return " (it has " + strings.Join(names[:min(few, len(names))], ", ") + more + ")"
}

// A patientReader stops when its context has ended.
type patientReader struct {
	ctx context.Context
	r   io.Reader
}

func (p patientReader) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}
