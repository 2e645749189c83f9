package kernel

// ColSum writes the sum of each column of x (rows, cols) into dst (cols). Rows
// are added from the first to the last.
func ColSum[T Float](dst, x []T, rows, cols int) {
	needMatrix("column sum", "x", len(x), rows, cols, cols)
	need("column sum", "dst", len(dst), cols)
	dst = dst[:cols]
	if dst, ok := any(dst).([]float32); ok {
		columns{sum: dst, x: any(x).([]float32), rows: rows}.run()
		return
	}
	clear(dst)
	addRows(dst, x, rows, cols)
}

// addRows adds the rows of x, which lie ld apart, to dst.
func addRows[T Float](dst, x []T, rows, ld int) {
	for i := range rows {
		for j, v := range x[i*ld:][:len(dst)] {
			dst[j] += v
		}
	}
}

// columns is the task of adding up columns. A unit is a block of them.
type columns struct {
	sum, x []float32
	rows   int
}

const columnBlock = 64

func (t columns) run() {
	cols := len(t.sum)
	units := (cols + columnBlock - 1) / columnBlock
	if units > 1 && t.rows*cols >= smallSpan && workers.lock() {
		workers.columns = t
		workers.run(&workers.columns, units)
		return
	}
	t.do(0, units, nil)
}

func (t *columns) do(lo, hi int, _ *workspace) {
	ld := len(t.sum)
	for j := lo * columnBlock; j < min(hi*columnBlock, ld); j += columnBlock {
		sum := t.sum[j:min(j+columnBlock, ld)]
		clear(sum)
		if simd && t.rows > 0 {
			addRowsFast(sum, t.x[j:], t.rows, ld)
		} else {
			addRows(sum, t.x[j:], t.rows, ld)
		}
	}
}
