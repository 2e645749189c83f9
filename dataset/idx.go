package dataset

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/petrify-ml/petrify/internal/count"
	"github.com/petrify-ml/petrify/internal/quote"
)

// A FormatError says that a file is not a valid picture, table or array.
type FormatError struct {
	File string // the file's path
	Why  string // what was wanted and what came
	Err  error  // the decoder's own error, or nil
}

func (e *FormatError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", quote.Name(e.File), e.Why, e.Err)
	}
	return quote.Name(e.File) + ": " + e.Why
}

func (e *FormatError) Unwrap() error { return e.Err }

// maxBytes is the largest IDX file that is read: 8 GiB, 170 times MNIST, or
// what the machine can address.
const maxBytes = min(8<<30, uint64(^uint(0)>>1))

// deflateRatio is the most that one compressed byte can unpack to: a match of
// 258 bytes takes two bits at least.
const deflateRatio = 1032

// readIDX reads a file of unsigned bytes with `rank` dimensions, as described
// on the MNIST page (http://yann.lecun.com/exdb/mnist/, "the IDX file
// format"): two zero bytes, the element type, the rank, the dimensions as
// 32-bit big-endian integers, then the elements, and nothing after them. size
// is the length of the file; whether it is gzipped is seen from its first
// bytes. Memory is taken for what the file's own length makes plausible, and
// beyond that only as bytes arrive, never on the word of the header.
func readIDX(file string, f io.Reader, size int64, rank int) (dims []int, data []byte, err error) {
	r, packed, err := unpack(file, f, size)
	if err != nil {
		return nil, nil, err
	}
	fail := func(cause error, format string, args ...any) ([]int, []byte, error) {
		return nil, nil, failure(file, fmt.Sprintf(format, args...), cause)
	}

	head := make([]byte, 4+4*rank)
	n, err := fill(r, head)
	if why := badMagic(head, rank); n >= 4 && why != "" {
		return fail(nil, "%s", why)
	}
	if err != nil {
		return fail(damage(err), "ends after %d bytes, in the %d bytes of its header", n, len(head))
	}
	dims = make([]int, rank)
	shape := make([]string, rank)
	for i := range dims {
		d := binary.BigEndian.Uint32(head[4+4*i:])
		shape[i] = strconv.FormatUint(uint64(d), 10)
		if d == 0 {
			return fail(nil, "dimension %d of %d is 0", i+1, rank)
		}
		if uint64(d) > maxBytes {
			return fail(nil, "dimension %d of %d is %d, more than the %d bytes that can be read", i+1, rank, d, maxBytes)
		}
		dims[i] = int(d)
	}
	promise := strings.Join(shape, "x")
	want, ok := product(dims...)
	switch have := size - int64(len(head)); {
	case !ok:
		return fail(nil, "header promises %s elements, more than can be addressed", promise)
	case !packed && int64(want) != have:
		return fail(nil, "header promises %s = %d bytes, the file has %d", promise, want, have)
	case packed && int64(want)/deflateRatio > size:
		return fail(nil, "header promises %s = %d bytes, more than %d compressed bytes can hold", promise, want, size)
	case packed && int64(want) > max(freely, plausibleRatio*size):
		return fail(nil, "header promises %s = %d bytes, more than %d times the %d compressed ones, which no images do", promise, want, plausibleRatio, size)
	case uint64(want) > maxBytes:
		return fail(nil, "header promises %s = %d bytes, at most %d can be read", promise, want, maxBytes)
	}

	data, err = readGrowing(r, want, int(min(8*size, int64(want))))
	if err != nil {
		return fail(damage(err), "header promises %s = %d bytes, the file ends after %d", promise, want, len(data))
	}
	// One read more: it shows what is too much, and gzip checks its sum only at the end.
	const enough = 1 << 20
	extra, err := io.CopyN(io.Discard, r, enough)
	switch {
	case extra == enough:
		return fail(nil, "header promises %s = %d bytes, the file has %d more at least", promise, want, extra)
	case err != io.EOF:
		return fail(err, "damaged after %d bytes", int64(want)+extra)
	case extra > 0:
		return fail(nil, "header promises %s = %d bytes, the file has %d more", promise, want, extra)
	}
	return dims, data, nil
}

// unpack undoes gzip where the first two bytes ask for it. The name is no
// guide: browsers unpack downloads and leave the .gz on.
func unpack(file string, f io.Reader, size int64) (r io.Reader, packed bool, err error) {
	b := bufio.NewReaderSize(f, 64<<10)
	first, err := b.Peek(2)
	if err != nil && err != io.EOF {
		return nil, false, fmt.Errorf("read %s: %w", file, err)
	}
	if len(first) < 2 || first[0] != 0x1f || first[1] != 0x8b {
		return b, false, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, true, failure(file, "damaged gzip header", damage(err))
	}
	return &frugalReader{z, max(freely, plausibleRatio*size) + 2<<20}, true, nil
}

