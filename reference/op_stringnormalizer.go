package reference

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/petrify-ml/petrify/onnx"
)

// opStringNormalizer drops stop words and changes the case of the words in [C] or
// [1, C]: of all letters, or, in the locales C and POSIX, of those of ASCII. Of nothing left it
// makes one empty word. ONNX StringNormalizer, opset 10.
var opStringNormalizer = operator{
	name: "StringNormalizer",
	eval: single(func(c *call) *Value {
		x := c.in[0]
		if r := len(x.Dims); r < 1 || r > 2 || r == 2 && x.Dims[0] != 1 {
			fail(fmt.Errorf("input of shape %v, want [C] or [1,C]", x.Dims))
		}
		lower, upper := strings.ToLower, strings.ToUpper
		if locale := c.text("locale"); locale == "C" || locale == "POSIX" {
			lower, upper = ofASCII(unicode.ToLower), ofASCII(unicode.ToUpper)
		}
		change := func(s string) string { return s }
		switch how := c.text("case_change_action"); how {
		case "NONE":
		case "LOWER":
			change = lower
		case "UPPER":
			change = upper
		default:
			fail(fmt.Errorf("attribute case_change_action is %q", how))
		}
		same := func(s string) string { return s }
		if c.int("is_case_sensitive") == 0 {
			same = lower
		}
		stops := convert(c.step.attrs["stopwords"].GetStrings(), func(b []byte) string { return same(string(b)) })
		var words []string
		for _, w := range elems[string](x) {
			if !slices.Contains(stops, same(w)) {
				words = append(words, change(w))
			}
		}
		if len(words) == 0 {
			words = []string{""}
		}
		dims := slices.Clone(x.Dims)
		dims[len(dims)-1] = len(words)
		c.take(int64(len(words)))
		return &Value{Type: x.Type, Dims: dims, Data: onnx.Slice[string](words)}
	}),
}

// ofASCII changes the letters of ASCII in a string.
func ofASCII(change func(r rune) rune) func(s string) string {
	return func(s string) string {
		return strings.Map(func(r rune) rune {
			if r > unicode.MaxASCII {
				return r
			}
			return change(r)
		}, s)
	}
}
