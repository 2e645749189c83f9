// Package picture draws what people look at while a model learns: samples as a
// grid, losses as curves, both as PNG. The same input gives the same bytes.
package picture

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"
)

// Images are N pictures (N, C, H, W) in row-major order, 0 black and 1 white.
// C is 1 for grey or 3 for red, green, blue.
type Images struct {
	Pixels     []float32
	N, C, H, W int
}

// GridOptions say how a grid looks. The zero value is as square as can be, one
// screen pixel for each of the image's.
type GridOptions struct {
	Columns int // 0: the square root of N, rounded up
	Scale   int // how many pixels wide and high each pixel becomes; 0 for 1
}

// Visible is the scale at which images of that width are about 112 pixels wide,
// and 1 for wider ones.
func Visible(width int) int { return max(1, 112/max(1, width)) }

// gap is the width of the lines between images, before scaling.
const gap = 1

// ground is the colour of the lines and of places without an image.
var ground = color.Gray{0x60}

// maxArea keeps a grid within what image viewers open: 2^28 pixels.
const maxArea = 1 << 28

// Grid writes images as one PNG, row by row, with thin lines between them.
// Values are clamped to [0, 1] and rounded to 8 bits; NaN is an error that says
// where it is.
func Grid(w io.Writer, images Images, o GridOptions) error {
	img, err := drawGrid(images, o)
	if err != nil {
		return fmt.Errorf("grid: %w", err)
	}
	return encode(w, img)
}

func encode(w io.Writer, img image.Image) error {
	e := png.Encoder{CompressionLevel: png.BestCompression}
	return e.Encode(w, img)
}

func drawGrid(m Images, o GridOptions) (image.Image, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	if o.Columns < 0 || o.Scale < 0 {
		return nil, fmt.Errorf("%d columns, scale %d: want 0 or more", o.Columns, o.Scale)
	}
	columns, scale := o.Columns, max(o.Scale, 1)
	if columns == 0 {
		columns = int(math.Ceil(math.Sqrt(float64(m.N))))
	}
	columns = min(columns, m.N)
	rows := (m.N + columns - 1) / columns
	width, okW := side(columns, m.W, scale)
	height, okH := side(rows, m.H, scale)
	if !okW || !okH || width > maxArea/height {
		return nil, fmt.Errorf("%d columns of %dx%d images at scale %d: want at most %d pixels in all", columns, m.W, m.H, scale, maxArea)
	}
	canvas := newCanvas(m.C, width, height)
	draw.Draw(canvas, canvas.Bounds(), image.NewUniform(ground), image.Point{}, draw.Src)
	for i := range m.N {
		at := image.Pt((i%columns*(m.W+gap)+gap)*scale, (i/columns*(m.H+gap)+gap)*scale)
		if err := m.paint(canvas, i, at, scale); err != nil {
			return nil, err
		}
	}
	return canvas, nil
}

func newCanvas(channels, width, height int) draw.Image {
	if channels == 1 {
		return image.NewGray(image.Rect(0, 0, width, height))
	}
	return image.NewRGBA(image.Rect(0, 0, width, height))
}

func (m Images) check() error {
	if m.N < 1 || m.H < 1 || m.W < 1 {
		return fmt.Errorf("%d images of %dx%d, want at least one pixel", m.N, m.W, m.H)
	}
	if m.C != 1 && m.C != 3 {
		return fmt.Errorf("%d channels, want 1 (grey) or 3 (red, green, blue)", m.C)
	}
	want := m.C
	for _, d := range []int{m.N, m.H, m.W} {
		if want > len(m.Pixels)/d {
			return fmt.Errorf("%d values, want %dx%dx%dx%d", len(m.Pixels), m.N, m.C, m.H, m.W)
		}
		want *= d
	}
	if want != len(m.Pixels) {
		return fmt.Errorf("%d values, want %dx%dx%dx%d = %d", len(m.Pixels), m.N, m.C, m.H, m.W, want)
	}
	return nil
}

// side is the width of so many images with lines around each.
func side(count, size, scale int) (pixels int, ok bool) {
	wide := (float64(count)*(float64(size)+gap) + gap) * float64(scale)
	if wide > maxArea {
		return 0, false
	}
	return int(wide), true
}

// paint draws image i with its upper left corner at `at`.
func (m Images) paint(canvas draw.Image, i int, at image.Point, scale int) error {
	plane := m.H * m.W
	for y := range m.H {
		for x := range m.W {
			var level [3]uint8
			for c := range m.C {
				v := m.Pixels[(i*m.C+c)*plane+y*m.W+x]
				if v != v {
					return fmt.Errorf("image %d, channel %d, row %d, column %d: %w", i, c, y, x, ErrNaN)
				}
				level[c] = toByte(v)
			}
			var colour color.Color = color.RGBA{level[0], level[1], level[2], 0xff}
			if m.C == 1 {
				colour = color.Gray{level[0]}
			}
			for dy := range scale {
				for dx := range scale {
					canvas.Set(at.X+x*scale+dx, at.Y+y*scale+dy, colour)
				}
			}
		}
	}
	return nil
}

// ErrNaN says that a value is not a number.
var ErrNaN = errors.New("NaN is not a brightness")

// toByte clamps to [0, 1] and rounds to the nearest of 256 levels.
func toByte(v float32) uint8 {
	return uint8(min(max(float64(v), 0), 1)*255 + 0.5)
}
