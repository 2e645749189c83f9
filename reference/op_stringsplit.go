package reference

import (
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opStringSplit splits every string at a delimiter, or at runs of white space where
// there is none, at most maxsplit times. The parts go along a new last axis, which is
// filled with empty strings; output 1 counts them. ONNX StringSplit, opset 20.
var opStringSplit = operator{
	name: "StringSplit",
	eval: func(c *call) []*Value {
		x := c.in[0]
		delimiter, most := c.text("delimiter"), c.int("maxsplit", -1)
		counts := c.zeros(pb.TensorProto_INT64, false, x.Dims...)
		parts := make([][]string, x.Len())
		longest := 0
		for i, s := range elems[string](x) {
			c.take(int64(len(s)) + 1)
			if delimiter == "" {
				parts[i] = splitAtSpace(s, most)
			} else {
				n := -1 // without a limit
				if most >= 0 && most < len(s) {
					n = most + 1
				}
				parts[i] = strings.SplitN(s, delimiter, n)
			}
			if elems[int64](counts)[i] = int64(len(parts[i])); s == "" && delimiter != "" {
				c.undefined(counts, i, partsOfNothing)
			}
			longest = max(longest, len(parts[i]))
		}
		y := c.zeros(x.Type, false, append(slices.Clone(x.Dims), longest)...)
		for i, p := range parts {
			copy(elems[string](y)[i*longest:], p)
		}
		return []*Value{y, counts}
	},
}

// splitAtSpace splits at runs of white space, without empty parts, and without those at
// the ends: after the given number of times what is left is one part. A negative number
// has no limit.
func splitAtSpace(s string, most int) []string {
	var parts []string
	for s = strings.Trim(s, whiteSpace); s != ""; s = strings.TrimLeft(s, whiteSpace) {
		end := strings.IndexAny(s, whiteSpace)
		if end < 0 || len(parts) == most {
			return append(parts, s)
		}
		parts, s = append(parts, s[:end]), s[end:]
	}
	return parts
}

const whiteSpace = " \t\n\v\f\r"
