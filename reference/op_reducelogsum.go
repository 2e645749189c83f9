package reference

// opReduceLogSum is the logarithm of the sum along axes. ONNX ReduceLogSum,
// opset 1, 11, 13, 18.
var opReduceLogSum = reducer(reduction{
	name: "ReduceLogSum", lacks: integers,
	number: func(f format, x []number) number { return logFunction.at(f, f.sumOf(x, 0)) },
	empty:  lowest,
})
