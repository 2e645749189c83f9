package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/internal/suggest"
)

// Options say how images are brought to one size, and whom to notify. The zero value leaves IDX, CSV and NumPy files as
// they are, scales folders of pictures to 64x64 pixels in colour, and notifies nobody.
type Options struct {
	Size     int // height and width in pixels; 0 means the set's own, or 64 for pictures
	Channels int // 1 for grey, 3 for red, green, blue; 0 means the set's own, or 3 for pictures

	Note     func(text string)   // is called with one line on how a folder was read, and on anything odd about its images; may be nil
	Progress func(done, all int) // is called with the number of images of a split read or scaled so far, from one goroutine; may be nil
}

func (o Options) check() error {
	if o.Size < 0 || o.Size > maxSize {
		return fmt.Errorf("image size is %d, want 1 to %d, or 0 for the set's own", o.Size, maxSize)
	}
	if o.Channels != 0 && o.Channels != 1 && o.Channels != 3 {
		return fmt.Errorf("%d channels, want 1 (grey) or 3 (red, green, blue), or 0 for the set's own", o.Channels)
	}
	return nil
}

// ErrNoTest says that a folder has no held-out images.
var ErrNoTest = errors.New("no test images")

// A format is one way in which a folder keeps images.
type format interface {
	// find returns the data set that the folder holds in this format, nil where it holds none.
	find(t *tree) (found, error)
}

// formats are tried one after another. A new one is a file of its own, and a line here.
var formats = []format{idxFormat{}, csvFormat{}, numpyFormat{}, pictureFormat{}}

// found is a data set that was found and is not decoded yet.
type found interface {
	// about says in a few words what each split was taken for.
	about() string
	// labelled tells whether the images to train on have labels.
	labelled() bool
	// read decodes a split; the error wraps ErrNoTest where there is none to test with. The set has no name yet, and is of its
	// own size where a format has one.
	read(ctx context.Context, s split, o Options) (*Set, error)
}

// A Source is a data set that was found but not yet decoded. Its methods may be called from several goroutines.
type Source struct {
	name    string // finds it again
	short   string // goes into the sets: no path, so that it may be published
	options Options
	found   found
}

// Open finds a data set. name is one of Names or the path of a folder; a folder with the name of an embedded set can be
// opened as "./mnist". A folder holds
//
//   - IDX files under the names of MNIST or EMNIST, gzipped or not,
//   - CSV files with one line of pixels per image, the form in which Kaggle distributes
//     MNIST,
//   - NumPy arrays of images and labels, .npz or .npy files, as Keras has for MNIST,
//   - or pictures: PNG, JPEG, GIF, BMP, TIFF, WebP, in folders for training and testing, by any of their usual names, or all
//     for training, and there either directly or in one folder for each class.
//
// If a folder has several sets of IDX, CSV or NumPy files, one is selected by the prefix of its files: "gzip/emnist-letters".
// name may also be a single NumPy file.
func Open(name string) (*Source, error) { return OpenWith(name, Options{}) }

// OpenWith is Open with options: images are cropped to their central square and scaled.
func OpenWith(name string, o Options) (*Source, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("data set %q: %w", name, err)
	}
	for _, c := range carried {
		if c.name == name {
			return &Source{name: name, short: name, options: o, found: c}, nil
		}
	}
	folder, prefix, err := lookUp(name)
	if err != nil {
		return nil, err
	}
	path, err := filepath.Abs(filepath.Join(folder, prefix))
	if err != nil {
		return nil, fmt.Errorf("data set %q: %w", name, err)
	}
	s := &Source{name: escapePath(path), short: quote.Text(filepath.Base(path)), options: o}
	t, err := below(folder, prefix)
	if err != nil {
		return nil, fmt.Errorf("data set %q: %w", name, err)
	}
	for _, f := range formats {
		if s.found, err = f.find(t); err != nil {
			return nil, fmt.Errorf("data set %q: %w", name, err)
		}
		if s.found != nil {
			s.note(s.found.about())
			return s, nil
		}
	}
	kinds := t.root.unreadable()
	if kinds == archives {
		return nil, fmt.Errorf("data set %q: nothing but archives%s: unpack them", name, t.contents())
	}
	if kinds != "" {
		return nil, fmt.Errorf("data set %q: %s, which petrify does not read%s: write the images as PNG files in a folder for each class", name, kinds, t.contents())
	}
	if err := t.unfit(); err != nil {
		return nil, fmt.Errorf("data set %q: %w", name, err)
	}
	mnist := idxSet{}.images(trainSplit)
	return nil, fmt.Errorf("data set %q: no %s or %s in it, nor pictures%s", name, mnist[0], mnist[1], t.contents())
}

