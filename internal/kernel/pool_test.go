package kernel

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/internal/race"
)

// everyKernel runs each float32 kernel once over sizes that make several units
// and returns what they wrote.
func everyKernel() map[string][]float32 {
	out := map[string][]float32{}
	for _, s := range append(shapes, [3]int{130, 140, 150}, [3]int{900, 40, 60}, [3]int{1, 2000, 300}, [3]int{2, 1000, 200}, [3]int{3000, 1, 90}) {
		m, n, k := s[0], s[1], s[2]
		for _, tr := range transposes {
			a, b, c := newMatrix(1, tr[0], m, k, 3, 1), newMatrix(2, tr[1], k, n, 1, 1), newMatrix(3, false, m, n, 2, 1)
			Gemm(tr[0], tr[1], m, n, k, a.x, a.ld, b.x, b.ld, c.x, c.ld, tr[2])
			out[fmt.Sprint("gemm ", s, tr)] = c.x
		}
		for f := range Func(len(funcNames)) {
			y := make([]float32, m*n)
			Dense(y, numbers(1, m*k), numbers(2, k*n), numbers(3, n), m, n, k, Activation{f, 0.2})
			out[fmt.Sprint("dense ", s, f)] = y
		}
	}
	const rows, cols = 130, 333
	const n = rows * cols
	for f := range Func(len(funcNames)) {
		act := Activation{f, 0.2}
		y, dx := make([]float32, n), make([]float32, n)
		Activate(act, y, numbers(1, n))
		ActivateGrad(act, dx, y, numbers(2, n))
		out["activate "+f.String()], out["gradient "+f.String()] = y, dx
	}
	state := func() (w, g, m, v []float32) {
		v = numbers(4, n)
		Mul(v, v, v)
		return numbers(1, n), numbers(2, n), numbers(3, n), v
	}
	c := AdamConfig{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-7}
	for name, f := range map[string]func(w, g, m, v []float32){
		"adam":    func(w, g, m, v []float32) { Adam(c, 2, w, g, m, v) },
		"add":     func(w, g, m, v []float32) { Add(w, g, m) },
		"mul":     func(w, g, m, v []float32) { Mul(w, g, m) },
		"exp":     func(w, g, m, v []float32) { Exp(w, g) },
		"colsum":  func(w, g, m, v []float32) { ColSum(w, g, rows, cols) },
		"uniform": func(w, g, m, v []float32) { NewStream(1, "u").Uniform(w[1:]) },
		"normal":  func(w, g, m, v []float32) { NewStream(1, "n").Normal(w[1:]) },
		"bce":     func(w, g, m, v []float32) { w[0] = float32(BCEWithLogits(m, g, 0.9)) },
		"l1":      func(w, g, m, v []float32) { w[0] = float32(AbsoluteError(m, g)); AbsoluteErrorGrad(v, m, g, 0.1) },
		"entropy": func(w, g, m, v []float32) { w[0] = float32(CrossEntropy(m, g)); CrossEntropyGrad(v, m, g, 0.1) },
		"kl":      func(w, g, m, v []float32) { w[0] = float32(Divergence(m, g)); DivergenceGrad(v, m, 0.1) },
		"gather":  func(w, g, m, v []float32) { GatherRows(w, make([]uint8, 999), make([]int, rows), cols, 0.1, -1) },
	} {
		w, g, m, v := state()
		f(w, g, m, v)
		out[name] = slices.Concat(w, m, v)
	}
	return out
}

func TestThreadsNeverChangeABit(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		defer SetThreads(SetThreads(1))
		want := everyKernel()
		for _, threads := range race.Pick([]int{2, 3, 16}, []int{3}) {
			SetThreads(threads)
			for name, got := range everyKernel() {
				mustMatch(t, fmt.Sprintf("%s with %d threads", name, threads), got, want[name])
			}
		}
	})
}

// Whoever finds the pool taken works alone, with the same result.
func TestConcurrentCallersGetTheSameBits(t *testing.T) {
	defer SetThreads(SetThreads(3))
	const m, n, k = 90, 130, 110
	a, b := numbers(1, m*k), numbers(2, k*n)
	want := make([]float32, m*n)
	Gemm(false, false, m, n, k, a, k, b, n, want, n, false)
	var group sync.WaitGroup
	got := make([][]float32, 6)
	for i := range got {
		group.Go(func() {
			got[i] = make([]float32, m*n)
			for range 50 {
				clear(got[i])
				Gemm(false, false, m, n, k, a, k, b, n, got[i], n, false)
				if !slices.Equal(got[i], want) {
					return
				}
			}
		})
	}
	group.Wait()
	for i := range got {
		mustMatch(t, fmt.Sprint("caller ", i), got[i], want)
	}
}

