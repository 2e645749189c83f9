// Package npy reads arrays as numpy stores them: .npy files, and .npz archives of
// them. Nothing is allocated before the file is known to hold it.
//
// The format is that of numpy's documentation, numpy.lib.format, versions 1 to 3.
package npy

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// An Array is what a file holds, in row-major order.
type Array struct {
	Dims []int // none of a scalar
	Data Data
}

// Data is the elements of an array: Numbers of a type that Go has, or Others.
type Data interface {
	Len() int
	// Plain returns the elements as the slice that they are, a []float32 for
	// Numbers[float32], for packages that look at the type. It is no copy.
	Plain() any
	// Whole returns element i, false where it is not a whole number from 0 on.
	Whole(i int) (n uint64, ok bool)
	// Text is element i as one reads it.
	Text(i int) string
}

// Numbers are elements of a type that Go computes in.
type Numbers[T number] []T

type number interface {
	uint8 | uint16 | uint32 | uint64 | int8 | int16 | int32 | int64 | float32 | float64
}

// Others are elements of the other types.
type Others[T bool | string | Half] []T

// Half is the bits of a number in half precision.
type Half uint16

func (s Numbers[T]) Len() int          { return len(s) }
func (s Numbers[T]) Plain() any        { return []T(s) }
func (s Numbers[T]) Text(i int) string { return fmt.Sprint(s[i]) }

func (s Numbers[T]) Whole(i int) (uint64, bool) {
	n := uint64(s[i])
	return n, s[i] >= 0 && T(n) == s[i]
}

func (s Others[T]) Len() int                 { return len(s) }
func (s Others[T]) Plain() any               { return []T(s) }
func (s Others[T]) Text(i int) string        { return fmt.Sprint(s[i]) }
func (s Others[T]) Whole(int) (uint64, bool) { return 0, false }

// A FormatError says why bytes are no array.
type FormatError struct{ What string }

func (e *FormatError) Error() string { return e.What }

func wrong(format string, args ...any) error { return &FormatError{fmt.Sprintf(format, args...)} }

// mostHeader bounds the header of an array.
const mostHeader = 1 << 16

// mostAxes bounds the axes of an array.
const mostAxes = 64

// ReadFile reads an array of at most limit bytes from a .npy file, or that of this
// name from an .npz archive, which may hold just one of any name.
func ReadFile(path, name string, limit int64) (Array, error) {
	f, size, err := open(path)
	if err != nil {
		return Array{}, err
	}
	defer f.Close()
	return ReadFrom(f, size, name, limit)
}

// ReadFrom is ReadFile for the bytes of a file of a size.
func ReadFrom(r io.ReaderAt, size int64, name string, limit int64) (Array, error) {
	if !isArchive(r) {
		return Read(io.NewSectionReader(r, 0, size), limit)
	}
	all, err := readArchive(r, size, limit, name)
	if err != nil {
		return Array{}, err
	}
	return all[name], nil
}

// ReadArchive reads all arrays of an .npz archive, together at most limit bytes.
func ReadArchive(path string, limit int64) (map[string]Array, error) {
	f, size, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readArchive(f, size, limit, "")
}

// open opens a regular file. To open a pipe would be to wait for who writes to it.
func open(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, 0, errors.New("no regular file")
	}
	f, errOpen := os.Open(path)
	if err := cmp.Or(errOpen, err); err != nil {
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// isArchive tells an archive by its first two bytes.
func isArchive(r io.ReaderAt) bool {
	var magic [2]byte
	_, err := r.ReadAt(magic[:], 0)
	return err == nil && string(magic[:]) == "PK"
}

// An Entry says what an array is whose elements are not read.
type Entry struct {
	Name string // within an archive, "" of a .npy file
	Type string // as numpy writes it: "|u1", "<f4"
	Dims []int
	Err  error // why it cannot be read; then there is nothing but a name
}

// List reads what the headers of a .npy file, or of an .npz archive, say.
func List(r io.ReaderAt, size int64) ([]Entry, error) {
	if !isArchive(r) {
		return []Entry{entry("", io.NewSectionReader(r, 0, size))}, nil
	}
	z, err := openArchive(r, size)
	if err != nil {
		return nil, err
	}
	var list []Entry
	for _, f := range z.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue
		}
		in, err := f.Open()
		if err != nil {
			list = append(list, Entry{Name: name, Err: wrong("array %q: %v", name, err)})
			continue
		}
		list = append(list, entry(name, in))
		in.Close()
	}
	return list, nil
}

