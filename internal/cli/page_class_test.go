package cli_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/web"
)

// The page of a model that takes classes, with either engine, shows the pictures of petrify sample --class; a class has a button, a place
// in the address and in the name of a picture, and is kept with A and B.
func TestPageOfClasses(t *testing.T) {
	dist := filepath.Join(witnesstest.NodeModule(t, "onnxruntime-web"), "dist")
	b := startBrowser(t)
	b.answers = func(address string) ([]byte, bool) {
		for i, f := range web.PinnedCDN().Files {
			if f.Address == address {
				body, err := os.ReadFile(filepath.Join(dist, web.ORTFiles()[i]))
				return body, err == nil
			}
		}
		return nil, false
	}
	run := tiny(t, "cgan")
	petrify(t, "export", run, "--form", "sample", "--no-verify", "-o", filepath.Join(run, "sample"))
	grid := func(t *testing.T, args ...string) image.Image {
		t.Helper()
		g, err := png.Decode(bytes.NewReader(petrify(t, append([]string{"sample", run, "--scale", "1", "-o", "-"}, args...)...)))
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	open := func(t *testing.T, site, address string) {
		t.Helper()
		to := (&url.URL{Scheme: "file", Path: filepath.ToSlash(site) + "/index.html", Fragment: address}).String()
		if b.session == "" {
			b.open(t, to)
		} else {
			b.call(t, "Page.navigate", map[string]any{"url": "about:blank"}) // else the page stays, and follows the address
			b.call(t, "Page.navigate", map[string]any{"url": to})
		}
		b.wait(t, `document.getElementById('status')?.textContent.startsWith('seed ') === true`)
		b.settle(t)
	}
	for _, c := range []struct {
		name string
		args []string
	}{
		{"own", []string{run}},
		{"onnxruntime-web", []string{filepath.Join(run, "sample", "generator_sample", "generator_sample.onnx"), "--engine", "onnxruntime-web", "--cdn"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			site := t.TempDir()
			petrify(t, append([]string{"web", "-o", site}, c.args...)...)
			open(t, site, "")
			b.samePictures(t, grid(t, "--columns", "16", "--class", "0"))
			b.do(t, `document.querySelector('#classes button').focus()`)
			for range 3 {
				b.key(t, "ArrowRight")
			}
			b.wait(t, `document.getElementById('status').textContent === 'seed 1, picture 1, class 3' && location.hash === '#seed=1&picture=1&class=3'`)
			b.settle(t)
			b.samePictures(t, grid(t, "--columns", "16", "--class", "3"))
			all := grid(t, "-n", "1", "--class", "all", "--columns", "10")
			for i := range 10 {
				sameTile(t, fmt.Sprintf("class %d", i), b.pixels(t, fmt.Sprintf("document.querySelectorAll('#classes canvas')[%d]", i)), all, 1+29*i)
			}
			open(t, site, "seed=2&picture=3&class=8")
			b.samePictures(t, grid(t, "--columns", "16", "--class", "8", "--seed", "2"))
		})
	}
	t.Run("A is of one class, and B of another", func(t *testing.T) {
		b.do(t, `document.querySelectorAll('#classes button')[5].click(); document.getElementById('keep-b').click()`)
		for percent, want := range map[string]string{"0": "a 8", "100": "b 5"} {
			b.do(t, `const m = document.getElementById('mix'); m.value = '`+percent+`'; m.dispatchEvent(new Event('input'))`)
			b.settle(t)
			canvas, class, _ := strings.Cut(want, " ")
			if !bytes.Equal(b.pixels(t, "document.getElementById('picture')"), b.pixels(t, "document.getElementById('"+canvas+"')")) {
				t.Errorf("at %s %% the picture is not %s", percent, canvas)
			}
			if got := b.text(t, `document.querySelector('#classes button[aria-pressed=true]').textContent`); got != class {
				t.Errorf("at %s %% the class is %s, want %s", percent, got, class)
			}
		}
		if got, want := b.text(t, `document.getElementById('b').getAttribute('aria-label')`), "Picture B: seed 2, picture 3, class 5"; got != want {
			t.Errorf("B is called %q, want %q", got, want)
		}
	})
	t.Run("names", func(t *testing.T) {
		b.do(t, `document.querySelectorAll('#classes button')[5].click(); document.getElementById('save').click()`)
		b.wait(t, `document.getElementById('status').textContent === 'saved as cgan-seed-2-3-class-5.png'`)
		var buttons []string
		for _, n := range b.accessible(t) {
			if n.Role.Value == "button" && strings.HasPrefix(n.Name.Value, "Class ") {
				buttons = append(buttons, fmt.Sprint(n.Name.Value, " ", n.properties()["pressed"]))
			}
		}
		var want []string
		for i := range 10 {
			want = append(want, fmt.Sprintf("Class %d %v", i, i == 5))
		}
		if !slices.Equal(buttons, want) {
			t.Errorf("a screen reader is told of %q, want %q", buttons, want)
		}
	})
	b.quiet(t)
}
