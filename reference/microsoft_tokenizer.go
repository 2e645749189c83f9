package reference

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/petrify-ml/petrify/onnx"
)

// opMicrosoftTokenizer cuts strings ([C] or [N, C]) into tokens, along a further axis: what is between the matches of
// separators, one after the other, or what matches tokenexp, both in the syntax of RE2 and as long as possible, or
// characters, if the only separator is empty or tokenexp is a dot. Tokens of fewer characters than mincharnum are left
// out. Rows that are shorter end with pad_value; attribute mark puts one character before the tokens and one
// after them. ONNX Runtime's com.microsoft Tokenizer.
var opMicrosoftTokenizer = operator{
	name: "Tokenizer", domain: microsoft,
	eval: single(func(c *call) *Value {
		x := c.in[0]
		if r := len(x.Dims); r != 1 && r != 2 {
			fail(fmt.Errorf("input of shape %v, want one or two axes", x.Dims))
		}
		split := c.splitter()
		rows, longest := make([][]string, x.Len()), 0
		for i, s := range elems[string](x) {
			if !utf8.ValidString(s) {
				fail(fmt.Errorf("string %d is not UTF-8", i))
			}
			c.take(2 * int64(len(s)+1))
			rows[i] = split(s)
			longest = max(longest, len(rows[i]))
		}
		if x.Len() == 0 {
			return c.zeros(x.Type, false, x.Dims...)
		}
		marked := c.int("mark") != 0 && longest > 0
		width := longest
		if marked {
			width += 2
		}
		out := c.zeros(x.Type, false, append(slices.Clone(x.Dims), width)...)
		for i, row := range rows {
			if marked {
				row = slices.Concat([]string{"\x02"}, row, []string{"\x03"})
			}
			for len(row) < width {
				row = append(row, c.text("pad_value"))
			}
			copy(elems[string](out)[i*width:], row)
		}
		return out
	}),
}

// splitter makes the way of cutting that the attributes ask for.
func (c *call) splitter() func(string) []string {
	least := c.int("mincharnum")
	var separators []string
	for _, s := range c.step.attrs["separators"].GetStrings() {
		separators = append(separators, string(s))
	}
	switch {
	case c.text("tokenexp") == ".", len(separators) == 1 && separators[0] == "":
		if least > 1 {
			fail(fmt.Errorf("attribute mincharnum is %d, and tokens are characters", least))
		}
		return func(s string) []string {
			if s == "" {
				return nil
			}
			return strings.Split(s, "")
		}
	case c.has("tokenexp"):
		re := c.pattern(c.text("tokenexp"))
		return func(s string) []string { return c.matches(re, s, least) }
	}
	patterns := convert(separators, c.pattern)
	return func(s string) []string {
		tokens := []string{s}
		for _, re := range patterns {
			var parts []string
			for _, t := range tokens {
				parts = append(parts, c.between(re, t, least)...)
			}
			tokens = parts
		}
		return tokens
	}
}

// pattern is a regular expression that does not depend on what is before the place where it is tried.
func (c *call) pattern(text string) *regexp.Regexp {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		fail(fmt.Errorf("pattern %q: %w", text, err))
	}
	if looksBack(tree) {
		fail(&onnx.UnsupportedError{Op: "Tokenizer", Domain: microsoft, Why: fmt.Sprintf("pattern %q, which depends on what is before it", text)})
	}
	re, err := regexp.Compile(text)
	if err != nil {
		fail(fmt.Errorf("pattern %q: %w", text, err))
	}
	re.Longest()
	return re
}

func looksBack(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpBeginText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	}
	return slices.ContainsFunc(re.Sub, looksBack)
}

// next is the first match in s from a place on.
func (c *call) next(re *regexp.Regexp, s string, from int) (begin, end int, ok bool) {
	c.spend(int64(len(re.String())+1) * int64(len(s)-from+1))
	at := re.FindStringIndex(s[from:])
	if at == nil {
		return 0, 0, false
	}
	return from + at[0], from + at[1], true
}

// matches are those of an expression, one after the other.
func (c *call) matches(re *regexp.Regexp, s string, least int) (tokens []string) {
	for from := 0; from <= len(s); {
		begin, end, ok := c.next(re, s, from)
		if !ok {
			break
		}
		if utf8.RuneCountInString(s[begin:end]) >= least && end > begin {
			tokens = append(tokens, s[begin:end])
			from = end
			continue
		}
		from = begin + max(1, sizeOfCharacter(s[begin:]))
	}
	return tokens
}

// between are the parts of s that matches of an expression part. An empty match takes the next character with it.
func (c *call) between(re *regexp.Regexp, s string, least int) (parts []string) {
	keep := func(part string) {
		if utf8.RuneCountInString(part) >= least {
			parts = append(parts, part)
		}
	}
	from := 0
	for from < len(s) {
		begin, end, ok := c.next(re, s, from)
		if !ok {
			break
		}
		keep(s[from:begin])
		if from = end; begin == end {
			from = begin + max(1, sizeOfCharacter(s[begin:]))
		}
	}
	if from < len(s) {
		keep(s[from:])
	}
	return parts
}

func sizeOfCharacter(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}
