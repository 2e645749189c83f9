package layer_test

import (
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/layer"
)

func net(rows ...layer.Row) layer.Net {
	return layer.Net{Name: "net", Input: layer.Input{Name: "x", Shape: layer.Shape{1, 4, 6}}, Rows: rows}
}

func TestPlanSettlesNamesAndShapes(t *testing.T) {
	n := net(
		layer.Row{Name: "flat", Layer: layer.Flatten{}},
		layer.Row{Name: "body", Layer: layer.Dense{Out: 5}},
		layer.Row{Name: "mean", Layer: layer.Dense{Out: 2}},
		layer.Row{Name: "logvar", Layer: layer.Dense{Out: 3}, From: []string{"body"}},
	)
	n.Outputs = []string{"mean", "logvar"}
	p, err := n.Plan()
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		name, value, in, out string
		from                 int
	}{
		{"net.flat", "net.flat", "1x4x6", "24", -1},
		{"net.body", "net.body", "24", "5", 0},
		{"net.mean", "mean", "5", "2", 1},
		{"net.logvar", "logvar", "5", "3", 1},
	}
	for i, w := range want {
		s := p.Steps[i]
		if s.Name != w.name || s.ONNX != w.value || s.In[0].String() != w.in || s.Out.String() != w.out || s.From[0] != w.from {
			t.Errorf("step %d is %s (%s) %v -> %v from %d, want %+v", i, s.Name, s.ONNX, s.In, s.Out, s.From, w)
		}
	}
	var names []string
	for q := range p.Params() {
		names = append(names, q.Name)
	}
	if got, want := strings.Join(names, " "), "net.body.weight net.body.bias net.mean.weight net.mean.bias net.logvar.weight net.logvar.bias"; got != want {
		t.Errorf("parameters are %s, want %s", got, want)
	}
	if got, want := p.ParamCount(), 24*5+5+5*2+2+5*3+3; got != want {
		t.Errorf("%d parameters, want %d", got, want)
	}
}

func TestPlanNamesEveryProblem(t *testing.T) {
	for _, c := range []struct {
		claim string
		net   layer.Net
		want  []string
	}{
		{"no rows", net(), []string{"net: no layers"}},
		{"a dense layer needs flat samples", net(layer.Row{Name: "fc", Layer: layer.Dense{Out: 2}}),
			[]string{"net.fc: dense takes samples of one dimension, got 1x4x6"}},
		{"two problems, two lines", net(
			layer.Row{Name: "flat", Layer: layer.Flatten{}},
			layer.Row{Name: "a", Layer: layer.Dense{Out: 0}},
			layer.Row{Name: "b", Layer: layer.Reshape{To: layer.Shape{5, 5}}, From: []string{"flat"}}),
			[]string{"net.a: dense has 0 units", "net.b: reshape of 24 (24 elements) to 5x5 (25)"}},
		{"names are used once", net(layer.Row{Name: "a", Layer: layer.Tanh{}}, layer.Row{Name: "a", Layer: layer.Tanh{}}),
			[]string{"net.a: the name is used twice"}},
		{"an output may not be named like the input", net(layer.Row{Name: "x", Layer: layer.Tanh{}}),
			[]string{"net.x: the name is used twice"}},
		{"a branch starts from an earlier row", net(layer.Row{Name: "a", Layer: layer.Tanh{}, From: []string{"b"}}),
			[]string{`net.a: continues "b", which is not an earlier row`}},
		{"names are identifiers", net(layer.Row{Name: "A b", Layer: layer.Tanh{}}), []string{`row 1 is named "A b"`}},
		{"a row without a layer", net(layer.Row{Name: "a"}), []string{"net.a: no layer"}},
		{"an output is a row", func() layer.Net {
			n := net(layer.Row{Name: "a", Layer: layer.Tanh{}})
			n.Outputs = []string{"b"}
			return n
		}(), []string{`net: output "b" is not a row`}},
		{"dimensions are positive", layer.Net{Name: "n", Input: layer.Input{Name: "x", Shape: layer.Shape{0}}, Rows: []layer.Row{{Name: "a", Layer: layer.Tanh{}}}},
			[]string{"dimensions must be at least 1"}},
	} {
		t.Run(c.claim, func(t *testing.T) {
			_, err := c.net.Plan()
			if err == nil {
				t.Fatal("planned without an error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error is %q, want it to say %q", err, w)
				}
			}
		})
	}
}

func TestChainSharesNamesWithItsParts(t *testing.T) {
	a := layer.Net{
		Name: "a", Input: layer.Input{Name: "x", Shape: layer.Shape{4}},
		Rows: []layer.Row{{Name: "fc", Layer: layer.Dense{Out: 3}}},
	}
	b := layer.Net{
		Name: "b", Input: layer.Input{Name: "fc", Shape: layer.Shape{3}},
		Rows: []layer.Row{{Name: "h", Layer: layer.Tanh{}}, {Name: "y", Layer: layer.Dense{Out: 2}}},
	}
	p, err := layer.Net{Name: "both", Parts: []layer.Net{a, b}}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range p.Steps {
		got = append(got, s.Name+"="+s.ONNX)
	}
	if want := "a.fc=a.fc b.h=b.h b.y=y"; strings.Join(got, " ") != want {
		t.Errorf("steps are %v, want %s", got, want)
	}
	if p.Net.Input.Name != "x" || p.Steps[1].From[0] != 0 || p.Steps[2].From[0] != 1 || len(p.Outputs) != 1 || p.Outputs[0] != 2 {
		t.Errorf("the plan is %+v", p)
	}
	b.Input.Shape = layer.Shape{5}
	if _, err := (layer.Net{Name: "both", Parts: []layer.Net{a, b}}).Plan(); err == nil || !strings.Contains(err.Error(), "both: b takes 5, a.fc gives 3") {
		t.Errorf("error is %v", err)
	}
}
