package rule_test

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx/rule"
)

// Every code of a finding is a rule, whatever room reports it.
func ExampleSeverityOf() {
	for _, r := range rule.All()[:1] {
		severity, known := rule.SeverityOf(r.Code)
		fmt.Println(severity == r.Severity, known)
	}
	_, known := rule.SeverityOf("no-such-rule")
	fmt.Println(known)
	// Output:
	// true true
	// false
}
