package reference

import (
	"math"
)

// opFloor rounds down. ONNX Floor, opset 1, 6, 13.
var opFloor = unary("Floor", floorFunction)

var floorFunction = function{f: math.Floor, steps: true, change: monotone(math.Floor)}
