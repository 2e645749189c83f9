// Command iterate times the training iterations of a model, as a user's own
// program would run them, and prints one line of JSON:
//
//	go run ./bench/iterate -model gan -iters 300 -threads 2
//
// The peers in bench/peers print the same line for the same models in PyTorch.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/train"
)

// result is the line. The times of iterations are those after the warm-up, each
// taken on its own.
type result struct {
	Model      string             `json:"model"`
	Setting    string             `json:"setting"`
	Threads    int                `json:"threads"`
	Batch      int                `json:"batch"`
	Iterations int                `json:"iterations"`
	MedianMS   float64            `json:"median_ms"`
	LowMS      float64            `json:"low_ms"`     // a tenth of the iterations took less
	HighMS     float64            `json:"high_ms"`    // a tenth of the iterations took more
	FirstUnix  float64            `json:"first_unix"` // when the first iteration was done, in seconds of the clock
	PeakMiB    float64            `json:"peak_mib"`   // largest resident memory of the process; 0 where it is not told
	Metrics    map[string]float64 `json:"metrics"`    // of the last iteration
}

func main() {
	model := flag.String("model", "gan", "the `name` of a model")
	data := flag.String("data", "mnist", "the `name` of a data set, or a folder of IDX files")
	iters := flag.Int("iters", 300, "iterations to time")
	warmup := flag.Int("warmup", 20, "iterations before those")
	batch := flag.Int("batch", 0, "images in a batch; 0: the model's recipe")
	threads := flag.Int("threads", runtime.GOMAXPROCS(0), "processor cores to use")
	seed := flag.Uint64("seed", 1, "seed of the run")
	flag.Parse()
	r, err := iterate(*model, *data, *iters, *warmup, *batch, *threads, *seed)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "iterate:", err)
		os.Exit(1)
	}
}

func iterate(model, data string, iters, warmup, batch, threads int, seed uint64) (*result, error) {
	if iters < 1 || warmup < 0 || threads < 1 {
		return nil, fmt.Errorf("%d iterations after %d on %d threads: want at least 1, 0 and 1", iters, warmup, threads)
	}
	kernel.SetThreads(threads)
	m, err := models.Find(model)
	if err != nil {
		return nil, err
	}
	source, err := dataset.Open(data)
	if err != nil {
		return nil, err
	}
	set, err := source.Train(context.Background())
	if err != nil {
		return nil, err
	}
	t, err := train.New(train.Config{Model: m, Data: set, Steps: warmup + iters, Batch: batch, Seed: seed})
	if err != nil {
		return nil, err
	}
	r := &result{Model: model, Setting: "petrify", Threads: threads, Batch: t.Config().Batch, Iterations: iters, Metrics: map[string]float64{}}
	times := make([]float64, 0, warmup+iters)
	last := time.Now()
	for ev, err := range t.Steps(context.Background()) {
		if err != nil {
			return nil, err
		}
		now := time.Now()
		times = append(times, now.Sub(last).Seconds()*1e3)
		last = now
		if ev.Step == 1 {
			r.FirstUnix = float64(now.UnixMicro()) / 1e6
		}
		if ev.Step == warmup+iters {
			for _, m := range ev.Metrics {
				r.Metrics[m.Name] = m.Value
			}
		}
	}
	times = times[warmup:]
	slices.Sort(times)
	r.MedianMS, r.LowMS, r.HighMS = times[iters/2], times[iters/10], times[iters*9/10]
	r.PeakMiB = peak()
	return r, nil
}

// peak is the largest resident memory of the process, as Linux tells it.
func peak() (mib float64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		var kib float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kib); n == 1 {
			return kib / 1024
		}
	}
	return 0
}
