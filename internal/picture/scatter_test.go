package picture

import (
	"bytes"
	"image/color"
	"image/png"
	"math"
	"strings"
	"testing"
)

func TestScatterShowsEveryCloud(t *testing.T) {
	clouds := []Cloud{
		{Label: "0", X: []float64{-1, -1.1, math.NaN()}, Y: []float64{-1, -0.9, 0}},
		{Label: "1", X: []float64{1, 1.1}, Y: []float64{1, 0.9}},
		{Label: "none"},
	}
	var b, again bytes.Buffer
	if err := Scatter(&b, clouds, ScatterOptions{Title: "two clouds", Side: 400}); err != nil {
		t.Fatal(err)
	}
	if err := Scatter(&again, clouds, ScatterOptions{Title: "two clouds", Side: 400}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("the same clouds gave other bytes")
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if img.Bounds().Dx() != 400 || img.Bounds().Dy() != 400 {
		t.Errorf("the picture is %v", img.Bounds())
	}
	// Dots are the only strong colours: the first cloud's to the lower left, the second's to the upper right.
	left, right := 0, 0
	for y := range 400 {
		for x := range 400 {
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			if max(c.R, c.G, c.B)-min(c.R, c.G, c.B) < 60 {
				continue
			}
			switch {
			case x < 200 && y > 200:
				left++
			case x > 200 && y < 200:
				right++
			default:
				t.Fatalf("a coloured pixel at %d, %d", x, y)
			}
		}
	}
	if left == 0 || right == 0 {
		t.Errorf("%d coloured pixels in the lower left, %d in the upper right", left, right)
	}
}

func TestScatterRefuses(t *testing.T) {
	for _, c := range []struct {
		clouds []Cloud
		o      ScatterOptions
		want   string
	}{
		{nil, ScatterOptions{}, "no points"},
		{[]Cloud{{Label: "a", X: []float64{1}}}, ScatterOptions{}, "a: 1 values of x, 0 of y"},
		{[]Cloud{{Label: "a", X: []float64{1}, Y: []float64{1}}}, ScatterOptions{Side: 1}, "1 pixels a side"},
	} {
		if err := Scatter(&bytes.Buffer{}, c.clouds, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error is %v, want %q", err, c.want)
		}
	}
}
