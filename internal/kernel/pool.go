package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
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
// by the caller.
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
// A ticket says what is left to be claimed. Whoever takes units off it by a
// compare-and-swap knows that the task is still the one of that ticket, since
// a task ends only when all of its units are done; so the other fields may be
// read after a claim, and not before.
type pool struct {
	threads atomic.Int32
	busy    atomic.Bool // held by the caller whose task it is

	ticket   atomic.Uint64 // generation of the task << 32 | units not claimed
	_        [56]byte
	undone   atomic.Int32 // units claimed or not that are not done
	_        [60]byte
	sleepers atomic.Int32 // workers that wait for a token, less the tokens sent
	tokens   chan struct{}
	alive    [maxThreads]atomic.Bool

	task  task
	units int
	fault atomic.Pointer[any] // first panic of the task

	// The tasks live here because only the holder of busy needs one: a task
	// passed by interface would be allocated otherwise.
	ranges  rangeTask
	product product
	vectors vectors
	columns columns
	gather  gather
}

var workers = pool{tokens: make(chan struct{}, maxThreads)}

// lock takes the pool if it is free and has more than one thread. Who does not
// get it does the work alone, which gives the same result.
func (p *pool) lock() bool { return Threads() > 1 && p.busy.CompareAndSwap(false, true) }

// run does all units of t on the caller and the workers, and unlocks the pool.
func (p *pool) run(t task, units int) {
	defer p.unlock()
	helpers := min(Threads(), units) - 1
	for id := range helpers {
		if !p.alive[id].Load() {
			p.alive[id].Store(true)
			go p.worker(id)
		}
	}
	p.task, p.units = t, units
	p.undone.Store(int32(units))
	p.ticket.Store((p.ticket.Load()>>32+1)<<32 | uint64(units))
	p.wake(helpers)

	ws := takeWorkspace()
	p.work(ws)
	for n := 1; p.undone.Load() != 0; n++ {
		pause(pauses)
		if n%yieldEvery == 0 {
			runtime.Gosched()
		}
	}
	giveWorkspace(ws)
	if fault := p.fault.Swap(nil); fault != nil {
		panic(*fault)
	}
}

// unlock drops what the task refers to and frees the pool.
func (p *pool) unlock() {
	p.task = nil
	p.ranges, p.product, p.vectors = rangeTask{}, product{}, vectors{}
	p.columns, p.gather = columns{}, gather{}
	p.busy.Store(false)
}

// work claims and does units until none is left to claim, and tells whether it
// got any. Claims shrink with what is left, so that the threads end together.
func (p *pool) work(ws *workspace) (some bool) {
	for {
		ticket := p.ticket.Load()
		left := int(uint32(ticket))
		if left == 0 {
			return some
		}
		n := max(1, left/(2*Threads()))
		if !p.ticket.CompareAndSwap(ticket, ticket-uint64(n)) {
			continue
		}
		some = true
		lo := p.units - left
		p.attempt(lo, lo+n, ws)
		p.undone.Add(-int32(n))
	}
}

// attempt does units and keeps a panic for the caller.
func (p *pool) attempt(lo, hi int, ws *workspace) {
	defer func() {
		if v := recover(); v != nil {
			p.fault.CompareAndSwap(nil, &v)
		}
	}()
	p.task.do(lo, hi, ws)
}

// worker helps until there are fewer threads than its number asks for.
func (p *pool) worker(id int) {
	defer p.alive[id].Store(false)
	ws := takeWorkspace()
	defer giveWorkspace(ws)
	for {
		p.spin(ws)
		if id >= Threads()-1 {
			return
		}
		p.sleepers.Add(1)
		if uint32(p.ticket.Load()) != 0 && p.unsleep() {
			continue
		}
		<-p.tokens
		if id >= Threads()-1 {
			p.wake(1) // the token was meant for another
			return
		}
	}
}

// spin works, and returns when there has been nothing to do for spinTime.
func (p *pool) spin(ws *workspace) {
	idle := time.Now()
	for n := 1; ; n++ {
		if p.work(ws) {
			idle, n = time.Now(), 0
			continue
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

// wake sends tokens to at most n sleeping workers.
func (p *pool) wake(n int) {
	for ; n > 0 && p.unsleep(); n-- {
		p.tokens <- struct{}{}
	}
}

// unsleep takes one off the count of sleepers if there is any. Who succeeds
// owes a token, or is the sleeper itself.
func (p *pool) unsleep() bool {
	for {
		n := p.sleepers.Load()
		if n <= 0 {
			return false
		}
		if p.sleepers.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// workspace is the memory that one goroutine works in.
type workspace struct {
	panel [panelDepth * panelWidth]float32 // packed columns of B
	sums  [dotRows]float32                 // inner products
	part  [dotRows]float32                 // of a part of k
}

// workspaces holds those that nobody uses. A sync.Pool would be emptied by the
// garbage collector.
var workspaces struct {
	sync.Mutex
	free []*workspace
}

func takeWorkspace() *workspace {
	workspaces.Lock()
	defer workspaces.Unlock()
	n := len(workspaces.free)
	if n == 0 {
		return new(workspace)
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
