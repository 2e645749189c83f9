package layer

import (
	"github.com/petrify-ml/petrify/onnx"
)

// Class is a second input of a net: the class that each sample belongs to.
//
// Rows take it by its name, as one-hot (N, Count): 1 in the place of the sample's class, 0 elsewhere. So it enters a training
// graph, and Concat joins it with the other input (Mirza and Osindero 2014). In an ONNX file it is the number of the class,
// int64 (N), and a Gather (opset 13) from the unit matrix makes one-hot of it: a negative number counts from the end, -1 for
// the last class, and one that is not from -Count to Count-1 is an error.
type Class struct {
	Name  string
	Count int // of classes; 0 where the net takes none
}

// Shape is that of one sample, one-hot.
func (c Class) Shape() Shape { return Shape{c.Count} }

// OneHot fills dst, (len(classes), Count), with classes from 0 to Count-1.
func (c Class) OneHot(dst []float32, classes []int) {
	clear(dst)
	for i, k := range classes {
		dst[i*c.Count+k] = 1
	}
}

// What a step of a plan continues that is not a step.
const (
	fromInput = -1
	fromClass = -2
)

// class checks the second input of the net.
func (d *drafting) class() {
	n := d.plan.Net
	c := n.Class
	switch {
	case c.Count < 0:
		d.fail("%s: %d classes, want at least 1, or 0 for none", n.Name, c.Count)
	case c.Count > 0 && (!validName.MatchString(c.Name) || c.Name == n.Input.Name):
		d.fail("%s: the input of the class is named %q: want a name of its own, a lower-case letter, then letters, digits and underscores", n.Name, c.Name)
	}
}

// EmitClass writes nodes that convert class numbers, int64 (N), to one-hot, float32 (N, Count). The result is named
// NET.CLASS.
func (p *Plan) EmitClass(e *onnx.Emitter, numbers onnx.Value) onnx.Value {
	c := p.Net.Class
	unit := make(onnx.Slice[float32], c.Count*c.Count)
	for i := range c.Count {
		unit[i*c.Count+i] = 1
	}
	name := p.ClassValue()
	e.Step(name, name)
	table := e.Const("unit", &onnx.Tensor{Dims: []int{c.Count, c.Count}, Data: unit})
	return e.Node("Gather", "", []onnx.Value{table, numbers}, onnx.Int("axis", 0))
}

// ClassValue returns the name of EmitClass's result, or "" if the net takes no class.
func (p *Plan) ClassValue() string {
	if p.Net.Class.Count == 0 {
		return ""
	}
	return p.Net.Name + "." + p.Net.Class.Name
}
