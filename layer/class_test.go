package layer_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/layer"
)

func TestOneHot(t *testing.T) {
	x := slices.Repeat([]float32{9}, 6)
	layer.Class{Count: 3}.OneHot(x, []int{2, 0})
	if want := []float32{0, 0, 1, 1, 0, 0}; !slices.Equal(x, want) {
		t.Errorf("one-hot is %v, want %v", x, want)
	}
}

// A net says what is wrong with its class.
func TestClassesOfNets(t *testing.T) {
	dense := []layer.Row{{Name: "fc", Layer: layer.Dense{Out: 2}, From: []string{"class"}}}
	for _, c := range []struct {
		claim string
		net   layer.Net
		want  string // "" for none
	}{
		{"a row continues the class", layer.Net{Class: layer.Class{Name: "class", Count: 3}, Rows: dense}, ""},
		{"a net without a class", layer.Net{Rows: dense}, `n.fc: continues "class", which is not an earlier row`},
		{"a number below 0", layer.Net{Class: layer.Class{Name: "class", Count: -1}, Rows: dense}, "n: -1 classes, want at least 1"},
		{"the name of the other input", layer.Net{Class: layer.Class{Name: "x", Count: 3}, Rows: dense}, `named "x": want a name of its own`},
		{"a name that is none", layer.Net{Class: layer.Class{Name: "Class", Count: 3}, Rows: dense}, "want a name of its own"},
		{"a row of the same name", layer.Net{Class: layer.Class{Name: "fc", Count: 3}, Rows: dense[:1]}, "n.fc: the name is used twice"},
	} {
		c.net.Name, c.net.Input = "n", layer.Input{Name: "x", Shape: layer.Shape{4}}
		p, err := c.net.Plan()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", c.claim, err, c.want)
		}
		if err == nil && p.Steps[0].In[0].String() != "3" {
			t.Errorf("%s: the row takes %v, want 3", c.claim, p.Steps[0].In)
		}
	}
	one := layer.Net{Name: "n", Input: layer.Input{Name: "x", Shape: layer.Shape{4}}, Class: layer.Class{Name: "class", Count: 3}, Rows: dense}
	if _, err := (layer.Net{Name: "chain", Parts: []layer.Net{one}}).Plan(); err == nil || !strings.Contains(err.Error(), "chain: n takes a class, which no part of a chain can") {
		t.Errorf("a chain of nets with classes: %v", err)
	}
	p, err := one.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Build(layer.BuildOptions{}); err == nil || !strings.Contains(err.Error(), "n: takes a class, and none is given") {
		t.Errorf("without a class: %v", err)
	}
}
