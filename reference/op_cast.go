package reference

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opCast converts to another element type. Floats become integers by truncation
// towards zero, bools by being other than zero. What is beyond the largest float of 8
// bits becomes that one, unless attribute saturate is 0. ONNX Cast, opset 1, 6, 9, 13,
// 19, 21, 23, 24, 25, 28.
var opCast = operator{
	name: "Cast", in: []port{moves},
	eval: single(func(c *call) *Value {
		to := pb.TensorProto_DataType(c.int("to"))
		if c.opset < 6 { // by name
			name := c.text("to")
			code, ok := pb.TensorProto_DataType_value[strings.ToUpper(name)]
			if !ok {
				fail(fmt.Errorf("attribute to is %q, want the name of an element type", name))
			}
			to = pb.TensorProto_DataType(code)
		}
		return c.cast(c.in[0], to)
	}),
}

// opCastLike is Cast to the type of input 1. ONNX CastLike, opset 15, 19, 21, 23, 24,
// 25.
var opCastLike = operator{
	name: "CastLike", in: []port{moves, moves},
	eval: single(func(c *call) *Value { return c.cast(c.in[0], c.in[1].Type) }),
}

func (c *call) cast(x *Value, to pb.TensorProto_DataType) *Value {
	toFloat := to >= 0 && to < 62 && floats&(1<<to) != 0
	fromFloat := floats&setOf(x) != 0
	out := c.zeros(to, toFloat || x.Sound != nil, x.Dims...)
	small := c.minifloat(to)
	if small != nil {
		out.stored = nil // at rounds already
	}
	if to == pb.TensorProto_STRING && fromFloat {
		out.Notation = floatBits(x.Type)
	}
	if s, ok := x.Data.(onnx.Slice[string]); ok {
		for i := range s {
			try(out.parse(i, s[i]))
			if small != nil {
				out.set(i, small.at(out.at(i)))
			}
		}
		return out
	}
	c.each(out.Len(), 1, func(i int) { c.castElement(out, i, x, small) })
	return out
}

// castElement converts element i of a tensor that is not text. small, unless nil, is the way to round to the type.
func (c *call) castElement(out *Value, i int, x *Value, small *minifloat) {
	to, fromFloat := out.Type, floats&setOf(x) != 0
	switch d := out.Data.(type) {
	case onnx.Slice[float64]:
		n := x.at(i)
		switch {
		case !fromFloat && n.sound > 0:
			out.set(i, unknown(n.v))
		case small != nil:
			out.set(i, small.at(n))
			if small.undefined(n.v) {
				c.undefined(out, i, beyondMinifloat)
			}
		default:
			out.set(i, narrow(n, to))
		}
		return
	case onnx.Slice[string]:
		d[i] = textOf(x, i)
	case onnx.Slice[bool]:
		d[i] = x.Float(i) != 0
	case onnx.Slice[int64]:
		d[i] = wrap(to, toInt64(x, i))
	case onnx.Slice[uint64]:
		d[i] = wrap(to, uint64(toInt64(x, i)))
		if u, ok := x.Data.(onnx.Slice[uint64]); ok {
			d[i] = wrap(to, u[i])
		} else if f := x.Float(i); fromFloat && f >= 0x1p63 && f < 0x1p64 {
			d[i] = wrap(to, uint64(f))
		}
	}
	if fromFloat && integers&setOf(out) != 0 && !holds(to, x.Float(i)) {
		if to == pb.TensorProto_INT32 {
			elems[int64](out)[i] = math.MinInt32 // as x86 has it
		}
		c.undefined(out, i, beyondInteger)
		return
	}
	if x.Sound != nil {
		out.setFigures(i, castErrors(x.at(i), to))
	}
}

// narrow rounds to the type as a runtime does: the value itself is the rounded
// one if it was exact. Only for bfloat16 do runtimes differ, ONNX's own test
// data among them: some round to nearest and some cut the low bits off.
func narrow(n number, to pb.TensorProto_DataType) number {
	v := roundTo(n.v, to)
	switch {
	case v == n.v || math.IsNaN(v):
		n.v = v
		return n
	case to == pb.TensorProto_BFLOAT16:
		n = formatOf(to).rounded(n, 1)
		n.declared += 2 * formatOf(to).u * math.Abs(n.v)
		n.sound = max(n.sound, n.declared)
		return n
	case n.sound == 0 && n.spread == 0 && n.declared == 0:
		return exact(v)
	}
	return formatOf(to).rounded(n, 1)
}

// A minifloat is a way to round to a type of 8 bits or fewer.
type minifloat struct {
	to       pb.TensorProto_DataType
	saturate bool
	mode     string // of powers of two: up, down or nearest
}

// minifloat is the way that the attributes of the call name, nil for a wider type.
func (c *call) minifloat(to pb.TensorProto_DataType) *minifloat {
	if to < 0 || to >= 62 || minifloats&(1<<to) == 0 {
		return nil
	}
	return &minifloat{to, c.int("saturate", 1) != 0, c.text("round_mode", "up")}
}

// at is n rounded. Where an error may carry n across the middle between two numbers,
// the figures hold the step.
func (m *minifloat) at(n number) number {
	fn := function{f: m.round, steps: true, change: monotone(m.round)}
	return fn.at(format{max: math.Inf(1)}, n)
}

