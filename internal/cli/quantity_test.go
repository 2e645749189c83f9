package cli

import (
	"math"
	"strconv"
	"testing"
)

func TestQuantity(t *testing.T) {
	for text, want := range map[string]int{
		"0": 0, "500": 500, "-3": -3, "20_000": 20000, "1k": 1000, "20K": 20000, "1.5M": 1_500_000, "2e4": 20000, "1E3": 1000, "1g": 1_000_000_000,
		strconv.Itoa(math.MaxInt): math.MaxInt,
	} {
		var n int
		if err := (quantity{&n}).Set(text); err != nil || n != want {
			t.Errorf("%q: %d, %v; want %d", text, n, err, want)
		}
	}
	for _, text := range []string{"", "k", "1kk", "1.5", "1.0001k", "1e400", "NaN", "Inf", "infk", "0x10", "0x1p4", "1e20", "20,000", "1 k", "9223372036854775808", "1p"} {
		n := 7
		if err := (quantity{&n}).Set(text); err == nil || n != 7 {
			t.Errorf("%q: %d, %v; want an error", text, n, err)
		}
	}
}
