//go:build !amd64 || noasm

package kernel

import "sync/atomic"

// simd tells that there is no assembly: what follows is never called.
const (
	simd, wide = false, false
	panelWidth = narrowPanel
	tileRows   = narrowRows
)

func (t *product) packPanel(k0, depth, j0, j1 int, panel []float32)           {}
func (t *product) packTiles(i0, i1, k0, depth int, ws *workspace)             {}
func (t *product) multiplyPanel(i0, i1, k0, depth, j0, j1 int, ws *workspace) {}
func (t *product) packColumns(panel []float32, k0, depth, j0, j1 int)         {}
func (t *product) multiplyPicked(b []float32, k0, depth int, ws *workspace)   {}
func (t *product) multiplyRows(lo, hi int, ws *workspace)                     {}

func innerProducts(dst, mat []float32, ld int, x []float32) { innerProductsPlain(dst, mat, ld, x) }

func activateRows(act Activation, rows, cols, ld int, y []float32) {}

func activateGradFast(act Activation, dx, y, dy []float32) {}

func (v *vectors) fast(lo, hi int) {}

func addRowsFast(dst, x []float32, rows, ld int) {}

func pickFast(panel []float32, steps []int32, l *lanes, cols int, x []float32, height, width int) {}

func transpose(y []float32, ldy int, x []float32, rows, cols int) {}

func transpose16(cols int, x *float32, ldx int, y *float32, ldy int, mask uint32) {}

func unzipRows(even, odd, x []float32, rows, cols, ldx, ldy int) {}

func gatherFast(dst []float32, src []uint8, scale, offset float32) int { return 0 }

func (d *draws) fast(dst []float32, block uint64) {}

// pause spends a few nanoseconds n times.
func pause(n int) {
	for range n {
		spin.Load()
	}
}

var spin atomic.Int32

func sumsFast(a, x []float32, mean float32) (sum, dot float64) { return 0, 0 }

func squaresFast(x []float32, mean float32) (sum float64) { return 0 }

func scaleAboutFast(y, x []float32, mean, scale, shift float32) {}

func combineFast(y, x []float32, scale, slope, mean, shift float32) {}

func scatterFast(y []float32, ldy int, c []float32, ldc, rows int, to *[widePanel]int32, cols int) bool {
	return false
}
