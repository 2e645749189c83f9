package dataset

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/dataset/mnist"
)

// filesIn writes files into a new folder.
func filesIn(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func train(t testing.TB, name string) *Set {
	t.Helper()
	src, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	set, err := src.Train(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestMNIST(t *testing.T) {
	src, err := Open("mnist")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name        string
		read        func(context.Context) (*Set, error)
		n           int
		firstLabels []uint32
		perLabel    [10]int // as counted in the literature
		mean        float64 // of all pixels, in hundredths of 255, as in the usual normalisation by 0.1307
	}{
		{"train", src.Train, 60000, []uint32{5, 0, 4, 1, 9, 2, 1, 3, 1, 4}, [10]int{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949}, 13.07},
		{"test", src.Test, 10000, []uint32{7, 2, 1, 0, 4, 1, 4, 9, 5, 9}, [10]int{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}, 13.25},
	} {
		set, err := test.read(t.Context())
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if set.Name != "mnist" || set.N != test.n || set.C != 1 || set.H != 28 || set.W != 28 || len(set.Pixels) != test.n*784 {
			t.Errorf("%s: %s %dx%dx%dx%d with %d pixels", test.name, set.Name, set.N, set.C, set.H, set.W, len(set.Pixels))
		}
		if !slices.Equal(set.Labels[:10], test.firstLabels) {
			t.Errorf("%s: labels start with %v, want %v", test.name, set.Labels[:10], test.firstLabels)
		}
		var count [10]int
		for _, l := range set.Labels {
			count[l]++
		}
		if count != test.perLabel {
			t.Errorf("%s: images per label %v, want %v", test.name, count, test.perLabel)
		}
		total := 0
		for _, p := range set.Pixels {
			total += int(p)
		}
		if mean := float64(total) / 255 / float64(len(set.Pixels)) * 100; !(mean > test.mean-0.005 && mean < test.mean+0.005) {
			t.Errorf("%s: mean %.3f %%, want %.2f %%", test.name, mean, test.mean)
		}
		if got := Digest(set.N, set.C, set.H, set.W, set.Pixels, set.Labels); got != set.Digest {
			t.Errorf("%s: digest %s, computed %s", test.name, set.Digest, got)
		}
	}
}

// MNIST unpacked into a folder of its own is the same data.
func TestDigestDoesNotDependOnPacking(t *testing.T) {
	files := map[string][]byte{}
	for _, name := range []string{"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"} {
		b, err := fs.ReadFile(mnist.Files(), name+".gz")
		if err != nil {
			t.Fatal(err)
		}
		files[name+".gz"] = b
	}
	src, err := Open(filesIn(t, files))
	if err != nil {
		t.Fatal(err)
	}
	zipped, err := src.Test(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plain := filesIn(t, map[string][]byte{
		"t10k-images.idx3-ubyte": idx(zipped.Pixels, 10000, 28, 28),
		"t10k-labels-idx1-ubyte": idx(labelBytes(zipped.Labels), 10000),
	})
	if src, err = Open(plain); err != nil {
		t.Fatal(err)
	}
	unzipped, err := src.Test(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if zipped.Digest != mnistTest || unzipped.Digest != mnistTest {
		t.Errorf("digests %s gzipped, %s plain, %s carried", zipped.Digest, unzipped.Digest, mnistTest)
	}
}

func TestDigestSeesEveryPart(t *testing.T) {
	pixels, labels := ramp(24), []uint32{0, 1}
	base := Digest(2, 1, 3, 4, pixels, labels)
	other := slices.Clone(pixels)
	other[23]++
	for name, got := range map[string]string{
		"a pixel":           Digest(2, 1, 3, 4, other, labels),
		"a label":           Digest(2, 1, 3, 4, pixels, []uint32{0, 2}),
		"a wide label":      Digest(2, 1, 3, 4, pixels, []uint32{0, 257}),
		"height for width":  Digest(2, 1, 4, 3, pixels, labels),
		"channel for image": Digest(1, 2, 3, 4, pixels, labels),
	} {
		if got == base {
			t.Errorf("%s: the digest stays the same", name)
		}
	}
}

func TestFolders(t *testing.T) {
	images, labels := idx(ramp(24), 2, 3, 4), idx([]byte{7, 9}, 2)
	dir := filesIn(t, map[string][]byte{"train-images-idx3-ubyte.gz": gzipped(t, images), "train-labels-idx1-ubyte": labels})
	set := train(t, dir)
	if set.Name != filepath.Base(dir) || set.N != 2 || set.C != 1 || set.H != 3 || set.W != 4 || !bytes.Equal(set.Pixels, ramp(24)) || !slices.Equal(set.Labels, []uint32{7, 9}) {
		t.Errorf("read %+v", set)
	}
	if got := set.Image(1); !bytes.Equal(got, ramp(24)[12:]) {
		t.Errorf("image 1 is %v", got)
	}

	for _, test := range []struct {
		name  string
		files map[string][]byte
		say   []string
	}{
		{"no labels", map[string][]byte{"train-images-idx3-ubyte": images},
			[]string{"no train-labels-idx1-ubyte or train-labels-idx1-ubyte.gz in it"}},
		{"three labels for two images", map[string][]byte{"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte.gz": gzipped(t, idx(ramp(3), 3))},
			[]string{"train-labels-idx1-ubyte.gz: 3 labels, but 2 images in", "train-images-idx3-ubyte"}},
		{"images as labels", map[string][]byte{"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": images},
			[]string{"train-labels-idx1-ubyte: bad magic 0x00000803, want 0x00000801"}},
		{"the other split only", map[string][]byte{"t10k-images-idx3-ubyte": images, "t10k-labels-idx1-ubyte": labels},
			[]string{"no train-labels-idx1-ubyte", "it has t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"}},
		{"cut short", map[string][]byte{"train-images-idx3-ubyte": images[:30], "train-labels-idx1-ubyte": labels},
			[]string{"train-images-idx3-ubyte: header promises 2x3x4 = 24 bytes, the file has 14"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			src, err := Open(filesIn(t, test.files))
			if err != nil {
				t.Fatal(err)
			}
			_, err = src.Train(t.Context())
			if err == nil {
				t.Fatal("read")
			}
			for _, word := range test.say {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
		})
	}
}

func TestFileThatIsAFolder(t *testing.T) {
	dir := filesIn(t, map[string][]byte{"train-labels-idx1-ubyte": idx([]byte{7, 9}, 2)})
	if err := os.Mkdir(filepath.Join(dir, "train-images-idx3-ubyte"), 0o755); err != nil {
		t.Fatal(err)
	}
	src, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Train(t.Context()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("error %v", err)
	}
}

func TestOpenHelpsWhoMistypes(t *testing.T) {
	dir := filesIn(t, map[string][]byte{"weights.bin": {1}})
	for _, test := range []struct{ name, say string }{
		{"", "no data set named: want mnist or a folder"},
		{"mnits", `data set "mnits": the folder does not exist, and known names are: mnist; did you mean mnist?`},
		{"MNIST", "did you mean mnist?"},
		{"minst", "did you mean mnist?"},
		{"nist", "did you mean mnist?"},
		{"data/nothing-here", "the folder does not exist, and known names are: mnist"},
		{filepath.Join(dir, "weights.bin"), "a file, want a folder"},
		{filepath.Join(dir, "weights.bin", "deeper"), "not a directory"},
		{dir, "no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in it, nor pictures (it has weights.bin)"},
		{t.TempDir(), "(it is empty)"},
	} {
		_, err := Open(test.name)
		if err == nil {
			t.Errorf("%q: opened", test.name)
		} else if !strings.Contains(err.Error(), test.say) {
			t.Errorf("%q: error %q does not say %q", test.name, err, test.say)
		}
	}
	if _, err := Open("data/nothing-here"); strings.Contains(err.Error(), "did you mean") {
		t.Errorf("suggests where nothing is near: %v", err)
	}
}

func TestNewChecksSizes(t *testing.T) {
	for _, test := range []struct {
		name       string
		n, c, h, w int
		pixels     int
		labels     int
		say        string
	}{
		{"negative", 2, 1, -3, 4, 24, 2, "size 2x1x-3x4"},
		{"empty", 0, 1, 3, 4, 0, 0, "want at least 1"},
		{"pixels missing", 2, 1, 3, 4, 23, 2, "23 pixels, want 2x1x3x4"},
		{"labels missing", 2, 1, 3, 4, 24, 1, "1 labels for 2 images"},
		{"overflow", 1 << 30, 1 << 30, 1 << 30, 1, 0, 2, "0 pixels, want"},
	} {
		_, err := New("x", test.n, test.c, test.h, test.w, make([]uint8, test.pixels), make([]uint32, test.labels))
		if err == nil || !strings.Contains(err.Error(), test.say) {
			t.Errorf("%s: error %v, want %q in it", test.name, err, test.say)
		}
	}
}

func TestSyntheticIsSeededAndFixed(t *testing.T) {
	a, err := Synthetic(7, 50, 1, 12, 10)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Synthetic(8, 50, 1, 12, 10)
	if err != nil {
		t.Fatal(err)
	}
	const want = "11a029dab7b064cd33f7649d292d3e09166855ba34e9c14a06f55d4db795afdc"
	if a.Digest != want {
		t.Errorf("digest of seed 7 is %s, want %s on every machine", a.Digest, want)
	}
	if a.Digest == b.Digest {
		t.Error("seeds 7 and 8 give the same images")
	}
}

// The nearest mean image names the label of nearly all images of another
// seed: there is something to learn.
func TestSyntheticCanBeLearnt(t *testing.T) {
	for _, size := range [][3]int{{1, 28, 28}, {3, 9, 14}} {
		a, err := Synthetic(1, 400, size[0], size[1], size[2])
		if err != nil {
			t.Fatal(err)
		}
		b, err := Synthetic(2, 400, size[0], size[1], size[2])
		if err != nil {
			t.Fatal(err)
		}
		d := a.C * a.H * a.W
		mean, count := make([]float64, SyntheticClasses*d), [SyntheticClasses]float64{}
		for i, l := range a.Labels {
			count[l]++
			for j, p := range a.Image(i) {
				mean[int(l)*d+j] += float64(p)
			}
		}
		right := 0
		for i, l := range b.Labels {
			best, nearest := -1.0, 0
			for k := range SyntheticClasses {
				dist := 0.0
				for j, p := range b.Image(i) {
					e := float64(p) - mean[k*d+j]/count[k]
					dist += e * e
				}
				if best < 0 || dist < best {
					best, nearest = dist, k
				}
			}
			if nearest == int(l) {
				right++
			}
		}
		if right < 380 {
			t.Errorf("%v: %d of 400 recognised, want 380", size, right)
		}
	}
}

func TestSyntheticRefusesSizes(t *testing.T) {
	for _, s := range [][4]int{{0, 1, 2, 2}, {1, 0, 2, 2}, {1, 1, -1, 2}, {1, 1, 1, 1 << 20}, {1 << 30, 1 << 30, 2, 2}} {
		if _, err := Synthetic(1, s[0], s[1], s[2], s[3]); err == nil {
			t.Errorf("%v: drawn", s)
		}
	}
	if s, err := Synthetic(1, 1, 1, 1, 1); err != nil || len(s.Pixels) != 1 {
		t.Errorf("one pixel: %v %v", s, err)
	}
}

func BenchmarkDecodeMNIST(b *testing.B) {
	src, err := Open("mnist")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		set, err := src.Train(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(set.Pixels)))
	}
}
