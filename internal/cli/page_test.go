package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/cli"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/verify"
	"github.com/petrify-ml/petrify/web"
	"github.com/petrify-ml/petrify/witness"
)

// The page, in headless Chromium, from a file: it shows the pictures of petrify sample, answers to its controls by keyboard, fits
// a phone, and neither says a word on the console nor fails a rule of axe-core.
func TestPage(t *testing.T) {
	b := startBrowser(t)
	axe, err := os.ReadFile(filepath.Join(witnesstest.NodeModule(t, "axe-core"), "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	run := tiny(t, "vae")
	site := filepath.Join(t.TempDir(), `a site #1`)
	petrify(t, "web", run, "-o", site)
	b.open(t, (&url.URL{Scheme: "file", Path: filepath.ToSlash(site) + "/index.html"}).String())
	b.wait(t, `document.querySelectorAll('#thumbs canvas').length === 16 && [...document.querySelectorAll('#thumbs canvas')].every((c) => c.width === 28)`)
	b.wait(t, `document.getElementById('status').textContent === 'seed 1, picture 1'`)

	t.Run("A and B are the first two pictures", func(t *testing.T) {
		b.settle(t)
		for i, id := range []string{"a", "b"} {
			want := b.pixels(t, fmt.Sprintf("document.querySelectorAll('#thumbs canvas')[%d]", i))
			if got := b.pixels(t, fmt.Sprintf("document.getElementById('%s')", id)); !bytes.Equal(got, want) {
				t.Errorf("%s is not picture %d", id, i+1)
			}
		}
	})
	t.Run("pictures are those of petrify sample", func(t *testing.T) {
		check := func(t *testing.T, args ...string) {
			t.Helper()
			want, err := png.Decode(bytes.NewReader(petrify(t, append([]string{"sample", run, "--scale", "1", "--columns", "16", "-o", "-"}, args...)...)))
			if err != nil {
				t.Fatal(err)
			}
			b.samePictures(t, want)
		}
		check(t, "--seed", "1")
		b.do(t, `const s = document.getElementById('seed'); s.value = '18446744073709551615'; s.dispatchEvent(new Event('change'))`)
		b.settle(t)
		check(t, "--seed", "18446744073709551615")
		b.do(t, `const s = document.getElementById('truncation'); s.value = '0.5'; s.dispatchEvent(new Event('input'))`)
		b.settle(t)
		check(t, "--seed", "18446744073709551615", "--truncation", "0.5")
	})
	t.Run("the keyboard moves it", func(t *testing.T) {
		before := b.pixels(t, "document.getElementById('picture')")
		b.do(t, `document.getElementById('axis-0').focus()`)
		for range 30 {
			b.key(t, "ArrowRight")
		}
		b.settle(t)
		if v := b.text(t, `document.getElementById('axis-0').value`); v != "3" {
			t.Errorf("the slider is at %s, want 3", v)
		}
		if bytes.Equal(b.pixels(t, "document.getElementById('picture')"), before) {
			t.Error("the picture is as it was")
		}
		b.do(t, `document.getElementById('reset').click()`)
		b.settle(t)
		if !bytes.Equal(b.pixels(t, "document.getElementById('picture')"), before) {
			t.Error("the way back leads elsewhere")
		}
		b.do(t, `document.querySelector('#thumbs button').focus()`)
		b.key(t, "ArrowRight")
		if v := b.text(t, `document.activeElement.getAttribute('aria-label') + document.activeElement.getAttribute('aria-pressed')`); v != "Picture 2 of this seedtrue" {
			t.Errorf("an arrow leads to %q", v)
		}
		b.wait(t, `document.getElementById('status').textContent === 'seed 18446744073709551615, picture 2, truncation 0.5'`)
	})
	t.Run("a bad seed is said to be bad", func(t *testing.T) {
		b.do(t, `const s = document.getElementById('seed'); s.value = '18446744073709551616'; s.dispatchEvent(new Event('change'))`)
		b.wait(t, `document.getElementById('seed').getAttribute('aria-invalid') === 'true' && document.getElementById('status').textContent.includes('whole number')`)
	})
	t.Run("between two pictures", func(t *testing.T) {
		b.do(t, `document.getElementById('keep-b').click(); const m = document.getElementById('mix'); m.value = '100'; m.dispatchEvent(new Event('input'))`)
		b.settle(t)
		if !bytes.Equal(b.pixels(t, "document.getElementById('picture')"), b.pixels(t, "document.getElementById('b')")) {
			t.Error("the end of the way is not B")
		}
	})
	t.Run("a walk", func(t *testing.T) {
		before := b.pixels(t, "document.getElementById('picture')")
		b.do(t, `document.getElementById('walk').focus()`)
		b.key(t, "Enter")
		b.wait(t, `document.getElementById('walk').textContent === 'Pause' && state.walking > 0`)
		for until := time.Now().Add(time.Minute); bytes.Equal(b.pixels(t, "document.getElementById('picture')"), before); {
			if time.Now().After(until) {
				t.Fatal("it does not walk")
			}
		}
		b.key(t, "Enter")
		b.wait(t, `document.getElementById('walk').textContent === 'Walk' && state.walking === 0`)
	})
	t.Run("a walk with less motion", func(t *testing.T) {
		b.call(t, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-reduced-motion", "value": "reduce"}}})
		b.do(t, `document.getElementById('walk').click()`)
		if v := b.text(t, `new Promise((done) => {
			const began = performance.now();
			let points = 0, last = null, frames = 0;
			const look = () => {
				if (state.base !== last) { last = state.base; points++; }
				if (++frames < 40) requestAnimationFrame(look); else done(points <= 2 + (performance.now() - began) / LEG);
			};
			look();
		})`); v != "true" {
			t.Error("it shows more than its stops")
		}
		b.do(t, `document.getElementById('walk').click()`)
	})
	t.Run("a drawing is encoded", func(t *testing.T) {
		before := b.pixels(t, "document.getElementById('picture')")
		b.do(t, `const pad = document.getElementById('pad'); pad.setPointerCapture = () => {}; const r = pad.getBoundingClientRect();
			for (const [kind, x] of [['pointerdown', 0.3], ['pointermove', 0.7], ['pointerup', 0.7]]) pad.dispatchEvent(new PointerEvent(kind, {pointerId: 1, clientX: r.left + x * r.width, clientY: r.top + r.height / 2}))`)
		b.wait(t, `document.getElementById('status').textContent === 'what the model keeps of your picture'`)
		if bytes.Equal(b.pixels(t, "document.getElementById('picture')"), before) {
			t.Error("the picture is as it was")
		}
	})
	t.Run("download", func(t *testing.T) {
		b.do(t, `document.getElementById('save').click()`)
		b.wait(t, `document.getElementById('status').textContent === 'saved as vae-yours.png'`)
	})
	for _, width := range []int{320, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%d pixels, %s", width, scheme), func(t *testing.T) {
				b.call(t, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 700, "deviceScaleFactor": 1, "mobile": width < 500})
				b.call(t, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
				if v := b.text(t, `[innerWidth, document.documentElement.scrollWidth - document.documentElement.clientWidth].join(' ')`); v != fmt.Sprintf("%d 0", width) {
					t.Errorf("the width of the window, and what of the page goes beyond it: %s", v)
				}
				b.do(t, string(axe))
				if found := b.text(t, `axe.run().then((r) => r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html + ' ' + n.failureSummary).join('; ')).join('\n'))`); found != "" {
					t.Error(found)
				}
			})
		}
	}
	t.Run("what a screen reader is told", func(t *testing.T) {
		b.do(t, `document.querySelectorAll('#thumbs button')[2].click(); const m = document.getElementById('mix'); m.value = '0'; tellMix()`)
		b.wait(t, `document.getElementById('status').textContent.includes('picture 3')`)
		var controls, images, live []string
		for _, n := range b.accessible(t) {
			properties := n.properties()
			if properties["live"] != nil && properties["live"] != "off" {
				live = append(live, fmt.Sprint(n.Role.Value, " ", properties["live"]))
			}
			switch name := n.Name.Value; {
			case n.Role.Value == "image":
				images = append(images, name)
			case properties["focusable"] == true && n.Role.Value != "RootWebArea":
				controls = append(controls, n.Role.Value+" "+name)
			}
		}
		want := []string{"button Another", "button Walk", "button Save PNG", "button Keep as A", "slider From A to B", "button Keep as B", "textbox Seed", "slider Truncation",
			"button Choose a picture", "button Clear", "button Back to the middle"}
		for i := range 16 {
			want = append(want, fmt.Sprintf("button Picture %d of this seed", i+1))
		}
		direction := regexp.MustCompile(`^slider Direction [1-8] \([0-9]+ %\)$`)
		for _, c := range controls {
			if direction.MatchString(c) {
				want = append(want, c)
			}
		}
		slices.Sort(controls)
		slices.Sort(want)
		if !slices.Equal(controls, want) || len(want) != 11+16+8 {
			t.Errorf("the controls are\n%s\nwant\n%s", strings.Join(controls, "\n"), strings.Join(want, "\n"))
		}
		const shown = "seed 18446744073709551615, picture 3, truncation 0.5"
		if want := []string{"Picture: " + shown, "Picture A: seed 1, picture 1", "Picture B: seed 18446744073709551615, picture 2, truncation 0.5",
			"A field to draw on with a pointer; a picture file can be chosen instead"}; !slices.Equal(images, want) {
			t.Errorf("the pictures are %q, want %q", images, want)
		}
		// One voice, which waits for its turn, and says the name of the picture.
		if !slices.Equal(live, []string{"status polite"}) || b.text(t, `document.getElementById('status').textContent`) != shown {
			t.Errorf("who speaks: %q", live)
		}
		// Chromium's tree has the numbers of sliders; what is read in their place is in the attribute.
		b.do(t, `const a = document.getElementById('axis-3'); a.value = '1.6'; a.dispatchEvent(new Event('input'))`)
		if got, want := b.text(t, `['mix', 'truncation', 'axis-0', 'axis-3'].map((id) => document.getElementById(id).getAttribute('aria-valuetext')).join('; ')`),
			"at A; 0.5 standard deviations; 0.0, the middle; 1.6"; got != want {
			t.Errorf("the sliders say %q, want %q", got, want)
		}
		b.wait(t, `document.getElementById('status').textContent === '`+shown+`, moved' && document.getElementById('picture').getAttribute('aria-label') === 'Picture: `+shown+`, moved'`)
	})
	t.Run("the picture stays in sight on a phone", func(t *testing.T) {
		b.call(t, "Emulation.setDeviceMetricsOverride", map[string]any{"width": 320, "height": 568, "deviceScaleFactor": 1, "mobile": true})
		b.do(t, `document.getElementById('axis-7').focus(); document.getElementById('axis-7').scrollIntoView()`)
		b.wait(t, `(() => {
			const [picture, slider] = ['picture', 'axis-7'].map((id) => document.getElementById(id).getBoundingClientRect());
			return picture.top >= 0 && picture.bottom <= innerHeight && picture.right <= innerWidth && picture.width < 120 && slider.top >= picture.bottom;
		})()`)
		b.do(t, `scrollTo(0, 0)`)
		b.wait(t, `document.getElementById('picture').className === '' && document.getElementById('picture').getBoundingClientRect().width > 200`)
	})
	t.Run("an address names a picture", func(t *testing.T) {
		b.call(t, "Page.navigate", map[string]any{"url": "about:blank"})
		b.wait(t, `location.href === 'about:blank'`)
		b.call(t, "Page.navigate", map[string]any{"url": (&url.URL{Scheme: "file", Path: filepath.ToSlash(site) + "/index.html", Fragment: "seed=7&picture=5"}).String()})
		b.wait(t, `document.getElementById('status')?.textContent === 'seed 7, picture 5'`)
		b.settle(t)
		for i, id := range []string{"a", "b"} {
			if want := fmt.Sprintf("Picture %s: seed 7, picture %d", strings.ToUpper(id), i+1); b.text(t, `document.getElementById('`+id+`').getAttribute('aria-label')`) != want ||
				!bytes.Equal(b.pixels(t, `document.getElementById('`+id+`')`), b.pixels(t, fmt.Sprintf("document.querySelectorAll('#thumbs canvas')[%d]", i))) {
				t.Errorf("%s is not %s", id, want)
			}
		}
		b.do(t, `location.hash = 'seed=9&picture=2&truncation=0.75'`)
		b.wait(t, `document.getElementById('status').textContent === 'seed 9, picture 2, truncation 0.75' && document.getElementById('truncation').value === '0.75'`)
		b.do(t, `document.querySelectorAll('#thumbs button')[3].click()`)
		b.wait(t, `location.hash === '#seed=9&picture=4&truncation=0.75'`)
		b.do(t, `location.hash = 'seed=-1'`)
		b.wait(t, `document.getElementById('status').textContent.startsWith('a seed is ') && document.getElementById('seed').getAttribute('aria-invalid') === 'true'`)
	})
	b.quiet(t)
}

