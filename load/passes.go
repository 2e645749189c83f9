package load

import (
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
)

// passes make a model cheaper to run. They see what the file says and nothing of the shapes of a run, and happen once, when the model is opened.
var passes = []func(*model){liftActivations, foldNormalizations}

// index counts who reads each value, and notes who makes it.
func (m *model) index() {
	for i, op := range m.ops {
		for _, in := range op.in {
			m.uses[in]++
			m.users[in] = append(m.users[in], i)
		}
		for _, out := range op.out {
			m.makers[out] = i
		}
	}
	for _, out := range m.graph.GetOutput() {
		m.uses[out.GetName()]++
	}
}

// reader is the one operation that reads a value, if there is no other and the value is no output.
func (m *model) reader(name string) (int, *operation) {
	if m.uses[name] != 1 || len(m.users[name]) != 1 {
		return 0, nil
	}
	i := m.users[name][0]
	return i, &m.ops[i]
}

// maker is the operation that makes a value, if that is all it makes and one operation reads it.
func (m *model) maker(name string) (int, *operation) {
	i, made := m.makers[name]
	if _, reader := m.reader(name); reader == nil || !made || len(m.ops[i].out) != 1 {
		return 0, nil
	}
	return i, &m.ops[i]
}

// fresh is a name that the model does not have, for a value of an operation.
func (m *model) fresh(name string) string {
	for {
		_, made := m.makers[name]
		if !made && m.uses[name] == 0 && m.constants[name] == nil {
			return name
		}
		name += "'"
	}
}

// put gives operation i another content, and keeps the books.
func (m *model) put(i int, op operation) {
	for _, in := range m.ops[i].in {
		m.uses[in]--
		if k := slices.Index(m.users[in], i); k >= 0 {
			m.users[in] = slices.Delete(m.users[in], k, k+1)
		}
	}
	for _, in := range op.in {
		m.uses[in]++
		m.users[in] = append(m.users[in], i)
	}
	for _, out := range op.out {
		m.makers[out] = i
	}
	m.ops[i] = op
}

// liftActivations exchanges an activation with the change of shape in front of it, so that the layer before that can take it in.
func liftActivations(m *model) {
	for i := range m.ops {
		shape := m.ops[i]
		if !slices.Contains([]string{"Reshape", "Flatten", "Squeeze", "Unsqueeze"}, shape.name) || len(shape.out) != 1 {
			continue
		}
		j, act := m.reader(shape.out[0])
		if act == nil || j < i {
			continue
		}
		if _, ok, err := activationOf(act); !ok || err != nil {
			continue
		}
		between := m.fresh(shape.in[0] + " activated")
		lifted := operation{name: act.name, attrs: act.attrs, in: shape.in[:1], out: []string{between}}
		moved := operation{name: shape.name, attrs: shape.attrs, in: append([]string{between}, shape.in[1:]...), out: act.out}
		m.put(i, lifted)
		m.put(j, moved)
	}
}

// foldNormalizations takes a BatchNormalization into the constant weights of the layer before it.
func foldNormalizations(m *model) {
	for i := range m.ops {
		if m.ops[i].name == "BatchNormalization" {
			m.fold(i)
		}
	}
}

// layer is a linear operation with constant weights, and what makes its bias.
type layer struct {
	at   int // of the operation that has the weights
	add  int // of the sum behind a MatMul, or -1
	bias string
	// channel of an element of the weights
	of func(i int) int
	n  int // channels
}

// fold takes operation i into the layer before it, if there is one that can take it.
func (m *model) fold(i int) {
	norm := m.ops[i]
	scale, shift, ok := m.line(&norm)
	if !ok {
		return
	}
	at, before := m.maker(norm.in[0])
	reshape, runs := -1, 1 // as many columns of a dense layer become one channel
	if before != nil && before.name == "Reshape" {
		if runs, ok = m.columns(before.in[1], len(scale)); !ok {
			return
		}
		reshape = at
		at, before = m.maker(before.in[0])
	}
	if before == nil || at > i {
		return
	}
	l, ok := m.layerOf(at, reshape >= 0, runs)
	if !ok || l.n != len(scale) {
		return
	}
	op := m.ops[l.at]
	was := m.constants[op.in[1]]
	w, ok := was.Data.(onnx.Slice[float32])
	if !ok {
		return
	}
	bias := make([]float32, len(scale)*runs)
	if l.bias != "" {
		t := m.constants[l.bias]
		if t == nil || t.Len() != len(bias) {
			return
		}
		if bias, ok = t.Data.(onnx.Slice[float32]); !ok {
			return
		}
	}

	weights, sums := make([]float32, len(w)), make([]float32, len(bias))
	for k, v := range w {
		weights[k] = float32(float64(v) * scale[l.of(k)])
	}
	for k, v := range bias {
		sums[k] = float32(float64(v)*scale[k/runs] + shift[k/runs])
	}
	normal := m.fresh(op.in[1] + " normalized")
	m.constants[normal] = &onnx.Tensor{Name: normal, Dims: was.Dims, Data: onnx.Slice[float32](weights)}
	sum := m.fresh(norm.out[0] + " shift")
	m.constants[sum] = &onnx.Tensor{Name: sum, Dims: []int{len(sums)}, Data: onnx.Slice[float32](sums)}

	last := l.at
	switch {
	case op.name != "MatMul":
		op.in = []string{op.in[0], normal, sum}
	case l.add >= 0:
		op.in = []string{op.in[0], normal}
		m.put(l.add, operation{name: "Add", in: []string{op.out[0], sum}, out: m.ops[l.add].out})
		last = l.add
	default: // the sum takes the place of the reshape, and that the one of the normalization
		op.in = []string{op.in[0], normal}
		m.put(l.at, op)
		moved := m.ops[reshape]
		between := m.fresh(op.out[0] + " sum")
		m.put(reshape, operation{name: "Add", in: []string{op.out[0], sum}, out: []string{between}})
		m.put(i, operation{name: "Reshape", attrs: moved.attrs, in: append([]string{between}, moved.in[1:]...), out: norm.out})
		return
	}
	m.put(l.at, op)
	if reshape >= 0 {
		last = reshape
	}
	ending := m.ops[last]
	ending.out = norm.out
	m.put(i, operation{}) // nothing
	m.put(last, ending)
}

