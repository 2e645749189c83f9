package train

import (
	"math"
	"testing"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/model"
)

func TestPixelsMeetTheEndsOfTheRange(t *testing.T) {
	levels := make([]uint8, 256)
	for i := range levels {
		levels[i] = uint8(i)
	}
	set, err := dataset.New("levels", 1, 1, 16, 16, levels, []uint32{0})
	if err != nil {
		t.Fatal(err)
	}
	// The factor, the product, which is 2 at most, and the sum are each rounded.
	const limit = (2 + 2 + 1) * 0x1p-24
	for _, to := range []model.Pixels{{Low: -1, High: 1}, {Low: 0, High: 1}} {
		x := make([]float32, 256)
		newScale(to).images(x, set, 0)
		if x[0] != float32(to.Low) || x[255] != float32(to.High) {
			t.Errorf("black and white become %v and %v, want %v and %v", x[0], x[255], to.Low, to.High)
		}
		for i, v := range x {
			if want := to.Low + float64(i)*(to.High-to.Low)/255; !(math.Abs(float64(v)-want) <= limit) {
				t.Errorf("level %d becomes %v, want %v", i, v, want)
			}
		}
	}
}
