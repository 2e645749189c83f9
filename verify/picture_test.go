package verify

import (
	"bytes"
	"image/color"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

const pictureFile = "../docs/verification.png"

// TestPictureOfErrors draws how errors in spreads are distributed, of a runtime in
// float32, of one in TF32, and of weights that are 1e-4 too large; -update keeps
// the picture for docs/verification.md.
func TestPictureOfErrors(t *testing.T) {
	const rows, k, cols = 32, 1024, 128
	r := rand.New(rand.NewPCG(1, 2))
	p := newProduct(t, rows, k, cols, normals(r, rows*k, 1), normals(r, k*cols, 1))
	run, err := p.job.program.RunNode(t.Context(), 0, p.values)
	if err != nil {
		t.Fatal(err)
	}
	want := run.Outputs[0]
	spreads := func(y []float32) []float64 {
		z := make([]float64, len(y))
		for i, v := range y {
			z[i] = math.Abs(float64(v)-want.Float(i)) / want.Spread[i]
		}
		return z
	}
	tf32 := func(x float32) float32 {
		b := math.Float32bits(x)
		b += 1<<12 - 1 + b>>13&1
		return math.Float32frombits(b &^ (1<<13 - 1))
	}
	kinds := []struct {
		name  string
		color color.Color
		z     []float64
		share [2]float64 // of elements within the screen: at least, at most
	}{
		{"a correct runtime: float32", color.RGBA{0x1b, 0x7a, 0x3d, 0xff}, spreads(p.inFloat32(8, 256, multiplied)), [2]float64{1, 1}},
		{"weights 1e-4 too large", color.RGBA{0xc4, 0x6a, 0x00, 0xff}, spreads(p.inFloat32(8, 256, func(x, w float32) float32 { return x * (w * 1.0001) })), [2]float64{0, 0.3}},
		{"operands in TF32", color.RGBA{0xb0, 0x1e, 0x2e, 0xff}, spreads(p.inFloat32(8, 256, func(x, w float32) float32 { return tf32(x) * tf32(w) })), [2]float64{0, 0.1}},
	}
	sound := math.Inf(1)
	for i := range want.Len() {
		sound = min(sound, want.Sound[i]/want.Spread[i])
	}

	fig := plot.New()
	fig.Title.Text = "4096 sums of 1024 products: how far from the reference"
	fig.X.Label.Text = "error of an element, in spreads"
	fig.Y.Label.Text = "share of elements, per cent"
	fig.X.Scale, fig.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	fig.X.Min, fig.X.Max, fig.Y.Min, fig.Y.Max = 0.01, 10000, 0, 24
	fig.Legend.Top, fig.Legend.Left = true, true
	for _, kind := range kinds {
		const bins = 48
		count := make([]float64, bins)
		inside := 0.0
		for _, z := range kind.z {
			if z <= 8 {
				inside++
			}
			at := int((math.Log10(max(z, 0.01)) + 2) / 6 * bins)
			count[min(max(at, 0), bins-1)]++
		}
		if share := inside / float64(len(kind.z)); share < kind.share[0] || share > kind.share[1] {
			t.Errorf("%s: a share of %.3f is within the screen, want %v", kind.name, share, kind.share)
		}
		var line plotter.XYs
		for i, n := range count {
			share := 100 * n / float64(len(kind.z))
			for _, edge := range []int{i, i + 1} {
				line = append(line, plotter.XY{X: math.Pow(10, float64(edge)/bins*6-2), Y: share})
			}
		}
		l, err := plotter.NewLine(line)
		if err != nil {
			t.Fatal(err)
		}
		l.Color, l.Width = kind.color, vg.Points(1.8)
		fig.Add(l)
		fig.Legend.Add(kind.name, l)
	}
	for name, x := range map[string]float64{"screen": 8, "worst case": sound} {
		l, err := plotter.NewLine(plotter.XYs{{X: x, Y: 0}, {X: x, Y: 17}})
		if err != nil {
			t.Fatal(err)
		}
		l.Color, l.Dashes = color.Gray{0x60}, []vg.Length{vg.Points(4), vg.Points(3)}
		labels, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: x * 1.1, Y: 16}}, Labels: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		fig.Add(l, labels)
	}
	if !*update {
		return
	}
	c := vgimg.NewWith(vgimg.UseWH(vg.Points(576), vg.Points(288)), vgimg.UseDPI(120))
	fig.Draw(draw.New(c))
	var b bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: c}).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pictureFile, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
