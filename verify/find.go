package verify

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A source is a model file and the folders of recorded data beside it, or a
// place where there should be one and what is wrong with it.
type source struct {
	model string
	sets  []string // test_data_set_N, in the order of N
	err   error
}

// findModels returns what there is to verify at path: the file itself, or the
// models of the folder and of those below it. What cannot be read is one source
// of its own, and hides nothing else.
func findModels(path string) []source {
	info, err := os.Stat(path)
	if err != nil {
		return []source{{model: path, err: err}}
	}
	if !info.IsDir() {
		s := source{model: path}
		// Recorded data belong to a file that has its folder to itself.
		if f := listFolder(filepath.Dir(path)); f.err == nil && len(f.models) == 1 && filepath.Base(path) == f.models[0] {
			s.sets = f.sets
		}
		return []source{s}
	}
	found := walk(path)
	if len(found) == 0 {
		found = []source{{model: path, err: errors.New("no .onnx file in or below this folder")}}
	}
	return found
}

// walk looks through a folder and all below it. Links to folders are not followed.
func walk(dir string) []source {
	f := listFolder(dir)
	var all []source
	if f.err != nil {
		all = append(all, source{model: dir, err: f.err})
	}
	if len(f.models) > 1 && len(f.sets) > 0 {
		all = append(all, source{model: dir, err: fmt.Errorf("%d models (%s) share the recorded data, want one", len(f.models), strings.Join(f.models, ", "))})
	} else {
		for _, m := range f.models {
			all = append(all, source{model: filepath.Join(dir, m), sets: f.sets})
		}
	}
	for _, name := range f.folders {
		below := filepath.Join(dir, name)
		if len(f.models) == 0 || !slices.Contains(f.sets, below) {
			all = append(all, walk(below)...)
		}
	}
	return all
}

// A folderList is what a folder holds, each in order.
type folderList struct {
	models  []string // names of .onnx files
	sets    []string // paths of folders of recorded data, by their numbers
	folders []string // names of all folders
	err     error    // why there may be more
}

func listFolder(dir string) folderList {
	entries, err := os.ReadDir(dir)
	f := folderList{err: err}
	numbers := map[string]int{}
	for _, e := range entries {
		switch name := e.Name(); {
		case e.IsDir():
			f.folders = append(f.folders, name)
			if text, ok := strings.CutPrefix(name, setPrefix); ok {
				if n, err := strconv.Atoi(text); err == nil {
					path := filepath.Join(dir, name)
					f.sets, numbers[path] = append(f.sets, path), n
				}
			}
		case strings.EqualFold(filepath.Ext(name), ".onnx"):
			f.models = append(f.models, name)
		}
	}
	slices.SortStableFunc(f.sets, func(a, b string) int { return cmp.Compare(numbers[a], numbers[b]) })
	return f
}

const setPrefix = "test_data_set_"

// exists reports whether there is a file at path.
func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
