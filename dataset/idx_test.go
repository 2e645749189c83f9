package dataset

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// idx writes an IDX file of unsigned bytes.
func idx(data []byte, dims ...uint32) []byte {
	b := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, data...)
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// ramp is n bytes 0, 1, 2 ...
func ramp(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func read(b []byte, rank int) ([]int, []byte, error) {
	return readIDX("some/file", bytes.NewReader(b), int64(len(b)), rank)
}

// broken are the files that must be refused, and words that the message must
// have. The fuzz target starts from them too.
func broken(t testing.TB) []struct {
	name string
	file []byte
	say  []string
} {
	good := idx(ramp(2*3*4), 2, 3, 4)
	zip := gzipped(t, good)
	noise := make([]byte, 4000)
	r := splitmix(1)
	for i := range noise {
		noise[i] = byte(r.below(256))
	}
	noiseZip := gzipped(t, idx(noise, 4, 100, 10))
	flipped := func(b []byte, at int) []byte {
		b = slices.Clone(b)
		b[at] ^= 1
		return b
	}
	return []struct {
		name string
		file []byte
		say  []string
	}{
		{"empty", nil, []string{"ends after 0 bytes", "16 bytes of its header"}},
		{"cut in the magic", good[:3], []string{"ends after 3 bytes"}},
		{"cut in the header", good[:13], []string{"ends after 13 bytes", "16 bytes of its header"}},
		{"labels where images should be", idx(ramp(5), 5), []string{"bad magic 0x00000801", "want 0x00000803"}},
		{"floats", append([]byte{0, 0, 0xd, 3}, good[4:]...), []string{"bad magic 0x00000d03"}},
		{"some other file", []byte("\x89PNG and more than sixteen bytes"), []string{"bad magic 0x89504e47"}},
		{"a zip archive", []byte("PK\x03\x04 and more than sixteen bytes"), []string{"bad magic 0x504b0304"}},
		{"no images", idx(nil, 0, 3, 4), []string{"dimension 1 of 3 is 0"}},
		{"no width", idx(nil, 2, 3, 0), []string{"dimension 3 of 3 is 0"}},
		{"one byte short", good[:len(good)-1], []string{"2x3x4 = 24 bytes", "has 23"}},
		{"one byte long", append(slices.Clone(good), 7), []string{"2x3x4 = 24 bytes", "has 25"}},
		{"2^31 images", idx(ramp(784), 1<<31, 28, 28), []string{"2147483648x28x28 = 1683627180032 bytes", "has 784"}},
		{"beyond 64 bits", idx(ramp(784), math.MaxUint32, math.MaxUint32, math.MaxUint32), []string{"4294967295x4294967295x4294967295", "can be addressed"}},
		{"gzip, one byte short", gzipped(t, good[:len(good)-1]), []string{"2x3x4 = 24 bytes", "ends after 23"}},
		{"gzip, one byte long", gzipped(t, append(slices.Clone(good), 7)), []string{"2x3x4 = 24 bytes", "has 1 more"}},
		{"gzip, very long", gzipped(t, append(slices.Clone(good), make([]byte, 3<<20)...)), []string{"has 1048576 more at least"}},
		{"gzip, 2^31 images", gzipped(t, idx(ramp(784), 1<<31, 28, 28)), []string{"2147483648x28x28 = 1683627180032 bytes", "compressed bytes can hold"}},
		{"gzip, header only", gzipped(t, good[:16]), []string{"ends after 0"}},
		{"gzip, cut in its header", zip[:7], []string{"damaged gzip header", "unexpected EOF"}},
		{"gzip, cut in its data", noiseZip[:3000], []string{"4x100x10 = 4000 bytes", "the file ends after", "unexpected EOF"}},
		{"gzip, cut in its sum", zip[:len(zip)-3], []string{"unexpected EOF"}},
		{"gzip, wrong sum", flipped(zip, len(zip)-6), []string{"damaged after 24 bytes", "invalid checksum"}},
		{"gzip, wrong length", flipped(zip, len(zip)-2), []string{"damaged after 24 bytes", "invalid checksum"}},
		{"gzip, one bit of the data", flipped(noiseZip, 2000), nil},
		{"gzip, and something after it", append(slices.Clone(zip), "more"...), []string{"damaged after 24 bytes"}},
		{"gzip, two members too long", append(slices.Clone(zip), zip...), []string{"has 40 more"}},
	}
}

func TestBrokenFilesAreRefused(t *testing.T) {
	for _, test := range broken(t) {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := read(test.file, 3)
			if _, ok := errors.AsType[*FormatError](err); !ok {
				t.Fatalf("error %v, want a *FormatError", err)
			}
			for _, word := range append(test.say, "some/file: ") {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
		})
	}
}

