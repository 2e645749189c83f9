package report_test

import (
	"os"

	"github.com/petrify-ml/petrify/report"
)

// A program of its own reports in the formats of petrify.
func Example() {
	f := report.File{Path: "model.onnx", Runtimes: []report.Runtime{{Name: "load", Status: report.Pass, Word: "equal", Text: "3 sets  worst 1.2 spreads"}}}
	f.AddRule("weight-nan", `initializer "fc1"`, "3 of 100 elements are NaN")
	r := &report.Report{Tool: "example", Version: "1.0", Files: []report.File{f}}
	r.Settle()
	report.Text(os.Stdout, r)
	// Output:
	// model.onnx  ok
	//   load  equal  3 sets  worst 1.2 spreads
	//   warning: weight-nan: initializer "fc1": 3 of 100 elements are NaN
	// 1 file: 1 ok
}
