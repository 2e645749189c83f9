package picture

import (
	"bytes"
	"errors"
	"flag"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden pictures anew")

// golden compares a PNG with the one in testdata, pixel by pixel.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := decoded(t, b)
	have := decoded(t, got)
	if want.Bounds() != have.Bounds() {
		t.Fatalf("%s: %v, want %v", name, have.Bounds(), want.Bounds())
	}
	differ := 0
	var first image.Point
	for y := range want.Bounds().Dy() {
		for x := range want.Bounds().Dx() {
			if !sameColour(want.At(x, y), have.At(x, y)) {
				if differ == 0 {
					first = image.Pt(x, y)
				}
				differ++
			}
		}
	}
	if differ > 0 {
		t.Errorf("%s: %d pixels differ, the first at %v: %v, want %v", name, differ, first, have.At(first.X, first.Y), want.At(first.X, first.Y))
	}
}

func sameColour(a, b color.Color) bool {
	return color.RGBAModel.Convert(a) == color.RGBAModel.Convert(b)
}

func decoded(t testing.TB, b []byte) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// shades are images with a different picture in each place and each channel.
func shades(n, c, h, w int) Images {
	m := Images{N: n, C: c, H: h, W: w}
	for i := range n {
		for ch := range c {
			for y := range h {
				for x := range w {
					m.Pixels = append(m.Pixels, float32((x*(i+1)+y*(ch+2)+5*i)%17)/16)
				}
			}
		}
	}
	return m
}

func grid(t testing.TB, m Images, o GridOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Grid(&b, m, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGoldenGrids(t *testing.T) {
	golden(t, "grid-grey.png", grid(t, shades(16, 1, 9, 12), GridOptions{Scale: 3}))
	golden(t, "grid-rgb.png", grid(t, shades(5, 3, 7, 10), GridOptions{Columns: 3, Scale: 2}))
}

func TestGridPutsEachPixelInItsPlace(t *testing.T) {
	m := shades(5, 3, 2, 3)
	img := decoded(t, grid(t, m, GridOptions{Columns: 2, Scale: 4}))
	if want := image.Rect(0, 0, (2*(3+1)+1)*4, (3*(2+1)+1)*4); img.Bounds() != want {
		t.Fatalf("%v, want %v", img.Bounds(), want)
	}
	seen := map[image.Point]bool{}
	for i := range 5 {
		for y := range 2 {
			for x := range 3 {
				level := func(c int) uint8 { return uint8(math.Round(float64(m.Pixels[((i*3+c)*2+y)*3+x]) * 255)) }
				want := color.RGBA{level(0), level(1), level(2), 255}
				for d := range 16 {
					at := image.Pt((1+i%2*4+x)*4+d%4, (1+i/2*3+y)*4+d/4)
					seen[at] = true
					if got := img.At(at.X, at.Y); !sameColour(got, want) {
						t.Fatalf("image %d, row %d, column %d at %v: %v, want %v", i, y, x, at, got, want)
					}
				}
			}
		}
	}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if !seen[image.Pt(x, y)] && !sameColour(img.At(x, y), ground) {
				t.Fatalf("between the images at %d,%d: %v", x, y, img.At(x, y))
			}
		}
	}
}

func TestValuesAreClampedAndRounded(t *testing.T) {
	inf := float32(math.Inf(1))
	for v, want := range map[float32]uint8{
		0: 0, 1: 255, -0.1: 0, 1.1: 255, inf: 255, -inf: 0, -math.MaxFloat32: 0,
		0.5: 128, 0.49999: 127, 1.0 / 255: 1, 0.4999 / 255: 0, 0.5001 / 255: 1, 254.4999 / 255: 254, 254.5001 / 255: 255,
	} {
		img := decoded(t, grid(t, Images{Pixels: []float32{v}, N: 1, C: 1, H: 1, W: 1}, GridOptions{}))
		if got := color.GrayModel.Convert(img.At(1, 1)).(color.Gray).Y; got != want {
			t.Errorf("%v becomes %d, want %d", v, got, want)
		}
	}
}

