package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// SetThreads sets how many goroutines, the caller's included, a kernel may
// work on, and returns the number before. n < 1 stands for the GOMAXPROCS of
// the moment, which is the default. It never changes a bit of any result.
func SetThreads(n int) (old int) {
	if n < 1 {
		n = runtime.GOMAXPROCS(0)
	}
	old = Threads()
	workers.threads.Store(int32(min(n, maxThreads)))
	return old
}

// Threads returns how many goroutines a kernel may work on.
func Threads() int {
	n := workers.threads.Load()
	if n == 0 {
		n = int32(min(runtime.GOMAXPROCS(0), maxThreads))
		workers.threads.CompareAndSwap(0, n)
	}
	return int(n)
}

// Parallel calls f for ranges [lo, hi) that cover [0, n) without overlap, on
// several goroutines at once where that helps, and returns when all calls
// have. Each lo is a multiple of grain. f must write to its own range only,
// and what it writes must not depend on where a range begins or ends. A panic
// of f is raised again on the caller's goroutine once the other calls are done.
//
// f escapes: a closure that must not be allocated at every call has to be kept
// by the caller. It must not end its goroutine, as testing.T's FailNow does.
func Parallel(n, grain int, f func(lo, hi int)) {
	if n <= 0 {
		return
	}
	grain = max(grain, 1)
	units := (n + grain - 1) / grain
	if units > 1 && workers.lock() {
		workers.ranges = rangeTask{n, grain, f}
		workers.run(&workers.ranges, units)
		return
	}
	f(0, n)
}

type rangeTask struct {
	n, grain int
	f        func(lo, hi int)
}

func (t *rangeTask) do(lo, hi int, _ *workspace) { t.f(lo*t.grain, min(hi*t.grain, t.n)) }

const (
	maxThreads = 256

	// spinTime is how long a worker looks for more work before it sleeps: long
	// enough for the gaps between the kernels of a training step, since waking
	// it takes as long as a small product.
	spinTime = 400 * time.Microsecond
	// pauses is the number of pause instructions between two looks.
	pauses = 4
	// lingerLooks makes about 2 microseconds, half a panel of a small product.
	lingerLooks = 24
	// yieldEvery is the number of looks after which a waiting goroutine lets
	// others run, the garbage collector's among them: about 5 microseconds.
	yieldEvery = 64
)

// task is work in units that are independent of each other.
type task interface {
	// do does the units [lo, hi).
	do(lo, hi int, ws *workspace)
}

// pool shares the units of one task at a time among the caller and workers.
//
// Each of them has a slot with a range of neighbouring units, so that in a
// sequence of like tasks a core meets the memory that it touched before, and
// takes from the others' ranges when its own is empty. A unit is claimed by a
// compare-and-swap on the slot. Whoever claimed one knows that the task is not
// over, since that takes all units; so everything else may be read after a
// claim, and not before.
//
// Small products take some ten microseconds and a cache line takes up to half a
// microsecond from core to core, where those are far apart. So the fields lie
// on lines by who writes them and when, and a task costs few exchanges: its
// slot and its description on the way to a worker, one counter on the way back.
type pool struct {
	threads atomic.Int32
	parts   atomic.Int32        // slots of the task
	fault   atomic.Pointer[any] // first panic of the task
	idle    atomic.Bool         // a worker goes to sleep
	_       [64]byte
	busy    atomic.Bool // held by the caller whose task it is
	started int         // workers that there are
	before  uint32      // done, when the last task was over
	ws      *workspace  // of that caller
	_       [64]byte
	done    atomic.Uint32 // units that workers have done, of all tasks
	_       [64]byte
	slots   [maxThreads]slot // the caller's, the workers'

	// The tasks live here because only the holder of busy needs one: a task
	// passed by interface would be allocated otherwise.
	ranges  rangeTask
	product product
	vectors vectors
	columns columns
	gather  gather
	terms   terms
	norm    norm[float32]
	// Plans are made once: the tasks are theirs.
	im2col   *im2col
	col2im   *col2im
	gradient *weightGradient
	draws    draws
}

var workers pool

// lock takes the pool if it is free and has more than one thread. Who does not
// get it does the work alone, which gives the same result.
func (p *pool) lock() bool { return Threads() > 1 && p.busy.CompareAndSwap(false, true) }

// run does all units of t on the caller and the workers, and unlocks the pool.
func (p *pool) run(t task, units int) {
	defer p.unlock()
	parts := min(Threads(), units)
	for p.started < parts-1 {
		p.started++
		p.slots[p.started].wake = make(chan struct{}, 1)
		go p.worker(p.started)
	}
	if p.ws == nil {
		p.ws = takeWorkspace()
	}
	if p.parts.Load() != int32(parts) {
		p.parts.Store(int32(parts))
	}
	for id := range parts {
		s := &p.slots[id]
		s.task = t
		s.set(units*id/parts, units*(id+1)/parts)
		if s.asleep.Load() && s.asleep.CompareAndSwap(true, false) {
			s.wake <- struct{}{}
		}
	}

	p.before += uint32(units - p.work(0, p.ws))
	for n := 1; p.done.Load() != p.before; n++ {
		pause(pauses)
		if n%yieldEvery == 0 {
			runtime.Gosched()
		}
	}
	if p.fault.Load() != nil {
		panic(*p.fault.Swap(nil))
	}
}

func (p *pool) unlock() {
	p.busy.Store(false)
	p.forget()
}

