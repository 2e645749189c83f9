package kernel

// Add writes a + b into y, elementwise over len(y). y may be a or b.
func Add[T Float](y, a, b []T) {
	need("add", "a", len(a), len(y))
	need("add", "b", len(b), len(y))
	add(y, a[:len(y)], b[:len(y)])
}

// ColSum writes the sum of each column of x (rows, cols) into dst (cols). Rows
// are added from the first to the last.
func ColSum[T Float](dst, x []T, rows, cols int) {
	needMatrix("column sum", "x", len(x), rows, cols, cols)
	need("column sum", "dst", len(dst), cols)
	colSum(dst[:cols], x, rows, cols)
}

func add[T Float](y, a, b []T) {
	for i := range y {
		y[i] = a[i] + b[i]
	}
}

func colSum[T Float](dst, x []T, rows, cols int) {
	clear(dst)
	for i := range rows {
		for j, v := range x[i*cols:][:cols] {
			dst[j] += v
		}
	}
}
