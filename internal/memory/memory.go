// Package memory says how much memory a process may use, so that what needs more can be refused before it is begun.
package memory

import (
	"fmt"
	"math"
	"strconv"
)

// unknown stands in where the system does not say: more than any machine has on which people train.
const unknown = 1 << 42

// Total is how many bytes this process can ever have: the machine's memory, or less where a limit is set on the process,
// its container or its addresses. It is a bound, not what is free now.
func Total() float64 {
	total := math.Min(physical(), limit())
	if strconv.IntSize == 32 {
		total = math.Min(total, 1<<31)
	}
	return total
}

// Text shows a number of bytes as people read it: 6.3 TB.
func Text(bytes float64) string {
	for _, u := range []struct {
		name string
		size float64
	}{{"EB", 1e18}, {"PB", 1e15}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}} {
		if bytes >= 1000*u.size {
			return fmt.Sprintf("%.0f %s", bytes/u.size, u.name)
		}
		if bytes >= u.size {
			return fmt.Sprintf("%.3g %s", bytes/u.size, u.name)
		}
	}
	return fmt.Sprintf("%.0f bytes", bytes)
}
