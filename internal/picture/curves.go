package picture

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"strconv"
	"strings"

	"golang.org/x/image/font"
	"gonum.org/v1/plot"
	plotfont "gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Curve is one quantity over the steps of a run. A value that is not finite,
// or beyond 1e30 either way, leaves a gap.
type Curve struct {
	Name   string
	Steps  []float64 // rising
	Values []float64 // as many as Steps
}

// Panel is a set of curves over one vertical axis.
type Panel struct {
	Label  string // of the vertical axis
	Curves []Curve
	// Low and High are the ends of the axis; where they are equal it runs
	// from 0, or the lowest value below it, to the highest value.
	Low, High float64
}

// CurveOptions say how curves look.
type CurveOptions struct {
	Title         string
	Width, Height int // in pixels; 0 for 960, and for 300 a panel
}

// Curves writes panels below each other, over the same steps, as one PNG. A
// curve with many points is drawn pale, with its moving average over it.
func Curves(w io.Writer, panels []Panel, o CurveOptions) error {
	img, err := drawCurves(panels, o)
	if err != nil {
		return fmt.Errorf("curves: %w", err)
	}
	return encode(w, img.Image())
}

const (
	dpi = 144
	// Below minSide names and numbers leave no room for a panel, and the
	// plotting library fails; above maxSide nobody looks.
	minSide, maxSide = 240, 10000
)

// Lengths on the page, at 72 points an inch.
var (
	margin  = vg.Points(8)
	heading = vg.Points(18) // a line with the names of a panel's curves
	title   = vg.Points(20)
)

// palette is that of Okabe and Ito, which most colour-blind people can tell
// apart.
var palette = []color.NRGBA{
	{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff},
	{0xcc, 0x79, 0xa7, 0xff}, {0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff},
}

var (
	ink  = color.NRGBA{0x33, 0x33, 0x33, 0xff}
	line = color.NRGBA{0xe4, 0xe4, 0xe4, 0xff}
)

func drawCurves(panels []Panel, o CurveOptions) (*vgimg.Canvas, error) {
	if len(panels) == 0 {
		return nil, fmt.Errorf("no panels")
	}
	width, height := o.Width, o.Height
	if width == 0 {
		width = 960
	}
	if height == 0 {
		height = min(300*len(panels)+60, maxSide)
	}
	if width < minSide || width > maxSide || height < minSide*len(panels) || height > maxSide {
		return nil, fmt.Errorf("%dx%d pixels for %d panels, want at least %d for each and at most %d", width, height, len(panels), minSide, maxSide)
	}
	low, high, err := span(panels)
	if err != nil {
		return nil, err
	}

	points := func(pixels int) vg.Length { return vg.Length(pixels) * vg.Inch / dpi }
	page := vgimg.NewWith(vgimg.UseWH(points(width), points(height)), vgimg.UseDPI(dpi))
	canvas := draw.New(page)
	tiles := draw.Tiles{
		Rows: len(panels), Cols: 1,
		PadTop: margin + heading, PadBottom: margin, PadLeft: margin, PadRight: 2 * margin, PadY: margin + heading,
	}
	if o.Title != "" {
		tiles.PadTop += title
		canvas.FillText(textStyle(11, font.WeightBold), vg.Point{X: margin, Y: canvas.Max.Y - title}, plain(o.Title))
	}
	var rows [][]*plot.Plot
	for i, p := range panels {
		row, err := p.plot(low, high)
		if err != nil {
			return nil, err
		}
		if i == len(panels)-1 {
			row.X.Label.Text = "step"
		}
		rows = append(rows, []*plot.Plot{row})
	}
	for i, tile := range plot.Align(rows, tiles, canvas) {
		rows[i][0].Draw(tile[0])
		panels[i].head(rows[i][0].DataCanvas(tile[0]))
	}
	return page, nil
}

