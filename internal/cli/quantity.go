package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// A quantity is a flag for a whole number, large ones as people write them: 20000, 20_000, 20k, 1.5M or 2e4.
type quantity struct{ to *int }

// quantityVar adds a flag for a whole number.
func quantityVar(f *pflag.FlagSet, to *int, name string, value int, usage string) {
	quantityVarP(f, to, name, "", value, usage)
}

// quantityVarP is quantityVar for a flag with a letter.
func quantityVarP(f *pflag.FlagSet, to *int, name, letter string, value int, usage string) {
	*to = value
	f.VarP(quantity{to}, name, letter, usage)
}

func (q quantity) Set(text string) error {
	number, factor := strings.ReplaceAll(text, "_", ""), 1.0
	if n, err := strconv.Atoi(number); err == nil {
		*q.to = n
		return nil
	}
	if n := len(number); n > 1 {
		for suffix, f := range map[string]float64{"k": 1e3, "K": 1e3, "m": 1e6, "M": 1e6, "g": 1e9, "G": 1e9} {
			if head, ok := strings.CutSuffix(number, suffix); ok {
				number, factor = head, f
			}
		}
	}
	x, err := strconv.ParseFloat(number, 64)
	// Beyond 2^53 not every number is a float64: who means one so large writes all its digits.
	if x *= factor; err != nil || x != math.Trunc(x) || math.Abs(x) > 1<<53 || math.Abs(x) > math.MaxInt || strings.ContainsAny(number, "xXpP") {
		return fmt.Errorf("want a whole number, such as 500, 20k or 2e4")
	}
	*q.to = int(x)
	return nil
}

func (q quantity) Type() string { return "int" }

func (q quantity) String() string {
	if q.to == nil {
		return "0"
	}
	return strconv.Itoa(*q.to)
}

// A number is a flag for a number that need not be given, 0 being one of those that can be.
type number struct{ to **float64 }

func (n number) Set(text string) error {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("want a number, such as 0.5 or 1e-3")
	}
	*n.to = &x
	return nil
}

func (n number) Type() string { return "float" }

func (n number) String() string {
	if n.to == nil || *n.to == nil {
		return ""
	}
	return strconv.FormatFloat(**n.to, 'g', -1, 64)
}
