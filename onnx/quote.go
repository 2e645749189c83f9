package onnx

import (
	"fmt"
	"strings"

	"github.com/petrify-ml/petrify/internal/quote"
)

// Quote returns a name out of a file as it may be shown: quoted, with
// everything escaped that a terminal or a CI log would not show as it is, and
// cut when it is long.
func Quote(name string) string { return quote.Quote(name) }

// few shows a list of a file, cut when it is long.
func few[T any](list []T) string {
	const most = 16
	if len(list) <= most {
		return fmt.Sprint(list)
	}
	return strings.TrimSuffix(fmt.Sprint(list[:most]), "]") + fmt.Sprintf(" ... %d in all]", len(list))
}

// cut shortens a message that a file made long.
func cut(s string) string {
	const most = 1000
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
