package reference

import (
	"slices"
	"testing"
)

// SpaceToDepth undoes what DepthToSpace does, in either order of the blocks.
func TestSpaceToDepthUndoesDepthToSpace(t *testing.T) {
	data := make([]float32, 2*8*2*3)
	for i := range data {
		data[i] = float32(i)
	}
	for _, mode := range []string{"DCR", "CRD"} {
		m := graph(t, 28, "in x float 2,8,2,3\nw = DepthToSpace(x) blocksize=2 mode=\""+mode+"\"\ny = SpaceToDepth(w) blocksize=2 mode=\""+mode+"\"\nout y")
		y := run(t, m, tensor(t, "x", data, 2, 8, 2, 3))[0]
		for i, v := range elems[float64](y) {
			if float32(v) != data[i] || !slices.Equal(y.Dims, []int{2, 8, 2, 3}) {
				t.Fatalf("%s: element %d of %v is %v, want %v", mode, i, y.Dims, v, data[i])
			}
		}
	}
}
