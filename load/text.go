package load

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// words are the elements of input k, which are strings.
func (c call) words(k int) onnx.Slice[string] {
	if t := c.tensor(k); t != nil {
		if s, ok := t.Data.(onnx.Slice[string]); ok {
			return s
		}
	}
	panic(failure{c.unsupported("elements of type %v, want strings", c.in[k].elem)})
}

// concatStrings puts strings together, element by element.
func concatStrings(b *builder, c call) {
	both, dims := b.aligned(c, c.tensor(0), c.tensor(1))
	x, okX := both[0].Data.(onnx.Slice[string])
	y, okY := both[1].Data.(onnx.Slice[string])
	if !okX || !okY {
		fail(c.unsupported("elements of types %v and %v", c.in[0].elem, c.in[1].elem))
	}
	z := make(onnx.Slice[string], len(x))
	total := 0
	for i := range z {
		if total += len(x[i]) + len(y[i]); int64(total) > b.limit {
			fail(b.tooLarge(c.name(), dims))
		}
		z[i] = x[i] + y[i]
	}
	b.put(c, 0, z, dims...)
}

// splitStrings cuts strings at a delimiter, or at white space, and fills up with empty ones; its second output is how many parts there are.
func splitStrings(b *builder, c call) {
	at, most := c.text("delimiter"), int(c.int("maxsplit", -1))
	x := c.words(0)
	parts, counts, longest := make([][]string, len(x)), make([]int64, len(x)), 0
	for i, s := range x {
		switch {
		case at != "" && most >= 0:
			parts[i] = strings.SplitN(s, at, most+1)
		case at != "":
			parts[i] = strings.Split(s, at)
		default:
			parts[i] = fields(s, most)
		}
		counts[i], longest = int64(len(parts[i])), max(longest, len(parts[i]))
	}
	dims := c.in[0].dims
	b.account(c.name(), append(slices.Clone(dims), longest), 32)
	y := make(onnx.Slice[string], len(x)*longest)
	for i, p := range parts {
		copy(y[i*longest:], p)
	}
	b.put(c, 0, y, append(slices.Clone(dims), longest)...)
	b.putInts(c, 1, counts, dims...)
}

// fields cuts at white space, at most so many times unless that is negative.
func fields(s string, most int) []string {
	var list []string
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimLeft(s, " \t\r\n\v\f") {
		end := strings.IndexAny(s, " \t\r\n\v\f")
		if end < 0 || most >= 0 && len(list) == most {
			return append(list, s)
		}
		list, s = append(list, s[:end]), s[end:]
	}
	return list
}

// normalizeStrings takes out words and changes the case of the others.
func normalizeStrings(b *builder, c call) {
	how, exact, stop := c.text("case_change_action"), c.on("is_case_sensitive"), c.texts("stopwords")
	x := c.words(0)
	dims := c.in[0].dims
	if len(dims) < 1 || len(dims) > 2 || len(dims) == 2 && dims[0] != 1 {
		fail(c.unsupported("words of dims %v", dims))
	}
	// The locales C and POSIX have no letters but those of ASCII.
	letter := func(rune) bool { return true }
	if locale := c.text("locale"); locale == "C" || locale == "POSIX" {
		letter = func(r rune) bool { return r <= unicode.MaxASCII }
	}
	in := func(s string, change func(rune) rune) string {
		return strings.Map(func(r rune) rune {
			if letter(r) {
				return change(r)
			}
			return r
		}, s)
	}
	y := onnx.Slice[string]{}
	for _, s := range x {
		if slices.ContainsFunc(stop, func(w string) bool { return w == s || !exact && in(w, unicode.ToLower) == in(s, unicode.ToLower) }) {
			continue
		}
		switch how {
		case "LOWER":
			s = in(s, unicode.ToLower)
		case "UPPER":
			s = in(s, unicode.ToUpper)
		}
		y = append(y, s)
	}
	if len(y) == 0 {
		y = append(y, "")
	}
	if len(dims) == 2 {
		b.put(c, 0, y, 1, len(y))
		return
	}
	b.put(c, 0, y, len(y))
}

