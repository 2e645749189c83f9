// Package count writes numbers of things as people do.
package count

import (
	"fmt"
	"strings"
)

// Of is a number of things: "1 image", "2 images", "2 classes".
func Of(n int, thing string) string {
	switch {
	case n == 1:
		return "1 " + thing
	case strings.HasSuffix(thing, "s"):
		return fmt.Sprintf("%d %ses", n, thing)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
