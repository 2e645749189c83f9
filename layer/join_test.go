package layer_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/layer"
)

// A row may join any rows in front of it, and the input itself.
func TestBranchesMeet(t *testing.T) {
	n := net(
		layer.Row{Name: "conv1", Layer: layer.Conv2D{Out: 3, Kernel: [2]int{3, 3}, Pads: [4]int{1, 1, 1, 1}}},
		layer.Row{Name: "act1", Layer: layer.ReLU{}},
		layer.Row{Name: "sum", Layer: layer.Add{}, From: []string{"act1", "conv1"}},
		layer.Row{Name: "both", Layer: layer.Concat{}, From: []string{"sum", "x"}},
	)
	p, err := n.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Steps[3].Out.String(); got != "4x4x6" {
		t.Errorf("the branches meet in %s, want 4x4x6", got)
	}
	if s := p.Steps[2]; !slices.Equal(s.From, []int{1, 0}) {
		t.Errorf("the sum is of %v, want [1 0]", s.From)
	}
}

func TestShapeRulesSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		row  layer.Row
		want string
	}{
		{layer.Row{Layer: layer.Add{}}, "net.y: joins several inputs, got one"},
		{layer.Row{Layer: layer.Tanh{}, From: []string{"x", "x"}}, "net.y: takes one input, got 2"},
		{layer.Row{Layer: layer.Add{}, From: []string{"x", "z"}}, `net.y: continues "z", which is not an earlier row`},
		{layer.Row{Layer: layer.Conv2D{Out: 2, Kernel: [2]int{5, 3}}}, "net.y: convolution of 1x4x6: image of 4x6"},
		{layer.Row{Layer: layer.Conv2D{Out: 3, Kernel: [2]int{1, 1}, Groups: 2}}, "groups that divide both"},
		{layer.Row{Layer: layer.Conv2D{Kernel: [2]int{1, 1}}}, "net.y: convolution to 0 channels"},
		{layer.Row{Layer: layer.ConvTranspose2D{Out: 1, Kernel: [2]int{2, 2}, OutputPad: [2]int{1, 0}}}, "output padding"},
		{layer.Row{Layer: layer.BatchNorm{Epsilon: 1e-5, Momentum: 1}}, "momentum is 1"},
		{layer.Row{Layer: layer.BatchNorm{}}, "epsilon is 0"},
		{layer.Row{Layer: layer.MaxPool{Kernel: [2]int{2, 2}, Pads: [4]int{2, 0, 0, 0}}}, "less padding than window"},
		{layer.Row{Layer: layer.MaxPool{}}, "window of 0x0"},
		{layer.Row{Layer: layer.Upsample{}}, "upsampling by 0x0"},
		{layer.Row{Layer: layer.Dropout{Rate: 1}}, "dropout rate is 1"},
		{layer.Row{Layer: layer.LayerNorm{}}, "epsilon 0"},
	} {
		c.row.Name = "y"
		if _, err := net(c.row).Plan(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", layer.Describe(c.row.Layer), err, c.want)
		}
	}
}