// matchStrings says which strings match a regular expression of RE2 from end to end.
func matchStrings(b *builder, c call) {
	pattern := c.text("pattern")
	x := c.words(0)
	re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		fail(c.unsupported("pattern %q: %v", pattern, err))
	}
	y := make(onnx.Slice[bool], len(x))
	for i, s := range x {
		y[i] = re.MatchString(s)
	}
	b.put(c, 0, y, c.in[0].dims...)
}

// countGrams counts n-grams of a pool in rows of words or integers: how often each comes, whether it does, or either times a weight.
func countGrams(b *builder, c call) {
	least, most, skips := int(c.int("min_gram_length")), int(c.int("max_gram_length")), int(c.int("max_skip_count"))
	mode, begins, columns, weights := c.text("mode"), c.ints("ngram_counts"), c.ints("ngram_indexes"), c.floats("weights")
	texts, numbers := c.texts("pool_strings"), c.ints("pool_int64s")
	var row []string
	if s, ok := c.tensor(0).Data.(onnx.Slice[string]); ok {
		row = s
	} else {
		w := c.integers(0)
		for _, v := range w {
			row = append(row, fmt.Sprint(v))
		}
	}
	for _, v := range numbers {
		texts = append(texts, fmt.Sprint(v))
	}
	dims := c.in[0].dims
	if len(dims) < 1 || len(dims) > 2 || least < 1 || most < least || skips < 0 || len(columns) == 0 || slices.Min(columns) < 0 || slices.Max(columns) > 1<<30 {
		fail(fmt.Errorf("%s: grams of %d to %d words in %v", c.name(), least, most, dims))
	}
	key := func(words []string) string { return fmt.Sprintf("%q", words) }
	pool, gram := map[string]int{}, 0
	for n, at := range begins {
		end := int64(len(texts))
		if n+1 < len(begins) {
			end = begins[n+1]
		}
		for ; at >= 0 && at+int64(n)+1 <= min(end, int64(len(texts))); at += int64(n) + 1 {
			if gram >= len(columns) {
				fail(fmt.Errorf("%s: more grams than indexes", c.name()))
			}
			pool[key(texts[at:at+int64(n)+1])] = gram
			gram++
		}
	}
	width := int(slices.Max(columns)) + 1
	rows, length := 1, dims[len(dims)-1]
	if len(dims) == 2 {
		rows = dims[0]
	}
	shape := append(slices.Clone(dims[:len(dims)-1]), width)
	b.account(c.name(), shape, 16)
	y := make([]float64, rows*width)
	for r := range rows {
		words := row[r*length : (r+1)*length]
		for n := least; n <= min(most, length); n++ {
			for skip := 0; skip <= skips && (n-1)*(skip+1) < length; skip++ {
				try(b.pace())
				for at := 0; at+(n-1)*(skip+1) < length; at++ {
					some := make([]string, n)
					for k := range some {
						some[k] = words[at+k*(skip+1)]
					}
					g, ok := pool[key(some)]
					if !ok {
						continue
					}
					y[r*width+int(columns[g])]++
				}
				if n == 1 {
					break // nothing lies between
				}
			}
		}
	}
	if mode != "TF" {
		scale := slices.Repeat([]float64{1}, width)
		for g, w := range weights {
			if g < len(columns) {
				scale[columns[g]] = float64(w)
			}
		}
		for i, n := range y {
			if mode == "IDF" {
				n = min(n, 1)
			}
			y[i] = n * scale[i%width]
		}
	}
	b.putReals(c, 0, y, shape...)
}

// bitCast reads the bits of elements as those of another type of the same size.
func bitCast(b *builder, c call) {
	p := c.tensor(0).Proto()
	to := int32(c.elem(0))
	from, _ := onnx.RawBytes(c.in[0].elem, 1)
	if into, ok := onnx.RawBytes(pb.TensorProto_DataType(to), 1); !ok || into != from {
		fail(c.unsupported("from %v to %v", c.in[0].elem, c.elem(0)))
	}
	p.DataType = &to
	t, err := onnx.FromProto(p)
	if err != nil {
		fail(fault{fmt.Errorf("%s: %w", c.name(), err)})
	}
	b.setFixed(c.name(), t)
}
