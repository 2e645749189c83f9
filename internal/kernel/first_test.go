package kernel

import "testing"

func TestFirst(t *testing.T) {
	if got := philox([2]uint32{0xa4093822, 0x299f31d0}, [4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}); got != [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1} {
		t.Errorf("philox: %x", got)
	}
	var y [6]float32
	Dense(y[:], []float32{1, 2, 3, 4}, []float32{1, 0, 2, 0, 1, 3}, []float32{1, 2, -30}, 2, 3, 2, Activation{Func: LeakyReLU, Alpha: 0.5})
	if y != [6]float32{2, 4, -11, 4, 6, -6} {
		t.Error(y)
	}
	GatherRows(y[:2], []uint8{0, 255}, []int{1, 0}, 1, 1/127.5, -1)
	if y[0] != 1 || y[1] != -1 {
		t.Error(y)
	}
}
