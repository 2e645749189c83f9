package gate_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/petrify-ml/petrify/gate"
	"github.com/petrify-ml/petrify/report"
)

// A program of its own judges a folder.
func Example() {
	p, err := gate.Parse([]byte("version: 1\nmodels: [testdata/*.onnx]\nbudgets: {bytes: 1MB}\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := gate.Run(context.Background(), p, gate.Options{Root: ".", Version: "1.0", Today: time.Now()})
	if err != nil {
		fmt.Println(err)
		return
	}
	report.Text(os.Stdout, r)
	// Output:
	// testdata/*.onnx  NOT JUDGED
	//   error: model-missing: no model matches the pattern
	// exit code 2: 1 of 1 file could not be judged
}
