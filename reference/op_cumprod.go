package reference

// opCumProd is the running product along the axis in input 1. ONNX CumProd, opset 26.
var opCumProd = operator{
	name: "CumProd",
	eval: single(func(c *call) *Value {
		return c.accumulate(products)
	}),
}

var products = accumulation{1, multiply[int64], multiply[uint64],
	func(f format) accumulator { return &runningProduct{f: f, product: exact(1)} }}

// A runningProduct is the product of the elements added so far.
type runningProduct struct {
	f       format
	product number
}

func (r *runningProduct) add(x number) {
	if r.product == exact(1) {
		r.product = x
	} else {
		r.product = r.f.mul(r.product, x)
	}
}

func (r *runningProduct) result() number { return r.product }