// span is the range of all steps. It also checks the curves.
func span(panels []Panel) (low, high float64, err error) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, p := range panels {
		if !finite(p.Low) || !finite(p.High) {
			return 0, 0, fmt.Errorf("%s: axis from %v to %v, want numbers", p.Label, p.Low, p.High)
		}
		for _, c := range p.Curves {
			if len(c.Steps) != len(c.Values) {
				return 0, 0, fmt.Errorf("%s: %d steps, %d values", c.Name, len(c.Steps), len(c.Values))
			}
			for i, s := range c.Steps {
				if !finite(s) || i > 0 && s < c.Steps[i-1] {
					return 0, 0, fmt.Errorf("%s: step %v at %d, want rising numbers", c.Name, s, i)
				}
				low, high = min(low, s), max(high, s)
			}
		}
	}
	if low > high {
		return 0, 0, fmt.Errorf("no points")
	}
	if low == high {
		low, high = low-1, high+1
	}
	if low > 0 && low <= high-low {
		low = 0 // most of the way is there: show where it began
	}
	return low, high, nil
}

func (p Panel) plot(low, high float64) (*plot.Plot, error) {
	out := plot.New()
	out.BackgroundColor = color.Transparent
	out.X.Min, out.X.Max = low, high
	out.Y.Min, out.Y.Max = p.span()
	out.Y.Label.Text = plain(p.Label)
	style(out)
	out.Y.Label.TextStyle.XAlign, out.Y.Label.TextStyle.YAlign = draw.XCenter, draw.YBottom
	out.X.Label.TextStyle.XAlign, out.X.Label.TextStyle.YAlign = draw.XCenter, draw.YBottom
	out.Y.Label.Padding = vg.Points(4)
	for i, c := range p.Curves {
		if err := c.addTo(out, palette[i%len(palette)]); err != nil {
			return nil, err
		}
	}
	// Add has widened the axes to the data.
	out.X.Min, out.X.Max = low, high
	out.Y.Min, out.Y.Max = p.span()
	return out, nil
}

// style gives a plot its axes, without lines, and a pale grid.
func style(p *plot.Plot) {
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle = textStyle(9, font.WeightNormal)
		axis.Tick.Label.Font = textStyle(8, font.WeightNormal).Font
		axis.Tick.Label.Color = ink
		axis.Tick.Length = 0
		axis.Padding = vg.Points(3)
		axis.LineStyle.Width = 0
		axis.Tick.Marker = plot.TickerFunc(ticks)
	}
	grid := plotter.NewGrid()
	grid.Horizontal = draw.LineStyle{Color: line, Width: vg.Points(0.6)}
	grid.Vertical = grid.Horizontal
	p.Add(grid)
}