// below is what is in a folder and begins with a prefix, or the file in it that is called so.
func below(folder, prefix string) (*tree, error) {
	f := newFolder(folder)
	if info, err := f.stat(prefix); prefix != "" && err == nil && info.Mode().IsRegular() {
		return &tree{folder: f, root: &node{path: ".", files: []string{prefix}}}, nil
	}
	t, err := walk(f)
	if err != nil {
		return nil, err
	}
	t.keep(prefix)
	return t, nil
}

// lookUp finds the folder that a name stands for, and what the names in it begin with, if it is one of several sets, or the
// file in it.
func lookUp(name string) (folder, prefix string, err error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		if raw := unescapePath(name); raw != name {
			if again, errRaw := os.Stat(raw); errRaw == nil {
				name, info, err = raw, again, nil
			}
		}
	}
	switch {
	case name == "":
		return "", "", fmt.Errorf("no data set named: want %s or a folder", strings.Join(Names(), ", "))
	case errors.Is(err, fs.ErrNotExist):
		if folder, prefix = filepath.Split(name); oneOfSeveral(folder, prefix) {
			return filepath.Clean(folder), prefix, nil
		}
		return "", "", fmt.Errorf("data set %q: the folder does not exist, and known names are: %s%s", name, strings.Join(Names(), ", "), suggest.DidYouMean(name, Names()))
	case err != nil:
		return "", "", fmt.Errorf("data set %q: %w", name, err)
	case info.Mode().IsRegular() && isNumpy(name):
		folder, prefix = filepath.Split(name)
		return filepath.Clean(folder), prefix, nil
	case !info.IsDir():
		hint := ""
		if kind := unreadableKind(filepath.Base(name)); kind != "" {
			hint = fmt.Sprintf(" (petrify does not read %s: write the images as PNG files)", kind)
		}
		if archive.MatchString(name) {
			hint = ": unpack it"
		}
		return "", "", fmt.Errorf("data set %q: a file, want a folder%s", name, hint)
	}
	return name, "", nil
}

// oneOfSeveral tells whether a folder has images to train on, in files whose names begin with a prefix.
func oneOfSeveral(folder, prefix string) bool {
	entries, err := os.ReadDir(filepath.Clean(folder))
	return err == nil && prefix != "" && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		rest, ok := strings.CutPrefix(e.Name(), prefix)
		return ok && strings.IndexAny(rest, separators) == 0 && (idxImages.MatchString(e.Name()) || tableStart(e.Name()) != "" || isNumpy(e.Name()))
	})
}

var archive = regexp.MustCompile(`(?i)\.(zip|tar|tgz|gz|bz2|xz|7z|rar|zst)$`)

const archives = "archives"

// unreadableKinds are forms of data sets that people have, and petrify does not read, by how their names end.
var unreadableKinds = []struct {
	kind string
	name *regexp.Regexp
}{
	{"Parquet files", regexp.MustCompile(`(?i)\.parquet$`)},
	{"Arrow files", regexp.MustCompile(`(?i)\.(arrow|feather)$`)},
	{"TFRecord files", regexp.MustCompile(`(?i)\.tfrecords?(-\d+-of-\d+)?(\.gz)?$`)},
	{"HDF5 files", regexp.MustCompile(`(?i)\.(h5|hdf5?)$`)},
	{"MATLAB files", regexp.MustCompile(`(?i)\.mat$`)},
	{"CIFAR's batches", regexp.MustCompile(`(?i)^((data|test)_batch(_\d)?(\.bin)?|batches\.meta(\.txt)?)$`)},
	{"pickled Python objects", regexp.MustCompile(`(?i)\.(pkl|pickle|p|pt|pth|joblib)(\.gz)?$`)},
	{"LMDB files", regexp.MustCompile(`(?i)\.(mdb|lmdb)$`)},
	{archives, archive},
	{"films", regexp.MustCompile(`(?i)\.(mp4|mov|avi|mkv|webm)$`)},
}