// forget drops what the last task refers to, so that the garbage collector may
// have it, if a worker found nothing to do since: while tasks follow each
// other it would only take their memory away from the workers' caches.
func (p *pool) forget() {
	if !p.idle.Load() || !p.busy.CompareAndSwap(false, true) {
		return
	}
	p.ranges, p.product, p.vectors = rangeTask{}, product{}, vectors{}
	p.columns, p.gather, p.norm, p.terms, p.draws = columns{}, gather{}, norm[float32]{}, terms{}, draws{}
	p.im2col, p.col2im, p.gradient = nil, nil, nil
	p.idle.Store(false)
	p.busy.Store(false)
}

// slot is a range of units that nobody has claimed, on cache lines with the
// task that they belong to.
type slot struct {
	units  atomic.Uint64 // lo << 32 | hi
	task   task
	asleep atomic.Bool // whoever makes it false sends to wake, or is the sleeper
	wake   chan struct{}
	_      [88]byte // two lines, since nothing aligns a slot to one
}

func (s *slot) set(lo, hi int) { s.units.Store(uint64(lo)<<32 | uint64(hi)) }

func (s *slot) empty() bool {
	u := s.units.Load()
	return uint32(u>>32) == uint32(u)
}

// claim takes half of what is left, one unit at least: the first ones for the
// slot's owner, the last ones for others. Nothing is left when lo is hi.
func (s *slot) claim(owner bool) (lo, hi int) {
	for {
		was := s.units.Load()
		lo, hi = int(was>>32), int(uint32(was))
		if lo >= hi {
			return 0, 0
		}
		some := (hi - lo + 1) / 2
		if owner {
			if s.units.CompareAndSwap(was, was+uint64(some)<<32) {
				return lo, lo + some
			}
		} else if s.units.CompareAndSwap(was, was-uint64(some)) {
			return hi - some, hi
		}
	}
}

// linger leaves the owner of a last unit a moment to claim it. Taking it from
// one who is about to would move the memory of the unit to another core, and
// back for the next task, which makes the owner late again.
func (s *slot) linger() {
	for range lingerLooks {
		if u := s.units.Load(); uint32(u>>32)+1 != uint32(u) {
			return
		}
		pause(pauses)
	}
}

// work claims and does units until none is left to claim, and returns how many
// it did.
func (p *pool) work(id int, ws *workspace) (done int) {
	parts := int(p.parts.Load())
	for i := range parts {
		s := &p.slots[(id+i)%parts]
		owner := i == 0 && id < parts
		for {
			if !owner {
				s.linger()
			}
			lo, hi := s.claim(owner)
			if lo == hi {
				break
			}
			p.attempt(s.task, lo, hi, ws)
			done += hi - lo
		}
	}
	return done
}

// attempt does units and keeps a panic for the caller.
func (p *pool) attempt(t task, lo, hi int, ws *workspace) {
	defer func() {
		if v := recover(); v != nil {
			fault := v // a variable of its own, which is allocated here only
			p.fault.CompareAndSwap(nil, &fault)
		}
	}()
	t.do(lo, hi, ws)
}

// worker helps whenever there is something in its slot. Those that are more
// than a later SetThreads allows stay asleep.
func (p *pool) worker(id int) {
	ws, s := takeWorkspace(), &p.slots[id]
	for {
		p.spin(id, ws)
		p.idle.Store(true)
		p.forget() // or whoever is busy does it
		s.asleep.Store(true)
		if s.empty() || !s.asleep.CompareAndSwap(true, false) {
			<-s.wake
		}
	}
}

// help is a worker's share of a task. It tells whether there was any.
func (p *pool) help(id int, ws *workspace) bool {
	n := p.work(id, ws)
	if n > 0 {
		p.done.Add(uint32(n))
	}
	return n > 0
}

// spin helps until there has been nothing in the worker's slot for spinTime.
func (p *pool) spin(id int, ws *workspace) {
	idle := time.Now()
	for n := 1; ; n++ {
		if !p.slots[id].empty() && p.help(id, ws) {
			idle = time.Now()
		}
		pause(pauses)
		if n%yieldEvery != 0 {
			continue
		}
		if time.Since(idle) > spinTime {
			return
		}
		runtime.Gosched()
	}
}

// workspace is the memory that one goroutine works in.
type workspace struct {
	panel []float32        // packed columns of B, panelDepth by panelWidth at most
	tiles []float32        // packed rows of A, of which few products have need
	sums  [dotRows]float32 // inner products
	part  [dotRows]float32 // of a part of k
	parts []float64        // sums of the parts of a loss
	c     []float32        // C of a convolution, a panel wide
	lanes lanes
	to    [widePanel]int32 // where its columns go
}

// workspaces holds those that nobody uses. A sync.Pool would be emptied by the
// garbage collector.
var workspaces struct {
	sync.Mutex
	free []*workspace
}

// aligned makes a slice that begins on a cache line, so that no vector of it
// lies across two: a product takes 3 per cent longer where they do.
func aligned(n int) []float32 {
	const line = 64
	x := make([]float32, n+line/4)
	off := -uintptr(unsafe.Pointer(&x[0])) % line / 4
	return x[off:][:n]
}

func takeWorkspace() *workspace {
	workspaces.Lock()
	defer workspaces.Unlock()
	n := len(workspaces.free)
	if n == 0 {
		return &workspace{panel: aligned(panelDepth * widePanel)}
	}
	ws := workspaces.free[n-1]
	workspaces.free = workspaces.free[:n-1]
	return ws
}

func giveWorkspace(ws *workspace) {
	workspaces.Lock()
	defer workspaces.Unlock()
	workspaces.free = append(workspaces.free, ws)
}

// tile returns n elements that begin on a cache line.
func (ws *workspace) tile(n int) []float32 {
	if len(ws.c) < n {
		ws.c = aligned(n)
	}
	return ws.c[:n]
}
