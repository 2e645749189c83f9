package load

import (
	"bytes"
	"image"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/raster"
	"github.com/petrify-ml/petrify/random"
)

// classed is a generator of one pixel that is 100 times the number of the class, named where there are names, or a discriminator that
// adds it to the left of two pixels.
func classed(t testing.TB, discriminator bool, names string) *onnx.Model {
	t.Helper()
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: 13, IR: 8})
	n, one := onnx.Symbolic("N"), onnx.Fixed(1)
	in := []onnx.Dim{n, one}
	if discriminator {
		in = []onnx.Dim{n, one, one, onnx.Fixed(2)}
	}
	x, class := e.Input("x", pb.TensorProto_FLOAT, in...), e.Input("class", pb.TensorProto_INT64, n)
	e.Step("y", "y")
	table := e.Const("table", &onnx.Tensor{Dims: []int{3, 1}, Data: onnx.Slice[float32]{0, 100, 200}})
	of := e.Node("Gather", "of", []onnx.Value{table, class}, onnx.Int("axis", 0))
	if discriminator {
		flat := e.Node("Flatten", "flat", []onnx.Value{x}, onnx.Int("axis", 1))
		left := e.Node("MatMul", "left", []onnx.Value{flat, e.Const("weights", &onnx.Tensor{Dims: []int{2, 1}, Data: onnx.Slice[float32]{1, 0}})})
		e.Output(e.Node("Add", "", []onnx.Value{of, left}), pb.TensorProto_FLOAT, n, one)
	} else {
		none := e.Node("Mul", "none", []onnx.Value{x, e.Const("zero", &onnx.Tensor{Data: onnx.Slice[float32]{0}})})
		shape := e.Const("shape", &onnx.Tensor{Dims: []int{4}, Data: onnx.Slice[int64]{0, 1, 1, 1}})
		e.Output(e.Node("Reshape", "", []onnx.Value{e.Node("Add", "sum", []onnx.Value{of, none}), shape}), pb.TensorProto_FLOAT, n, one, one, one)
	}
	m := onnxtest.Model(t, e)
	m.Proto.MetadataProps = []*pb.StringStringEntryProto{{Key: proto.String(raster.MetaPixels), Value: proto.String("0,255")}}
	if names != "" {
		m.Proto.MetadataProps = append(m.Proto.MetadataProps, &pb.StringStringEntryProto{Key: proto.String(raster.MetaClasses), Value: &names})
	}
	return &onnx.Model{Proto: m.Proto}
}

const three = `["cat","dog","eel"]`

// shades are the pixels of images of one.
func shades(images []image.Image) (list []byte) {
	for _, m := range images {
		list = append(list, m.(*image.Gray).Pix...)
	}
	return list
}

// Images are of the classes requested, in turn, whoever makes them.
func TestGeneratorOfClasses(t *testing.T) {
	g := generatorOf(t, classed(t, false, three))
	if got := g.Classes(); !slices.Equal(got, []string{"cat", "dog", "eel"}) {
		t.Errorf("classes are %q", got)
	}
	b, err := NewBatcher(g, BatcherOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		n       int
		classes []int
		want    []byte
	}{
		{5, nil, []byte{0, 100, 200, 0, 100}},
		{3, []int{2}, []byte{200, 200, 200}},
		{4, []int{1, 0}, []byte{100, 0, 100, 0}},
		{0, []int{1}, nil},
	} {
		alone, err1 := g.SampleClass(t.Context(), 7, c.n, c.classes...)
		batched, err2 := b.SampleClass(t.Context(), 7, c.n, c.classes...)
		decoded, err3 := g.Decode(t.Context(), slices.Repeat([][]float32{{1}}, c.n), c.classes...)
		for way, images := range map[string][]image.Image{"alone": alone, "batched": batched, "decoded": decoded} {
			if err1 != nil || err2 != nil || err3 != nil || !bytes.Equal(shades(images), c.want) {
				t.Errorf("%s, classes %v: %v, want %v (%v, %v, %v)", way, c.classes, shades(images), c.want, err1, err2, err3)
			}
		}
	}
	if images, err := g.Sample(t.Context(), 7, 4); err != nil || !bytes.Equal(shades(images), []byte{0, 100, 200, 0}) {
		t.Errorf("without a class: %v, %v", images, err)
	}
	dst := make([]byte, 4)
	if err := g.Pixels(t.Context(), dst, random.Noise{}, 2); err != nil || !bytes.Equal(dst, []byte{200, 0, 100, 200}) {
		t.Errorf("from image 2 on: %v, %v", dst, err)
	}
}

// Classes that a model does not have, or has without names, are told apart.
func TestClassesThatAreNot(t *testing.T) {
	for _, c := range []struct {
		claim string
		m     *onnx.Model
		class int
		want  string
	}{
		{"beyond the last", classed(t, false, three), 3, "class 3, want 0 to 2"},
		{"before the first", classed(t, false, three), -1, "class -1, want 0 to 2"},
		{"beyond the last of those without names", classed(t, false, ""), 3, "3"},
		{"before the first of those without names", classed(t, false, ""), -1, "class -1, want 0 or more"},
		{"of a model that takes none", generator(t, false), 0, "class 0, and the model takes none"},
	} {
		g := generatorOf(t, c.m)
		b, err := NewBatcher(g, BatcherOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, err1 := g.SampleClass(t.Context(), 1, 2, c.class)
		_, err2 := b.SampleClass(t.Context(), 1, 2, c.class)
		_, err3 := g.Decode(t.Context(), [][]float32{make([]float32, g.Latent())}, c.class)
		for _, err := range []error{err1, err2, err3} {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error is %v, want %q", c.claim, err, c.want)
			}
		}
	}
	for _, names := range []string{`[]`, `["a"`, `[1,2,3]`, `{"a":1}`} {
		if _, err := OpenGenerator(classed(t, false, names)); err == nil || !strings.Contains(err.Error(), raster.MetaClasses) {
			t.Errorf("names %s: error is %v", names, err)
		}
	}
	g := generatorOf(t, classed(t, false, ""))
	if images, err := g.SampleClass(t.Context(), 1, 2, 2); err != nil || !bytes.Equal(shades(images), []byte{200, 200}) || g.Classes() != nil {
		t.Errorf("a class without a name: %v, %v, classes %q", images, err, g.Classes())
	}
}

// A discriminator scores an image of its class.
func TestDiscriminatorOfClasses(t *testing.T) {
	d, err := OpenDiscriminator(classed(t, true, three))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	images := slices.Repeat([]image.Image{&image.Gray{Pix: []byte{7, 9}, Stride: 2, Rect: image.Rect(0, 0, 2, 1)}}, mostAtOnce+2)
	all := make([]int, len(images))
	for i := range all {
		all[i] = i % 3
	}
	scores, err := d.Score(t.Context(), images, all...)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range scores {
		if want := float32(100*all[i] + 7); s != want {
			t.Fatalf("image %d scores %v, want %v", i, s, want)
		}
	}
	if scores, err := d.Score(t.Context(), images[:2], 1); err != nil || !slices.Equal(scores, []float32{107, 107}) {
		t.Errorf("one class for all: %v, %v", scores, err)
	}
	for _, classes := range [][]int{nil, {0, 1}, {5}} {
		if _, err := d.Score(t.Context(), images[:3], classes...); err == nil {
			t.Errorf("classes %v of three images: no error", classes)
		}
	}
	if _, err := OpenEncoder(classed(t, true, three)); err == nil || !strings.Contains(err.Error(), "an encoder takes none") {
		t.Errorf("as an encoder: %v", err)
	}
}
