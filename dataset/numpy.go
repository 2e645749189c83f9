package dataset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/internal/count"
	"github.com/petrify-ml/petrify/internal/npy"
	"github.com/petrify-ml/petrify/internal/quote"
)

// numpyFormat is that of NumPy's arrays, .npy files and .npz archives, as Keras hands out MNIST, and MedMNIST and KMNIST their
// images. Pixels are whole numbers from 0 to 255, as (N, H, W), (N, H, W, C), (N, C, H, W) or, of square grey images, (N, H*W)
// with 1 or 3 channels C; labels are whole numbers, as (N) or (N, 1). Which array is which is told by the words of its name:
// x_train and y_train, or test_images and test_labels.
type numpyFormat struct{}

// A numpySet are such arrays.
type numpySet struct {
	folder
	images, labels map[split]numpyArray
}

type numpyArray struct {
	path  string // of the file, below the folder
	entry npy.Entry
}

// name is that of an array as shown.
func (a numpyArray) name() string {
	if a.entry.Name == "" {
		return quote.Name(a.path)
	}
	return fmt.Sprintf("%s of %s", quote.Name(a.entry.Name), quote.Name(a.path))
}

// words are those of the array's name and of its file's.
func (a numpyArray) words() []string {
	file := strings.TrimSuffix(path.Base(a.path), path.Ext(a.path))
	return append(wordsOf(a.entry.Name), wordsOf(file)...)
}

func (a numpyArray) split() split {
	for _, w := range a.words() {
		for _, part := range []split{trainSplit, testSplit, validationSplit} {
			if slices.Contains(splitWords[part], w) {
				return part
			}
		}
	}
	return noSplit
}

// areLabels tells by its name whether an array holds labels.
func (a numpyArray) areLabels() bool {
	return slices.ContainsFunc(a.words(), func(w string) bool {
		return slices.Contains([]string{"y", "label", "labels", "target", "targets", "class", "classes"}, w)
	})
}

func isNumpy(name string) bool { return slices.Contains([]string{".npy", ".npz"}, extension(name)) }

// mostListed is how many files of a folder are looked into.
const mostListed = 1000

// find takes the arrays of the first folder that has images, where there are no pictures.
func (numpyFormat) find(t *tree) (found, error) {
	if t.root.pictures() > 0 {
		return nil, nil
	}
	var problem error // why the first of the arrays is none of images
	for _, n := range t.root.all() {
		files := slices.DeleteFunc(slices.Clone(n.files), func(name string) bool { return !isNumpy(name) })
		if len(files) > mostListed {
			return nil, fmt.Errorf("%d NumPy files in %s, want at most %d", len(files), quote.Name(t.path(n.path)), mostListed)
		}
		all := map[split][]numpyArray{}
		labels := map[split][]numpyArray{}
		for _, name := range files {
			arrays, err := t.arrays(path.Join(n.path, name))
			problem = cmp.Or(problem, err)
			for _, a := range arrays {
				if a.areLabels() {
					labels[a.split()] = append(labels[a.split()], a)
					continue
				}
				if _, err := a.layout(); err != nil {
					problem = cmp.Or(problem, fmt.Errorf("%s: %w", a.name(), err))
					continue
				}
				all[a.split()] = append(all[a.split()], a)
			}
		}
		if len(all) == 0 {
			continue
		}
		set := &numpySet{folder: t.folder}
		var err error
		if set.images, err = each(all, "images"); err != nil {
			return nil, err
		}
		if set.labels, err = each(labels, "labels"); err != nil {
			return nil, err
		}
		if _, ok := set.images[trainSplit]; !ok {
			return nil, fmt.Errorf("images to test with alone, %s: those to train on would be an array called %q", set.held().name(), "x_train")
		}
		return set, nil
	}
	return nil, problem
}

// each takes the one array of each split. What is of no split is to train on, if nothing else is.
func each(all map[split][]numpyArray, what string) (map[split]numpyArray, error) {
	one := map[split]numpyArray{}
	for _, part := range []split{trainSplit, testSplit, validationSplit, noSplit} {
		list := all[part]
		if part == noSplit {
			if part = trainSplit; len(all[trainSplit]) > 0 {
				continue
			}
		}
		if len(list) > 1 {
			var names []string
			for _, a := range list {
				names = append(names, a.name())
			}
			return nil, fmt.Errorf("%d arrays of %s to %s with, want one, or the path of one file: %s", len(list), what, part, shownNames(names))
		}
		if len(list) == 1 {
			one[part] = list[0]
		}
	}
	return one, nil
}