// span is the range of the vertical axis.
func (p Panel) span() (low, high float64) {
	if p.Low != p.High {
		return min(p.Low, p.High), max(p.Low, p.High)
	}
	for _, c := range p.Curves {
		for _, v := range c.Values {
			if finite(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if low == high {
		return low, low + 1
	}
	room := (high - low) * 0.04
	if low < 0 {
		low -= room
	}
	return low, high + room
}

// many points are drawn pale under their average, both thinned to what the
// eye can tell apart.
const (
	many    = 300
	columns = 800
)

func (c Curve) addTo(p *plot.Plot, colour color.NRGBA) error {
	if len(c.Values) <= many {
		return add(p, c.Steps, c.Values, colour, 1.5)
	}
	pale := colour
	pale.A = 0x50
	steps, values := thin(c.Steps, c.Values)
	if err := add(p, steps, values, pale, 0.5); err != nil {
		return err
	}
	steps, values = thin(c.Steps, smooth(c.Values, len(c.Values)/100))
	return add(p, steps, values, colour, 1.5)
}

// thin keeps the lowest and the highest value of each of `columns` stretches.
// A stretch without any finite value stays a gap.
func thin(steps, values []float64) (s, v []float64) {
	if len(values) <= 2*columns {
		return steps, values
	}
	for i := range columns {
		from, to := i*len(values)/columns, (i+1)*len(values)/columns
		low, high := from, from
		for j := from; j < to; j++ {
			if !finite(values[j]) {
				continue
			}
			if !finite(values[low]) {
				low, high = j, j
			}
			if values[j] < values[low] {
				low = j
			}
			if values[j] > values[high] {
				high = j
			}
		}
		for _, j := range []int{min(low, high), max(low, high)} {
			s, v = append(s, steps[j]), append(v, values[j])
		}
	}
	return s, v
}

// add draws a curve, in pieces where values are not finite.
func add(p *plot.Plot, steps, values []float64, colour color.Color, points float64) error {
	var piece plotter.XYs
	flush := func() error {
		if len(piece) == 1 { // a line needs two points: a short dash shows one
			width := (p.X.Max - p.X.Min) / 100
			piece = plotter.XYs{{X: piece[0].X - width, Y: piece[0].Y}, {X: piece[0].X + width, Y: piece[0].Y}}
		}
		if len(piece) == 0 {
			return nil
		}
		l, err := plotter.NewLine(piece)
		if err != nil {
			return err
		}
		l.LineStyle = draw.LineStyle{Color: colour, Width: vg.Points(points)}
		p.Add(l)
		piece = nil
		return nil
	}
	for i, v := range values {
		if finite(v) {
			piece = append(piece, plotter.XY{X: steps[i], Y: v})
			continue
		}
		if err := flush(); err != nil {
			return err
		}
	}
	return flush()
}

// finite says whether a value can be drawn: sums and ranges of such values
// stay numbers.
func finite(v float64) bool { return math.Abs(v) <= 1e30 }

// smooth is the mean over `half` neighbours on both sides, fewer at the ends;
// NaN where the value itself is not finite.
func smooth(values []float64, half int) []float64 {
	sums, counts := make([]float64, len(values)+1), make([]int, len(values)+1)
	for i, v := range values {
		sums[i+1], counts[i+1] = sums[i], counts[i]
		if finite(v) {
			sums[i+1] += v
			counts[i+1]++
		}
	}
	out := make([]float64, len(values))
	for i, v := range values {
		lo, hi := max(i-half, 0), min(i+half+1, len(values))
		out[i] = (sums[hi] - sums[lo]) / float64(counts[hi]-counts[lo])
		if !finite(v) {
			out[i] = math.NaN()
		}
	}
	return out
}

// head writes the curves' names above a panel, each after a piece of its line.
func (p Panel) head(c draw.Canvas) {
	style := textStyle(9, font.WeightNormal)
	x, y := c.Min.X, c.Max.Y+heading*0.6
	for i, curve := range p.Curves {
		const dash = 14
		stroke := draw.LineStyle{Color: palette[i%len(palette)], Width: vg.Points(2)}
		c.StrokeLine2(stroke, x, y, x+vg.Points(dash), y)
		x += vg.Points(dash + 5)
		style.YAlign = -0.38 // the middle of small letters
		name := plain(curve.Name)
		c.FillText(style, vg.Point{X: x, Y: y}, name)
		x += style.Width(name) + vg.Points(16)
	}
}

// plain keeps a text on one line.
func plain(s string) string { return strings.Join(strings.Fields(s), " ") }

func textStyle(size float64, weight font.Weight) draw.TextStyle {
	face := plotfont.Font{Typeface: "Liberation", Variant: "Sans", Weight: weight}
	return draw.TextStyle{Color: ink, Font: plotfont.From(face, vg.Points(size)), Handler: plot.DefaultTextHandler}
}

// ticks puts about five round numbers on an axis.
func ticks(low, high float64) []plot.Tick {
	const wanted = 5
	unit := math.Pow(10, math.Floor(math.Log10((high-low)/wanted)))
	for _, f := range []float64{1, 2, 5, 10} {
		if (high-low)/(unit*f) <= wanted+1 {
			unit *= f
			break
		}
	}
	var list []plot.Tick
	first := math.Ceil(low/unit - 1e-9)
	for i := range 2 * wanted {
		v := (first + float64(i)) * unit
		if v == 0 {
			v = 0 // not -0
		}
		if !(v <= high+1e-9*unit) {
			break
		}
		list = append(list, plot.Tick{Value: v, Label: label(v, unit)})
	}
	return list
}

// label writes a multiple of unit.
func label(v, unit float64) string {
	if unit < 1e-5 || unit > 1e9 {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	decimals := max(0, -int(math.Floor(math.Log10(unit)+1e-9)))
	return thousands(strconv.FormatFloat(v, 'f', min(decimals, 5), 64))
}

// thousands puts commas into a number.
func thousands(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, fraction, found := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if found {
		fraction = "." + fraction
	}
	return sign + whole + fraction
}
