package dataset

import (
	"bytes"
	"fmt"
	"image/color"
	"slices"
	"strings"
	"testing"
)

// Labels are known where a format has them, and called what people call them.
func TestClasses(t *testing.T) {
	line := func(label string) string { return label + strings.Repeat("0,", 63) + "0\n" }
	head := strings.TrimSuffix(strings.Repeat("p,", 64), ",") + "\n"
	red := pngOf(t, 8, 8, color.Gray{9})
	images := npyOf("|u1", "3, 2, 2", counted(12)...)
	for _, c := range []struct {
		claim string
		files map[string][]byte
		names []string // nil where there are no labels
		of    []int
	}{
		{"IDX files", map[string][]byte{"train-images-idx3-ubyte": idx(make([]byte, 12), 3, 2, 2), "train-labels-idx1-ubyte": idx([]byte{9, 2, 9}, 3)}, []string{"2", "9"}, []int{1, 0, 1}},
		{"a table with labels", map[string][]byte{"train.csv": []byte("label," + head + line("4294967295,") + line("7,"))}, []string{"7", "4294967295"}, []int{1, 0}},
		{"a table without", map[string][]byte{"train.csv": []byte(head + line("") + line(""))}, nil, nil},
		{"arrays with labels", map[string][]byte{"d.npz": npzOf(t, map[string][]byte{"x_train": images, "y_train": npyOf("|u1", "3,", 5, 5, 1)})}, []string{"1", "5"}, []int{1, 1, 0}},
		{"arrays without", map[string][]byte{"d.npz": npzOf(t, map[string][]byte{"x_train": images})}, nil, nil},
		{"pictures in classes", map[string][]byte{"train/dog/1.png": red, "train/cat/2.png": red, "train/cat/3.png": red, "test/eel/4.png": red}, []string{"cat", "dog"}, []int{0, 0, 1}},
		{"pictures in one class", map[string][]byte{"train/cat/2.png": red, "test/cat/3.png": red}, []string{"cat"}, []int{0}},
		{"pictures without", map[string][]byte{"train/1.png": red, "test/eel/4.png": red}, nil, nil},
	} {
		t.Run(c.claim, func(t *testing.T) {
			source := opened(t, treeOf(t, c.files), Options{Size: 2})
			if source.Labelled() != (c.names != nil) {
				t.Errorf("labelled is %t", source.Labelled())
			}
			set, err := source.Train(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			names, of := set.Classes()
			if c.names != nil && (!slices.Equal(names, c.names) || !slices.Equal(of, c.of)) {
				t.Errorf("classes %q, of images %v; want %q, %v", names, of, c.names, c.of)
			}
			if c.names == nil && len(names) != 1 {
				t.Errorf("classes %q where there are no labels, want one", names)
			}
		})
	}
}

// The classes of MNIST are its digits, and all have images.
func TestClassesOfMNIST(t *testing.T) {
	names, of := train(t, "mnist").Classes()
	if got := fmt.Sprint(names); got != "[0 1 2 3 4 5 6 7 8 9]" {
		t.Errorf("classes are %s", got)
	}
	if len(of) != 60000 || of[0] != 5 || of[1] != 0 || of[2] != 4 { // as its first images show
		t.Errorf("%d images, the first of classes %v", len(of), of[:3])
	}
	if labelled := bytes.Count([]byte(fmt.Sprint(of)), []byte("7")); labelled != 6265 {
		t.Errorf("%d sevens, want 6265", labelled)
	}
}
