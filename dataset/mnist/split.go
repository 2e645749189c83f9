package mnist

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
)

// Number and size of the training images.
const (
	TrainN = 60000
	Height = 28
	Width  = 28
)

// splits are where the deflate stream of the training images can be entered
// besides its beginning: the first bit of a block, counted from the start of the
// file, and how many bytes the blocks before it unpack to. splits.bin holds the
// window of each, the bytes of output before it that it may refer to. Both come
// from splits.py.
var splits = []struct{ bit, out int }{
	{bit: 19880729, out: 11782326},
	{bit: 39563270, out: 23522708},
	{bit: 59426611, out: 35293196},
}

//go:embed splits.bin
var windows []byte

const (
	trainImages = "train-images-idx3-ubyte.gz"
	windowSize  = 32 << 10
	idxHeader   = 16 // bytes of an IDX file of rank 3
)

// TrainPixels decompresses the training images, (TrainN, Height, Width), on up to four cores: on
// one core this would take longer than everything else that starts a training run. It checks the
// checksum of the gzip file.
func TrainPixels() ([]byte, error) {
	packed, err := files.ReadFile(trainImages)
	if err != nil {
		return nil, err
	}
	data, err := unpack(packed, idxHeader+TrainN*Height*Width)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", trainImages, err)
	}
	return data[idxHeader:], nil
}

// unpack undoes gzip, each part between two splits by itself.
func unpack(packed []byte, size int) ([]byte, error) {
	data := make([]byte, size)
	errs := make([]error, len(splits)+1)
	var parts sync.WaitGroup
	for i := range errs {
		end := size
		if i < len(splits) {
			end = splits[i].out
		}
		parts.Go(func() {
			if i == 0 {
				errs[0] = inflate(data[:end], packed, 8*nameEnd(packed), nil)
				return
			}
			s := splits[i-1]
			errs[i] = inflate(data[s.out:end], packed, s.bit, windows[(i-1)*windowSize:i*windowSize])
		})
	}
	parts.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	const trailer = 8 // CRC-32, size
	if got, want := crc32.ChecksumIEEE(data), binary.LittleEndian.Uint32(packed[len(packed)-trailer:]); got != want {
		return nil, fmt.Errorf("the sum of the unpacked file is %08x, want %08x", got, want)
	}
	return data, nil
}

// nameEnd is where the deflate stream of a gzip file with a name in its header
// begins (RFC 1952, section 2.3).
func nameEnd(packed []byte) int {
	const fixed = 10
	return fixed + bytes.IndexByte(packed[fixed:], 0) + 1
}

// inflate fills dst from the block of a deflate stream that begins at the given
// bit.
func inflate(dst, packed []byte, bit int, window []byte) error {
	r := flate.NewReaderDict(&bitReader{packed[bit/8:], uint(bit % 8)}, window)
	_, err := io.ReadFull(r, dst)
	return err
}

// bitReader reads bytes that begin in the middle of a byte.
type bitReader struct {
	data  []byte
	shift uint
}

func (r *bitReader) ReadByte() (byte, error) {
	if len(r.data) < 2 {
		return 0, io.EOF // the trailer of the gzip file comes before
	}
	b := binary.LittleEndian.Uint16(r.data) >> r.shift
	r.data = r.data[1:]
	return byte(b), nil
}

func (r *bitReader) Read(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		if p[n], err = r.ReadByte(); err == nil {
			n++
		}
	}
	return n, err
}
