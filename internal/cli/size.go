package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A byteSize is a flag for a number of bytes, such as 512MiB or 2GB.
type byteSize int64

var sizeUnits = []struct {
	suffix string
	factor int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}

func (s *byteSize) Set(text string) error {
	number, factor := text, int64(1)
	for _, u := range sizeUnits {
		if head, ok := strings.CutSuffix(text, u.suffix); ok {
			number, factor = strings.TrimSpace(head), u.factor
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64/factor {
		return fmt.Errorf("%q is not a size, want one such as 1048576, 512MiB or 2GB", text)
	}
	*s = byteSize(n * factor)
	return nil
}

func (s *byteSize) Type() string { return "size" }

func (s *byteSize) String() string {
	if *s == 0 {
		return ""
	}
	return sizeText(int64(*s))
}

// sizeText shows a number of bytes in the largest unit that it fills.
func sizeText(n int64) string {
	for i := 3; i >= 0; i-- {
		u := sizeUnits[i]
		if n >= u.factor {
			return strings.TrimSuffix(strconv.FormatFloat(float64(n)/float64(u.factor), 'f', 1, 64), ".0") + " " + u.suffix
		}
	}
	return strconv.FormatInt(n, 10) + " B"
}