func TestGridIsAsSquareAsCanBe(t *testing.T) {
	for n, want := range map[int][2]int{1: {1, 1}, 2: {2, 1}, 3: {2, 2}, 4: {2, 2}, 5: {3, 2}, 16: {4, 4}, 17: {5, 4}} {
		img := decoded(t, grid(t, shades(n, 1, 3, 3), GridOptions{}))
		if got := img.Bounds().Size(); got != image.Pt(want[0]*4+1, want[1]*4+1) {
			t.Errorf("%d images: %v, want %d columns and %d rows", n, got, want[0], want[1])
		}
	}
	if got := decoded(t, grid(t, shades(2, 1, 3, 3), GridOptions{Columns: 9})).Bounds().Dx(); got != 9 {
		t.Errorf("2 images in 9 columns are %d wide, want 9: no empty columns", got)
	}
}

func TestGridRefusesBadInput(t *testing.T) {
	nan := shades(2, 3, 4, 5)
	nan.Pixels[((1*3+2)*4+3)*5+4] = float32(math.NaN())
	huge := make([]float32, 2)
	for _, test := range []struct {
		name string
		m    Images
		o    GridOptions
		say  string
	}{
		{"nothing", Images{}, GridOptions{}, "0 images of 0x0"},
		{"negative", Images{N: -1, C: 1, H: -1, W: 1}, GridOptions{}, "-1 images"},
		{"two channels", shades(1, 2, 3, 3), GridOptions{}, "2 channels, want 1 (grey) or 3"},
		{"too few values", Images{Pixels: huge, N: 1, C: 1, H: 1, W: 3}, GridOptions{}, "2 values, want 1x1x1x3"},
		{"too many values", Images{Pixels: huge, N: 1, C: 1, H: 1, W: 1}, GridOptions{}, "2 values, want 1x1x1x1 = 1"},
		{"sizes that overflow", Images{Pixels: huge, N: math.MaxInt, C: 3, H: math.MaxInt, W: 2}, GridOptions{}, "2 values, want"},
		{"columns", shades(1, 1, 3, 3), GridOptions{Columns: -1}, "-1 columns"},
		{"scale", shades(1, 1, 3, 3), GridOptions{Scale: -1}, "scale -1"},
		{"huge scale", shades(1, 1, 3, 3), GridOptions{Scale: math.MaxInt}, "want at most"},
		{"large scale", shades(1, 1, 3, 3), GridOptions{Scale: 1 << 14}, "want at most"},
		{"NaN", nan, GridOptions{}, "image 1, channel 2, row 3, column 4: NaN"},
	} {
		var b bytes.Buffer
		err := Grid(&b, test.m, test.o)
		if err == nil || !strings.Contains(err.Error(), test.say) {
			t.Errorf("%s: error %v, want %q in it", test.name, err, test.say)
		}
		if b.Len() > 0 {
			t.Errorf("%s: %d bytes are written all the same", test.name, b.Len())
		}
	}
	if err := Grid(&bytes.Buffer{}, nan, GridOptions{}); !errors.Is(err, ErrNaN) {
		t.Errorf("%v does not wrap ErrNaN", err)
	}
}

