package onnx

import (
	"fmt"
	"strconv"
	"strings"
)

// Quote returns a name out of a file as it may be shown: quoted, with
// everything escaped that a terminal would not show as it is, and cut when it
// is long.
func Quote(name string) string {
	const most = 120
	if len(name) > most {
		return strconv.QuoteToGraphic(name[:most]) + "..."
	}
	return strconv.QuoteToGraphic(name)
}

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
