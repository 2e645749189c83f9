package rule

import (
	"strings"
	"testing"
)

func TestEveryRuleHasAnExampleAndARepair(t *testing.T) {
	known := map[string]bool{}
	for _, r := range All() {
		known[r.Code] = true
		for what, text := range map[string]string{"doc": r.Doc, "example": r.Example, "repair": r.Repair} {
			if !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %s is %q, want a sentence", r.Code, what, text)
			}
		}
	}
	for code := range advice {
		if !known[code] {
			t.Errorf("advice on %s, which is not a rule", code)
		}
	}
}