func TestWriteErrorsComeOut(t *testing.T) {
	full := errors.New("no space left on device")
	if err := Grid(failingWriter{full}, shades(1, 1, 3, 3), GridOptions{}); !errors.Is(err, full) {
		t.Errorf("grid: %v", err)
	}
	if err := Curves(failingWriter{full}, run(20), CurveOptions{}); !errors.Is(err, full) {
		t.Errorf("curves: %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// run is a training run of n reports, made up.
func run(n int) []Panel {
	d, g, a := Curve{Name: "discriminator"}, Curve{Name: "generator"}, Curve{Name: "accuracy"}
	for i := range n {
		step := float64((i + 1) * 20000 / n)
		wave := float64(i*7919%101)/101 - 0.5
		add := func(c *Curve, v float64) { c.Steps, c.Values = append(c.Steps, step), append(c.Values, v) }
		add(&d, 0.4-4000/(step+15000)+0.1*wave)
		add(&g, 2.5+20000/(step+10000)+wave)
		add(&a, 80+60000/(step+4000)-4*wave)
	}
	return []Panel{{Label: "loss", Curves: []Curve{d, g}}, {Label: "accuracy, %", Curves: []Curve{a}, Low: 0, High: 100}}
}

func curves(t testing.TB, panels []Panel, o CurveOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Curves(&b, panels, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGoldenCurves(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("drawn on amd64: fused multiplication and addition shades edges differently on " + runtime.GOARCH)
	}
	golden(t, "curves.png", curves(t, run(20), CurveOptions{Title: "gan on mnist, seed 1", Width: 640, Height: 480}))
	golden(t, "curves-many.png", curves(t, run(4000), CurveOptions{Width: 640, Height: 480}))
}

func TestSameInputSameBytes(t *testing.T) {
	for name, draw := range map[string]func() []byte{
		"grid":   func() []byte { return grid(t, shades(3, 3, 5, 5), GridOptions{Scale: 2}) },
		"curves": func() []byte { return curves(t, run(20), CurveOptions{Title: "again"}) },
	} {
		first := draw()
		for range 3 {
			if !bytes.Equal(draw(), first) {
				t.Errorf("%s: two drawings differ", name)
			}
		}
	}
}

// inked counts the pixels of a colour.
func inked(img image.Image, c color.NRGBA) int {
	n := 0
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if sameColour(img.At(x, y), c) {
				n++
			}
		}
	}
	return n
}

func TestCurvesOfOddData(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	draw := func(t *testing.T, p Panel) int {
		return inked(decoded(t, curves(t, []Panel{p}, CurveOptions{Width: 600, Height: 300})), palette[0])
	}
	mark := draw(t, Panel{Curves: []Curve{{"x", []float64{1, 2}, []float64{nan, nan}}}})
	for _, test := range []struct {
		name  string
		panel Panel
		ink   int // pixels of the curve at the least, apart from its mark in the heading
	}{
		{"one point", Panel{Curves: []Curve{{"x", []float64{5}, []float64{1}}}}, 10},
		{"one value throughout", Panel{Curves: []Curve{{"x", []float64{1, 2}, []float64{0, 0}}}}, 400},
		{"gaps", Panel{Curves: []Curve{{"x", []float64{1, 2, 3, 4, 5, 6}, []float64{1, nan, inf, 2, 2, -inf}}}}, 100},
		{"a point beyond what can be drawn", Panel{Curves: []Curve{{"x", []float64{1, 2, 3}, []float64{1, math.MaxFloat64, -math.MaxFloat64}}}}, 10},
		{"large numbers", Panel{Curves: []Curve{{"x", []float64{1e15, 1e15 + 1}, []float64{-1e30, 1e30}}}}, 400},
		{"small numbers", Panel{Curves: []Curve{{"x", []float64{0, 1e-300}, []float64{1e-300, 2e-300}}}}, 400},
		{"steps too near to tell apart", Panel{Curves: []Curve{{"x", []float64{1e20, 1e20 + 16384}, []float64{1, 2}}}}, 400},
		{"an axis upside down", Panel{Curves: []Curve{{"x", []float64{1, 2}, []float64{1, 2}}}, Low: 3, High: 0}, 400},
		{"beyond the axis", Panel{Curves: []Curve{{"x", []float64{1, 2, 3}, []float64{1, 200, 2}}}, Low: 0, High: 3}, 100},
		{"many gaps", Panel{Curves: []Curve{{"x", seq(5000), slices.Repeat([]float64{inf, 1, 1, -inf, nan}, 1000)}}}, 400},
		{"strange names", Panel{Label: "損失\x00\xff\n", Curves: []Curve{{"", []float64{1, 2}, []float64{1, 2}}, {"\u202e🗿", []float64{1, 2}, []float64{2, 1}}}}, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := draw(t, test.panel) - mark; got < test.ink {
				t.Errorf("%d pixels drawn, want at least %d", got, test.ink)
			}
		})
	}
}

func seq(n int) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = float64(i)
	}
	return s
}

