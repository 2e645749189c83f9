package dataset

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/internal/count"
	"github.com/petrify-ml/petrify/internal/quote"
)

// csvFormat is that of tables with a grey image in each line, as Kaggle hands out MNIST and its likes: the pixels row by row,
// from 0 to 255, and the label in a column named so, or in the first one, or nowhere. The first line may name the columns; one
// without a name is pandas's numbering of the lines. Columns are separated by commas, semicolons or tabs. Files may be gzipped.
type csvFormat struct{}

// A csvSet are such tables.
type csvSet struct {
	folder
	splits map[split]csvFile
}

type csvFile struct {
	path   string
	side   int    // of an image, in pixels
	label  int    // column, -1 where there is none
	number int    // column that numbers the lines, -1 where there is none
	comma  []byte // what separates the columns
	header bool   // the first line is one of names
}

const (
	leastSide = 8       // fewer columns are a table of something else
	longest   = 1 << 20 // bytes of a line
)

// find takes the tables of the first folder that has one to train on, where there are no pictures.
func (csvFormat) find(t *tree) (found, error) {
	if t.root.pictures() > 0 {
		return nil, nil
	}
	for _, n := range t.root.all() {
		set := csvSet{t.folder, map[split]csvFile{}}
		var unnamed []csvFile
		var starts []string
		for _, name := range n.files {
			if !isTable(name) {
				continue
			}
			lower := strings.TrimSuffix(strings.ToLower(name), ".gz")
			f, err := set.recognise(path.Join(n.path, name))
			if err != nil {
				continue
			}
			part, _ := splitOf(strings.TrimSuffix(lower, ".csv"))
			if part == trainSplit {
				starts = append(starts, tableStart(name))
			}
			if _, taken := set.splits[part]; part == noSplit || taken {
				unnamed = append(unnamed, f)
				continue
			}
			set.splits[part] = f
		}
		slices.Sort(starts)
		if starts = slices.Compact(starts); len(starts) > 1 && starts[0] != "" {
			_, err := t.only(n, starts)
			return nil, err
		}
		if _, ok := set.splits[trainSplit]; !ok && len(unnamed) == 1 {
			set.splits[trainSplit] = unnamed[0]
		}
		if _, ok := set.splits[trainSplit]; ok {
			return set, nil
		}
	}
	return nil, nil
}

var trainTable = regexp.MustCompile(`(?i)^(.+?)[-_. ]+(?:train|training|trn)\b.*\.csv(?:\.gz)?$`)

// tableStart is what the name of a table to train on begins with, "" where it is called nothing but that.
func tableStart(name string) string {
	if m := trainTable.FindStringSubmatch(name); m != nil {
		return m[1]
	}
	return ""
}

// unfit says why the first table of a tree holds no images, nil where there is no table.
func (t *tree) unfit() error {
	for _, n := range t.root.all() {
		for _, name := range n.files {
			if !isTable(name) {
				continue
			}
			if _, err := (csvSet{folder: t.folder}).recognise(path.Join(n.path, name)); err != nil {
				return fmt.Errorf("%s is not a table of images: %w", quote.Name(t.path(path.Join(n.path, name))), err)
			}
		}
	}
	return nil
}

func isTable(name string) bool {
	return path.Ext(strings.TrimSuffix(strings.ToLower(name), ".gz")) == ".csv"
}

// recognise tells by its first two lines whether a table holds images, and why it does not.
func (s csvSet) recognise(name string) (f csvFile, err error) {
	r, end, err := s.reader(context.Background(), name)
	if err != nil {
		return f, err
	}
	defer end()
	first, err := line(r)
	if err == io.EOF {
		return f, errors.New("it is empty")
	}
	if err != nil {
		return f, fmt.Errorf("line 1 is %w", err)
	}
	if bytes.HasPrefix(first, []byte("\xff\xfe")) || bytes.HasPrefix(first, []byte("\xfe\xff")) {
		return f, errors.New("its text is UTF-16, want UTF-8")
	}
	f = csvFile{path: name, label: -1, number: -1, comma: separator(first)}
	cells := bytes.Split(first, f.comma)
	for i, c := range cells {
		column := strings.ToLower(string(trim(c)))
		switch {
		case slices.Contains([]string{"label", "class", "target", "y"}, column):
			f.label = i
		case i == 0 && slices.Contains([]string{"", "unnamed: 0", "index"}, column):
			f.number = 0
		}
		if _, err := strconv.ParseFloat(string(trim(c)), 64); err != nil {
			f.header = true
		}
	}
	columns := len(cells)
	if f.number >= 0 {
		columns--
	}
	f.side = squareRoot(columns)
	if f.label < 0 && f.side == 0 {
		f.label = f.number + 1
	}
	if f.label >= 0 {
		f.side = squareRoot(columns - 1)
	}
	if f.side < leastSide {
		return f, fmt.Errorf("line 1 has %s, want a square number of pixels, %d at least, and one for the label", count.Of(len(cells), "column"), leastSide*leastSide)
	}
	at := 1
	if f.header {
		at++
		if first, err = line(r); err == io.EOF {
			return f, errors.New("no images follow the names of its columns")
		}
		if err != nil {
			return f, fmt.Errorf("line 2 is %w", err)
		}
	}
	var label uint32
	pixels, err := f.row(first, nil, &label)
	if err == nil && len(pixels) != f.side*f.side {
		err = fmt.Errorf("%s, want %d", count.Of(len(pixels), "pixel"), f.side*f.side)
	}
	if err != nil {
		return f, fmt.Errorf("line %d: %w", at, err)
	}
	return f, nil
}

