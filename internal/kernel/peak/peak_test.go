package peak

import (
	"fmt"
	"testing"
	"time"
)

func TestBurnRunsAtARateThatACoreCanHave(t *testing.T) {
	for _, width := range []int{8, 16} {
		t.Run(fmt.Sprintf("%d lanes", width), func(t *testing.T) {
			if width > Lanes() {
				t.Skip("no vectors of that width here")
			}
			var best float64
			for range 20 {
				start := time.Now()
				flop := Burn(width, 50_000)
				best = max(best, flop/time.Since(start).Seconds())
			}
			// From one FMA per cycle at 1 GHz to two at 6 GHz, each counting double.
			if rate := best / float64(width); rate < 2e9 || rate > 24e9 {
				t.Errorf("measured %.1f GFLOP/s, which no core does", best/1e9)
			}
		})
	}
}

func TestBurnDoesNothingWithoutTheVectors(t *testing.T) {
	for _, width := range []int{-1, 0, 4, 32} {
		if flop := Burn(width, 10); flop != 0 {
			t.Errorf("%d lanes did %v operations", width, flop)
		}
	}
}
