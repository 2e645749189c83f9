package main

import (
	"context"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/train"
)

// generatorFile writes a small generator, not trained.
func generatorFile(t *testing.T, model string) string {
	t.Helper()
	m, err := models.Build(model, models.Options{Width: 8, Latent: 6})
	if err != nil {
		t.Fatal(err)
	}
	set, err := dataset.Synthetic(1, 64, 1, 28, 28)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := train.New(train.Config{Model: m, Data: set, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	s, err := tr.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	p, err := export.Model(m, m.Nets[0], s, export.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := onnx.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "generator.onnx")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, model string) *load.Generator {
	t.Helper()
	g, err := load.GeneratorFile(generatorFile(t, model))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

func get(t *testing.T, h http.Handler, url string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil))
	return w
}

func TestPicturesAreThoseOfTheSeed(t *testing.T) {
	g := open(t, "gan")
	h := newHandler(g, limits{images: 20, workers: 2, wait: time.Minute})
	w := get(t, h, "/sample?seed=-7&n=5")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "image/png" {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	same := w.Body.String()
	got, err := png.Decode(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got.Bounds() != image.Rect(0, 0, 84, 56) {
		t.Fatalf("a picture of %v", got.Bounds())
	}
	want, err := g.Sample(t.Context(), -7, 5)
	if err != nil {
		t.Fatal(err)
	}
	for y := range 28 {
		for x := range 28 {
			if got.At(28+x, 28+y) != want[4].At(x, y) {
				t.Fatalf("pixel %d, %d of the fifth is %v, want %v", x, y, got.At(28+x, 28+y), want[4].At(x, y))
			}
		}
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if w := get(t, h, "/sample?seed=-7&n=5"); w.Body.String() != same {
				t.Error("the same seed gives another picture")
			}
		})
	}
	all.Wait()
	if w := get(t, h, "/sample"); w.Code != http.StatusOK {
		t.Errorf("without parameters: %d %s", w.Code, w.Body)
	}
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	h := newHandler(open(t, "gan"), limits{images: 20, workers: 1, wait: time.Minute})
	for url, want := range map[string]int{
		"/sample?n=0": 400, "/sample?n=21": 400, "/sample?n=x": 400, "/sample?seed=1.5": 400, "/sample?seed=99999999999999999999": 400,
		"/sample?n=%00": 400, "/": 404, "/sample/x": 404,
	} {
		w := get(t, h, url)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", url, w.Code, want)
		}
		var v struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &v); want == 400 && (err != nil || !strings.Contains(v.Error, "want a whole number")) {
			t.Errorf("%s: %v: %s", url, err, w.Body)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/sample", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestTooManyRequestsWaitAndAreRefused(t *testing.T) {
	made := newHandler(open(t, "gan"), limits{images: 20, workers: 1, wait: 10 * time.Millisecond})
	h := &handler{generator: open(t, "gan"), limits: limits{images: 20, workers: 1, wait: 10 * time.Millisecond}, turns: make(chan struct{}, 1)}
	h.turns <- struct{}{} // somebody is at work
	w := httptest.NewRecorder()
	h.sample(w, httptest.NewRequest(http.MethodGet, "/sample", nil))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	<-h.turns
	if w := get(t, made, "/sample"); w.Code != http.StatusOK {
		t.Errorf("later: %d", w.Code)
	}
}

func TestHealth(t *testing.T) {
	w := get(t, newHandler(open(t, "gan"), limits{images: 1, workers: 3}), "/health")
	var v map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || v["status"] != "ok" || v["latent"] != 6.0 || v["width"] != 28.0 || v["workers"] != 3.0 {
		t.Errorf("%v: %s", err, w.Body)
	}
}

// A request that has come is answered when the server ends, and none after that.
func TestTheServerEndsGracefully(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	started, ended := make(chan struct{}), make(chan error, 1)
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(started)
		stop()
		time.Sleep(50 * time.Millisecond)
		_, _ = io.WriteString(w, "answered")
	})
	go func() { ended <- answer(ctx, listener, slow) }()
	response, err := http.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if b, err := io.ReadAll(response.Body); err != nil || string(b) != "answered" {
		t.Errorf("%q, %v", b, err)
	}
	<-started
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if response, err := http.Get("http://" + listener.Addr().String()); err == nil {
		response.Body.Close()
		t.Error("it still listens")
	}
	if err := serve(t.Context(), "nowhere.onnx", "127.0.0.1:0", limits{images: 1, workers: 1}); err == nil {
		t.Error("a server without a model")
	}
	if err := serve(t.Context(), generatorFile(t, "gan"), "127.0.0.1:0", limits{}); err == nil {
		t.Error("a server without workers")
	}
}

func TestPicturesAreOfTheClass(t *testing.T) {
	g := open(t, "cgan")
	h := newHandler(g, limits{images: 20, workers: 2, wait: time.Minute})
	for query, classes := range map[string][]int{"class=7": {7}, "class=3&class=8": {3, 8}, "n=3": nil} {
		w := get(t, h, "/sample?seed=5&n=3&"+query)
		got, err := png.Decode(w.Body)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		want, err := g.SampleClass(t.Context(), 5, 3, classes...)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range want {
			for k := range 28 * 28 {
				if x, y := k%28, k/28; got.At(28*(i%2)+x, 28*(i/2)+y) != m.At(x, y) {
					t.Fatalf("%s: picture %d is another", query, i)
				}
			}
		}
	}
	for url, want := range map[string]string{"/sample?class=eleven": `want one of [\"0\" \"1\"`, "/sample?class=": "want one of"} {
		if w := get(t, h, url); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want %s", url, w.Code, w.Body, want)
		}
	}
	plain := newHandler(open(t, "gan"), limits{images: 20, workers: 2, wait: time.Minute})
	if w := get(t, plain, "/sample?class=7"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "the model names none") {
		t.Errorf("a class of a model without: %d %s", w.Code, w.Body)
	}
}
