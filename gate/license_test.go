package gate

import (
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/report"
)

func TestLicenses(t *testing.T) {
	allow := []string{"Apache-2.0", "MIT", "GPL-2.0-only WITH Classpath-exception-2.0"}
	for text, want := range map[string]string{
		"Apache-2.0":                                "",
		"apache-2.0":                                "",
		"MIT OR GPL-3.0-only":                       "",
		"(MIT AND Apache-2.0)":                      "",
		"MIT AND GPL-3.0-only":                      "license-not-allowed",
		"MIT AND (GPL-3.0-only OR Apache-2.0)":      "",
		"GPL-3.0-only OR MIT AND BSD-3-Clause":      "license-not-allowed",
		"Apache-2.0 WITH LLVM-exception":            "",
		"GPL-2.0-only":                              "license-not-allowed",
		"GPL-2.0-only WITH Classpath-exception-2.0": "",
		"LicenseRef-ours":                           "license-not-allowed",
		"CC-BY-NC-4.0":                              "license-not-allowed",
		"Apache 2.0":                                "license-not-allowed",
		"MIT OR":                                    "license-not-allowed",
		"(MIT":                                      "license-not-allowed",
		"MIT)":                                      "license-not-allowed",
		"AND":                                       "license-not-allowed",
		strings.Repeat("(", 2000):                   "license-not-allowed",
		" ":                                         "license-missing",
	} {
		f := report.File{}
		(&License{Allow: allow}).keep(&f, measured{properties: map[string]string{"License": text}})
		got := ""
		if len(f.Findings) > 0 {
			got = f.Findings[0].Rule
		}
		if got != want {
			t.Errorf("%.40q: %q, want %q", text, got, want)
		}
	}
}

// Keys are found in any case and however their words are joined; what is missing is said with what there is.
func TestProvenance(t *testing.T) {
	x := measured{properties: map[string]string{"Model-Author": "us", "training data": "MNIST", "x\n::error::": "y"}, producer: "pytorch"}
	s := Settings{Provenance: []string{"author", "source", "producer", "training-data"}}
	var f report.File
	s.keep(&f, x)
	if len(f.Findings) != 1 || f.Findings[0].Where != "source" || !strings.Contains(f.Findings[0].Message, `it has "Model-Author", "training data", "x\n::error::"`) {
		t.Errorf("findings %+v", f.Findings)
	}
	f = report.File{}
	s.keep(&f, measured{})
	var missing []string
	for _, i := range f.Findings {
		missing = append(missing, i.Where)
	}
	if !slices.Equal(missing, s.Provenance) || !strings.HasSuffix(f.Findings[0].Message, "; the model has no metadata") {
		t.Errorf("of a model that says nothing: %v, %s", missing, f.Findings[0].Message)
	}
}

func FuzzParseLicense(f *testing.F) {
	for _, s := range []string{"MIT", "MIT OR (Apache-2.0 AND BSD-3-Clause)", "GPL-2.0+ WITH x", "((((", "WITH"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if e, err := parseLicense(s); err == nil && e.allowed(nil) {
			t.Errorf("%q is allowed where nothing is", s)
		}
	})
}