func TestEveryCutIsRefused(t *testing.T) {
	plain := idx(ramp(2*3*4), 2, 3, 4)
	for name, file := range map[string][]byte{"plain": plain, "gzip": gzipped(t, plain)} {
		for n := range file {
			if _, _, err := read(file[:n], 3); err == nil {
				t.Errorf("%s: cut to %d of %d bytes and read all the same", name, n, len(file))
			}
		}
	}
}

func TestPlainAndGzipReadAlike(t *testing.T) {
	pixels := ramp(2 * 3 * 5)
	plain := idx(pixels, 2, 3, 5)
	parts := append(gzipped(t, plain[:20]), gzipped(t, plain[20:])...)
	for name, file := range map[string][]byte{"plain": plain, "gzip": gzipped(t, plain), "gzip in two members": parts} {
		dims, data, err := readIDX(name, iotest.HalfReader(bytes.NewReader(file)), int64(len(file)), 3)
		if err != nil {
			t.Error(err)
			continue
		}
		if !slices.Equal(dims, []int{2, 3, 5}) || !bytes.Equal(data, pixels) {
			t.Errorf("%s: dims %v, data %v", name, dims, data)
		}
	}
}

// A long run of one value packs 1000 to 1: memory has to grow on the way.
func TestDenseGzipGrows(t *testing.T) {
	const n = 5 << 20
	dims, data, err := read(gzipped(t, idx(make([]byte, n), 5, 1<<10, 1<<10)), 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) != n || !slices.Equal(dims, []int{5, 1 << 10, 1 << 10}) {
		t.Errorf("%d bytes of %v, want %d", len(data), dims, n)
	}
}

func TestLyingHeaderTakesNoMemory(t *testing.T) {
	const limit = 1 << 20
	files := map[string][]byte{
		"2^31 images":                        idx(ramp(784), 1<<31, 28, 28),
		"2^31 images, gzip":                  gzipped(t, idx(ramp(784), 1<<31, 28, 28)),
		"7 GiB in a stream that could, gzip": gzipped(t, idx(make([]byte, 100<<10), 100, 1000, 1000)),
	}
	for name, file := range files {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := read(file, 3)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: read", name)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > limit {
			t.Errorf("%s: took %d bytes, want at most %d", name, took, limit)
		}
	}
}

// A disk that fails is not a file that is wrong.
func TestDiskErrorIsNoFormatError(t *testing.T) {
	gone := &fs.PathError{Op: "read", Path: "x", Err: errors.New("input/output error")}
	plain := idx(ramp(24), 2, 3, 4)
	for name, file := range map[string][]byte{"plain": plain, "gzip": gzipped(t, plain)} {
		for n := range file {
			r := io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(gone))
			_, _, err := readIDX("some/file", r, int64(len(file)), 3)
			if !errors.Is(err, gone) {
				t.Errorf("%s, after %d bytes: %v, want the disk's own error in it", name, n, err)
			}
			if _, ok := errors.AsType[*FormatError](err); ok {
				t.Errorf("%s, after %d bytes: %v is a *FormatError", name, n, err)
			}
		}
	}
}

func FuzzReadIDX(f *testing.F) {
	for _, b := range broken(f) {
		f.Add(b.file, 3)
	}
	f.Add(idx(ramp(24), 2, 3, 4), 3)
	f.Add(gzipped(f, idx(ramp(24), 2, 3, 4)), 3)
	f.Add(idx(ramp(5), 5), 1)
	f.Fuzz(func(t *testing.T, file []byte, rank int) {
		if rank != 1 && rank != 3 {
			return
		}
		dims, data, err := read(file, rank)
		if err != nil {
			if _, ok := errors.AsType[*FormatError](err); !ok {
				t.Fatalf("%v is not a *FormatError", err)
			}
			return
		}
		header := make([]uint32, len(dims))
		for i, d := range dims {
			header[i] = uint32(d)
		}
		again := idx(data, header...)
		if file[0] == 0x1f {
			dims2, data2, err := read(again, rank)
			if err != nil || !slices.Equal(dims, dims2) || !bytes.Equal(data, data2) {
				t.Fatalf("gzipped and plain differ: %v %v %v", dims, dims2, err)
			}
		} else if !bytes.Equal(again, file) {
			t.Fatalf("what was read does not write the same file: %v", dims)
		}
	})
}
