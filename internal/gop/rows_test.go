package gop

import (
	"math"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func TestRows(t *testing.T) {
	g := G.NewGraph()
	values := []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	x := G.NewTensor(g, tensor.Float32, 3, G.WithShape(2, 3, 2), G.WithName("x"), G.WithValue(tensor.New(tensor.WithShape(2, 3, 2), tensor.WithBacking(values))))
	numbers := []float32{2, -3}
	at := G.NewTensor(g, tensor.Float32, 1, G.WithShape(2), G.WithName("at"), G.WithValue(tensor.New(tensor.WithShape(2), tensor.WithBacking(numbers))))
	y, err := Rows("y", 1, x, at)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMachine(y)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	if got, want := y.Value().Data().([]float32), []float32{4, 5, 0, 1, 10, 11, 6, 7}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, none := range []float32{3, -4, 1 << 24, float32(math.NaN())} {
		numbers[0] = none
		if err := m.RunAll(); err == nil {
			t.Errorf("row %v of 3 is %v", none, y.Value())
		}
	}
}
