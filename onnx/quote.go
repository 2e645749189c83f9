package onnx

import (
	"fmt"
	"strings"

	"github.com/petrify-ml/petrify/internal/quote"
)

// Quote returns a name from a file in a form that is safe to print: quoted, with everything escaped
// that a terminal or a CI log would not show literally, and shortened if it is long.
func Quote(name string) string { return quote.Quote(name) }

// Few formats a list from a file, shortened if it is long.
func Few[T any](list []T) string {
	const most = 16
	if len(list) <= most {
		return fmt.Sprint(list)
	}
	return strings.TrimSuffix(fmt.Sprint(list[:most]), "]") + fmt.Sprintf(" ... %d in all]", len(list))
}

// Printable returns an identifier unchanged if it is plain, and quoted otherwise.
func Printable(s string) string {
	plain := s != "" && len(s) <= 64 && !strings.HasPrefix(s, "::") // at the start of a line GitHub would obey it
	for i := range len(s) {
		c := s[i]
		plain = plain && (c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("_./:-+", c) >= 0)
	}
	if plain {
		return s
	}
	return Quote(s)
}
