//go:build unix

package kernel

import (
	"syscall"
	"testing"
	"time"
)

func TestIdlePoolUsesNoProcessor(t *testing.T) {
	defer SetThreads(SetThreads(4))
	Parallel(1000, 1, func(lo, hi int) {})
	time.Sleep(50 * time.Millisecond) // long after spinTime
	before := processorTime(t)
	const idle = 300 * time.Millisecond
	time.Sleep(idle)
	if used := processorTime(t) - before; used > idle/20 {
		t.Errorf("used %v of processor time in %v of idleness", used, idle)
	}
}

func processorTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
