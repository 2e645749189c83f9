package dataset

import (
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// One picture comes as it would in a folder of them.
func TestReadPictureIsThatOfAFolder(t *testing.T) {
	dir := t.TempDir()
	img := image.NewNRGBA(image.Rect(0, 0, 20, 12))
	for i := range img.Pix {
		img.Pix[i] = uint8(i * 7)
	}
	for i := range 20 * 12 {
		img.Set(i%20, i/20, color.NRGBA{uint8(i), uint8(3 * i), uint8(5 * i), 0xff})
	}
	file := filepath.Join(dir, "a.png")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(png.Encode(f, img), f.Close()); err != nil {
		t.Fatal(err)
	}
	for _, channels := range []int{1, 3} {
		got, err := ReadPicture(file, 8, channels)
		if err != nil {
			t.Fatal(err)
		}
		data, err := OpenWith(dir, Options{Size: 8, Channels: channels})
		if err != nil {
			t.Fatal(err)
		}
		train, err := data.Train(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := train.Image(0); !slices.Equal(got, want) {
			t.Errorf("%d channels: %v, want %v", channels, got, want)
		}
	}
	for _, bad := range []struct {
		path           string
		size, channels int
	}{{file, 0, 1}, {file, maxSize + 1, 1}, {file, 8, 2}, {dir, 8, 1}, {filepath.Join(dir, "b.png"), 8, 1}} {
		if _, err := ReadPicture(bad.path, bad.size, bad.channels); err == nil {
			t.Errorf("%+v is read", bad)
		}
	}
}
