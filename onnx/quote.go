package onnx

import "strconv"

// quote returns a name out of a file as it may be shown: quoted, with
// everything escaped that a terminal would not show as it is, and cut when it
// is long.
func quote(name string) string {
	const most = 120
	if len(name) > most {
		return strconv.QuoteToGraphic(name[:most]) + "..."
	}
	return strconv.QuoteToGraphic(name)
}