// columns are how many of a dense layer become one channel under a constant shape of (N, channels, ...).
func (m *model) columns(shape string, channels int) (n int, ok bool) {
	t := m.constants[shape]
	if t == nil {
		return 0, false
	}
	to, ok := t.Data.(onnx.Slice[int64])
	if !ok || len(to) < 2 || to[1] != int64(channels) {
		return 0, false
	}
	n = 1
	for _, d := range to[2:] {
		if d < 1 || d > math.MaxInt32 || n > math.MaxInt32/int(d) {
			return 0, false
		}
		n *= int(d)
	}
	return n, true
}

// line is a normalization as a x + b for each channel, where all that it needs is constant.
func (m *model) line(norm *operation) (a, b []float64, ok bool) {
	if len(norm.in) != 5 || len(norm.out) != 1 {
		return nil, nil, false
	}
	training, err := attribute[int64](norm, "training_mode", 0)
	if err != nil || training != 0 {
		return nil, nil, false
	}
	spatial, err := attribute[int64](norm, "spatial", 1)
	if err != nil || spatial != 1 {
		return nil, nil, false
	}
	eps, err := attribute[float32](norm, "epsilon", 1e-5)
	if err != nil {
		return nil, nil, false
	}
	var in [5][]float32
	for k := 1; k < 5; k++ {
		t := m.constants[norm.in[k]]
		if t == nil || len(t.Dims) != 1 {
			return nil, nil, false
		}
		if in[k], ok = t.Data.(onnx.Slice[float32]); !ok || len(in[k]) != len(in[1]) {
			return nil, nil, false
		}
	}
	for i := range in[1] {
		s := float64(in[1][i]) / math.Sqrt(float64(in[4][i])+float64(eps))
		a = append(a, s)
		b = append(b, float64(in[2][i])-float64(in[3][i])*s)
	}
	return a, b, true
}

// layerOf describes operation i as a layer, one whose columns are cut into runs where a reshape follows that says so.
func (m *model) layerOf(i int, reshaped bool, runs int) (l layer, ok bool) {
	op := &m.ops[i]
	if len(op.in) < 2 {
		return l, false
	}
	if op.name == "Add" && reshaped {
		for k := range 2 {
			if at, product := m.maker(op.in[k]); product != nil && product.name == "MatMul" && m.constants[op.in[1-k]] != nil {
				l, ok = m.layerOf(at, reshaped, runs)
				l.add, l.bias = i, op.in[1-k]
				return l, ok
			}
		}
		return l, false
	}
	w := m.constants[op.in[1]]
	if w == nil {
		return l, false
	}
	l = layer{at: i, add: -1}
	if len(op.in) > 2 {
		l.bias = op.in[2]
	}
	switch {
	case op.name == "Conv" && !reshaped && len(w.Dims) > 2:
		each := product(w.Dims[1:])
		l.n, l.of = w.Dims[0], func(i int) int { return i / each }
		return l, each > 0
	case op.name == "ConvTranspose" && !reshaped && len(w.Dims) > 2:
		groups, err := attribute[int64](op, "group", 1)
		if err != nil || groups < 1 || groups > int64(w.Dims[0]) || w.Dims[0]%int(groups) != 0 {
			return l, false
		}
		perGroup, taps := w.Dims[0]/int(groups), product(w.Dims[2:])
		l.n = w.Dims[1] * int(groups)
		l.of = func(i int) int {
			return i/(w.Dims[1]*taps)/perGroup*w.Dims[1] + i/taps%w.Dims[1]
		}
		return l, taps > 0 && perGroup > 0 && w.Dims[1] > 0
	case op.name == "MatMul" && reshaped && len(w.Dims) == 2 && w.Dims[1]%runs == 0:
		l.n, l.of = w.Dims[1]/runs, func(i int) int { return i % w.Dims[1] / runs }
		return l, true
	case op.name == "Gemm" && len(w.Dims) == 2:
		cfg, err := gemmConfig(op)
		if err != nil || cfg.Alpha != 1 || cfg.Beta != 1 || cfg.TransA {
			return l, false
		}
		columns := w.Dims[1]
		if cfg.TransB {
			each := w.Dims[1]
			columns = w.Dims[0]
			l.of = func(i int) int { return i / each / runs }
		} else {
			l.of = func(i int) int { return i % columns / runs }
		}
		l.n = columns / runs
		return l, columns%runs == 0
	}
	return l, false
}
