package mnist

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"strings"
	"testing"
)

func TestPixelsAreThoseOfTheFile(t *testing.T) {
	f, err := Files().Open(trainImages)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	want, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range []uint32{0x0803, TrainN, Height, Width} {
		if got := binary.BigEndian.Uint32(want[4*i:]); got != d {
			t.Errorf("word %d of the header is %d, want %d", i, got, d)
		}
	}
	got, err := TrainPixels()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want[idxHeader:]) {
		t.Error("unpacked in parts, the pixels are others")
	}
}

func TestDamageIsAnError(t *testing.T) {
	whole, err := files.ReadFile(trainImages)
	if err != nil {
		t.Fatal(err)
	}
	const size = idxHeader + TrainN*Height*Width
	for _, c := range []struct {
		claim string
		spoil func(b []byte) []byte
	}{
		{"a byte in the middle", func(b []byte) []byte { b[len(b)/2] ^= 0x10; return b }},
		{"a sum that does not fit", func(b []byte) []byte { b[len(b)-8] ^= 1; return b }},
		{"an end that is missing", func(b []byte) []byte { return b[:len(b)-1000] }},
	} {
		if _, err := unpack(c.spoil(bytes.Clone(whole)), size); err == nil {
			t.Errorf("%s: no error", c.claim)
		} else if c.claim == "a sum that does not fit" && !strings.Contains(err.Error(), "want") {
			t.Errorf("%s: error is %v", c.claim, err)
		}
	}
}