func TestParallelCoversTheRangeOnce(t *testing.T) {
	defer SetThreads(Threads())
	for _, threads := range []int{1, 2, 5} {
		SetThreads(threads)
		for _, c := range [][2]int{{0, 1}, {-3, 1}, {1, 1}, {7, 1}, {100, 7}, {1000, 1}, {5, 100}, {64, 0}, {64, -2}} {
			n, grain := c[0], c[1]
			seen := make([]atomic.Int32, max(n, 0))
			Parallel(n, grain, func(lo, hi int) {
				if lo%max(grain, 1) != 0 || lo >= hi {
					t.Errorf("n %d, grain %d: range [%d, %d)", n, grain, lo, hi)
				}
				for i := lo; i < hi; i++ {
					seen[i].Add(1)
				}
			})
			for i := range seen {
				if got := seen[i].Load(); got != 1 {
					t.Errorf("n %d, grain %d, %d threads: index %d was covered %d times", n, grain, threads, i, got)
				}
			}
		}
	}
}

func TestParallelWithinParallel(t *testing.T) {
	defer SetThreads(SetThreads(4))
	var sum atomic.Int64
	Parallel(20, 1, func(lo, hi int) {
		for range hi - lo {
			Parallel(30, 1, func(lo, hi int) { sum.Add(int64(hi - lo)) })
		}
	})
	if got := sum.Load(); got != 600 {
		t.Errorf("covered %d, want 600", got)
	}
}

func TestPanicReachesTheCallerOnceAllIsDone(t *testing.T) {
	defer SetThreads(Threads())
	boom := errors.New("boom")
	for _, threads := range []int{1, 2, 4} {
		SetThreads(threads)
		for bad := range 8 {
			var running, done atomic.Int32
			func() {
				defer func() {
					if v := recover(); v != boom {
						t.Errorf("%d threads, unit %d: recovered %v, want %v", threads, bad, v, boom)
					}
					if n := running.Load(); n != 0 {
						t.Errorf("%d threads, unit %d: %d calls still running", threads, bad, n)
					}
				}()
				Parallel(8, 1, func(lo, hi int) {
					running.Add(1)
					defer running.Add(-1)
					if lo <= bad && bad < hi {
						panic(boom)
					}
					time.Sleep(50 * time.Microsecond)
					done.Add(int32(hi - lo))
				})
			}()
		}
		ok := 0
		Parallel(1000, 1000, func(lo, hi int) { ok = hi })
		if ok != 1000 {
			t.Error("the pool does not work after a panic")
		}
	}
}

func TestSetThreadsReturnsTheNumberBefore(t *testing.T) {
	was := SetThreads(3)
	defer SetThreads(was)
	if was < 1 {
		t.Errorf("%d threads at first", was)
	}
	if old := SetThreads(0); old != 3 || Threads() != min(runtime.GOMAXPROCS(0), maxThreads) {
		t.Errorf("before %d, now %d threads", old, Threads())
	}
	if SetThreads(1 << 30); Threads() != maxThreads {
		t.Errorf("%d threads, want no more than %d", Threads(), maxThreads)
	}
}

// Up, down and up again, with work between and with workers asleep.
func TestThreadsMayChangeAtAnyTime(t *testing.T) {
	defer SetThreads(Threads())
	for i := range 60 {
		SetThreads(1 + i*7%6)
		var sum atomic.Int64
		Parallel(50, 1, func(lo, hi int) { sum.Add(int64(hi - lo)) })
		if sum.Load() != 50 {
			t.Fatalf("with %d threads %d of 50 units were done", Threads(), sum.Load())
		}
		if i%10 == 0 {
			time.Sleep(2 * spinTime)
		}
	}
}

// Stopping the world takes every goroutine to a point where it can stop: one
// that spins or computes without such a point would hang here.
func TestGarbageCollectorIsNotHeldUp(t *testing.T) {
	defer SetThreads(SetThreads(4))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		x, y, z := numbers(1, 128*128), numbers(2, 128*128), make([]float32, 128*128)
		for {
			select {
			case <-stop:
				return
			default:
				Gemm(false, false, 128, 128, 128, x, 128, y, 128, z, 128, false)
			}
		}
	}()
	start := time.Now()
	for range 30 {
		runtime.GC()
	}
	close(stop)
	<-stopped
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("30 collections took %v", took)
	}
}

