package dataset

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/internal/quote"
)

// FormatError says that a file is not the IDX file that it should be.
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
	r, packed, err := unpack(file, f)
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
func unpack(file string, f io.Reader) (r io.Reader, packed bool, err error) {
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
	return z, true, nil
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

// openIDX reads the first of the named files that the folder has. where is
// the folder as the user calls it, for messages.
func openIDX(folder fs.FS, where string, names []string, rank int) (file string, dims []int, data []byte, err error) {
	name, info, err := find(folder, where, names)
	if err != nil {
		return "", nil, nil, err
	}
	file = filepath.Join(where, name)
	if !info.Mode().IsRegular() {
		return "", nil, nil, fmt.Errorf("%s: not a regular file", file)
	}
	f, err := folder.Open(name)
	if err != nil {
		return "", nil, nil, fmt.Errorf("open %s: %w", file, err)
	}
	defer f.Close()
	dims, data, err = readIDX(file, f, info.Size(), rank)
	return file, dims, data, err
}
