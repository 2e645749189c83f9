package verify

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
)

// What an equal is worth: nothing where every runtime gives the same by force, as the NaN of a training that diverged, or what a dead layer leaves.

// A Caveat says why a verdict of Equal means little for an output, whatever the runtime.
type Caveat struct {
	Rule   string `json:"rule"`             // the code under which reports and the gate know it
	Output string `json:"output,omitempty"` // or the input
	Why    string `json:"why"`              // such as "every element is NaN"
	Cause  string `json:"cause,omitempty"`  // the node that it comes from
}

// contents counts the elements of a value, those of a sequence's tensors together.
type contents struct {
	elements, nan, infinite int
	constant                bool    // all elements are the same number; NaN is one
	number                  float64 // of the first element
	text                    bool
}

func contentsOf(v *reference.Value) contents {
	c := contents{constant: true}
	c.add(v)
	return c
}

func (c *contents) add(v *reference.Value) {
	for _, e := range v.Elems {
		c.add(e)
	}
	if _, text := v.Data.(onnx.Slice[string]); text {
		c.text = true
	}
	for i := range v.Len() {
		x := v.Float(i)
		if c.elements == 0 {
			c.number = x
		}
		c.constant = c.constant && same(x, c.number)
		c.elements++
		switch {
		case math.IsNaN(x):
			c.nan++
		case math.IsInf(x, 0):
			c.infinite++
		}
	}
}

func same(x, y float64) bool { return x == y || math.IsNaN(x) && math.IsNaN(y) }

// barren says that no element is a finite number, and what they all are.
func (c contents) barren() (what string, bad bool) {
	switch {
	case c.text || c.elements == 0 || c.nan+c.infinite < c.elements:
		return "", false
	case c.infinite == 0:
		return "NaN", true
	case c.nan == 0:
		return "infinite", true
	}
	return "NaN or infinite", true
}

// flat reports whether all elements of a tensor are the same number, and which: a loop that ends at the first that is not.
func flat(v *reference.Value) (number float64, ok bool) {
	if _, text := v.Data.(onnx.Slice[string]); text || v.Kind != reference.Tensor || v.Len() == 0 {
		return 0, false
	}
	number = v.Float(0)
	for i := 1; i < v.Len(); i++ {
		if !same(v.Float(i), number) {
			return 0, false
		}
	}
	return number, true
}

// activation reports whether a type is one that layers compute in, so that one number in every element means that they died. Masks,
// positions and labels are often one number, and no worse for it.
func activation(t pb.TensorProto_DataType) bool {
	switch t {
	case pb.TensorProto_FLOAT, pb.TensorProto_FLOAT16, pb.TensorProto_BFLOAT16, pb.TensorProto_DOUBLE, pb.TensorProto_INT8, pb.TensorProto_UINT8:
		return true
	}
	return false
}

// A flow follows the inputs of a data set through the graph.
type flow struct {
	flat map[string]float64 // values of one number, and that
	size map[string]int     // elements of values
}

func (t *flow) begin(inputs []*reference.Value) {
	t.flat, t.size = map[string]float64{}, map[string]int{}
	for _, v := range inputs {
		t.pass(v)
	}
}

func (t *flow) pass(v *reference.Value) {
	t.size[v.Name] = v.Len()
	if x, ok := flat(v); ok {
		t.flat[v.Name] = x
	}
}

// fewest is how many elements, in all data sets together, must be one number before that is no coincidence: half of what goes into a
// ReLU may be negative.
const fewest = 16

// An end is where the inputs of a data set get lost.
type end struct {
	why      string
	elements int // that are one number
}

