package picture

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	colours "image/color/palette"
	"image/draw"
	"image/gif"
	"io"
)

// FilmOptions say how a film looks.
type FilmOptions struct {
	Scale int // how many pixels wide and high each pixel becomes; 0 for 1
	Delay int // from picture to picture, in hundredths of a second, at least 2: browsers slow down what is faster
}

// Film writes images one after the other as one GIF that begins again at its end. Grey is kept as it is, colour is reduced to 256.
func Film(w io.Writer, images Images, o FilmOptions) error {
	film, err := drawFilm(images, o)
	if err != nil {
		return fmt.Errorf("film: %w", err)
	}
	return gif.EncodeAll(w, film)
}

func drawFilm(m Images, o FilmOptions) (*gif.GIF, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	if o.Scale < 0 || o.Delay < 2 {
		return nil, fmt.Errorf("scale %d, delay %d: want 0 or more, and 2 or more", o.Scale, o.Delay)
	}
	scale := max(o.Scale, 1)
	if m.W > maxArea/scale || m.H > maxArea/scale || m.N > maxArea/(m.W*scale)/(m.H*scale) {
		return nil, fmt.Errorf("%d images of %dx%d at scale %d: want at most %d pixels in all", m.N, m.W, m.H, scale, maxArea)
	}
	if m.W*scale > 1<<16-1 || m.H*scale > 1<<16-1 {
		return nil, errors.New("a GIF has at most 65535 pixels in a row or column")
	}
	film := &gif.GIF{}
	for i := range m.N {
		canvas := newCanvas(m.C, m.W*scale, m.H*scale)
		if err := m.paint(canvas, i, image.Point{}, scale); err != nil {
			return nil, err
		}
		film.Image = append(film.Image, Paletted(canvas))
		film.Delay = append(film.Delay, o.Delay)
	}
	return film, nil
}

// Paletted brings a picture to at most 256 colours, as a GIF has them: grey to its levels, without loss, and colour to a fixed
// set of them, with the error spread over the neighbours (Floyd and Steinberg 1976).
func Paletted(img image.Image) *image.Paletted {
	if grey, ok := img.(*image.Gray); ok {
		levels := make(color.Palette, 256)
		for i := range levels {
			levels[i] = color.Gray{uint8(i)}
		}
		return &image.Paletted{Pix: grey.Pix, Stride: grey.Stride, Rect: grey.Rect, Palette: levels}
	}
	p := image.NewPaletted(img.Bounds(), colours.Plan9)
	draw.FloydSteinberg.Draw(p, img.Bounds(), img, img.Bounds().Min)
	return p
}