func TestCurvesRefusesBadInput(t *testing.T) {
	ok := Curve{"x", []float64{1, 2}, []float64{1, 2}}
	for _, test := range []struct {
		name   string
		panels []Panel
		o      CurveOptions
		say    string
	}{
		{"no panels", nil, CurveOptions{}, "no panels"},
		{"no curves", []Panel{{}}, CurveOptions{}, "no points"},
		{"no points", []Panel{{Curves: []Curve{{Name: "x"}}}}, CurveOptions{}, "no points"},
		{"counts", []Panel{{Curves: []Curve{{"x", []float64{1}, nil}}}}, CurveOptions{}, "x: 1 steps, 0 values"},
		{"falling steps", []Panel{{Curves: []Curve{{"x", []float64{2, 1}, []float64{1, 2}}}}}, CurveOptions{}, "x: step 1 at 1"},
		{"a step that is NaN", []Panel{{Curves: []Curve{{"x", []float64{math.NaN()}, []float64{1}}}}}, CurveOptions{}, "x: step NaN at 0"},
		{"a step that is infinite", []Panel{{Curves: []Curve{{"x", []float64{math.Inf(1)}, []float64{1}}}}}, CurveOptions{}, "x: step +Inf at 0"},
		{"an axis that is NaN", []Panel{{Label: "loss", Curves: []Curve{ok}, Low: math.NaN()}}, CurveOptions{}, "loss: axis from NaN"},
		{"too small", []Panel{{Curves: []Curve{ok}}}, CurveOptions{Width: 10, Height: 10}, "10x10 pixels"},
		{"too large", []Panel{{Curves: []Curve{ok}}}, CurveOptions{Width: math.MaxInt}, "at most 10000"},
		{"negative", []Panel{{Curves: []Curve{ok}}}, CurveOptions{Height: -300}, "960x-300"},
		{"too many panels", slices.Repeat([]Panel{{Curves: []Curve{ok}}}, 1000), CurveOptions{}, "for 1000 panels"},
	} {
		var b bytes.Buffer
		err := Curves(&b, test.panels, test.o)
		if err == nil || !strings.Contains(err.Error(), test.say) {
			t.Errorf("%s: error %v, want %q in it", test.name, err, test.say)
		}
		if b.Len() > 0 {
			t.Errorf("%s: %d bytes are written all the same", test.name, b.Len())
		}
	}
}

func TestTicksAreRound(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		want      string
	}{
		{0, 20000, "0 5,000 10,000 15,000 20,000"},
		{1, 20000, "5,000 10,000 15,000 20,000"},
		{0, 100, "0 20 40 60 80 100"},
		{0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"},
		{-0.3, 6.2, "0 2 4 6"},
		{-2500000, 100, "-2,500,000 -2,000,000 -1,500,000 -1,000,000 -500,000 0"},
		{0, 3e-8, "0 5e-09 1e-08 1.5e-08 2e-08 2.5e-08 3e-08"},
		{0, 2.4e12, "0 5e+11 1e+12 1.5e+12 2e+12"},
	} {
		var got []string
		for _, tick := range ticks(test.low, test.high) {
			got = append(got, tick.Label)
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("from %v to %v: %s, want %s", test.low, test.high, s, test.want)
		}
	}
}

func TestSmoothIsAMovingMean(t *testing.T) {
	nan := math.NaN()
	got := smooth([]float64{1, 2, 6, nan, 10, 12}, 1)
	want := []float64{1.5, 3, 4, nan, 11, 11}
	for i := range want {
		if got[i] != want[i] && !(math.IsNaN(got[i]) && math.IsNaN(want[i])) {
			t.Errorf("smooth is %v, want %v", got, want)
			break
		}
	}
}

func TestThinKeepsPeaks(t *testing.T) {
	values := make([]float64, 10000)
	values[1234], values[5678] = 9, -9
	steps, thinned := thin(seq(len(values)), values)
	if len(thinned) != 2*columns || len(steps) != len(thinned) {
		t.Fatalf("%d points, want %d", len(thinned), 2*columns)
	}
	if !slices.IsSorted(steps) || slices.Max(thinned) != 9 || slices.Min(thinned) != -9 {
		t.Errorf("peaks %v and %v, want 9 and -9, steps rising", slices.Max(thinned), slices.Min(thinned))
	}
	if i := slices.Index(thinned, 9); steps[i] != 1234 {
		t.Errorf("the peak is at step %v, want 1234", steps[i])
	}
}
