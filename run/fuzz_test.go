package run

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/train"
)

// What is read of any run.json can be written, and is read again as the same.
func FuzzDescription(f *testing.F) {
	d := gan()
	d.Format = runFormat
	good, err := d.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"format":1,"model":"gan","config":{"sizes":{},"learning_rate":1,"sample_every":1},"seed":1,"steps":1,"batch":1,"data":{"name":"d","source":"d","digest":""},"version":"","go":"","machine":"","step":0}`))
	f.Add([]byte(`{"format":2}`))
	f.Add([]byte(`{"format":2,"sizes":{"image":[-1]},"sessions":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(t.TempDir(), runFile)
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := readDescription(file)
		if err != nil {
			return
		}
		if list := d.differences(d.Settings); list != nil {
			t.Fatalf("settings differ from themselves: %v", list)
		}
		b, err := d.encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
		again, err := readDescription(file)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if !reflect.DeepEqual(d, again) {
			t.Fatalf("%+v comes back as %+v", d, again)
		}
	})
}

// Whatever a checkpoint says of curves, they are refused or can be gone on with.
func FuzzCurves(f *testing.F) {
	f.Add(`{"first":0,"stretch":1,"names":["a"],"sums":[0],"summed":0}`, 2, uint8(2))
	f.Add(`{"first":-7,"stretch":-1,"names":["a","a"],"sums":[1e300,2],"summed":9}`, 0, uint8(2))
	f.Add(`{}`, 5, uint8(0))
	f.Add(`{"stretch":9223372036854775807,"names":["a"],"sums":[0],"summed":0}`, 4, uint8(200))
	f.Fuzz(func(t *testing.T, text string, step int, points uint8) {
		step %= 1 << 30
		s := &checkpoint.Snapshot{Step: step, Meta: map[string]string{curvesKey: text}}
		if points > 0 {
			s.Tensors = []checkpoint.Tensor{{Name: curvesPrefix + "a", Dims: []int{int(points)}, Data: make([]float32, points)}}
		}
		c, err := takeCurves(s, []string{"a"})
		if err != nil {
			return
		}
		metrics := []train.Metric{{Name: "a"}}
		for range 3 {
			c.add(metrics)
		}
		for i := range c.Names {
			p := c.curve(i)
			for k := 1; k < len(p.Steps); k++ {
				if !(p.Steps[k] > p.Steps[k-1]) {
					t.Fatalf("steps %v and %v follow one another", p.Steps[k-1], p.Steps[k])
				}
			}
		}
	})
}
