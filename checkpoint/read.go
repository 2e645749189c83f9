package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
)

const (
	// lengthSize are the bytes in front of the header that say how long it is.
	lengthSize = 8
	// maxHeader is enough for 15,000 tensors and keeps a crafted file from taking more than moments. The safetensors
	// library takes 100 MB, which are half a minute and 3 GB to read here.
	maxHeader = 2 << 20
	// maxDims is the most dimensions of a tensor, far more than layers have.
	maxDims = 32
)

// ReadFile reads a checkpoint and checks all of it: the layout, names and
// shapes of the tensors, and the sha256 in its metadata. A file that fails is
// a *FormatError.
func ReadFile(path string) (*Snapshot, error) {
	s, _, err := ReadFileSum(path)
	return s, err
}

// ReadFileSum is ReadFile, and also returns the sha256 of the file's bytes, in hex.
func ReadFileSum(path string) (*Snapshot, string, error) {
	// Asked before opening: a named pipe would wait for a writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", err
	}
	if !info.Mode().IsRegular() {
		return nil, "", fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	return decode(path, f, info.Size())
}

// decode reads a file of size bytes. Memory is taken only for what the size
// covers.
func decode(path string, r io.Reader, size int64) (s *Snapshot, fileSum string, err error) {
	fail := func(format string, args ...any) (*Snapshot, string, error) {
		return nil, "", &FormatError{File: path, Why: fmt.Sprintf(format, args...)}
	}
	if size < lengthSize {
		return fail("%d bytes, want at least the %d in front of a safetensors header", size, lengthSize)
	}
	length := make([]byte, lengthSize)
	if _, err := io.ReadFull(r, length); err != nil {
		return nil, "", fmt.Errorf("read %s: %w", path, err)
	}
	n := binary.LittleEndian.Uint64(length)
	switch {
	case n > uint64(size-lengthSize):
		return fail("header of %d bytes, the file has %d after its length", n, size-lengthSize)
	case n > maxHeader:
		return fail("header of %d bytes, want at most %d", n, maxHeader)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, "", fmt.Errorf("read %s: %w", path, err)
	}
	h, err := parseHeader(text, size-lengthSize-int64(n))
	if err != nil {
		return fail("%v", err)
	}
	step, sum, blank, err := ownMeta(h.meta, text)
	if err != nil {
		return fail("%v", err)
	}

	whole, own := sha256.New(), sha256.New()
	whole.Write(length)
	whole.Write(text)
	own.Write(length)
	own.Write(blank)
	both := io.TeeReader(r, io.MultiWriter(whole, own))
	s = &Snapshot{Step: step, Meta: h.meta}
	for _, e := range h.tensors {
		t := Tensor{Name: e.name, Dims: e.dims, Data: make([]float32, (e.end-e.begin)/4)}
		if err := readElements(both, t.Data); err != nil {
			return nil, "", fmt.Errorf("read %s: %w", path, err)
		}
		s.Tensors = append(s.Tensors, t)
	}
	if got := hex.EncodeToString(own.Sum(nil)); got != sum {
		return fail("damaged: its bytes have the sha256 %s, its metadata says %s", got, sum)
	}
	return s, hex.EncodeToString(whole.Sum(nil)), nil
}

// ownMeta takes this package's entries out of a file's metadata. blank is the
// header as it was when the sum was taken.
func ownMeta(meta map[string]string, text []byte) (step int, sum string, blank []byte, err error) {
	sum, ok := meta[sumKey]
	if !ok {
		return 0, "", nil, fmt.Errorf("no %s in its metadata: damaged, or not written by petrify", sumKey)
	}
	if len(sum) != 2*sha256.Size || bytes.Count(text, []byte(sum)) != 1 {
		return 0, "", nil, fmt.Errorf("%s is %q, want %d hex digits", sumKey, sum, 2*sha256.Size)
	}
	zeros := strings.Repeat("0", len(sum))
	blank = bytes.Replace(text, []byte(sum), []byte(zeros), 1)
	step, err = strconv.Atoi(meta[stepKey])
	if err != nil || step < 0 || strconv.Itoa(step) != meta[stepKey] {
		return 0, "", nil, fmt.Errorf("%s is %q, want a whole number from 0 on", stepKey, meta[stepKey])
	}
	for key := range meta {
		if strings.HasPrefix(key, reserved) && key != stepKey && key != sumKey {
			return 0, "", nil, fmt.Errorf("unknown metadata %q: written by a newer petrify, or damaged", key)
		}
	}
	delete(meta, stepKey)
	delete(meta, sumKey)
	return step, sum, blank, nil
}

// readElements fills dst with little-endian float32.
func readElements(r io.Reader, dst []float32) error {
	block := make([]byte, min(64<<10, 4*len(dst)))
	for len(dst) > 0 {
		b := block[:min(len(block), 4*len(dst))]
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		for i := range len(b) / 4 {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
		dst = dst[len(b)/4:]
	}
	return nil
}