// dead finds the outputs that no element of an input reaches, and where that ends: each way from the inputs leads through a value that
// is one number in every element though what it is computed from is not. What a runtime does before is then not seen in the output.
func (d *dataSet) dead(nodes []reference.Node) map[string]end {
	alive, ends := map[string]bool{}, map[string]end{}
	for _, v := range d.values {
		alive[v.Name] = v.Type != pb.TensorProto_STRING // of texts nobody knows what they make
	}
	types := map[string]pb.TensorProto_DataType{}
	for _, v := range d.made {
		types[v.Name] = v.Type
	}
	for _, n := range nodes {
		if n.Op == "Shape" || n.Op == "Size" || n.Op == "ConstantOfShape" {
			continue // lengths say nothing of elements
		}
		reached, varied, before := false, true, end{}
		for _, name := range n.Inputs {
			_, one := d.flow.flat[name]
			switch {
			case alive[name]:
				reached = true
				varied = varied && !one // one number, or a single one, may become many that are equal
			case before.why == "":
				before = ends[name]
			}
		}
		for _, out := range n.Outputs {
			x, one := d.flow.flat[out]
			switch size := d.flow.size[out]; {
			case reached && varied && one && size > 1 && activation(types[out]):
				ends[out] = end{fmt.Sprintf("%s gives %.6g in every element", n.Label, x), size}
			case reached:
				alive[out] = true
			default:
				ends[out] = before
			}
		}
	}
	gone := map[string]end{}
	for _, w := range d.want {
		if e := ends[w.Name]; e.why != "" {
			gone[w.Name] = e
		}
	}
	return gone
}

// caveats says which outputs an equal says little of.
func (j *job) caveats() []Caveat {
	if len(j.sets) == 0 {
		return nil
	}
	var all []Caveat
	nodes := j.program.Nodes()
	sets := j.looked()
	dead := make([]map[string]end, len(sets))
	for k := range sets {
		dead[k] = sets[k].dead(nodes)
	}
	for k, w := range j.sets[0].want {
		if c, ok := j.caveat(k, w, dead); ok {
			c.Output = w.Name
			all = append(all, c)
		}
	}
	return append(all, j.idleInputs()...)
}

// caveat looks at output k in all data sets.
func (j *job) caveat(k int, w *reference.Value, dead []map[string]end) (Caveat, bool) {
	var total contents
	var barren []string // data sets
	what, died, one, lost, seen := "", true, true, 0, 0
	for i, d := range j.looked() {
		c := contentsOf(d.want[k])
		seen += c.elements
		died = died && dead[i][w.Name].why != ""
		lost += dead[i][w.Name].elements
		if i >= len(j.sets) { // drawn to look again
			one = one && c.constant && same(c.number, total.number)
			continue
		}
		if i == 0 {
			total = c
		} else {
			total.elements, total.nan, total.infinite = total.elements+c.elements, total.nan+c.nan, total.infinite+c.infinite
			one = one && same(c.number, total.number)
		}
		one = one && c.constant && c.elements > 0
		if kind, bad := c.barren(); bad {
			if what != "" && what != kind {
				kind = "NaN or infinite"
			}
			what, barren = kind, append(barren, d.name)
		}
	}
	died = died && lost >= fewest
	switch {
	case total.elements == 0:
		return Caveat{Rule: "outputs-empty", Why: "it has no elements"}, true
	case len(barren) == len(j.sets):
		return Caveat{Rule: "outputs-not-finite", Why: "every element is " + what}, true
	case len(barren) > 0:
		return Caveat{Rule: "outputs-not-finite", Why: fmt.Sprintf("every element is %s in %s", what, strings.Join(barren, ", "))}, true
	case died && one:
		return Caveat{Rule: "outputs-constant", Why: fmt.Sprintf("every element is %.6g, whatever goes in", total.number), Cause: dead[0][w.Name].why}, true
	case died:
		return Caveat{Rule: "outputs-constant", Why: "it is the same whatever goes in", Cause: dead[0][w.Name].why}, true
	case one && seen >= fewest && len(j.looked()) > 1 && activation(w.Type) && j.varied():
		return Caveat{Rule: "outputs-constant", Why: fmt.Sprintf("every element is %.6g, whatever goes in", total.number)}, true
	case total.nan > 0 && !total.text:
		return Caveat{Rule: "outputs-nan", Why: fmt.Sprintf("%d of %d elements are NaN", total.nan, total.elements)}, true
	}
	return Caveat{}, false
}

