package peak

import (
	"testing"
	"time"
)

func TestBurnRunsAtARateThatACoreCanHave(t *testing.T) {
	if !Supported() {
		t.Skip("no AVX2 with FMA here")
	}
	var best float64
	for range 20 {
		start := time.Now()
		flop := Burn(50_000)
		best = max(best, flop/time.Since(start).Seconds())
	}
	// From one FMA of 8 lanes per cycle at 1 GHz to two of 16 lanes at 6 GHz.
	if best < 16e9 || best > 400e9 {
		t.Errorf("measured %.1f GFLOP/s, which no core does", best/1e9)
	}
}
