package verify

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSortByValue(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 100, 2047, 2048, 20_000} {
		elements := make([]element, n)
		for i := range elements {
			x := r.NormFloat64() * math.Pow(10, 40*r.Float64()-20)
			switch r.IntN(8) {
			case 0:
				x = math.Round(x)
			case 1:
				x = math.Copysign(0, x)
			case 2:
				x = math.Inf(r.IntN(3) - 1)
			case 3:
				x = 1
			}
			elements[i] = element{x, i}
		}
		want := slices.Clone(elements)
		slices.SortFunc(want, func(a, b element) int {
			return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.at, b.at))
		})
		sortByValue(elements)
		if !slices.Equal(elements, want) {
			t.Errorf("%d elements are not in the order of their values and places", n)
		}
	}
}