// looked are the data sets, and what was drawn to look again.
func (j *job) looked() []dataSet { return slices.Concat(j.sets, j.again) }

// mostLooks is how often inputs are drawn to tell a small layer that is dead from one that happens to be 0.
const mostLooks = 8

// lookAgain draws further inputs for the reference where few elements leave it open whether an output ever changes.
func (j *job) lookAgain(ctx context.Context) {
	for k := range uint64(mostLooks) {
		if !j.undecided() {
			return
		}
		o := j.options
		o.Seed += 1 + k
		d, err := newDrawing(j.program.Inputs(), j.model.Proto, o)
		if err != nil {
			return
		}
		a, f := d.search(d.start(1))
		set, err := d.set(a, 1, f.types)
		if err != nil || f.problem != "" || j.evaluate(ctx, &set) != nil {
			return // these inputs will not do, and no others are worth the time
		}
		j.again = append(j.again, set)
	}
}

// undecided reports whether an output of few elements may be one that no input reaches.
func (j *job) undecided() bool {
	sets, nodes := j.looked(), j.program.Nodes()
	dead := make([]map[string]end, len(sets))
	for i := range sets {
		dead[i] = sets[i].dead(nodes)
	}
	for k, w := range j.sets[0].want {
		lost, seen, died, one := 0, 0, true, activation(w.Type) && j.varied()
		first := contentsOf(w)
		for i, d := range sets {
			c := contentsOf(d.want[k])
			died, lost = died && dead[i][w.Name].why != "", lost+dead[i][w.Name].elements
			one, seen = one && c.constant && same(c.number, first.number), seen+c.elements
		}
		if _, bad := first.barren(); !bad && (died && lost < fewest || one && seen > len(sets) && seen < fewest) {
			return true
		}
	}
	return false
}

// varied reports whether an input has more than one number in it.
func (j *job) varied() bool {
	for _, d := range j.sets {
		for _, v := range d.values {
			if _, one := d.flow.flat[v.Name]; !one && v.Kind == reference.Tensor && v.Len() > 0 {
				return true
			}
		}
	}
	return false
}

// idleInputs says that recorded data is one number in every element of every input, which most faults do not show on.
func (j *job) idleInputs() []Caveat {
	many := false
	for _, d := range j.sets {
		if len(d.files) == 0 {
			return nil
		}
		for _, v := range d.values {
			if _, one := d.flow.flat[v.Name]; !one {
				return nil
			}
			many = many || v.Len() > 1 && activation(v.Type)
		}
	}
	if !many {
		return nil
	}
	names := make([]string, 0, len(j.sets))
	for _, d := range j.sets {
		names = append(names, d.name)
	}
	slices.Sort(names)
	return []Caveat{{Rule: "inputs-constant", Why: fmt.Sprintf("each input is one number in every element in %s", strings.Join(names, ", "))}}
}

// wide says what is the matter with an output that passed a screen which hides errors that matter, or drawn errors that are as large, and no
// proof.
const wide = "its limits hide an error of a sixteenth of its own size, and no proof was possible"

// qualify adds to each row that is equal what it is worth.
func (j *job) qualify() {
	j.report.Caveats = j.caveats()
	for k := range j.report.Rows {
		row := &j.report.Rows[k]
		if row.Verdict != Equal {
			continue
		}
		for _, c := range j.report.Caveats {
			if c.Rule == "outputs-nan" {
				continue // the row counts them
			}
			if c.Output == row.Output || c.Output != "" && strings.HasPrefix(row.Output, c.Output+"[") {
				row.Caveat = c.Why
			}
		}
		if row.Caveat == "" && row.vague && (row.Stage == Screen || row.Stage == Sampling) {
			row.Caveat = wide
			if c := (Caveat{Rule: "limits-wide", Output: row.Output, Why: wide}); !slices.Contains(j.report.Caveats, c) {
				j.report.Caveats = append(j.report.Caveats, c)
			}
		}
	}
}
