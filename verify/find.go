package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A source is a model file and the folders of recorded data beside it.
type source struct {
	model string
	sets  []string // test_data_set_N, in the order of N
}

// deepest is how far below a given folder models are looked for.
const deepest = 6

// findModels returns what there is to verify at path: the file itself, the
// model of the folder, or the models of the folders below it.
func findModels(path string) ([]source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		s := source{model: path}
		// Recorded data belong to a file that has its folder to itself.
		if models, err := modelsIn(filepath.Dir(path)); err == nil && len(models) == 1 && filepath.Base(path) == models[0] {
			s.sets, err = setsIn(filepath.Dir(path))
			return []source{s}, err
		}
		return []source{s}, nil
	}
	found, err := walk(path, 0)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s: no .onnx file in this folder, nor in those below it", path)
	}
	return found, err
}

func walk(dir string, depth int) ([]source, error) {
	models, err := modelsIn(dir)
	if err != nil {
		return nil, err
	}
	switch len(models) {
	case 0:
	case 1:
		sets, err := setsIn(dir)
		return []source{{filepath.Join(dir, models[0]), sets}}, err
	default:
		sets, err := setsIn(dir)
		if err != nil {
			return nil, err
		}
		if len(sets) > 0 {
			return nil, fmt.Errorf("%s: %d models (%s) share the recorded data, want one", dir, len(models), strings.Join(models, ", "))
		}
		var all []source
		for _, m := range models {
			all = append(all, source{model: filepath.Join(dir, m)})
		}
		return all, nil
	}
	if depth == deepest {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []source
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		below, err := walk(filepath.Join(dir, e.Name()), depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, below...)
	}
	return all, nil
}

// modelsIn returns the names of the .onnx files of a folder, in order.
func modelsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && strings.EqualFold(filepath.Ext(e.Name()), ".onnx") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

const setPrefix = "test_data_set_"

// setsIn returns the folders of recorded data in dir, in the order of their
// numbers.
func setsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	type numbered struct {
		path string
		n    int
	}
	var sets []numbered
	for _, e := range entries {
		if text, ok := strings.CutPrefix(e.Name(), setPrefix); ok && e.IsDir() {
			if n, err := strconv.Atoi(text); err == nil {
				sets = append(sets, numbered{filepath.Join(dir, e.Name()), n})
			}
		}
	}
	slices.SortStableFunc(sets, func(a, b numbered) int { return a.n - b.n })
	paths := make([]string, len(sets))
	for i, s := range sets {
		paths[i] = s.path
	}
	return paths, nil
}

// exists reports whether there is a file at path.
func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
