package train

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/random"
)

// conditional is opposed with nets that take a class.
func conditional(joint bool, classes int) model.Model {
	m := opposed(joint)
	class := layer.Class{Name: "class", Count: classes}
	for i, row := range []string{"z", "flat"} {
		n := &m.Nets[i]
		n.Class = class
		at := i // behind the row that flattens images
		n.Rows = slices.Insert(slices.Clone(n.Rows), at, layer.Row{Name: "joined", Layer: layer.Concat{}, From: []string{row, "class"}})
	}
	return m
}

// hot are the classes in one-hot rows.
func hot(t *testing.T, x []float32, count int) (classes []int) {
	t.Helper()
	for row := range slices.Chunk(x, count) {
		k := slices.Index(row, 1)
		if k < 0 || slices.IndexFunc(row, func(v float32) bool { return v != 0 && v != 1 }) >= 0 || slices.Index(row[k+1:], 1) >= 0 {
			t.Fatalf("a row is %v, want one-hot", row)
		}
		classes = append(classes, k)
	}
	return classes
}

// A real image comes with its own class, a generated one with a class that was drawn as often as the data have it; both nets see the same.
func TestNetsSeeTheClass(t *testing.T) {
	for _, together := range []bool{false, true} {
		tr := trainer(t, conditional(together, dataset.SyntheticClasses), nil)
		_, of := tr.config.Data.Classes()
		var real, fake, gen []float32
		var batches *Batches
		switch i := tr.iteration.(type) {
		case *separate:
			real, fake, gen, batches = i.cReal, i.cFake, i.cGen, i.batches
		case *joint:
			real, fake, gen, batches = i.cReal, i.cFake, i.cGen, i.batches
		}
		drawn := make([]float64, dataset.SyntheticClasses)
		for ev, err := range tr.Steps(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			for i, k := range hot(t, real, dataset.SyntheticClasses) {
				if want := of[batches.picked[i]]; k != want {
					t.Fatalf("joint %t, step %d: image %d is of class %d, and comes with %d", together, ev.Step, i, want, k)
				}
			}
			for _, k := range append(hot(t, fake, dataset.SyntheticClasses), hot(t, gen, dataset.SyntheticClasses)...) {
				drawn[k]++
			}
			if together != slices.Equal(fake, gen) {
				t.Errorf("joint %t: the classes of both steps are equal: %t", together, !together)
			}
		}
	}
}

// Classes are drawn as often as images have them: one of two in nine of ten.
func TestClassesAreDrawnAsOftenAsTheyAre(t *testing.T) {
	set, err := dataset.New("uneven", 10, 1, 1, 1, make([]uint8, 10), []uint32{7, 7, 7, 7, 3, 7, 7, 7, 7, 7})
	if err != nil {
		t.Fatal(err)
	}
	class := layer.Class{Name: "class", Count: 2}
	_, of := set.Classes()
	const n = 1000
	b := &Batches{set: set, class: class, of: of, drawn: make([]int, n)}
	x := make([]float32, 2*n)
	b.Draw(x, random.New(1, "class"))
	second := 0
	for _, k := range hot(t, x, 2) {
		second += k
	}
	if !(math.Abs(float64(second)-900) < 4*math.Sqrt(n*0.9*0.1)) {
		t.Errorf("class 7 was drawn %d times of %d, want about 900", second, n)
	}
}

// What a generator makes depends on the class, and a discriminator moves by it: a class that is not told changes nothing.
func TestTheClassMatters(t *testing.T) {
	tr := trainer(t, conditional(false, dataset.SyntheticClasses), nil)
	finish(t, tr)
	g, err := tr.Net("generator")
	if err != nil {
		t.Fatal(err)
	}
	made := func(classes ...int) []float32 {
		out, err := g.Infer(2, random.New(1, "z").Normal, classes...)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(out[0])
	}
	a, b := made(1, 2), made(1, 3)
	if !slices.Equal(a[:784], b[:784]) || slices.Equal(a[784:], b[784:]) {
		t.Error("the first image, of the same class, is another, or the second, of another class, the same")
	}
	if _, err := g.Infer(2, random.New(1, "z").Normal); err == nil || !strings.Contains(err.Error(), "0 classes for a batch of 2") {
		t.Errorf("without classes: %v", err)
	}
}

// Pictures have a row for each class, each of the same noise.
func TestPicturesOfClasses(t *testing.T) {
	tr := trainer(t, conditional(false, dataset.SyntheticClasses), nil)
	list, err := tr.Pictures(16)
	if err != nil {
		t.Fatal(err)
	}
	p := list[0]
	if p.Columns != 8 || p.Images.N != 8*dataset.SyntheticClasses {
		t.Fatalf("%d images in rows of %d, want %d in rows of 8", p.Images.N, p.Columns, 8*dataset.SyntheticClasses)
	}
	g, err := tr.Net("generator")
	if err != nil {
		t.Fatal(err)
	}
	out, err := g.Infer(8, random.New(3, "samples").Normal, slices.Repeat([]int{4}, 8)...)
	if err != nil {
		t.Fatal(err)
	}
	tr.config.Model.Recipe.Pixels.ToUnit(out[0])
	if !slices.Equal(p.Images.Pixels[4*8*784:5*8*784], out[0]) {
		t.Error("the fifth row is not of the fifth class")
	}
}

func TestClassesThatDoNotFit(t *testing.T) {
	set, err := dataset.Synthetic(5, 64, 1, 28, 28)
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(Config{Model: conditional(false, 9), Data: set, Seed: 1})
	if err == nil || !strings.Contains(err.Error(), "opposed learns 9 classes, synthetic-5 has 10") {
		t.Errorf("nine of ten: %v", err)
	}
	m := conditional(false, 10)
	m.Nets[1].Class.Count = 9
	if err := m.Check(); err == nil || !strings.Contains(err.Error(), `discriminator takes the class "class" of 9, another net "class" of 10`) {
		t.Errorf("nets of different classes: %v", err)
	}
}

// Standing statistics of a conditional generator are taken over classes, too, and training goes on as it would have.
func TestStandingStatisticsOfClasses(t *testing.T) {
	tr := trainer(t, conditional(true, dataset.SyntheticClasses), nil)
	finish(t, tr)
	before := tr.Stream("class").Offset()
	if err := tr.StandingStatistics(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if tr.Stream("class").Offset() != before {
		t.Error("the stream of classes moved")
	}
}