// Packed data is unpacked freely up to a size, and beyond it only as far as real images pack: MNIST does to a fifth.
const (
	freely         = 256 << 20
	plausibleRatio = 200
)

// A frugalReader reads no more than so many bytes.
type frugalReader struct {
	r    io.Reader
	left int64
}

func (f *frugalReader) Read(b []byte) (int, error) {
	if f.left <= 0 {
		return 0, fmt.Errorf("unpacks to more than %d times its size, which no images do", plausibleRatio)
	}
	n, err := f.r.Read(b[:min(int64(len(b)), f.left)])
	f.left -= int64(n)
	return n, err
}

// badMagic says what is wrong with the first four bytes, or nothing.
func badMagic(head []byte, rank int) string {
	want := uint32(0x0800 | rank)
	got := binary.BigEndian.Uint32(head)
	if got == want {
		return ""
	}
	return fmt.Sprintf("bad magic 0x%08x, want 0x%08x (unsigned bytes, rank %d)", got, want, rank)
}

// failure is a *FormatError, unless the disk is to blame.
func failure(file, why string, cause error) error {
	if _, disk := errors.AsType[*fs.PathError](cause); disk {
		return fmt.Errorf("read %s: %w", file, cause)
	}
	return &FormatError{File: file, Why: why, Err: cause}
}

// damage keeps an error of the decoder or the disk, and drops the plain end of
// a file: there the numbers say it all.
func damage(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// readGrowing reads want bytes into memory that starts at capacity start and
// doubles as they arrive. When they end early it returns what came.
func readGrowing(r io.Reader, want, start int) ([]byte, error) {
	data := make([]byte, 0, start)
	for len(data) < want {
		if len(data) == cap(data) {
			grown := make([]byte, len(data), min(max(2*cap(data), 4096), want))
			copy(grown, data)
			data = grown
		}
		n, err := fill(r, data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err != nil {
			return data, err
		}
	}
	return data, nil
}

// fill is io.ReadFull that leaves the reader's error alone: io.EOF is the end
// of the data, io.ErrUnexpectedEOF that of a gzip stream cut short.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var k int
		k, err = r.Read(b[n:])
		n += k
	}
	if n == len(b) {
		return n, nil
	}
	return n, err
}

// idxFormat is that of MNIST, http://yann.lecun.com/exdb/mnist/, and of EMNIST,
// https://www.nist.gov/itl/products-and-services/emnist-dataset.
type idxFormat struct{}

// An idxSet are IDX files in a folder dir below another, whose names begin with a prefix that may be empty.
type idxSet struct {
	folder
	dir, prefix string
}

var idxImages = regexp.MustCompile(`^(.*[-_.])?(?:train|t10k|test)-images[-.]idx3-ubyte(?:\.gz)?$`)

// find takes the folder nearest to the root that has images of either split.
func (idxFormat) find(t *tree) (found, error) {
	for _, n := range t.root.all() {
		prefixes := map[string]bool{}
		for _, name := range n.names() {
			if m := idxImages.FindStringSubmatch(name); m != nil {
				prefixes[m[1]] = true
			}
		}
		set := idxSet{folder: t.folder, dir: n.path}
		if !prefixes[""] && len(prefixes) > 0 {
			var err error
			if set.prefix, err = t.only(n, slices.Sorted(maps.Keys(prefixes))); err != nil {
				return nil, err
			}
		}
		for _, part := range []split{trainSplit, testSplit} {
			if name, _, err := set.find(set.images(part)); err == nil && name != "" {
				return set, nil
			}
		}
	}
	return nil, nil
}

// byColumns tells whether the images are stored column by column, as all of EMNIST are.
func byColumns(prefix string) bool { return strings.Contains(strings.ToLower(prefix), "emnist") }

// images and labels are the names that a split's files go by, the first that exists counts. MNIST's site and its mirrors
// disagree on a dot, and only MNIST itself calls the test split t10k.
func (s idxSet) images(part split) []string { return s.names(part, "images", "idx3") }
func (s idxSet) labels(part split) []string { return s.names(part, "labels", "idx1") }

func (s idxSet) names(part split, what, rank string) []string {
	words := []string{"train"}
	switch {
	case part != trainSplit && s.prefix == "":
		words = []string{"t10k", "test"}
	case part != trainSplit:
		words = []string{"test", "t10k"}
	}
	var names []string
	for _, word := range words {
		dash, dot := s.prefix+word+"-"+what+"-"+rank+"-ubyte", s.prefix+word+"-"+what+"."+rank+"-ubyte"
		names = append(names, dash, dash+".gz", dot, dot+".gz")
	}
	return names
}

