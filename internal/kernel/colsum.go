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

// ActivateGradColSum is ActivateGrad over matrices (rows, cols), and ColSum of
// the result into sum, in one pass: what the backward pass of a dense layer
// begins with. The bits are those of the two calls. dx may be y or dy.
func ActivateGradColSum[T Float](act Activation, dx, sum, y, dy []T, rows, cols int) {
	const fn = "activate gradient and column sum"
	act.check(fn)
	needMatrix(fn, "dx", len(dx), rows, cols, cols)
	needMatrix(fn, "y", len(y), rows, cols, cols)
	needMatrix(fn, "dy", len(dy), rows, cols, cols)
	need(fn, "sum", len(sum), cols)
	sum = sum[:cols]
	if sum, ok := any(sum).([]float32); ok {
		columns{sum: sum, x: any(dx).([]float32), y: any(y).([]float32), dy: any(dy).([]float32), act: act, rows: rows}.run()
		return
	}
	n := rows * cols
	activateGrad(act, dx[:n], y[:n], dy[:n])
	clear(sum)
	addRows(sum, dx, rows, cols)
}

// addRows adds the rows of x, which lie ld apart, to dst.
func addRows[T Float](dst, x []T, rows, ld int) {
	for i := range rows {
		for j, v := range x[i*ld:][:len(dst)] {
			dst[j] += v
		}
	}
}

// columns is the task of adding up columns, after x = dy act'(.) if there is
// a dy. A unit is a block of columns.
type columns struct {
	act      Activation
	sum      []float32
	x, y, dy []float32
	rows     int
}

const (
	columnBlock = 64
	columnRows  = 32 // of a part whose gradient is still in the first-level cache
)

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
		for i := 0; i < t.rows; i += columnRows {
			rows, at := min(columnRows, t.rows-i), i*ld+j
			if t.dy != nil {
				activateGradRows(t.act, rows, len(sum), ld, t.x[at:], t.y[at:], t.dy[at:])
			}
			if simd {
				addRowsFast(sum, t.x[at:], rows, ld)
			} else {
				addRows(sum, t.x[at:], rows, ld)
			}
		}
	}
}

// activateGradRows is ActivateGrad over rows that lie ld apart.
func activateGradRows(act Activation, rows, cols, ld int, dx, y, dy []float32) {
	if simd {
		activateGradFast(act, rows, cols, ld, dx, y, dy)
		return
	}
	for i := range rows {
		at := i * ld
		activateGrad(act, dx[at:at+cols], y[at:at+cols], dy[at:at+cols])
	}
}
