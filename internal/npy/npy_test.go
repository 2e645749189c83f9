package npy

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// file is an array as numpy writes it.
func file(version byte, dict string, elements ...any) []byte {
	var b bytes.Buffer
	b.WriteString("\x93NUMPY")
	b.Write([]byte{version, 0})
	dict += "\n"
	if version == 1 {
		binary.Write(&b, binary.LittleEndian, uint16(len(dict)))
	} else {
		binary.Write(&b, binary.LittleEndian, uint32(len(dict)))
	}
	b.WriteString(dict)
	for _, e := range elements {
		if s, ok := e.(string); ok {
			b.WriteString(s)
			continue
		}
		binary.Write(&b, binary.LittleEndian, e)
	}
	return b.Bytes()
}

func TestArraysAreReadAsTheyWereWritten(t *testing.T) {
	for _, c := range []struct {
		name string
		file []byte
		want Array
	}{
		{"floats", file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", []float32{1, 2, 3, 4, 5, 6}), Array{Dims: []int{2, 3}, Data: Numbers[float32]{1, 2, 3, 4, 5, 6}}},
		{"by columns", file(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", []float32{1, 4, 2, 5, 3, 6}), Array{Dims: []int{2, 3}, Data: Numbers[float32]{1, 2, 3, 4, 5, 6}}},
		{"a scalar", file(2, "{'descr': '<i8', 'fortran_order': False, 'shape': (), }", int64(-7)), Array{Dims: []int{}, Data: Numbers[int64]{-7}}},
		{"one axis", file(3, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", []byte{0, 128, 255}), Array{Dims: []int{3}, Data: Numbers[uint8]{0, 128, 255}}},
		{"no elements", file(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 4), }"), Array{Dims: []int{0, 4}, Data: Numbers[float64]{}}},
		{"big end first", file(1, "{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }", "\x01\x02\xff\xff"), Array{Dims: []int{2}, Data: Numbers[int16]{258, -1}}},
		{"half precision", file(1, "{'descr': '<f2', 'fortran_order': False, 'shape': (1,), }", uint16(0x3c00)), Array{Dims: []int{1}, Data: Others[Half]{0x3c00}}},
		{"booleans", file(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", []byte{1, 0}), Array{Dims: []int{2}, Data: Others[bool]{true, false}}},
		{"strings", file(1, "{'descr': '<U2', 'fortran_order': False, 'shape': (2,), }", []uint32{'a', 0, 'b', 'ü'}), Array{Dims: []int{2}, Data: Others[string]{"a", "bü"}}},
		{"bytes", file(1, "{'descr': '|S3', 'fortran_order': False, 'shape': (2,), }", "a\x00\x00bcd"), Array{Dims: []int{2}, Data: Others[string]{"a", "bcd"}}},
	} {
		got, err := Read(bytes.NewReader(c.file), 1<<20)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %#v, %v, want %#v", c.name, got, err, c.want)
		}
	}
}

func TestWhatIsNoArraySaysWhy(t *testing.T) {
	ok := "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "does not begin"},
		{"a picture", []byte("\x89PNG\r\n\x1a\n"), "does not begin"},
		{"a newer version", file(4, ok), "version 4.0"},
		{"cut off in the header", file(1, ok)[:30], "ends in its header"},
		{"too few elements", file(1, ok, float32(1)), "wants 8 bytes, got 4"},
		{"too many elements", file(1, ok, []float32{1, 2, 3}), "got more"},
		{"objects", file(1, "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }"), `type "|O"`},
		{"complex numbers", file(1, "{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }"), `type "<c8"`},
		{"records", file(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }"), "records"},
		{"a negative length", file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }"), "shape that cannot be read"},
		{"more than memory holds", file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999), }"), "more elements than any file holds"},
		{"more than the limit", file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (999999, 1000), }"), "the limit"},
		{"a key twice", file(1, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"), "cannot be read"},
		{"a key missing", file(1, "{'descr': '<f4', 'shape': (2,), }"), "wants the keys"},
		{"code", file(1, "__import__('os')"), "not a dictionary"},
		{"a header of 4 GiB", append([]byte("\x93NUMPY\x02\x00"), 0xff, 0xff, 0xff, 0xff), "header of 4294967295 bytes"},
		{"a boolean of 2", file(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }", byte(2)), "boolean that is 2"},
		{"half a character", file(1, "{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }", uint32(0xd800)), "U+D800"},
	} {
		if _, err := Read(bytes.NewReader(c.file), 1<<20); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.name, err, c.want)
		}
	}
}

func archive(t *testing.T, members map[string][]byte) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range members {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(content)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.npz")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestArchives(t *testing.T) {
	one := file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", float32(1))
	two := file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", float32(2))
	both := archive(t, map[string][]byte{"x.npy": one, "y.npy": two})
	if a, err := ReadFile(both, "y", 1<<20); err != nil || a.Data.(Numbers[float32])[0] != 2 {
		t.Errorf("y: %v, %v", a, err)
	}
	if _, err := ReadFile(both, "z", 1<<20); err == nil || !strings.Contains(err.Error(), `no array "z", but `) {
		t.Errorf("z: %v", err)
	}
	if a, err := ReadFile(archive(t, map[string][]byte{"arr_0.npy": two}), "z", 1<<20); err != nil || a.Data.(Numbers[float32])[0] != 2 {
		t.Errorf("the only array: %v, %v", a, err)
	}
	if all, err := ReadArchive(both, 1<<20); err != nil || len(all) != 2 {
		t.Errorf("all: %v, %v", all, err)
	}
	bomb := archive(t, map[string][]byte{"x.npy": make([]byte, 1<<22)})
	if _, err := ReadArchive(bomb, 1<<20); err == nil || !strings.Contains(err.Error(), "the limit is 1048576") {
		t.Errorf("4 MiB of zeros: %v", err)
	}
}

func TestArraysOfNumpy(t *testing.T) {
	dir := t.TempDir()
	script := fmt.Sprintf(`
import numpy as np, os
os.chdir(%q)
np.save("c.npy", np.arange(24, dtype=np.int32).reshape(2, 3, 4))
np.save("f.npy", np.asfortranarray(np.arange(24, dtype=np.int32).reshape(2, 3, 4)))
np.savez_compressed("z.npz", x=np.arange(24, dtype=np.int32).reshape(2, 3, 4))
`, dir)
	if out, err := exec.Command("/usr/bin/python3", "-c", script).CombinedOutput(); err != nil {
		if os.Getenv("PETRIFY_REQUIRE_WITNESSES") != "" {
			t.Fatalf("numpy: %v: %s", err, out)
		}
		t.Skipf("no numpy for /usr/bin/python3: %v", err)
	}
	for _, name := range []string{"c.npy", "f.npy", "z.npz"} {
		a, err := ReadFile(filepath.Join(dir, name), "x", 1<<20)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, v := range a.Data.(Numbers[int32]) {
			if int(v) != i {
				t.Errorf("%s: element %d is %d", name, i, v)
			}
		}
		if !reflect.DeepEqual(a.Dims, []int{2, 3, 4}) {
			t.Errorf("%s: dims %v", name, a.Dims)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", []float32{1, 2, 3, 4, 5, 6}))
	f.Add(file(2, "{'descr': '<U2', 'fortran_order': False, 'shape': (2,), }", []uint32{'a', 0, 'b', 'c'}))
	f.Add(file(3, "{'descr': '|b1', 'fortran_order': False, 'shape': (0, 99999999999), }"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Read(bytes.NewReader(b), 1<<16)
		if err != nil {
			return
		}
		n := 1
		for _, d := range a.Dims {
			n *= d
		}
		if got := reflect.ValueOf(a.Data).Len(); got != n {
			t.Errorf("%d elements of shape %v", got, a.Dims)
		}
	})
}
