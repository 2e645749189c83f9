package picture

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

// Whatever the numbers and the names, Curves draws or returns an error; the
// plotting library below it must not panic.
func FuzzCurves(f *testing.F) {
	for _, values := range [][]float64{{1, 2, 3, 4}, {0, 0}, {0, math.NaN()}, {1, 1e30, 2, -1e30}, {-1e15, 5e-324, 1e15, -5e-324}} {
		var b []byte
		for _, v := range values {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		f.Add(b, 0.0, 0.0, "loss")
		f.Add(b, -1e-30, 1e30, "\x00\xff\n")
	}
	f.Fuzz(func(t *testing.T, b []byte, low, high float64, name string) {
		c := Curve{Name: name}
		for len(b) >= 16 {
			c.Steps = append(c.Steps, math.Float64frombits(binary.LittleEndian.Uint64(b)))
			c.Values = append(c.Values, math.Float64frombits(binary.LittleEndian.Uint64(b[8:])))
			b = b[16:]
		}
		var out bytes.Buffer
		err := Curves(&out, []Panel{{Label: name, Curves: []Curve{c}, Low: low, High: high}}, CurveOptions{Title: name, Width: minSide, Height: minSide})
		if err == nil {
			decoded(t, out.Bytes())
		} else if out.Len() > 0 {
			t.Errorf("%v, and %d bytes are written", err, out.Len())
		}
	})
}