// The page with ONNX Runtime Web for its engine, served by petrify serve, shows the pictures of petrify sample, and encodes a drawing;
// from a file it says what it needs.
func TestPageOnONNXRuntimeWeb(t *testing.T) {
	modules := filepath.Dir(witnesstest.NodeModule(t, "onnxruntime-web"))
	b := startBrowser(t)
	run := tiny(t, "vae")
	petrify(t, "export", run, "--form", "image", "--no-verify", "-o", filepath.Join(run, "image"))
	net := func(name string) string { return filepath.Join(run, "image", name, name+".onnx") }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, &cli.Streams{In: strings.NewReader(""), Out: w, Err: io.Discard},
			[]string{"serve", net("decoder_image"), "--encoder", net("encoder_image"), "--engine", "onnxruntime-web", "--node-path", modules})
		w.Close()
	}()
	out := bufio.NewReader(r)
	address, err := out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, out)
	b.open(t, strings.TrimSpace(address))
	b.wait(t, `document.querySelectorAll('#thumbs canvas').length === 16 && [...document.querySelectorAll('#thumbs canvas')].every((c) => c.width === 28)`)
	b.settle(t)
	want, err := png.Decode(bytes.NewReader(petrify(t, "sample", run, "--scale", "1", "--columns", "16", "-o", "-")))
	if err != nil {
		t.Fatal(err)
	}
	b.samePictures(t, want)
	before := b.pixels(t, "document.getElementById('picture')")
	b.do(t, `document.getElementById('clear').click()`)
	b.wait(t, `document.getElementById('status').textContent === 'what the model keeps of your picture'`)
	b.settle(t)
	if bytes.Equal(b.pixels(t, "document.getElementById('picture')"), before) {
		t.Error("the picture is as it was")
	}
	b.quiet(t)

	site := filepath.Join(t.TempDir(), "site")
	petrify(t, "web", run, "--engine", "onnxruntime-web", "--node-path", modules, "-o", site)
	b.call(t, "Page.navigate", map[string]any{"url": (&url.URL{Scheme: "file", Path: filepath.ToSlash(site) + "/index.html"}).String()})
	b.wait(t, `document.getElementById('status')?.textContent.includes('petrify serve shows this page') === true`)
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("serve ends with %d", code)
	}
}