// separator is what separates the columns of a line.
func separator(first []byte) []byte {
	for _, s := range []string{",", ";", "\t"} {
		if bytes.Contains(first, []byte(s)) {
			return []byte(s)
		}
	}
	return []byte(",")
}

// squareRoot is that of a square, 0 of any other number.
func squareRoot(n int) int {
	for r := 1; r <= maxSize; r++ {
		if r*r == n {
			return r
		}
	}
	return 0
}

func (s csvSet) about() string {
	f := s.splits[trainSplit]
	text := fmt.Sprintf("tables of %dx%d pixels; train: %s; test: ", f.side, f.side, quote.Name(f.path))
	test, ok := s.held()
	if !ok {
		return text + "none"
	}
	return text + quote.Name(test.path)
}

func (s csvSet) labelled() bool { return s.splits[trainSplit].label >= 0 }

func (s csvSet) held() (csvFile, bool) {
	for _, part := range []split{testSplit, validationSplit} {
		if f, ok := s.splits[part]; ok {
			return f, true
		}
	}
	return csvFile{}, false
}

func (s csvSet) read(ctx context.Context, part split, _ Options) (*Set, error) {
	f := s.splits[trainSplit]
	if part == testSplit {
		var ok bool
		if f, ok = s.held(); !ok {
			return nil, fmt.Errorf("%w: they would be in a table test.csv", ErrNoTest)
		}
	}
	r, end, err := s.reader(ctx, f.path)
	if err != nil {
		return nil, err
	}
	defer end()
	var pixels []uint8
	var labels []uint32
	for n := 1; ; n++ {
		text, err := line(r)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, failure(s.path(f.path), fmt.Sprintf("line %d", n), err)
		}
		if n == 1 && f.header || len(text) == 0 {
			continue
		}
		if uint64(len(pixels)) > maxBytes {
			return nil, &FormatError{File: s.path(f.path), Why: fmt.Sprintf("line %d: more than %d bytes of pixels", n, maxBytes)}
		}
		var label uint32
		before := len(pixels)
		if pixels, err = f.row(text, pixels, &label); err != nil {
			return nil, &FormatError{File: s.path(f.path), Why: fmt.Sprintf("line %d: %v", n, err)}
		}
		if len(pixels)-before != f.side*f.side {
			return nil, &FormatError{File: s.path(f.path), Why: fmt.Sprintf("line %d: %d pixels, want %d", n, len(pixels)-before, f.side*f.side)}
		}
		labels = append(labels, label)
	}
	if len(labels) == 0 {
		return nil, &FormatError{File: s.path(f.path), Why: "no images"}
	}
	return &Set{N: len(labels), C: 1, H: f.side, W: f.side, Pixels: pixels, Labels: labels}, nil
}

// row appends the pixels of a line, and sets its label.
func (f csvFile) row(text []byte, pixels []uint8, label *uint32) ([]uint8, error) {
	for column := 0; ; column++ {
		cell, rest, more := bytes.Cut(text, f.comma)
		if column == f.number && more {
			text = rest
			continue
		}
		most := uint32(math.MaxUint8)
		if column == f.label {
			most = math.MaxUint32
		}
		v, ok := whole(cell, most)
		if !ok {
			return nil, fmt.Errorf("column %d is %s, want a whole number from 0 to %d", column+1, quote.Quote(string(cell)), most)
		}
		if column == f.label {
			*label = v
		} else {
			pixels = append(pixels, uint8(v))
		}
		if !more {
			return pixels, nil
		}
		text = rest
	}
}

// whole reads a number from 0 to most. Some tables write 12.0 for 12, and NumPy 1.200000000000000000e+01.
func whole(cell []byte, most uint32) (uint32, bool) {
	cell = trim(cell)
	v := uint64(0)
	for _, c := range cell {
		if c < '0' || c > '9' {
			return fraction(string(cell), most)
		}
		if v = 10*v + uint64(c-'0'); v > uint64(most) {
			return 0, false
		}
	}
	return uint32(v), len(cell) > 0
}

// fraction is whole for a number that is written with a point or an exponent.
func fraction(cell string, most uint32) (uint32, bool) {
	if strings.Trim(cell, "0123456789.eE+-") != "" {
		return 0, false // such as Inf, NaN, and 0x10
	}
	v, err := strconv.ParseFloat(cell, 64)
	if err != nil || v < 0 || v > float64(most) || v != math.Trunc(v) {
		return 0, false
	}
	return uint32(v), true
}

func trim(cell []byte) []byte { return bytes.Trim(cell, " \t\r\"") }

// reader opens a table; end closes it.
func (s csvSet) reader(ctx context.Context, name string) (r *bufio.Reader, end func() error, err error) {
	f, size, err := s.open(name)
	if err != nil {
		return nil, nil, err
	}
	text, _, err := unpack(s.path(name), patientReader{ctx, f}, size)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return bufio.NewReaderSize(text, longest), f.Close, nil
}

// line reads a line without its end. It is good until the next one.
func line(r *bufio.Reader) ([]byte, error) {
	text, err := r.ReadSlice('\n')
	switch {
	case err == bufio.ErrBufferFull:
		return nil, errors.New("longer than " + strconv.Itoa(longest) + " bytes")
	case err == io.EOF && len(text) > 0, err == nil:
		return bytes.TrimPrefix(bytes.TrimRight(text, "\r\n"), []byte("\ufeff")), nil
	}
	return nil, err
}
