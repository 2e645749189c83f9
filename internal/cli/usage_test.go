package cli

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestHelpFits(t *testing.T) {
	var out bytes.Buffer
	root := newRootCmd(&Streams{Out: &out, Err: &out})
	for _, c := range append(root.Commands(), root) {
		out.Reset()
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
				t.Errorf("%s: %d columns: %s", c.CommandPath(), n, line)
			}
		}
	}
}

func TestFill(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "",
		"one two three":              "one two\nthree",
		"one\ntwo\nthree":            "one two\nthree",
		"a\n\nb c\n":                 "a\n\nb c",
		"a:\n\n  kept as it is\n\nb": "a:\n\n  kept as it is\n\nb",
		"averylongword b":            "averylongword\nb",
		"Ärger ü":                    "Ärger ü",
	} {
		if got := fill(text, 8); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
