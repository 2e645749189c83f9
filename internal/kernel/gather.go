package kernel

import "fmt"

// GatherRows writes the rows of a table of pixels that rows lists, one after
// the other, as numbers:
//
//	dst[i*rowLen+j] = scale float32(pixels[rows[i]*rowLen+j]) + offset
//
// The product and the sum are rounded apart, in every path, so that the result
// is the same to the last bit on every machine. With scale 1/127.5 and offset
// -1 the pixels 0 and 255 become exactly -1 and 1.
func GatherRows(dst []float32, pixels []uint8, rows []int, rowLen int, scale, offset float32) {
	const fn = "gather rows"
	if rowLen < 1 {
		return
	}
	need(fn, "dst", len(dst), len(rows)*rowLen)
	for _, r := range rows {
		if r < 0 || r >= len(pixels)/rowLen {
			panic(fmt.Errorf("kernel: %s: row %d, want one of %d", fn, r, len(pixels)/rowLen))
		}
	}
	t := gather{dst, pixels, rows, rowLen, scale, offset}
	if len(rows)*rowLen >= smallSpan && len(rows) > 1 && workers.lock() {
		workers.gather = t
		workers.run(&workers.gather, len(rows))
		return
	}
	t.do(0, len(rows), nil)
}

// gather is the task of GatherRows. A unit is a row.
type gather struct {
	dst           []float32
	pixels        []uint8
	rows          []int
	rowLen        int
	scale, offset float32
}

func (t *gather) do(lo, hi int, _ *workspace) {
	for i := lo; i < hi; i++ {
		dst, src := t.dst[i*t.rowLen:][:t.rowLen], t.pixels[t.rows[i]*t.rowLen:][:t.rowLen]
		if simd {
			n := gatherFast(dst, src, t.scale, t.offset)
			dst, src = dst[n:], src[n:]
		}
		for j, p := range src {
			dst[j] = float32(float32(p)*t.scale) + t.offset
		}
	}
}
