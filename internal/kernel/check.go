package kernel

import "fmt"

// need panics unless a slice of length got holds want elements.
func need(fn, name string, got, want int) {
	if got < want {
		short(fn, name, got, want)
	}
}

// needMatrix panics unless a slice of length got holds rows of cols elements
// that begin ld apart.
func needMatrix(fn, name string, got, rows, cols, ld int) {
	if rows < 0 || cols < 0 || ld < cols {
		badShape(fn, name, rows, cols, ld)
	}
	if rows > 0 && cols > 0 && got < (rows-1)*ld+cols {
		short(fn, name, got, (rows-1)*ld+cols)
	}
}

// The panics are apart so that the checks stay small enough to be inlined.

//go:noinline
func short(fn, name string, got, want int) {
	panic(fmt.Errorf("kernel: %s: %s has %d elements, want at least %d", fn, name, got, want))
}

//go:noinline
func badShape(fn, name string, rows, cols, ld int) {
	panic(fmt.Errorf("kernel: %s: %s is %d by %d with leading dimension %d, want no negative size and a leading dimension of at least the row", fn, name, rows, cols, ld))
}
