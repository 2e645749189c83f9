package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/cli"
)

// tiny trains a small model for two steps.
func tiny(t *testing.T, model string) string {
	t.Helper()
	dir := t.TempDir()
	writeSet(t, filepath.Join(dir, "data"), 64)
	out := filepath.Join(dir, model)
	petrify(t, "train", model, "--data", filepath.Join(dir, "data"), "--width", "16", "--latent", "9", "--steps", "2", "--batch", "8", "--sample-every", "2", "--out", out, "--no-verify", "--quiet")
	return out
}

// petrify runs a command that must succeed, and returns what it writes.
func petrify(t *testing.T, args ...string) []byte {
	t.Helper()
	var out, said bytes.Buffer
	if code := cli.Run(t.Context(), &cli.Streams{In: strings.NewReader(""), Out: &out, Err: &said}, args); code != 0 {
		t.Fatalf("petrify %s: exit code %d: %s", strings.Join(args, " "), code, &said)
	}
	return out.Bytes()
}

// The server has the page and its models, for this machine by its own name, and ends as it should.
func TestServe(t *testing.T) {
	run := tiny(t, "vae")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, &cli.Streams{In: strings.NewReader(""), Out: w, Err: io.Discard}, []string{"serve", run})
		w.Close()
	}()
	out := bufio.NewReader(r)
	line, err := out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, out)
	address := strings.TrimSpace(line)
	if !strings.HasPrefix(address, "http://127.0.0.1:") {
		t.Fatalf("the address is %q", address)
	}
	port := strings.TrimSuffix(address[strings.LastIndex(address, ":"):], "/")
	for _, c := range []struct {
		method, path, host string
		want               int
		kind               string
	}{
		{"GET", "", "", 200, "text/html; charset=utf-8"},
		{"HEAD", "index.html", "", 200, "text/html; charset=utf-8"},
		{"GET", "generator.onnx", "localhost" + port, 200, "application/octet-stream"},
		{"GET", "encoder.onnx", "", 200, "application/octet-stream"},
		{"GET", "run.json", "", 404, ""},
		{"GET", "../vae/run.json", "", 404, ""},
		{"GET", "onnx/", "", 404, ""},
		{"POST", "", "", 405, ""},
		{"GET", "", "evil.example" + port, 421, ""},
		{"GET", "", "127.0.0.1", 421, ""},
		{"GET", "generator.onnx", "127.0.0.1.evil.example" + port, 421, ""},
	} {
		q, err := http.NewRequestWithContext(t.Context(), c.method, address+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Host = c.host
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if a.StatusCode != c.want || c.kind != "" && a.Header.Get("Content-Type") != c.kind {
			t.Errorf("%s %q of %q: %d, %s; want %d, %s", c.method, c.path, c.host, a.StatusCode, a.Header.Get("Content-Type"), c.want, c.kind)
		}
		if h := a.Header; h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != "frame-ancestors 'none'" {
			t.Errorf("%s %q: headers %v", c.method, c.path, h)
		}
		if c.want == 421 && len(body) > 100 {
			t.Errorf("a stranger reads %d bytes", len(body))
		}
	}
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("it ends with %d", code)
	}
	if response, err := http.Get(address); err == nil {
		response.Body.Close()
		t.Error("it still answers")
	}
}
