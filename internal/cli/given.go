package cli

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/petrify-ml/petrify/verify"
)

// givenOptions are flags that say what the inputs of a model are.
type givenOptions struct{ shapes, inputs, ranges []string }

func (o *givenOptions) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.shapes, "shape", nil, "shape of an input, as in x=1x3x224x224, or length of a named free axis, as in N=4; may be repeated")
	f.StringArrayVar(&o.inputs, "input", nil, "read an input from a file, as in x=file.npy, .npz or .pb, or from all arrays of FILE.npz by name; may be repeated")
	f.StringArrayVar(&o.ranges, "range", nil, "range of the numbers to draw for an input, as in x=0..255; may be repeated")
}

// given reads the flags. What the model makes of them is found out later.
func (o *givenOptions) given() (verify.Given, error) {
	g := verify.Given{Shapes: map[string][]int{}, Sizes: map[string]int{}, Ranges: map[string]verify.Range{}, Files: map[string]string{}}
	twice := func(flag, name string) error { return fmt.Errorf("%s %s is given twice", flag, name) }
	for _, text := range o.shapes {
		name, value, ok := cutLast(text)
		if !ok {
			return g, fmt.Errorf("--shape %s: want an input and its shape, as in x=1x3x224x224, or a free axis and its length, as in N=4", text)
		}
		dims, err := parseShape(value)
		if err != nil {
			return g, fmt.Errorf("--shape %s: %w", text, err)
		}
		_, shape := g.Shapes[name]
		_, size := g.Sizes[name]
		if shape || size {
			return g, twice("--shape", name)
		}
		// One number may be either: the model's own names decide.
		if g.Shapes[name] = dims; len(dims) == 1 {
			g.Sizes[name] = dims[0]
		}
	}
	for _, text := range o.inputs {
		name, path, ok := strings.Cut(text, "=")
		if !ok && strings.EqualFold(filepath.Ext(text), ".npz") {
			g.Archives = append(g.Archives, text)
			continue
		}
		if !ok || name == "" || path == "" {
			return g, fmt.Errorf("--input %s: want an input and a file, as in x=file.npy, or an archive, as in file.npz", text)
		}
		if _, old := g.Files[name]; old {
			return g, twice("--input", name)
		}
		g.Files[name] = path
	}
	for _, text := range o.ranges {
		name, value, ok := cutLast(text)
		low, high, between := strings.Cut(value, "..")
		if !ok || !between {
			return g, fmt.Errorf("--range %s: want an input and its smallest and largest number, as in x=0..255", text)
		}
		var r verify.Range
		var err error
		for _, side := range []struct {
			to   *float64
			text string
		}{{&r.Low, low}, {&r.High, high}} {
			if *side.to, err = strconv.ParseFloat(side.text, 64); err != nil || math.IsNaN(*side.to) || math.IsInf(*side.to, 0) {
				return g, fmt.Errorf("--range %s: %q is not a number, want two as in x=0..255", text, side.text)
			}
		}
		if r.Low > r.High {
			return g, fmt.Errorf("--range %s: %s is greater than %s, want the smaller number first", text, low, high)
		}
		if _, old := g.Ranges[name]; old {
			return g, twice("--range", name)
		}
		g.Ranges[name] = r
	}
	return g, nil
}

// cutLast splits at the last =, for there are names with one.
func cutLast(text string) (name, value string, ok bool) {
	i := strings.LastIndexByte(text, '=')
	if i < 1 {
		return "", "", false
	}
	return text[:i], text[i+1:], true
}

// parseShape reads 1x3x224x224, or scalar.
func parseShape(text string) ([]int, error) {
	dims := []int{}
	if text == "scalar" {
		return dims, nil
	}
	for part := range strings.SplitSeq(strings.ReplaceAll(text, ",", "x"), "x") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is not a length, want lengths as in 1x3x224x224, or scalar", part)
		}
		dims = append(dims, n)
	}
	return dims, nil
}
