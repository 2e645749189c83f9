package reference

import (
	"fmt"
	"regexp"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opRegexFullMatch says of every string whether the whole of it matches the pattern,
// in the syntax of RE2, which is that of Go's package regexp but for \C. ONNX
// RegexFullMatch, opset 20.
var opRegexFullMatch = operator{
	name: "RegexFullMatch",
	eval: single(func(c *call) *Value {
		if !c.has("pattern") {
			fail(fmt.Errorf("attribute pattern is missing"))
		}
		pattern := c.text("pattern")
		if _, err := regexp.Compile(pattern); err != nil { // alone, so that no parenthesis closes what is added
			fail(fmt.Errorf("attribute pattern: %w", err))
		}
		re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
		if err != nil {
			fail(fmt.Errorf("attribute pattern: %w", err))
		}
		out := c.zeros(pb.TensorProto_BOOL, false, c.in[0].Dims...)
		for i, s := range elems[string](c.in[0]) {
			c.afford(len(pattern)+1, len(s)+1)
			c.spend(int64(len(pattern)+1) * int64(len(s)+1))
			elems[bool](out)[i] = re.MatchString(s)
		}
		return out
	}),
}