func entry(name string, r io.Reader) Entry {
	h, err := readHeader(r)
	if err == nil {
		_, _, _, err = h.element()
	}
	if err != nil {
		return Entry{Name: name, Err: err}
	}
	return Entry{Name: name, Type: h.descr, Dims: h.dims}
}

// mostMembers bounds the files of an archive.
const mostMembers = 1 << 12

func openArchive(r io.ReaderAt, size int64) (*zip.Reader, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, wrong("not an .npz archive: %v", err)
	}
	if len(z.File) > mostMembers {
		return nil, wrong("an archive of %d files, want at most %d", len(z.File), mostMembers)
	}
	return z, nil
}

// readArchive reads one array, under the name requested, or all.
func readArchive(r io.ReaderAt, size, limit int64, only string) (map[string]Array, error) {
	z, err := openArchive(r, size)
	if err != nil {
		return nil, err
	}
	all := map[string]Array{}
	var names []string
	for _, f := range z.File {
		names = append(names, strings.TrimSuffix(f.Name, ".npy"))
	}
	if only != "" && !slices.Contains(names, only) && len(names) != 1 {
		return nil, fmt.Errorf("the archive has no array %q, but %s", only, strings.Join(names, ", "))
	}
	for i, f := range z.File {
		name := names[i]
		if only != "" && name != only && len(names) != 1 {
			continue
		}
		if only != "" {
			name = only
		}
		if _, twice := all[name]; twice {
			return nil, wrong("the archive has two arrays %q", name)
		}
		if f.UncompressedSize64 > uint64(max(limit, 0)) {
			return nil, wrong("array %q is %d bytes, the limit is %d", name, f.UncompressedSize64, limit)
		}
		limit -= int64(f.UncompressedSize64)
		in, err := f.Open()
		if err != nil {
			return nil, wrong("array %q: %v", name, err)
		}
		a, err := Read(in, int64(f.UncompressedSize64))
		in.Close()
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", name, err)
		}
		all[name] = a
	}
	return all, nil
}

// Read reads one array of at most limit bytes.
func Read(r io.Reader, limit int64) (Array, error) {
	h, err := readHeader(r)
	if err != nil {
		return Array{}, err
	}
	return h.read(r, limit)
}

// readHeader reads an array up to its elements.
func readHeader(r io.Reader) (header, error) {
	var start [8]byte
	if _, err := io.ReadFull(r, start[:]); err != nil || string(start[:6]) != "\x93NUMPY" {
		return header{}, wrong("not a .npy file: it does not begin with \\x93NUMPY")
	}
	var length int
	switch start[6] {
	case 1:
		var b [2]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return header{}, wrong("ends in its header")
		}
		length = int(binary.LittleEndian.Uint16(b[:]))
	case 2, 3:
		var b [4]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return header{}, wrong("ends in its header")
		}
		n := binary.LittleEndian.Uint32(b[:])
		if n > mostHeader {
			return header{}, wrong("a header of %d bytes, want at most %d", n, mostHeader)
		}
		length = int(n)
	default:
		return header{}, wrong("version %d.%d of the format, want 1 to 3", start[6], start[7])
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err != nil {
		return header{}, wrong("ends in its header")
	}
	return parseHeader(string(text))
}

// A header is what is said of an array before its elements.
type header struct {
	descr   string
	columns bool // Fortran's order
	dims    []int
}