func unreadableKind(name string) string {
	for _, u := range unreadableKinds {
		if u.name.MatchString(name) {
			return u.kind
		}
	}
	return ""
}

// unreadable names the forms of data sets in and below a folder that are known and not read.
func (n *node) unreadable() string {
	var kinds []string
	for _, u := range unreadableKinds {
		if n.count(func(name string) bool { return unreadableKind(name) == u.kind }) > 0 {
			kinds = append(kinds, u.kind)
		}
	}
	return strings.Join(kinds, ", ")
}

// Name returns a name by which Open finds the data again, from any working folder. It is valid UTF-8, whatever the
// folder is called.
func (s *Source) Name() string { return s.name }

// Labelled reports whether the training images have labels: IDX files do, tables with a column of labels, NumPy arrays with
// an array of labels beside them, and pictures in one folder per class.
func (s *Source) Labelled() bool { return s.found.labelled() }

// Train decodes the training split.
func (s *Source) Train(ctx context.Context) (*Set, error) {
	set, err := s.decode(ctx, trainSplit)
	if err != nil {
		return nil, err
	}
	if s.options.Note != nil { // or nobody wants to know
		for _, note := range set.oddities() {
			s.note(note)
		}
	}
	return set, nil
}

// Test decodes the test split, or the validation split if there is no other. The error wraps ErrNoTest if there is neither.
func (s *Source) Test(ctx context.Context) (*Set, error) { return s.decode(ctx, testSplit) }

func (s *Source) decode(ctx context.Context, part split) (*Set, error) {
	o := s.options
	o.Note = s.note
	set, err := s.found.read(ctx, part, o)
	if errors.Is(err, ErrNoTest) {
		return nil, fmt.Errorf("data set %q: %w", s.name, err)
	}
	if err != nil {
		return nil, err
	}
	set.Name = s.short
	names := set.Names
	if set, err = set.resized(ctx, s.options); err == nil {
		set.Names = names
	}
	return set, err
}

// note tells something of the set.
func (s *Source) note(text string) {
	if s.options.Note != nil {
		s.options.Note(fmt.Sprintf("%s: %s", quote.Name(s.short), text))
	}
}

// oddities say what keeps a model from learning anything from the images.
func (s *Set) oddities() []string {
	flat, same := 0, true
	for i := range s.N {
		image := s.Image(i)
		if oneColour(image, s.C) {
			flat++
		}
		same = same && string(image) == string(s.Image(0))
	}
	var notes []string
	switch {
	case s.N > 1 && same:
		notes = append(notes, fmt.Sprintf("all %d images are the same", s.N))
	case s.N == 1:
		notes = append(notes, "there is one image to learn from")
	}
	if flat > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d images have no contrast: each is of a single colour", flat, s.N))
	}
	return notes
}

func oneColour(image []uint8, channels int) bool {
	for plane := range slices.Chunk(image, len(image)/channels) {
		if !bytes.Equal(plane[1:], plane[:len(plane)-1]) {
			return false
		}
	}
	return true
}

// escapePath gives a path whose bytes are not UTF-8 a form that JSON can hold. Others stay as they are.
func escapePath(path string) string {
	if utf8.ValidString(path) {
		return path
	}
	var b strings.Builder
	for path != "" {
		r, size := utf8.DecodeRuneInString(path)
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, path[0])
		} else {
			b.WriteString(path[:size])
		}
		path = path[size:]
	}
	return b.String()
}

var escapedByte = regexp.MustCompile(`\\x[89a-f][0-9a-f]`)

func unescapePath(path string) string {
	return escapedByte.ReplaceAllStringFunc(path, func(e string) string {
		v, _ := strconv.ParseUint(e[2:], 16, 8)
		return string([]byte{byte(v)})
	})
}
