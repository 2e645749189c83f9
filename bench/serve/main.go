// Command serve asks examples/server and ONNX Runtime for Node for pictures, by turns, and prints a table in Markdown: requests answered
// in a second, and the time that 50 and 99 of 100 took.
//
//	NODE_PATH=... go run ./bench/serve -model runs/gan/onnx/generator/generator.onnx -n 1 -clients 8
//
// Both make the same pictures of the same seeds, which is checked first, and answer with PNG. Each client asks again as soon as it is
// answered. Run it where nothing else runs: the clients, too, take their share of the processors.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	model := flag.String("model", "", "ONNX file of a generator of grey images from 100 numbers")
	n := flag.Int("n", 16, "pictures in a request")
	clients := flag.Int("clients", 8, "that ask at the same time")
	rounds := flag.Int("rounds", 5, "of each server")
	each := flag.Duration("time", 2*time.Second, "of a round")
	threads := flag.Int("threads", 1, "of a run in ONNX Runtime")
	flag.Parse()
	if err := run(context.Background(), *model, *n, *clients, *rounds, *threads, *each); err != nil {
		log.Fatal(err)
	}
}

// server is one that is asked.
type server struct {
	name   string
	url    string
	rates  []float64
	delays []time.Duration
	stop   func()
}

// stopper ends a program, and waits until it has.
func stopper(cmd *exec.Cmd) func() {
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

func run(ctx context.Context, model string, n, clients, rounds, threads int, each time.Duration) error {
	dir, err := os.MkdirTemp("", "serve")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ours, err := startOurs(ctx, dir, model)
	if err != nil {
		return err
	}
	defer ours.stop()
	theirs, err := startTheirs(ctx, model, threads)
	if err != nil {
		return err
	}
	defer theirs.stop()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}, Timeout: time.Minute}
	if err := alike(client, ours, theirs, n); err != nil {
		return err
	}
	both := []*server{ours, theirs}
	for _, s := range both {
		if err := s.ask(client, n, clients, each); err != nil { // warm
			return err
		}
		s.rates, s.delays = nil, nil
	}
	for range rounds {
		for _, s := range both {
			if err := s.ask(client, n, clients, each); err != nil {
				return err
			}
		}
	}
	for _, s := range both {
		slices.Sort(s.rates)
		slices.Sort(s.delays)
		at := func(part float64) float64 {
			return float64(s.delays[int(part*float64(len(s.delays)-1))].Microseconds()) / 1e3
		}
		fmt.Printf("| %s | %d | %d | %s | %.0f (%.0f to %.0f) | %.1f ms | %.1f ms |\n", filepath.Base(model), n, clients, s.name,
			s.rates[len(s.rates)/2], s.rates[0], s.rates[len(s.rates)-1], at(0.5), at(0.99))
	}
	return nil
}

// ask has clients ask for some time, and notes the rate and every delay.
func (s *server) ask(client *http.Client, n, clients int, each time.Duration) error {
	var seed, count atomic.Int64
	var mu sync.Mutex
	var problems []error
	var all sync.WaitGroup
	start := time.Now()
	for range clients {
		all.Go(func() {
			var delays []time.Duration
			var err error
			for err == nil && time.Since(start) < each {
				asked := time.Now()
				if err = fetch(client, fmt.Sprintf("%s/sample?seed=%d&n=%d", s.url, seed.Add(1), n)); err == nil {
					delays = append(delays, time.Since(asked))
					count.Add(1)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			s.delays, problems = append(s.delays, delays...), append(problems, err)
		})
	}
	all.Wait()
	s.rates = append(s.rates, float64(count.Load())/time.Since(start).Seconds())
	return errors.Join(problems...)
}

func fetch(client *http.Client, url string) error {
	r, err := client.Get(url)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, r.Status)
	}
	return nil
}

// alike wants both servers to make the same pictures, except for one step of grey where rounding decides.
func alike(client *http.Client, a, b *server, n int) error {
	for seed := range 3 {
		var pixels [2][]uint8
		for i, s := range []*server{a, b} {
			r, err := client.Get(fmt.Sprintf("%s/sample?seed=%d&n=%d", s.url, seed, n))
			if err != nil {
				return err
			}
			img, err := png.Decode(r.Body)
			r.Body.Close()
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			for y := range img.Bounds().Dy() {
				for x := range img.Bounds().Dx() {
					pixels[i] = append(pixels[i], color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y)
				}
			}
		}
		if len(pixels[0]) != len(pixels[1]) {
			return fmt.Errorf("seed %d: pictures of %d and %d pixels", seed, len(pixels[0]), len(pixels[1]))
		}
		for k := range pixels[0] {
			if d := int(pixels[0][k]) - int(pixels[1][k]); d < -1 || d > 1 {
				return fmt.Errorf("seed %d: pixel %d is %d and %d", seed, k, pixels[0][k], pixels[1][k])
			}
		}
	}
	return nil
}

// startOurs builds examples/server into a folder, and starts it.
func startOurs(ctx context.Context, dir, model string) (*server, error) {
	built := filepath.Join(dir, "server")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", built, "./examples/server").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	cmd := exec.CommandContext(ctx, built, "-model", model, "-address", "127.0.0.1:0", "-wait", "1m", "-most", "4096")
	out, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	url := regexp.MustCompile(`http://\S+`).FindString(line)
	if err != nil || url == "" {
		stopper(cmd)()
		return nil, fmt.Errorf("examples/server says %q: %w", line, err)
	}
	return &server{name: "petrify's load", url: url, stop: stopper(cmd)}, nil
}

// startTheirs starts peer.js.
func startTheirs(ctx context.Context, model string, threads int) (*server, error) {
	cmd := exec.CommandContext(ctx, "node", filepath.Join("bench", "serve", "peer.js"), model)
	cmd.Env = append(os.Environ(), "ORT_DISABLE_TELEMETRY=1", "QUANTILES="+filepath.Join("random", "quantiles.bin"), fmt.Sprintf("THREADS=%d", threads))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stopper(cmd)()
		return nil, fmt.Errorf("peer.js: %w", err)
	}
	return &server{name: "ONNX Runtime for Node", url: "http://127.0.0.1:" + strings.TrimSpace(line), stop: stopper(cmd)}, nil
}