func TestNoKernelAllocates(t *testing.T) {
	defer SetThreads(Threads())
	const m, n, k = 130, 70, 60
	a, b, c, bias := numbers(1, m*k), numbers(2, k*n), make([]float32, m*n), numbers(3, n)
	x, y, z, v := numbers(4, 20_000), numbers(5, 20_000), numbers(6, 20_000), make([]float32, 20_000)
	pixels, rows := make([]uint8, 20_000), make([]int, 100)
	adam := AdamConfig{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-7}
	s := NewStream(1, "alloc")
	f := func(lo, hi int) {}
	d := make([]float64, 100)
	kernels := map[string]func(){
		"gemm":     func() { Gemm(false, true, m, n, k, a, k, b, k, c, n, true) },
		"dots":     func() { Gemm(false, false, m, 1, k, a, k, b, n, c, 1, false) },
		"rows":     func() { Gemm(false, false, 1, n, k, a, k, b, n, c, n, false) },
		"large":    func() { Gemm(false, false, 100, 100, 100, x, 100, y, 100, z, 100, false) },
		"activate": func() { Activate(Activation{Func: Tanh}, y, x) },
		"gradient": func() { ActivateGrad(Activation{Func: ELU}, z, y, x) },
		"colsum":   func() { ColSum(v, x, 200, 100) },
		"add":      func() { Add(y, x, z) },
		"exp":      func() { Exp(y, x) },
		"adam":     func() { Adam(adam, 3, x, y, z, v) },
		"bce":      func() { BCEWithLogits(y, x, 1) },
		"uniform":  func() { s.Uniform(v) },
		"normal":   func() { s.Normal(v[:19_999]) },
		"intn":     func() { s.Intn(10) },
		"gather":   func() { GatherRows(v, pixels, rows, 200, 1, 0) },
		"parallel": func() { Parallel(100, 1, f) },
		"float64": func() {
			Activate(Activation{Func: Tanh}, d, d)
			Add(d, d, d)
			Gemm(false, false, 10, 10, 10, d, 10, d, 10, d, 10, false)
		},
	}
	for _, act := range []Func{Identity, ReLU, Tanh} {
		kernels["dense "+act.String()] = func() { Dense(c, a, b, bias, m, n, k, Activation{Func: act}) }
	}
	onPaths(t, func(t *testing.T) {
		for _, threads := range []int{1, 3} {
			SetThreads(threads)
			for name, f := range kernels {
				if n := race.AllocsPerRun(20, f); n != 0 {
					t.Errorf("%s with %d threads: %v allocations", name, threads, n)
				}
			}
		}
	})
}

func TestShortSlicesStopTheCallBeforeItWrites(t *testing.T) {
	x, y := numbers(1, 12), numbers(2, 12)
	before := slices.Clone(y)
	for name, f := range map[string]func(){
		"kernel: gemm: a has 11 elements, want at least 12":              func() { Gemm(false, false, 3, 4, 4, x[:11], 4, x, 4, y, 4, false) },
		"kernel: gemm: b is 4 by 4 with leading dimension 3":             func() { Gemm(false, false, 3, 4, 4, x, 4, x, 3, y, 4, false) },
		"kernel: gemm: c has 11 elements":                                func() { Gemm(false, false, 3, 4, 1, x, 1, x, 4, y[:11], 4, false) },
		"kernel: gemm: a is -1 by 4":                                     func() { Gemm(false, false, -1, 4, 4, x, 4, x, 4, y, 4, false) },
		"kernel: dense: bias has 3 elements, want at least 4":            func() { Dense(y, x, x, x[:3], 3, 4, 1, Activation{}) },
		"kernel: dense: unknown activation func(99)":                     func() { Dense(y, x, x, x, 3, 4, 1, Activation{Func: 99}) },
		"kernel: activate: x has 3 elements, want at least 12":           func() { Activate(Activation{}, y, x[:3]) },
		"kernel: activate: unknown activation func(7)":                   func() { Activate(Activation{Func: 7}, y, x) },
		"kernel: activate gradient: dy has 0 elements, want at least 12": func() { ActivateGrad(Activation{}, y, x, nil) },
		"kernel: column sum: x has 12 elements, want at least 15":        func() { ColSum(y, x, 3, 5) },
		"kernel: add: b has 5 elements, want at least 12":                func() { Add(y, x, x[:5]) },
		"kernel: multiply: a has 5 elements, want at least 12":           func() { Mul(y, x[:5], x) },
		"kernel: exp: x has 5 elements, want at least 12":                func() { Exp(y, x[:5]) },
		"kernel: adam: v has 5 elements, want at least 12":               func() { Adam(AdamConfig{}, 1, y, x, x, x[:5]) },
		"kernel: bce with logits: grad has 5 elements, want at least 12": func() { BCEWithLogits(y[:5], x, 1) },
		"kernel: gather rows: dst has 12 elements, want at least 15":     func() { GatherRows(y, make([]uint8, 50), []int{0, 1, 2}, 5, 1, 0) },
		"kernel: gather rows: row 2, want one of 2":                      func() { GatherRows(y, make([]uint8, 10), []int{0, 2}, 5, 1, 0) },
		"kernel: gather rows: row -1, want one of 2":                     func() { GatherRows(y, make([]uint8, 10), []int{-1}, 5, 1, 0) },
	} {
		func() {
			defer func() {
				err, ok := recover().(error)
				if !ok || !strings.HasPrefix(err.Error(), name) {
					t.Errorf("got %v, want %q", err, name)
				}
			}()
			f()
		}()
	}
	mustMatch(t, "y", y, before)
}

func TestIdlePoolLetsGoOfItsTask(t *testing.T) {
	defer SetThreads(SetThreads(2))
	freed := make(chan struct{})
	func() {
		y := make([]float32, 1<<16)
		runtime.AddCleanup(&y[0], func(struct{}) { close(freed) }, struct{}{})
		Add(y, y, y)
	}()
	for range 100 {
		time.Sleep(2 * spinTime)
		runtime.GC()
		select {
		case <-freed:
			return
		default:
		}
	}
	t.Error("the memory of a task was not freed when the pool had nothing to do")
}