// The page that fetches ONNX Runtime Web from a CDN, opened as a file, shows the pictures of petrify sample where the CDN has the files of
// the npm package, and runs none that is not the one it was made for.
func TestPageOnACDN(t *testing.T) {
	dist := filepath.Join(witnesstest.NodeModule(t, "onnxruntime-web"), "dist")
	run := tiny(t, "vae")
	site := filepath.Join(t.TempDir(), "site")
	petrify(t, "web", run, "--engine", "onnxruntime-web", "--cdn", "-o", site)
	if _, err := os.Stat(filepath.Join(site, "ort")); err == nil {
		t.Error("files of ONNX Runtime Web lie beside the page")
	}
	b := startBrowser(t)
	served := map[string][]byte{}
	for i, f := range web.PinnedCDN().Files {
		var err error
		if served[f.Address], err = os.ReadFile(filepath.Join(dist, web.ORTFiles()[i])); err != nil {
			t.Fatal(err)
		}
	}
	b.answers = func(address string) ([]byte, bool) {
		body, ok := served[address]
		return body, ok
	}
	page := (&url.URL{Scheme: "file", Path: filepath.ToSlash(site) + "/index.html"}).String()
	b.open(t, page)
	b.wait(t, `document.querySelectorAll('#thumbs canvas').length === 16 && [...document.querySelectorAll('#thumbs canvas')].every((c) => c.width === 28)`)
	b.settle(t)
	want, err := png.Decode(bytes.NewReader(petrify(t, "sample", run, "--scale", "1", "--columns", "16", "-o", "-")))
	if err != nil {
		t.Fatal(err)
	}
	b.samePictures(t, want)
	b.quiet(t)

	again := func(t *testing.T, said string) {
		t.Helper()
		b.call(t, "Network.clearBrowserCache", nil)
		b.call(t, "Page.navigate", map[string]any{"url": "about:blank"})
		b.call(t, "Page.navigate", map[string]any{"url": page})
		b.wait(t, fmt.Sprintf(`document.getElementById('status')?.textContent.startsWith('The model does not run here: ') && document.getElementById('status').textContent.includes(%q)`, said))
		if v := b.text(t, `document.getElementById('picture').width`); v != "1" {
			t.Errorf("a picture of width %s is shown", v)
		}
	}
	for i, f := range web.PinnedCDN().Files {
		t.Run("altered "+web.ORTFiles()[i], func(t *testing.T) {
			was := served[f.Address]
			defer func() { served[f.Address] = was }()
			altered := bytes.Clone(was)
			altered[len(altered)-1] ^= 1 // of a comment, or of a section's last byte
			served[f.Address] = altered
			again(t, f.Address+" is not the file that this page was made for")
		})
	}
	t.Run("not there", func(t *testing.T) {
		f := web.PinnedCDN().Files[2]
		delete(served, f.Address)
		again(t, f.Address+" cannot be fetched: is the network there?")
	})
}