// arrays lists those of a file.
func (f folder) arrays(name string) ([]numpyArray, error) {
	file, size, err := f.numpy(context.Background(), name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	entries, err := npy.List(file, size)
	if err != nil {
		return nil, &FormatError{File: f.path(name), Why: err.Error()}
	}
	var arrays []numpyArray
	var problem error
	for _, e := range entries {
		a := numpyArray{name, e}
		if e.Err != nil {
			problem = cmp.Or(problem, fmt.Errorf("%s: %w", a.name(), e.Err))
			continue
		}
		arrays = append(arrays, a)
	}
	return arrays, problem
}

// A randomFile is a file that is read from anywhere.
type randomFile struct {
	io.ReaderAt
	io.Closer
}

// numpy opens a file. Reading stops when the context has ended.
func (f folder) numpy(ctx context.Context, name string) (*randomFile, int64, error) {
	file, size, err := f.open(name)
	if err != nil {
		return nil, 0, err
	}
	r, ok := file.(io.ReaderAt)
	if !ok {
		return nil, 0, errors.Join(fmt.Errorf("%s: cannot be read from anywhere", f.path(name)), file.Close())
	}
	return &randomFile{patientReaderAt{ctx, r}, file}, size, nil
}

type patientReaderAt struct {
	ctx context.Context
	r   io.ReaderAt
}

func (p patientReaderAt) ReadAt(b []byte, at int64) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.ReadAt(b, at)
}

// layout is how images lie in an array: its lengths, and those as (N, C, H, W); channelsLast tells that they are to be turned.
type layout struct {
	n, c, h, w   int
	channelsLast bool
}

// layout reads it from the array's type and lengths.
func (a numpyArray) layout() (l layout, err error) {
	if kind := strings.TrimLeft(a.entry.Type, "<>|="); !strings.HasPrefix(kind, "u") && !strings.HasPrefix(kind, "i") && kind != "b1" {
		return l, fmt.Errorf("elements of type %q, want pixels that are whole numbers from 0 to 255 (uint8)", a.entry.Type)
	}
	d := a.entry.Dims
	colours := func(n int) bool { return n == 1 || n == 3 }
	switch {
	case len(d) == 2 && squareRoot(d[1]) >= leastSide:
		l = layout{n: d[0], c: 1, h: squareRoot(d[1]), w: squareRoot(d[1])}
	case len(d) == 3:
		l = layout{n: d[0], c: 1, h: d[1], w: d[2]}
	case len(d) == 4 && colours(d[3]):
		l = layout{n: d[0], c: d[3], h: d[1], w: d[2], channelsLast: true}
	case len(d) == 4 && colours(d[1]):
		l = layout{n: d[0], c: d[1], h: d[2], w: d[3]}
	default:
		return l, fmt.Errorf("shape %v, want images as (N, H, W), or with 1 or 3 channels as (N, H, W, C) or (N, C, H, W)", d)
	}
	if l.n < 1 || l.h < 1 || l.w < 1 {
		return l, fmt.Errorf("shape %v, want at least 1 on every axis", d)
	}
	return l, nil
}

func (s *numpySet) about() string {
	text := "NumPy arrays; train: " + s.described(trainSplit) + "; test: "
	_, test := s.images[testSplit]
	_, validation := s.images[validationSplit]
	switch {
	case test && validation:
		return text + s.described(testSplit) + "; not used: " + s.described(validationSplit)
	case test:
		return text + s.described(testSplit)
	case validation:
		return text + s.described(validationSplit)
	}
	return text + "none"
}

func (s *numpySet) labelled() bool {
	_, ok := s.labels[trainSplit]
	return ok
}

