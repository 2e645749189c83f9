package dataset

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// npyOf is an array as numpy writes it, of version 1 of its format.
func npyOf(kind, shape string, elements ...byte) []byte {
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }\n", kind, shape)
	b := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(dict)))
	return append(append(b, dict...), elements...)
}

// npzOf is an archive of arrays.
func npzOf(t testing.TB, arrays map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, array := range arrays {
		f, err := z.Create(name + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(array); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// counted are bytes from 0 on.
func counted(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestNumpyArrays(t *testing.T) {
	images := npyOf("|u1", "2, 2, 3", counted(12)...)
	labels := npyOf("|u1", "2,", 7, 9)
	for _, c := range []struct {
		claim  string
		files  map[string][]byte
		about  string
		dims   [4]int
		first  []byte // the first image
		labels []uint32
		test   int // images, -1 for none
	}{
		{"Keras's MNIST", map[string][]byte{"mnist.npz": npzOf(t, map[string][]byte{"x_train": images, "y_train": labels, "x_test": npyOf("|u1", "1, 2, 3", counted(6)...), "y_test": npyOf("|u1", "1,", 3)})},
			"NumPy arrays; train: 2 images of 2x3 (x_train of mnist.npz); test: 1 image of 2x3 (x_test of mnist.npz)", [4]int{2, 1, 2, 3}, counted(6), []uint32{7, 9}, 1},
		{"MedMNIST, in colours", map[string][]byte{"path.npz": npzOf(t, map[string][]byte{"train_images": npyOf("|u1", "1, 1, 2, 3", 1, 2, 3, 4, 5, 6), "train_labels": npyOf("<i8", "1, 1", 5, 0, 0, 0, 0, 0, 0, 0), "val_images": npyOf("|u1", "1, 1, 2, 3", 0, 0, 0, 0, 0, 0)})},
			"NumPy arrays; train: 1 image of 1x2 (train_images of path.npz); test: 1 image of 1x2 (val_images of path.npz, without labels)", [4]int{1, 3, 1, 2}, []byte{1, 4, 2, 5, 3, 6}, []uint32{5}, 1},
		{"KMNIST, an array in each file", map[string][]byte{"kmnist-train-imgs.npz": npzOf(t, map[string][]byte{"arr_0": images}), "kmnist-train-labels.npz": npzOf(t, map[string][]byte{"arr_0": labels})},
			"NumPy arrays; train: 2 images of 2x3 (arr_0 of kmnist-train-imgs.npz); test: none", [4]int{2, 1, 2, 3}, counted(6), []uint32{7, 9}, -1},
		{"Quick, Draw!", map[string][]byte{"full_numpy_bitmap_cat.npy": npyOf("|u1", "1, 64", counted(64)...)},
			"NumPy arrays; train: 1 image of 8x8 (full_numpy_bitmap_cat.npy, without labels); test: none", [4]int{1, 1, 8, 8}, counted(64), []uint32{0}, -1},
		{"colours first, wide numbers", map[string][]byte{"x.npy": npyOf("<i2", "1, 3, 1, 2", 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 255, 0)},
			"NumPy arrays; train: 1 image of 1x2 (x.npy, without labels); test: none", [4]int{1, 3, 1, 2}, []byte{1, 2, 3, 4, 5, 255}, []uint32{0}, -1},
		{"black and white", map[string][]byte{"x.npy": npyOf("|b1", "1, 1, 2", 0, 1)},
			"NumPy arrays; train: 1 image of 1x2 (x.npy, without labels); test: none", [4]int{1, 1, 1, 2}, []byte{0, 255}, []uint32{0}, -1},
	} {
		t.Run(c.claim, func(t *testing.T) {
			s, about, err := told(t, treeOf(t, c.files))
			if err != nil {
				t.Fatal(err)
			}
			if about != c.about {
				t.Errorf("said %q, want %q", about, c.about)
			}
			s.options = Options{}
			set, err := s.Train(t.Context())
			if err != nil || [4]int{set.N, set.C, set.H, set.W} != c.dims || !slices.Equal(set.Image(0), c.first) || !slices.Equal(set.Labels, c.labels) {
				t.Fatalf("read %+v (%v)", set, err)
			}
			test, err := s.Test(t.Context())
			if c.test < 0 && !errors.Is(err, ErrNoTest) || c.test >= 0 && (err != nil || test.N != c.test) {
				t.Errorf("test split: %v (%v)", test, err)
			}
			s.options = Options{Size: 5, Channels: 3}
			if set, err = s.Train(t.Context()); err != nil || set.C != 3 || set.H != 5 || set.W != 5 {
				t.Errorf("in another size: %+v (%v)", set, err)
			}
		})
	}
	dir := treeOf(t, map[string][]byte{"a.npy": npyOf("|u1", "1, 1, 2", 1, 2), "b.npy": npyOf("|u1", "1, 1, 2", 3, 4)})
	if set, err := opened(t, filepath.Join(dir, "b.npy"), Options{}).Train(t.Context()); err != nil || set.Pixels[0] != 3 || set.Name != "b.npy" {
		t.Errorf("one file of several: %+v (%v)", set, err)
	}
}

func TestNumpyArraysThatAreRefused(t *testing.T) {
	image := npyOf("|u1", "1, 1, 2", 1, 2)
	for _, c := range []struct {
		claim string
		files map[string][]byte
		want  string
	}{
		{"fractions", map[string][]byte{"x_train.npy": npyOf("<f4", "1, 1, 1", 0, 0, 0, 0)}, `x_train.npy: elements of type "<f4", want pixels that are whole numbers from 0 to 255`},
		{"objects of Python", map[string][]byte{"x_train.npy": npyOf("|O", "1,")}, `"|O"`},
		{"no images", map[string][]byte{"x_train.npy": npyOf("|u1", "5,", 1, 2, 3, 4, 5)}, "shape [5], want images as (N, H, W)"},
		{"another file", map[string][]byte{"x_train.npy": []byte("x")}, "not a .npy file"},
		{"a damaged archive", map[string][]byte{"x.npz": []byte("PK\x03\x04")}, "x.npz: not an .npz archive"},
		{"several", map[string][]byte{"a.npy": image, "b.npy": image}, "2 arrays of images to train with, want one, or the path of one file: a.npy, b.npy"},
		{"to test with alone", map[string][]byte{"x_test.npy": image}, `images to test with alone, x_test.npy: those to train on would be an array called "x_train"`},
	} {
		if _, err := Open(treeOf(t, c.files)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", c.claim, err, c.want)
		}
	}
	for _, c := range []struct {
		claim string
		files map[string][]byte
		want  string
	}{
		{"a number beyond 255", map[string][]byte{"x.npy": npyOf("<u2", "1, 1, 2", 1, 0, 0, 1)}, "x.npy: element 1 is 256, want whole numbers from 0 to 255"},
		{"a number below 0", map[string][]byte{"x.npy": npyOf("|i1", "1, 1, 2", 1, 0xff)}, "x.npy: element 1 is -1"},
		{"bytes that lack", map[string][]byte{"x.npy": npyOf("|u1", "1, 1, 2", 1)}, "x.npy: shape [1 1 2] of |u1 wants 2 bytes, got 1"},
		{"lengths that nothing holds", map[string][]byte{"x.npy": npyOf("|u1", "1, 99999999, 99999999", 1)}, "x.npy: shape"},
		{"labels of other images", map[string][]byte{"x.npy": image, "y.npy": npyOf("|u1", "2,", 1, 2)}, "y.npy of shape [2], want one for each of 1 images"},
	} {
		if _, err := opened(t, treeOf(t, c.files), Options{}).Train(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", c.claim, err, c.want)
		}
	}
}

// What numpy itself writes is read.
func TestNumpyOfNumpy(t *testing.T) {
	python := "/usr/bin/python3"
	if exec.Command(python, "-c", "import numpy").Run() != nil {
		if os.Getenv("PETRIFY_REQUIRE_WITNESSES") != "" {
			t.Fatal("numpy is not installed")
		}
		t.Skip("numpy is not installed")
	}
	dir := t.TempDir()
	script := `
import sys, numpy as np
x = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8)
np.savez_compressed(sys.argv[1], x_train=np.asfortranarray(x), y_train=np.array([3, 4]), x_test=x[:1], y_test=np.array([5]))
`
	if out, err := exec.Command(python, "-c", script, filepath.Join(dir, "mnist.npz")).CombinedOutput(); err != nil {
		t.Fatalf("numpy: %v\n%s", err, out)
	}
	set, err := opened(t, dir, Options{}).Train(t.Context())
	if err != nil || !slices.Equal(set.Pixels, counted(128)) || !slices.Equal(set.Labels, []uint32{3, 4}) {
		t.Errorf("read %+v (%v)", set, err)
	}
}

func FuzzNumpy(f *testing.F) {
	f.Add(npyOf("|u1", "2, 2, 3", counted(12)...))
	f.Add(npyOf("<i8", "1, 64", counted(8*64)...))
	f.Add(npzOf(f, map[string][]byte{"x_train": npyOf("|u1", "1, 2, 2, 3", counted(12)...), "y_train": npyOf("|u1", "1,", 2)}))
	f.Fuzz(func(t *testing.T, file []byte) {
		dir := filesIn(t, map[string][]byte{"a.npz": file})
		s, err := Open(dir)
		if err != nil {
			return
		}
		set, err := s.Train(t.Context())
		if err != nil {
			if !strings.Contains(err.Error(), "a.npz") {
				t.Errorf("error does not name the file: %v", err)
			}
			return
		}
		if set.N != len(set.Labels) || len(set.Pixels) != set.N*set.C*set.H*set.W {
			t.Errorf("read %d images of %dx%dx%d with %d pixels and %d labels", set.N, set.C, set.H, set.W, len(set.Pixels), len(set.Labels))
		}
	})
}
