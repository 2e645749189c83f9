package load

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/witness/child"
)

// BenchmarkAgainstONNXRuntime runs the generators here and in ONNX Runtime for Node by turns, and reports the medians, their ratio,
// and that of the best runs. ONNX Runtime is timed inside its process, without the way there; the cost of Node's own call is in its figure.
// PETRIFY_MODELS names a folder of other models, all of which are compared.
func BenchmarkAgainstONNXRuntime(b *testing.B) {
	folder := os.Getenv("PETRIFY_MODELS")
	if folder == "" {
		against(b, "dense", generator(b, false), 1, 64, 1024)
		against(b, "convolutional", convolutional(b, false), 1, 64)
		against(b, "convolutional in float16", halved(b, convolutional(b, false)), 1, 64)
		return
	}
	if err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".onnx" {
			return err
		}
		m, err := wire.Read(path, wire.Limits{})
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		against(b, strings.TrimSuffix(name, ".onnx"), m, 1, 64, 1024)
		return err
	}); err != nil {
		b.Fatal(err)
	}
}

// against compares on one model, whose inputs are batches of floats.
func against(b *testing.B, name string, m *onnx.Model, batches ...int) {
	node := child.Node()
	node.Program = witnesstest.Node(b, "onnxruntime-node")
	for _, threads := range []int{1, 2} {
		for _, n := range batches {
			b.Run(fmt.Sprintf("%s/threads=%d/batch=%d", name, threads, n), func(b *testing.B) {
				old := kernel.SetThreads(threads)
				defer kernel.SetThreads(old)
				node.Threads = threads
				ort, err := node.Start(b.Context(), m)
				if err != nil {
					b.Fatal(err)
				}
				defer ort.Close()
				s := open(b, m)
				var in []*onnx.Tensor
				for k, input := range s.Inputs() {
					dims := []int{n}
					for _, d := range input.Type.Dims[1:] {
						dims = append(dims, int(d.Size))
					}
					x, err := cast(onnxtest.Tensor(b, "", normals(uint64(k+1), product(dims), 1), dims...), input.Type.Elem)
					if err != nil {
						b.Fatal(err)
					}
					x.Name = input.Name
					in = append(in, x)
				}

				const rounds = 5
				each := 2
				var here, there []time.Duration
				ours := func() (took []time.Duration) {
					for range each {
						start := time.Now()
						if _, err := s.Run(b.Context(), in); err != nil {
							b.Fatal(err)
						}
						took = append(took, time.Since(start))
					}
					return took
				}
				theirs := func() []time.Duration {
					_, took, err := ort.Time(b.Context(), in, each)
					if err != nil {
						b.Fatal(err)
					}
					return took
				}
				ours()
				each = max(2, int(20*time.Millisecond/min(ours()[1], 20*time.Millisecond)))
				for b.Loop() {
					for range rounds {
						// Each side is measured at its steady state, not for the garbage or the spinning threads of the other.
						time.Sleep(20 * time.Millisecond)
						ours()
						here = append(here, ours()...)
						time.Sleep(20 * time.Millisecond)
						theirs()
						there = append(there, theirs()...)
					}
				}
				h, t := median(here), median(there)
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(h.Nanoseconds())/1e3, "µs/run")
				b.ReportMetric(float64(t.Nanoseconds())/1e3, "µs/run-ort")
				b.ReportMetric(float64(h)/float64(t), "ratio")
				b.ReportMetric(float64(here[0])/float64(there[0]), "ratio-best") // what other programs disturb least
			})
		}
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// BenchmarkRun is one run of each generator, with its allocations.
func BenchmarkRun(b *testing.B) {
	for _, n := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("dense/batch=%d", n), func(b *testing.B) { benchmarkRun(b, generator(b, false), n) })
	}
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("convolutional/batch=%d", n), func(b *testing.B) { benchmarkRun(b, convolutional(b, false), n) })
	}
}

// BenchmarkRunInto is BenchmarkRun into the tensors of an earlier run.
func BenchmarkRunInto(b *testing.B) {
	for name, m := range map[string]*onnx.Model{"dense": generator(b, false), "convolutional": convolutional(b, false)} {
		b.Run(name, func(b *testing.B) {
			s := open(b, m)
			in := []*onnx.Tensor{onnxtest.Tensor(b, "z", normals(1, 100, 1), 1, 100)}
			out, err := s.Run(b.Context(), in)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.RunInto(b.Context(), in, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchmarkRun(b *testing.B, m *onnx.Model, n int) {
	s := open(b, m)
	in := []*onnx.Tensor{onnxtest.Tensor(b, "z", normals(1, n*100, 1), n, 100)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Run(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoad is everything from the bytes of a file of 0.45 MB to the first image.
func BenchmarkLoad(b *testing.B) {
	file := generator(b, false).Bytes
	z := normals(1, 100, 1)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		m, err := wire.Parse("generator.onnx", file, wire.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		s, err := Open(m)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := s.Apply(b.Context(), z); err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}