// A program with package load gets the pictures of petrify sample, of a file in whichever form.
func TestSampleIsThatOfAGenerator(t *testing.T) {
	run := tiny(t, "vae")
	for _, layout := range []string{"nhwc", "nchw"} {
		petrify(t, "export", run, "--form", "raw,image,sample,latent", "--layout", layout, "--no-verify", "-o", filepath.Join(run, layout))
	}
	grid, err := png.Decode(bytes.NewReader(petrify(t, "sample", run, "--seed", "7", "-n", "5", "--columns", "5", "--scale", "1", "-o", "-")))
	if err != nil {
		t.Fatal(err)
	}
	for _, net := range []string{"onnx/decoder", "nhwc/decoder_image", "nhwc/decoder_sample", "nhwc/decode", "nchw/decoder_image", "nchw/decoder_sample", "nchw/decode"} {
		g, err := load.GeneratorFile(filepath.Join(run, filepath.FromSlash(net), filepath.Base(net)+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		images, err := g.Sample(t.Context(), 7, 5)
		if err != nil {
			t.Fatal(err)
		}
		sameImages(t, net, images, grid)
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// That of a file that takes classes gets those of petrify sample --class, in whichever form.
func TestSampleIsThatOfAGeneratorOfAClass(t *testing.T) {
	run := tiny(t, "cgan")
	petrify(t, "export", run, "--form", "raw,image,sample", "--no-verify", "-o", filepath.Join(run, "all"))
	grid, err := png.Decode(bytes.NewReader(petrify(t, "sample", run, "--seed", "7", "-n", "5", "--columns", "5", "--class", "3", "--scale", "1", "-o", "-")))
	if err != nil {
		t.Fatal(err)
	}
	for _, net := range []string{"generator", "generator_image", "generator_sample"} {
		g, err := load.GeneratorFile(filepath.Join(run, "all", net, net+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		if names := g.Classes(); len(names) != 10 || names[3] != "3" {
			t.Errorf("%s: the classes are %q", net, names)
		}
		images, err := g.SampleClass(t.Context(), 7, 5, 3)
		if err != nil {
			t.Fatal(err)
		}
		sameImages(t, net, images, grid)
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// sameImages compares images with the first row of a grid.
func sameImages(t *testing.T, name string, images []image.Image, grid image.Image) {
	t.Helper()
	for i, img := range images {
		for k := range 28 * 28 {
			x, y := k%28, k/28
			if got, want := img.At(x, y), grid.At(1+29*i+x, 1+y); color.GrayModel.Convert(got) != color.GrayModel.Convert(want) {
				t.Fatalf("%s: picture %d, column %d, row %d: %v, want %v", name, i, x, y, got, want)
			}
		}
	}
}

// The page's runtime computes what each form of a file says, in each precision, as verify judges it.
func TestThePageRunsEveryForm(t *testing.T) {
	page := witnesstest.Page(t)
	run := tiny(t, "vae")
	var files []string
	for _, precision := range export.Precisions() {
		dir := filepath.Join(run, string(precision))
		petrify(t, "export", run, "--form", "raw,image,sample,latent", "--precision", string(precision), "--no-verify", "-o", dir)
		for _, net := range []string{"decoder", "decoder_image", "decode", "encoder", "encoder_image", "encode"} {
			files = append(files, filepath.Join(dir, net))
		}
	}
	r, err := verify.Run(t.Context(), verify.Options{Paths: files, Runtimes: []witness.Runtime{page}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Models) != len(files) {
		t.Errorf("%d models, want %d", len(r.Models), len(files))
	}
	for _, m := range r.Models {
		if m.Problem != "" || len(m.Rows) == 0 {
			t.Errorf("%s: %d rows, %s", m.Path, len(m.Rows), m.Problem)
		}
		for _, row := range m.Rows {
			if row.Verdict != verify.Equal {
				t.Errorf("%s, %s: %v, %s", m.Path, row.Runtime, row.Verdict, row.Reason)
			}
		}
	}
}

// sameTile compares (28, 28) grey pixels with a tile of a grid: one level apart at most, and that seldom.
func sameTile(t *testing.T, name string, got []byte, grid image.Image, left int) {
	t.Helper()
	other := 0
	for i, v := range got {
		want := color.GrayModel.Convert(grid.At(left+i%28, 1+i/28)).(color.Gray).Y
		if d := int(v) - int(want); d < -1 || d > 1 {
			t.Fatalf("%s, pixel %d: %d, want %d", name, i, v, want)
		} else if d != 0 {
			other++
		}
	}
	if len(got) != 28*28 || other > 4 {
		t.Errorf("%s: %d of %d pixels are one level off", name, other, len(got))
	}
}

// A browser is a tab of headless Chromium, spoken to through its pipe.
type browser struct {
	in      io.Writer
	out     *bufio.Reader
	session string
	last    int
	said    []string // errors on the console, and requests that failed
	// answers, unless nil, has what lies at an https address. What it lacks fails, as without a network.
	answers func(address string) ([]byte, bool)
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	program := witnesstest.Program(t, "chromium", "chromium-browser", "google-chrome")
	profile, err := os.MkdirTemp("", "petrify-page-") // no t.TempDir: Chromium's processes write to it for a moment after its end
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--remote-debugging-pipe", "--user-data-dir="+profile, "about:blank")
	fromUs, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, toUs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{fromUs, toUs}
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fromUs.Close()
	toUs.Close()
	b := &browser{in: in, out: bufio.NewReaderSize(out, 1<<20)}
	t.Cleanup(func() {
		fmt.Fprintf(in, `{"id":0,"method":"Browser.close"}%c`, 0)
		io.Copy(io.Discard, out)
		cmd.Wait()
		in.Close()
		out.Close()
		for range 50 {
			if os.RemoveAll(profile) == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	if err := out.SetReadDeadline(time.Now().Add(4 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	return b
}

// send sends a command.
func (b *browser) send(t *testing.T, method string, params any) (id int) {
	t.Helper()
	b.last++
	request := map[string]any{"id": b.last, "method": method}
	if params != nil {
		request["params"] = params
	}
	if b.session != "" {
		request["sessionId"] = b.session
	}
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.in.Write(append(text, 0)); err != nil {
		t.Fatal(err)
	}
	return b.last
}

// fulfil answers a request of the page.
func (b *browser) fulfil(t *testing.T, params json.RawMessage) {
	t.Helper()
	var p struct {
		RequestID string
		Request   struct{ URL string }
	}
	if err := json.Unmarshal(params, &p); err != nil {
		t.Fatal(err)
	}
	body, ok := b.answers(p.Request.URL)
	if !ok {
		b.send(t, "Fetch.failRequest", map[string]any{"requestId": p.RequestID, "errorReason": "InternetDisconnected"})
		return
	}
	kind := "text/javascript"
	if strings.HasSuffix(p.Request.URL, ".wasm") {
		kind = "application/wasm"
	}
	b.send(t, "Fetch.fulfillRequest", map[string]any{
		"requestId": p.RequestID, "responseCode": 200, "body": body,
		"responseHeaders": []map[string]string{{"name": "Content-Type", "value": kind}, {"name": "Access-Control-Allow-Origin", "value": "*"}},
	})
}

// call sends a command and waits for its answer.
func (b *browser) call(t *testing.T, method string, params any) json.RawMessage {
	t.Helper()
	id := b.send(t, method, params)
	for {
		line, err := b.out.ReadBytes(0)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		var m struct {
			ID     int
			Method string
			Params json.RawMessage
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		if err := json.Unmarshal(line[:len(line)-1], &m); err != nil {
			t.Fatal(err)
		}
		switch {
		case m.ID == id && m.Error != nil:
			t.Fatalf("%s: %s", method, m.Error.Message)
		case m.ID == id:
			return m.Result
		case m.Method == "Fetch.requestPaused":
			b.fulfil(t, m.Params)
		case strings.Contains(string(m.Params), "willReadFrequently"): // of pixels, which this test does
		case m.Method == "Runtime.exceptionThrown" || m.Method == "Runtime.consoleAPICalled" || m.Method == "Log.entryAdded":
			b.said = append(b.said, m.Method+" "+string(m.Params))
		}
	}
}

func (b *browser) open(t *testing.T, address string) {
	t.Helper()
	var target struct{ TargetID, SessionID string }
	ok := func(r json.RawMessage) {
		if err := json.Unmarshal(r, &target); err != nil {
			t.Fatal(err)
		}
	}
	ok(b.call(t, "Target.createTarget", map[string]any{"url": "about:blank"}))
	ok(b.call(t, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}))
	b.session = target.SessionID
	for _, domain := range []string{"Runtime", "Log", "Page"} {
		b.call(t, domain+".enable", nil)
	}
	if b.answers != nil {
		b.call(t, "Fetch.enable", map[string]any{"patterns": []map[string]string{{"urlPattern": "https://*"}}})
	}
	b.call(t, "Page.navigate", map[string]any{"url": address})
	b.wait(t, `document.readyState === 'complete' && location.href !== 'about:blank'`)
}

// text is the value of an expression that gives text, or a promise of it.
func (b *browser) text(t *testing.T, expression string) string {
	t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails *struct {
			Exception struct{ Description string }
		}
	}
	if err := json.Unmarshal(b.call(t, "Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}), &r); err != nil {
		t.Fatal(err)
	}
	if r.ExceptionDetails != nil {
		t.Fatalf("%.200s: %s", expression, r.ExceptionDetails.Exception.Description)
	}
	return fmt.Sprint(r.Result.Value)
}

// do runs statements.
func (b *browser) do(t *testing.T, statements string) {
	t.Helper()
	b.text(t, "{\n"+statements+"\n}; ''")
}

// An accessibleNode is a node of the tree that screen readers get.
type accessibleNode struct {
	Ignored    bool
	Role, Name struct{ Value string }
	Properties []struct {
		Name  string
		Value struct{ Value any }
	}
}

func (n accessibleNode) properties() map[string]any {
	m := map[string]any{}
	for _, p := range n.Properties {
		m[p.Name] = p.Value.Value
	}
	return m
}

func (b *browser) accessible(t *testing.T) (nodes []accessibleNode) {
	t.Helper()
	var tree struct{ Nodes []accessibleNode }
	if err := json.Unmarshal(b.call(t, "Accessibility.getFullAXTree", nil), &tree); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(tree.Nodes, func(n accessibleNode) bool { return n.Ignored })
}

func (b *browser) wait(t *testing.T, condition string) {
	t.Helper()
	for until := time.Now().Add(2 * time.Minute); b.text(t, condition) != "true"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("never: %s; the status is %s", condition, b.text(t, `document.getElementById('status')?.textContent`))
		}
	}
}

// settle waits until all pictures are drawn.
func (b *browser) settle(t *testing.T) {
	t.Helper()
	b.wait(t, `!due && kept.length === 0 && small.length === 0 && frame === 0`)
}

func (b *browser) key(t *testing.T, name string) {
	t.Helper()
	code := map[string]int{"ArrowRight": 39, "Enter": 13}[name]
	for _, kind := range []string{"keyDown", "keyUp"} {
		p := map[string]any{"type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code}
		if name == "Enter" && kind == "keyDown" {
			p["text"] = "\r"
		}
		b.call(t, "Input.dispatchKeyEvent", p)
	}
}

// pixels are the reds of a canvas.
func (b *browser) pixels(t *testing.T, canvas string) []byte {
	t.Helper()
	text := b.text(t, `(() => { const c = `+canvas+`; return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).filter((_, i) => i % 4 === 0).join(' '); })()`)
	var all []byte
	for _, f := range strings.Fields(text) {
		var v int
		fmt.Sscan(f, &v)
		all = append(all, byte(v))
	}
	return all
}

// samePictures compares the small pictures with those of a grid of one row.
func (b *browser) samePictures(t *testing.T, grid image.Image) {
	t.Helper()
	for i := range 16 {
		got := b.pixels(t, fmt.Sprintf("document.querySelectorAll('#thumbs canvas')[%d]", i))
		sameTile(t, fmt.Sprintf("picture %d", i+1), got, grid, 1+29*i)
	}
}

// quiet fails the test where the page said something.
func (b *browser) quiet(t *testing.T) {
	t.Helper()
	b.call(t, "Runtime.evaluate", map[string]any{"expression": "0"})
	for _, s := range b.said {
		t.Errorf("the console: %.500s", s)
	}
}
