package picture

import (
	"fmt"
	"image/color"
	"io"
	"math"

	"golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Cloud is a set of points on a plane that share a label. Points that are not
// finite, or beyond 1e30 either way, are left out.
type Cloud struct {
	Label string
	X, Y  []float64 // as many of one as of the other
}

// ScatterOptions say how a scatter looks.
type ScatterOptions struct {
	Title string
	Side  int // in pixels; 0 for 900
}

// Scatter writes clouds of points as one square PNG, each cloud in a colour of
// its own with its label in the middle.
func Scatter(w io.Writer, clouds []Cloud, o ScatterOptions) error {
	img, err := drawScatter(clouds, o)
	if err != nil {
		return fmt.Errorf("scatter: %w", err)
	}
	return encode(w, img.Image())
}

func drawScatter(clouds []Cloud, o ScatterOptions) (*vgimg.Canvas, error) {
	side := o.Side
	if side == 0 {
		side = 900
	}
	if side < minSide || side > maxSide {
		return nil, fmt.Errorf("%d pixels a side, want %d to %d", side, minSide, maxSide)
	}
	length := vg.Length(side) * vg.Inch / dpi
	page := vgimg.NewWith(vgimg.UseWH(length, length), vgimg.UseDPI(dpi))
	canvas := draw.New(page)
	p := plot.New()
	p.BackgroundColor = color.White
	style(p)
	var labels plotter.XYLabels
	for i, c := range clouds {
		points, err := c.points()
		if err != nil {
			return nil, err
		}
		if len(points) == 0 {
			continue
		}
		dots, err := plotter.NewScatter(points)
		if err != nil {
			return nil, err
		}
		dots.GlyphStyle = draw.GlyphStyle{Color: hue(i, len(clouds)), Radius: vg.Points(1.1), Shape: draw.CircleGlyph{}}
		p.Add(dots)
		labels.XYs, labels.Labels = append(labels.XYs, middle(points)), append(labels.Labels, plain(c.Label))
	}
	if labels.XYs == nil {
		return nil, fmt.Errorf("no points")
	}
	names, err := plotter.NewLabels(labels)
	if err != nil {
		return nil, err
	}
	for i := range names.TextStyle {
		names.TextStyle[i] = textStyle(13, font.WeightBold)
		names.TextStyle[i].XAlign, names.TextStyle[i].YAlign = draw.XCenter, draw.YCenter
	}
	p.Add(names)
	p.Draw(draw.Crop(canvas, margin, -2*margin, margin, -margin-title))
	if o.Title != "" {
		canvas.FillText(textStyle(11, font.WeightBold), vg.Point{X: margin, Y: canvas.Max.Y - title}, plain(o.Title))
	}
	return page, nil
}

func (c Cloud) points() (plotter.XYs, error) {
	if len(c.X) != len(c.Y) {
		return nil, fmt.Errorf("%s: %d values of x, %d of y", c.Label, len(c.X), len(c.Y))
	}
	var points plotter.XYs
	for i, x := range c.X {
		if finite(x) && finite(c.Y[i]) {
			points = append(points, plotter.XY{X: x, Y: c.Y[i]})
		}
	}
	return points, nil
}

// middle is the mean of points.
func middle(points plotter.XYs) (m plotter.XY) {
	for _, p := range points {
		m.X += p.X / float64(len(points))
		m.Y += p.Y / float64(len(points))
	}
	return m
}

// hue is one of n colours around the circle, of like brightness, every second one darker.
func hue(i, n int) color.Color {
	value := 0.9
	if i%2 == 1 {
		value = 0.65
	}
	at := 6 * float64(i) / float64(n)
	level := func(shift float64) uint8 {
		k := math.Mod(shift+at, 6)
		return uint8(255 * value * (1 - 0.85*max(0, min(k, 4-k, 1))))
	}
	return color.NRGBA{level(5), level(3), level(1), 0xb0}
}
