package picture

import (
	"bytes"
	"image/color"
	"image/gif"
	"math"
	"strings"
	"testing"
)

// A grey film holds every level as it was, over all its pictures.
func TestFilmKeepsEveryGrey(t *testing.T) {
	m := Images{Pixels: make([]float32, 2*16*16), N: 2, C: 1, H: 16, W: 16}
	for i := range m.Pixels {
		m.Pixels[i] = float32(i%256) / 255
		if i >= 256 {
			m.Pixels[i] = 1 - m.Pixels[i]
		}
	}
	var b bytes.Buffer
	if err := Film(&b, m, FilmOptions{Scale: 3, Delay: 5}); err != nil {
		t.Fatal(err)
	}
	film, err := gif.DecodeAll(&b)
	if err != nil {
		t.Fatal(err)
	}
	if len(film.Image) != 2 || film.LoopCount != 0 || film.Delay[1] != 5 {
		t.Fatalf("%d pictures, %d loops, delays %v", len(film.Image), film.LoopCount, film.Delay)
	}
	for i, img := range film.Image {
		for y := range 48 {
			for x := range 48 {
				want := uint8(y/3*16 + x/3)
				if i == 1 {
					want = 255 - want
				}
				if got := color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y; got != want {
					t.Fatalf("picture %d, pixel %d,%d: %d, want %d", i, x, y, got, want)
				}
			}
		}
	}
}

func TestFilmsThatCannotBe(t *testing.T) {
	one := func(v float32) Images { return Images{Pixels: []float32{v}, N: 1, C: 1, H: 1, W: 1} }
	for _, c := range []struct {
		name, want string
		images     Images
		o          FilmOptions
	}{
		{"NaN", "NaN is not a brightness", one(float32(math.NaN())), FilmOptions{Delay: 5}},
		{"too fast", "delay 1", one(0), FilmOptions{Delay: 1}},
		{"too wide for a GIF", "65535", Images{Pixels: make([]float32, 70000), N: 1, C: 1, H: 1, W: 70000}, FilmOptions{Delay: 5}},
		{"too large", "at most", Images{Pixels: make([]float32, 64*64), N: 1, C: 1, H: 64, W: 64}, FilmOptions{Delay: 5, Scale: 1 << 10}},
		{"no pictures", "at least one pixel", Images{C: 1, H: 1, W: 1}, FilmOptions{Delay: 5}},
	} {
		err := Film(&bytes.Buffer{}, c.images, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
