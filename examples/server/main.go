// Server makes pictures with a generator over HTTP, as an example of package load in a service.
//
//	go run ./examples/server -model runs/gan/onnx/generator/generator.onnx
//	curl -o pictures.png 'http://127.0.0.1:8080/sample?seed=7&n=16'
//	curl -o sevens.png 'http://127.0.0.1:8080/sample?class=7'
//	curl http://127.0.0.1:8080/health
//
// GET /sample takes a seed (a whole number, 1 unless given) and n (how many pictures, 16 unless given) and answers with one PNG, the
// pictures in a grid: the same for the same seed. class is one that the model has learnt, by its name, and may be given several times:
// pictures are of these in turn, or of all. What cannot be is answered with 400, and JSON that says why. So many requests are
// worked on at the same time, others wait their turn, and those that wait too long are answered with 503. SIGINT and SIGTERM end the
// program once the requests at hand are answered.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"log"
	"math"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/petrify-ml/petrify/load"
)

func main() {
	model := flag.String("model", "generator.onnx", "ONNX file of a generator")
	address := flag.String("address", "127.0.0.1:8080", "where to listen")
	var l limits
	flag.IntVar(&l.images, "most", 64, "pictures in a request")
	flag.IntVar(&l.workers, "workers", runtime.GOMAXPROCS(0), "requests that are worked on at the same time")
	flag.DurationVar(&l.wait, "wait", 2*time.Second, "longest time that a request waits for its turn")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *model, *address, l); err != nil {
		log.Fatal(err)
	}
}

// limits keep a server answering, whatever it is asked.
type limits struct {
	images  int           // in a request
	workers int           // requests at the same time
	wait    time.Duration // for a worker
}

// serve answers requests until ctx ends, and then those that have come.
func serve(ctx context.Context, model, address string, l limits) error {
	if l.images < 1 || l.workers < 1 {
		return fmt.Errorf("-most is %d and -workers %d, want at least 1", l.images, l.workers)
	}
	generator, err := load.GeneratorFile(model)
	if err != nil {
		return err
	}
	defer generator.Close()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	log.Printf("listening on http://%s", listener.Addr())
	return answer(ctx, listener, newHandler(generator, l))
}

func answer(ctx context.Context, listener net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	return server.Shutdown(end)
}

// handler makes pictures.
type handler struct {
	generator *load.Generator
	limits    limits
	turns     chan struct{} // one for each request that is worked on
	encoder   png.Encoder
}

func newHandler(g *load.Generator, l limits) http.Handler {
	h := &handler{generator: g, limits: l, turns: make(chan struct{}, l.workers)}
	h.encoder = png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: &buffers{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sample", h.sample)
	mux.HandleFunc("GET /health", h.health)
	return mux
}

func (h *handler) sample(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	seed, err := number(query.Get("seed"), 1, math.MinInt64, math.MaxInt64)
	if err != nil {
		refuse(w, http.StatusBadRequest, "seed", err)
		return
	}
	n, err := number(query.Get("n"), min(16, int64(h.limits.images)), 1, int64(h.limits.images))
	if err != nil {
		refuse(w, http.StatusBadRequest, "n", err)
		return
	}
	classes, err := numbers(query["class"], h.generator.Classes())
	if err != nil {
		refuse(w, http.StatusBadRequest, "class", err)
		return
	}
	waited, cancel := context.WithTimeout(r.Context(), h.limits.wait)
	defer cancel()
	select {
	case h.turns <- struct{}{}:
		defer func() { <-h.turns }()
	case <-waited.Done():
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "busy", errors.New("too many requests at the same time"))
		return
	}
	images, err := h.generator.SampleClass(r.Context(), seed, int(n), classes...)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "sample", err)
		return
	}
	var b bytes.Buffer
	if err := h.encoder.Encode(&b, grid(images)); err != nil {
		refuse(w, http.StatusInternalServerError, "png", err)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	_, _ = w.Write(b.Bytes()) // whoever asked may have gone
}

func (h *handler) health(w http.ResponseWriter, _ *http.Request) {
	bounds := h.generator.Bounds()
	writeJSON(w, http.StatusOK, map[string]any{
		"status": "ok", "latent": h.generator.Latent(), "width": bounds.Dx(), "height": bounds.Dy(), "channels": h.generator.Channels(),
		"classes": h.generator.Classes(), "busy": len(h.turns), "workers": cap(h.turns),
	})
}

// numbers finds classes by their names.
func numbers(names, known []string) (list []int, err error) {
	for _, name := range names {
		i := slices.Index(known, name)
		if i < 0 && known == nil {
			return nil, fmt.Errorf("%q, and the model names none", name)
		}
		if i < 0 {
			return nil, fmt.Errorf("%q, want one of %q", name, known)
		}
		list = append(list, i)
	}
	return list, nil
}

// number reads a parameter.
func number(text string, otherwise, least, most int64) (int64, error) {
	if text == "" {
		return otherwise, nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < least || v > most {
		return 0, fmt.Errorf("%q, want a whole number from %d to %d", text, least, most)
	}
	return v, nil
}

// grid puts images side by side, as square as can be.
func grid(images []image.Image) image.Image {
	columns := int(math.Ceil(math.Sqrt(float64(len(images)))))
	rows := (len(images) + columns - 1) / columns
	size := images[0].Bounds().Size()
	all := image.Rect(0, 0, columns*size.X, rows*size.Y)
	var canvas draw.Image = image.NewGray(all)
	if _, grey := images[0].(*image.Gray); !grey {
		canvas = image.NewRGBA(all)
	}
	for i, m := range images {
		at := image.Pt(i%columns*size.X, i/columns*size.Y)
		draw.Draw(canvas, image.Rectangle{at, at.Add(size)}, m, image.Point{}, draw.Src)
	}
	return canvas
}

func refuse(w http.ResponseWriter, status int, what string, err error) {
	writeJSON(w, status, map[string]any{"error": what + ": " + err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

// buffers are those of PNG encoders, to be used again.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() *png.EncoderBuffer {
	e, _ := b.pool.Get().(*png.EncoderBuffer)
	return e
}

func (b *buffers) Put(e *png.EncoderBuffer) { b.pool.Put(e) }