// find returns the first of names that the folder has as a file: in it, or, as some archives have it, in a folder of the same
// name. What is not a regular file comes last. It returns "" where there is none of them.
func (s idxSet) find(names []string) (string, fs.FileInfo, error) {
	var other string
	var otherInfo fs.FileInfo
	for _, name := range names {
		for _, file := range []string{path.Join(s.dir, name), path.Join(s.dir, name, name)} {
			info, err := s.stat(file)
			switch {
			case err == nil && info.Mode().IsRegular():
				return file, info, nil
			case err == nil && other == "":
				other, otherInfo = file, info
			case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
				return "", nil, err
			}
		}
	}
	return other, otherInfo, nil
}

// about says how many images the headers promise.
func (s idxSet) about() string {
	part := func(part split) string {
		name, info, err := s.find(s.images(part))
		if err != nil || name == "" || !info.Mode().IsRegular() {
			return "none"
		}
		dims, err := s.head(name, info.Size())
		if err != nil {
			return "damaged"
		}
		return fmt.Sprintf("%s of %dx%d", count.Of(dims[0], "image"), dims[1], dims[2])
	}
	text := "IDX files"
	if s.prefix != "" {
		text += " " + quote.Name(s.prefix) + "*"
	}
	if byColumns(s.prefix) {
		text += ", transposed as EMNIST's images are stored column by column"
	}
	return fmt.Sprintf("%s; train: %s; test: %s", text, part(trainSplit), part(testSplit))
}

func (idxSet) labelled() bool { return true }

func (s idxSet) read(ctx context.Context, part split, _ Options) (*Set, error) {
	if part == testSplit {
		images, _, err := s.find(s.images(testSplit))
		labels, _, err2 := s.find(s.labels(testSplit))
		if err == nil && err2 == nil && images == "" && labels == "" {
			return nil, fmt.Errorf("%w: they would be in %s", ErrNoTest, s.images(testSplit)[0])
		}
	}
	return s.decode(ctx, part)
}

func (s idxSet) decode(ctx context.Context, part split) (*Set, error) {
	labelFile, labels, err := s.classes(ctx, part)
	if err != nil {
		return nil, err
	}
	imageFile, dims, pixels, err := s.open(ctx, s.images(part), 3)
	if err != nil {
		return nil, err
	}
	n, h, w := dims[0], dims[1], dims[2]
	if len(labels) != n {
		return nil, &FormatError{File: labelFile, Why: fmt.Sprintf("%d labels, but %d images in %s", len(labels), n, quote.Name(imageFile))}
	}
	set := &Set{N: n, C: 1, H: h, W: w, Pixels: pixels, Labels: labels}
	if byColumns(s.prefix) {
		set.transpose()
	}
	return set, nil
}

// classes reads the labels of a split.
func (s idxSet) classes(ctx context.Context, part split) (file string, labels []uint32, err error) {
	file, _, narrow, err := s.open(ctx, s.labels(part), 1)
	if err != nil {
		return "", nil, err
	}
	labels = make([]uint32, len(narrow))
	for i, l := range narrow {
		labels[i] = uint32(l)
	}
	return file, labels, nil
}

// transpose swaps rows and columns of every image.
func (s *Set) transpose() {
	pixels := make([]uint8, len(s.Pixels))
	area := s.H * s.W
	for at := 0; at < len(pixels); at += area {
		for y := range s.H {
			for x := range s.W {
				pixels[at+x*s.H+y] = s.Pixels[at+y*s.W+x]
			}
		}
	}
	s.Pixels, s.H, s.W = pixels, s.W, s.H
}

// open reads the first of the named files that the folder has.
func (s idxSet) open(ctx context.Context, names []string, rank int) (file string, dims []int, data []byte, err error) {
	name, _, err := s.find(names)
	if err != nil {
		return "", nil, nil, err
	}
	if name == "" {
		return "", nil, nil, fmt.Errorf("data set %q: no %s or %s in it%s", s.where, names[0], names[1], s.contents())
	}
	file = s.path(name)
	f, size, err := s.folder.open(name)
	if err != nil {
		return "", nil, nil, err
	}
	defer f.Close()
	dims, data, err = readIDX(file, patientReader{ctx, f}, size, rank)
	return file, dims, data, err
}

// head reads the dimensions of a file of images.
func (s idxSet) head(name string, size int64) ([]int, error) {
	f, _, err := s.folder.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, _, err := unpack(name, f, size)
	if err != nil {
		return nil, err
	}
	head := make([]byte, 16)
	if _, err := fill(r, head); err != nil || badMagic(head, 3) != "" {
		return nil, fmt.Errorf("%s: damaged", name)
	}
	dims := make([]int, 3)
	for i := range dims {
		d := binary.BigEndian.Uint32(head[4+4*i:])
		if uint64(d) > maxBytes {
			return nil, fmt.Errorf("%s: damaged", name)
		}
		dims[i] = int(d)
	}
	return dims, nil
}

func (s idxSet) contents() string {
	t, err := walk(s.folder)
	if err != nil {
		return ""
	}
	return t.contents()
}