func (s *numpySet) described(part split) string {
	a := s.images[part]
	l, err := a.layout()
	if err != nil {
		return "damaged"
	}
	without := ""
	if _, ok := s.labels[part]; !ok {
		without = ", without labels"
	}
	return fmt.Sprintf("%s of %dx%d (%s%s)", count.Of(l.n, "image"), l.h, l.w, a.name(), without)
}

// held is what there is to test with.
func (s *numpySet) held() numpyArray {
	if a, ok := s.images[testSplit]; ok {
		return a
	}
	return s.images[validationSplit]
}

func (s *numpySet) read(ctx context.Context, part split, _ Options) (*Set, error) {
	if _, ok := s.images[part]; !ok && part == testSplit {
		part = validationSplit
	}
	a, ok := s.images[part]
	if !ok {
		return nil, fmt.Errorf("%w: they would be an array %q", ErrNoTest, "x_test")
	}
	l, err := a.layout()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.name(), err)
	}
	pixels, err := numbersOf[uint8](ctx, s.folder, a, maxPixel)
	if err != nil {
		return nil, err
	}
	if l.channelsLast {
		pixels = l.turned(pixels)
	}
	labels, err := s.classes(ctx, part, l.n)
	if err != nil {
		return nil, err
	}
	return &Set{N: l.n, C: l.c, H: l.h, W: l.w, Pixels: pixels, Labels: labels}, nil
}

// classes reads the labels of a split, zeros where it has none.
func (s *numpySet) classes(ctx context.Context, part split, n int) ([]uint32, error) {
	a, ok := s.labels[part]
	if !ok {
		return make([]uint32, n), nil
	}
	if d := a.entry.Dims; len(d) < 1 || d[0] != n || len(d) > 2 || len(d) == 2 && d[1] != 1 {
		return nil, &FormatError{File: s.path(a.path), Why: fmt.Sprintf("labels %s of shape %v, want one for each of %d images", a.name(), d, n)}
	}
	return numbersOf[uint32](ctx, s.folder, a, maxLabel)
}

const (
	maxPixel = 255
	maxLabel = 1<<32 - 1
)

// numbersOf reads an array of whole numbers from 0 to most. false is 0, and true is most for pixels.
func numbersOf[T uint8 | uint32](ctx context.Context, f folder, a numpyArray, most uint64) ([]T, error) {
	file, size, err := f.numpy(ctx, a.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	limit := min(max(freely, plausibleRatio*size), int64(maxBytes))
	array, err := npy.ReadFrom(file, size, a.entry.Name, limit)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &FormatError{File: f.path(a.path), Why: err.Error()}
	}
	if !slices.Equal(array.Dims, a.entry.Dims) {
		return nil, &FormatError{File: f.path(a.path), Why: fmt.Sprintf("shape %v, which was %v before", array.Dims, a.entry.Dims)}
	}
	list, bad := wholeNumbers(array.Data, T(most))
	if bad != "" {
		return nil, &FormatError{File: f.path(a.path), Why: fmt.Sprintf("%s: %s, want whole numbers from 0 to %d", a.name(), bad, most)}
	}
	return list, nil
}

// wholeNumbers converts what an array holds; bad says what is beyond 0 to most.
func wholeNumbers[T uint8 | uint32](data npy.Data, most T) (list []T, bad string) {
	switch d := data.(type) {
	case npy.Numbers[T]:
		return d, ""
	case npy.Others[bool]:
		list = make([]T, len(d))
		for i, v := range d {
			if v && most == maxPixel {
				list[i] = most
			} else if v {
				list[i] = 1
			}
		}
		return list, ""
	}
	list = make([]T, data.Len())
	for i := range list {
		v, ok := data.Whole(i)
		if !ok || v > uint64(most) {
			return nil, fmt.Sprintf("element %d is %s", i, data.Text(i))
		}
		list[i] = T(v)
	}
	return list, ""
}

// turned brings (N, H, W, C) to (N, C, H, W).
func (l layout) turned(pixels []uint8) []uint8 {
	if l.c == 1 {
		return pixels
	}
	out := make([]uint8, len(pixels))
	area := l.h * l.w
	for i := range l.n {
		from, to := pixels[i*area*l.c:], out[i*area*l.c:]
		for p := range area {
			for c := range l.c {
				to[c*area+p] = from[p*l.c+c]
			}
		}
	}
	return out
}