// parseHeader reads the Python dictionary of a header.
func parseHeader(text string) (h header, err error) {
	p := &parser{rest: strings.TrimSpace(text)}
	if !p.skip("{") {
		return h, wrong("the header is not a dictionary: %.40q", text)
	}
	seen := map[string]bool{}
	for !p.skip("}") {
		key, ok := p.quoted()
		if !ok || !p.skip(":") || seen[key] {
			return h, wrong("a header that cannot be read at %.20q", p.rest)
		}
		seen[key] = true
		switch key {
		case "descr":
			if h.descr, ok = p.quoted(); !ok {
				return h, wrong("elements that are records, want numbers, at %.30q", p.rest)
			}
		case "fortran_order":
			if h.columns = p.skip("True"); !h.columns && !p.skip("False") {
				return h, wrong("fortran_order is %.10q, want True or False", p.rest)
			}
		case "shape":
			if h.dims, ok = p.tuple(); !ok {
				return h, wrong("a shape that cannot be read at %.20q", p.rest)
			}
		default:
			return h, wrong("the header has the key %.20q, want descr, fortran_order and shape", key)
		}
		p.skip(",")
	}
	if len(seen) != 3 || p.rest != "" {
		return h, wrong("the header wants the keys descr, fortran_order and shape, and no more")
	}
	return h, nil
}

type parser struct{ rest string }

func (p *parser) skip(token string) bool {
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = strings.TrimLeft(rest, " \n\t")
	}
	return ok
}

func (p *parser) quoted() (string, bool) {
	for _, q := range []string{"'", `"`} {
		if rest, ok := strings.CutPrefix(p.rest, q); ok {
			word, after, closed := strings.Cut(rest, q)
			p.rest = strings.TrimLeft(after, " \n\t")
			return word, closed
		}
	}
	return "", false
}

func (p *parser) tuple() ([]int, bool) {
	dims := []int{}
	if !p.skip("(") {
		return nil, false
	}
	for !p.skip(")") {
		end := strings.IndexFunc(p.rest, func(r rune) bool { return r < '0' || r > '9' })
		if end < 1 || len(dims) == mostAxes {
			return nil, false
		}
		n, err := strconv.Atoi(p.rest[:end])
		if err != nil {
			return nil, false
		}
		dims = append(dims, n)
		p.rest = strings.TrimLeft(strings.TrimPrefix(p.rest[end:], "L"), " ")
		if !p.skip(",") && !strings.HasPrefix(p.rest, ")") {
			return nil, false
		}
	}
	return dims, true
}

// read reads the elements.
func (h header) read(r io.Reader, limit int64) (Array, error) {
	order, kind, width, err := h.element()
	if err != nil {
		return Array{}, err
	}
	n := int64(1)
	for _, d := range h.dims {
		if d > 0 && n > math.MaxInt64/int64(d) {
			return Array{}, wrong("shape %v has more elements than any file holds", h.dims)
		}
		n *= int64(d)
	}
	if width > 0 && n > limit/int64(width) {
		return Array{}, wrong("shape %v of %s is more than %d bytes, the limit", h.dims, h.descr, limit)
	}
	var b bytes.Buffer // grows as bytes come
	got, err := io.Copy(&b, io.LimitReader(r, n*int64(width)))
	if err != nil {
		return Array{}, err
	}
	if got != n*int64(width) {
		return Array{}, wrong("shape %v of %s wants %d bytes, got %d", h.dims, h.descr, n*int64(width), got)
	}
	if extra, _ := r.Read(make([]byte, 1)); extra > 0 {
		return Array{}, wrong("shape %v of %s wants %d bytes, got more", h.dims, h.descr, n*int64(width))
	}
	a := Array{Dims: h.dims}
	columns := h.dims
	if !h.columns {
		columns = nil
	}
	switch kind {
	case 'b':
		a.Data, err = booleans(b.Bytes(), columns)
	case 'U', 'S':
		a.Data, err = words(b.Bytes(), order, kind, width, int(n), columns)
	default:
		a.Data = decoders[fmt.Sprintf("%c%d", kind, width)](b.Bytes(), order, int(n), columns)
	}
	return a, err
}

