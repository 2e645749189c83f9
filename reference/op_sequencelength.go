package reference

// opSequenceLength is the number of elements. ONNX SequenceLength, opset 11.
var opSequenceLength = operator{
	name: "SequenceLength", in: []port{moves},
	eval: single(func(c *call) (*Value, error) {
		v, err := c.int64Value(len(c.in[0].Elems))
		if err != nil {
			return nil, err
		}
		return reshaped(v, nil), nil
	}),
}
