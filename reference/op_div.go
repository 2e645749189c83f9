package reference

import (
	"errors"
)

// opDiv is A / B; integers are truncated towards zero. ONNX Div, opset 1, 6, 7,
// 13, 14.
var opDiv = arithmetic("Div", format.div,
	func(x, y int64) (int64, error) {
		if y == 0 {
			return 0, errors.New("integer division by zero")
		}
		return x / y, nil
	},
	func(x, y uint64) (uint64, error) {
		if y == 0 {
			return 0, errors.New("integer division by zero")
		}
		return x / y, nil
	})
