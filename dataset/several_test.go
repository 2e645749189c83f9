package dataset

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"strings"
	"testing"
)

// Of an animation the first frame is taken, and that is told.
func TestFilesOfSeveralPicturesAreTold(t *testing.T) {
	frame := image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{color.Black, color.White})
	animated := func(frames int) []byte {
		var g gif.GIF
		for range frames {
			g.Image = append(g.Image, frame)
			g.Delay = append(g.Delay, 1)
		}
		var b bytes.Buffer
		if err := gif.EncodeAll(&b, &g); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	var notes []string
	dir := treeOf(t, map[string][]byte{"a.gif": animated(3), "b.gif": animated(1), "c.gif": animated(2)})
	s, err := OpenWith(dir, Options{Note: func(n string) { notes = append(notes, n) }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Train(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(notes, "\n"); !strings.Contains(all, "of 2 files of the train split with more than one picture, the first one is taken") {
		t.Errorf("told %s", all)
	}
	for _, c := range []struct {
		claim, format, file string
		want                bool
	}{
		{"an animated PNG", "png", "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR..................acTL", true},
		{"a TIFF of two pages", "tiff", "II*\x00\x08\x00\x00\x00\x00\x00\x10\x00\x00\x00", true},
		{"a TIFF of one page", "tiff", "MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00", false},
		{"a TIFF that ends early", "tiff", "MM\x00*\xff\xff\xff\xff", false},
		{"a GIF that ends early", "gif", "GIF89a\x01\x00\x01\x00\x80\x00\x00", false},
	} {
		if several(c.format, []byte(c.file)) != c.want {
			t.Errorf("%s: want %v", c.claim, c.want)
		}
	}
}
