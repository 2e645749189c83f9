// Package suggest guesses what a mistyped name was meant to be.
package suggest

import (
	"slices"
	"strings"
)

// Nearest finds the known name that a mistyped one is nearest to: at most a
// third of its letters wrong; or else the first one that it begins. "" when there is none.
func Nearest(name string, known []string) string {
	best, nearest := len(name)/3+1, ""
	for _, k := range known {
		if d := editDistance(strings.ToLower(name), strings.ToLower(k)); d < best {
			best, nearest = d, k
		}
	}
	if nearest == "" && len(name) > 1 {
		if i := slices.IndexFunc(known, func(k string) bool { return strings.HasPrefix(strings.ToLower(k), strings.ToLower(name)) }); i >= 0 {
			return known[i]
		}
	}
	return nearest
}

// DidYouMean is the end of an error message: "; did you mean gan?", or nothing
// where no known name is near.
func DidYouMean(name string, known []string) string {
	near := Nearest(name, known)
	if near == "" {
		return ""
	}
	return "; did you mean " + near + "?"
}

// editDistance counts the letters to insert, delete, replace or swap with
// their neighbour until a is b (optimal string alignment).
func editDistance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			same := 1
			if a[i] == b[j] {
				same = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+same)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