// undefined reports what the standard has no rule for: what is negative has no power
// of two, and NaN no number of 4 bits.
func (m *minifloat) undefined(x float64) bool {
	switch m.to {
	case pb.TensorProto_FLOAT8E8M0:
		return math.Signbit(x) && !math.IsNaN(x)
	case pb.TensorProto_FLOAT4E2M1:
		return math.IsNaN(x)
	}
	return false
}

func (m *minifloat) round(x float64) float64 {
	largest, least := formatOf(m.to).max, formatOf(m.to).tiny
	if m.saturate && !math.IsNaN(x) {
		x = min(max(x, -largest), largest)
	}
	switch m.to {
	case pb.TensorProto_FLOAT8E4M3FN:
		return float64(onnx.NewFloat8E4M3FN(x).Float32())
	case pb.TensorProto_FLOAT8E4M3FNUZ:
		return float64(onnx.NewFloat8E4M3FNUZ(x).Float32())
	case pb.TensorProto_FLOAT8E5M2:
		return float64(onnx.NewFloat8E5M2(x).Float32())
	case pb.TensorProto_FLOAT8E5M2FNUZ:
		return float64(onnx.NewFloat8E5M2FNUZ(x).Float32())
	case pb.TensorProto_FLOAT4E2M1:
		return float64(onnx.NewFloat4E2M1(x).Float32())
	}
	switch {
	case math.IsNaN(x), x > largest:
		return math.NaN()
	case x < least && m.saturate:
		return least
	case x < least:
		return math.NaN()
	}
	half, e := math.Frexp(x) // x is half 2^e, and half is in [1/2, 1)
	if half == 0.5 || m.mode == "down" || m.mode == "nearest" && half < 0.75 {
		e--
	}
	if e > 127 && !m.saturate {
		return math.NaN()
	}
	return math.Ldexp(1, min(e, 127))
}

// roundTo rounds to a floating-point type.
func roundTo(x float64, t pb.TensorProto_DataType) float64 {
	switch t {
	case pb.TensorProto_FLOAT:
		return float64(float32(x))
	case pb.TensorProto_FLOAT16:
		return float64(onnx.NewFloat16(oddFloat32(x)).Float32())
	case pb.TensorProto_BFLOAT16:
		return float64(onnx.NewBFloat16(oddFloat32(x)).Float32())
	}
	return x
}

// castErrors gives the figures of a number that became an integer or a bool:
// how far truncation may carry it.
func castErrors(n number, to pb.TensorProto_DataType) number {
	if to == pb.TensorProto_BOOL {
		return jump(number{}, n, math.Abs(n.v), 1)
	}
	fn := function{f: math.Trunc, steps: true, change: monotone(math.Trunc)}
	return fn.at(format{max: math.Inf(1)}, n)
}

func toInt64(v *Value, i int) int64 {
	switch d := v.Data.(type) {
	case onnx.Slice[int64]:
		return d[i]
	case onnx.Slice[uint64]:
		return int64(d[i])
	}
	if f := v.Float(i); f >= -0x1p63 && f < 0x1p63 {
		return int64(f)
	}
	return math.MinInt64 // undefined: the same on every processor
}

// parse reads element i from text, as numpy does.
func (v *Value) parse(i int, s string) error {
	bad := func(err error) error { return fmt.Errorf("element %d is %q, want a number: %w", i, s, err) }
	switch d := v.Data.(type) {
	case onnx.Slice[string]:
		d[i] = s
	case onnx.Slice[float64]:
		x, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return bad(err)
		}
		d[i] = roundTo(x, v.Type)
	case onnx.Slice[int64]:
		x, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		if err != nil {
			return bad(err)
		}
		d[i] = wrap(v.Type, x)
	case onnx.Slice[uint64]:
		x, err := strconv.ParseUint(strings.TrimSpace(s), 10, 64)
		if err != nil {
			return bad(err)
		}
		d[i] = wrap(v.Type, x)
	case onnx.Slice[bool]:
		x, err := strconv.ParseBool(strings.TrimSpace(s))
		if err != nil {
			return bad(err)
		}
		d[i] = x
	}
	return nil
}

// textOf writes an element as the operator document says: plain or scientific
// notation, whichever is shorter to read, NaN, INF and -INF.
func textOf(v *Value, i int) string {
	switch d := v.Data.(type) {
	case onnx.Slice[float64]:
		switch {
		case math.IsNaN(d[i]):
			return "NaN"
		case math.IsInf(d[i], 1):
			return "INF"
		case math.IsInf(d[i], -1):
			return "-INF"
		}
		return strconv.FormatFloat(d[i], 'g', -1, floatBits(v.Type))
	case onnx.Slice[int64]:
		return strconv.FormatInt(d[i], 10)
	case onnx.Slice[uint64]:
		return strconv.FormatUint(d[i], 10)
	}
	return strconv.FormatBool(v.Float(i) != 0)
}

// floatBits is the precision in which an element is written as text.
func floatBits(typ pb.TensorProto_DataType) int {
	if typ == pb.TensorProto_DOUBLE {
		return 64
	}
	return 32
}