// decoders make numbers of bytes, by their letter and width. Where columns are
// lengths, the bytes are in Fortran's order.
var decoders = map[string]func(b []byte, order binary.ByteOrder, n int, columns []int) Data{
	"f2": halves, "f4": numbers[float32], "f8": numbers[float64],
	"i1": numbers[int8], "i2": numbers[int16], "i4": numbers[int32], "i8": numbers[int64],
	"u1": numbers[uint8], "u2": numbers[uint16], "u4": numbers[uint32], "u8": numbers[uint64],
}

func numbers[T number](b []byte, order binary.ByteOrder, n int, columns []int) Data {
	return turned(decoded[Numbers[T]](b, order, n), columns)
}

func halves(b []byte, order binary.ByteOrder, n int, columns []int) Data {
	return turned(decoded[Others[Half]](b, order, n), columns)
}

func decoded[S ~[]T, T any](b []byte, order binary.ByteOrder, n int) S {
	s := make(S, n)
	if _, err := binary.Decode(b, order, []T(s)); err != nil {
		panic(err) // the lengths agree
	}
	return s
}

func booleans(b []byte, columns []int) (Data, error) {
	s := make(Others[bool], len(b))
	for i, x := range b {
		if x > 1 {
			return nil, wrong("a boolean that is %d, want 0 or 1", x)
		}
		s[i] = x == 1
	}
	return turned(s, columns), nil
}

// element reads descr: the order of bytes, the kind, and the width in bytes.
func (h header) element() (order binary.ByteOrder, kind byte, width int, err error) {
	order = binary.LittleEndian
	if len(h.descr) < 3 {
		return nil, 0, 0, wrong("elements of type %q, want numbers, booleans or strings", h.descr)
	}
	switch h.descr[0] {
	case '<', '|', '=':
	case '>':
		order = binary.BigEndian
	default:
		return nil, 0, 0, wrong("elements of type %q, want numbers, booleans or strings", h.descr)
	}
	kind = h.descr[1]
	n, err := strconv.Atoi(h.descr[2:])
	ok := err == nil
	switch kind {
	case 'f':
		ok = ok && (n == 2 || n == 4 || n == 8)
	case 'i', 'u':
		ok = ok && (n == 1 || n == 2 || n == 4 || n == 8)
	case 'b':
		ok = ok && n == 1
	case 'U': // characters of 4 bytes
		ok = ok && n > 0 && n < 1<<20
		n *= 4
	case 'S':
		ok = ok && n > 0 && n < 1<<20
	default:
		ok = false
	}
	if !ok {
		return nil, 0, 0, wrong("elements of type %q, want numbers, booleans or strings", h.descr)
	}
	return order, kind, n, nil
}

// words reads strings of a fixed length, which zeros fill up.
func words(b []byte, order binary.ByteOrder, kind byte, width, n int, columns []int) (Data, error) {
	s := make(Others[string], n)
	for i := range s {
		field := b[i*width : (i+1)*width]
		if kind == 'S' {
			s[i] = string(bytes.TrimRight(field, "\x00"))
			continue
		}
		var runes []rune
		for k := 0; k < width; k += 4 {
			c := order.Uint32(field[k:])
			if c > utf8.MaxRune || !utf8.ValidRune(rune(c)) {
				return nil, wrong("a character U+%04X in element %d", c, i)
			}
			runes = append(runes, rune(c))
		}
		s[i] = strings.TrimRight(string(runes), "\x00")
	}
	return turned(s, columns), nil
}

// turned puts elements that are stored by columns into row-major order; with no
// lengths it leaves them.
func turned[S ~[]T, T any](s S, dims []int) S {
	if dims == nil {
		return s
	}
	out := make(S, len(s))
	index := make([]int, len(dims))
	for i := range out { // index is that of out[i]
		at, stride := 0, 1
		for a, d := range dims {
			at += index[a] * stride
			stride *= d
		}
		out[i] = s[at]
		for a := len(dims) - 1; a >= 0; a-- {
			if index[a]++; index[a] < dims[a] {
				break
			}
			index[a] = 0
		}
	}
	return out
}
