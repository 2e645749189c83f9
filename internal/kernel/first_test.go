package kernel

import "testing"

func TestFirst(t *testing.T) {
	k := roundKeys(0xa4093822, 0x299f31d0)
	if got := philox(&k, [2]uint32{0x13198a2e, 0x03707344}, 0x85a308d3_243f6a88); got != [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1} {
		t.Errorf("philox: %x", got)
	}
	s := NewStream(3, "x")
	a := make([]float32, 1000)
	b := make([]float32, 1000)
	for range 100 {
		for _, f := range []func([]float32){s.Normal, s.Uniform} {
			o := s.Offset()
			simd = true
			f(a)
			s.Seek(o)
			simd = false
			f(b)
			simd = true
			for i := range a {
				if a[i] != b[i] {
					t.Fatal(i, a[i], b[i])
				}
			}
		}
	}
	t.Log(a[:10])
}
