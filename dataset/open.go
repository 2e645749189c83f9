package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/petrify-ml/petrify/dataset/mnist"
	"github.com/petrify-ml/petrify/internal/suggest"
)

// carried are the sets inside the program.
var carried = []struct {
	name        string
	files       fs.FS
	train, test string // digests: known, so that nobody waits for them
	decoded     func() (*Set, error)
}{
	{"mnist", mnist.Files(), mnistTrain, mnistTest, mnistImages},
}

// mnistImages decodes the training images on several cores: from one file of
// the program it takes most of the time until the first iteration.
func mnistImages() (*Set, error) {
	pixels, err := mnist.TrainPixels()
	if err != nil {
		return nil, err
	}
	_, _, labels, err := openIDX(mnist.Files(), "mnist", trainFiles.labels, 1)
	if err != nil {
		return nil, err
	}
	return &Set{Name: "mnist", N: mnist.TrainN, C: 1, H: mnist.Height, W: mnist.Width, Pixels: pixels, Labels: labels, Digest: mnistTrain}, nil
}

const (
	mnistTrain = "013e0a690ea982f9f86a8aefd0c5949d3e9b12e37ad230ffe8af6604d2ef0de6"
	mnistTest  = "5cfef7b2bb8a59ab696f81a0eaf40cb3778569d762c1ba39fc971485e040ec91"
)

// Names lists the sets that the program carries.
func Names() []string {
	var names []string
	for _, c := range carried {
		names = append(names, c.name)
	}
	return names
}

// Source is a data set that was found and is not decoded yet. Its methods may
// be called from several goroutines.
type Source struct {
	name        string // as given to Open
	short       string // goes into the sets: no path, so that it may be published
	files       fs.FS
	images      bool // PNG and JPEG files, not IDX
	options     Options
	train, test string               // digests, "" where they must be computed
	decoded     func() (*Set, error) // the training split, where there is a quicker way to it
}

// Open finds a data set. name is one of Names or the path of a folder; one
// that is called like a set of the program is opened as "./mnist". A folder
// holds IDX files under MNIST's names, or PNG and JPEG images: in folders
// "train" and "test" or all for training, and there either directly or in one
// folder for each label.
func Open(name string) (*Source, error) { return OpenWith(name, Options{}) }

// OpenWith is Open for images of a given size: their middle is cut out and
// scaled.
func OpenWith(name string, o Options) (*Source, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("data set %q: %w", name, err)
	}
	for _, c := range carried {
		if c.name == name {
			return &Source{name: name, short: name, files: c.files, options: o, train: c.train, test: c.test, decoded: c.decoded}, nil
		}
	}
	info, err := os.Stat(name)
	switch {
	case name == "":
		return nil, fmt.Errorf("no data set named: want %s or a folder", strings.Join(Names(), ", "))
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("data set %q: the folder does not exist, and known names are: %s%s", name, strings.Join(Names(), ", "), suggest.DidYouMean(name, Names()))
	case err != nil:
		return nil, fmt.Errorf("data set %q: %w", name, err)
	case !info.IsDir():
		return nil, fmt.Errorf("data set %q: a file, want a folder", name)
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("data set %q: %w", name, err)
	}
	s := &Source{name: name, short: filepath.Base(path), files: os.DirFS(name), options: o}
	_, _, errTrain := find(s.files, name, trainFiles.images)
	_, _, errTest := find(s.files, name, testFiles.images)
	if errTrain != nil && errTest != nil && hasImages(s.files) {
		s.images = true
		return s, nil
	}
	if errTrain != nil && errTest != nil {
		return nil, errTrain
	}
	return s, nil
}

// Name is what Open was given: hand it to Open again for the same data.
func (s *Source) Name() string { return s.name }

// Train decodes the training split.
func (s *Source) Train() (*Set, error) {
	if s.images {
		return s.readImages("train")
	}
	if s.decoded != nil {
		set, err := s.decoded()
		if err != nil {
			return nil, err
		}
		return set.resized(s.options)
	}
	return s.read(trainFiles, s.train)
}

// Test decodes the test split. The error wraps ErrNoTest where a folder of
// images has none.
func (s *Source) Test() (*Set, error) {
	if s.images {
		return s.readImages("test")
	}
	return s.read(testFiles, s.test)
}

// splitFiles are the names that a split's files go by, the first that exists
// counts. MNIST's site and its mirrors disagree on a dot.
type splitFiles struct{ images, labels []string }

var (
	trainFiles = filesOf("train")
	testFiles  = filesOf("t10k")
)

func filesOf(split string) splitFiles {
	names := func(what, rank string) []string {
		dash, dot := split+"-"+what+"-"+rank+"-ubyte", split+"-"+what+"."+rank+"-ubyte"
		return []string{dash, dash + ".gz", dot, dot + ".gz"}
	}
	return splitFiles{names("images", "idx3"), names("labels", "idx1")}
}

func (s *Source) read(names splitFiles, digest string) (*Set, error) {
	labelFile, labelDims, labels, err := openIDX(s.files, s.name, names.labels, 1)
	if err != nil {
		return nil, err
	}
	imageFile, dims, pixels, err := openIDX(s.files, s.name, names.images, 3)
	if err != nil {
		return nil, err
	}
	n, h, w := dims[0], dims[1], dims[2]
	if labelDims[0] != n {
		return nil, &FormatError{File: labelFile, Why: fmt.Sprintf("%d labels, but %d images in %s", labelDims[0], n, imageFile)}
	}
	set := &Set{Name: s.short, N: n, C: 1, H: h, W: w, Pixels: pixels, Labels: labels, Digest: digest}
	if digest == "" {
		if set, err = New(s.short, n, 1, h, w, pixels, labels); err != nil {
			return nil, err
		}
	}
	return set.resized(s.options)
}

// find returns the first of names that the folder has. where is the folder as
// the user calls it.
func find(folder fs.FS, where string, names []string) (string, fs.FileInfo, error) {
	for _, name := range names {
		info, err := fs.Stat(folder, name)
		if err == nil {
			return name, info, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", nil, fmt.Errorf("data set %q: %w", where, err)
		}
	}
	return "", nil, fmt.Errorf("data set %q: no %s or %s in it%s", where, names[0], names[1], contents(folder))
}

// contents names the first few files of a folder, for who wonders why nothing
// was found in it.
func contents(folder fs.FS) string {
	const few = 5
	entries, err := fs.ReadDir(folder, ".")
	switch {
	case err != nil:
		return ""
	case len(entries) == 0:
		return " (it is empty)"
	}
	var names []string
	for _, e := range entries[:min(few, len(entries))] {
		names = append(names, e.Name())
	}
	more := ""
	if len(entries) > few {
		more = fmt.Sprintf(" and %d more", len(entries)-few)
	}
	return " (it has " + strings.Join(names, ", ") + more + ")"
}
