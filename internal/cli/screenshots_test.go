package cli_test

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

var screenshotsOf = flag.String("screenshots", "", "folder of the runs dcgan, cgan and vae, of which docs/gallery gets screenshots")

// The pictures of docs/page.md are those of the page as it is.
func TestScreenshots(t *testing.T) {
	if *screenshotsOf == "" {
		t.Skip("-screenshots names no folder of runs")
	}
	b := startBrowser(t)
	opened := false
	for _, s := range []struct {
		file, run, scheme, address string
		width, height              int
		scale                      float64
		before                     string // statements
	}{
		{"page.png", "dcgan", "light", "seed=7&picture=6", 1180, 1000, 1, ""},
		{"page-class.png", "cgan", "dark", "seed=5&picture=2&class=5&truncation=1", 1180, 1000, 1, ""},
		{"page-phone.png", "vae", "dark", "seed=1&picture=11", 390, 844, 1.5, ""},
		{"page-pad.png", "vae", "dark", "seed=1&picture=11", 390, 844, 1.5, `document.getElementById('clear').click(); draws(); document.getElementById('pad-section').scrollIntoView({block: 'start'})`},
	} {
		site := t.TempDir()
		petrify(t, "web", filepath.Join(*screenshotsOf, s.run), "-o", site)
		page := (&url.URL{Scheme: "file", Path: filepath.ToSlash(site) + "/index.html", Fragment: s.address}).String()
		if !opened {
			opened = true
			b.open(t, "about:blank#1")
			b.call(t, "Emulation.setScrollbarsHidden", map[string]any{"hidden": true})
		}
		b.call(t, "Emulation.setDeviceMetricsOverride", map[string]any{"width": s.width, "height": s.height, "deviceScaleFactor": s.scale, "mobile": s.width < 500})
		b.call(t, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": s.scheme}}})
		b.call(t, "Page.navigate", map[string]any{"url": page})
		b.wait(t, `document.getElementById('status')?.textContent.startsWith('seed ')`)
		b.settle(t)
		if s.before != "" {
			b.do(t, drawing+s.before)
			b.wait(t, `document.getElementById('status').textContent === 'what the model keeps of your picture'`)
			b.settle(t)
		}
		var shot struct{ Data string }
		if err := json.Unmarshal(b.call(t, "Page.captureScreenshot", map[string]any{"format": "png"}), &shot); err != nil {
			t.Fatal(err)
		}
		data, err := base64.StdEncoding.DecodeString(shot.Data)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("..", "..", "docs", "gallery", s.file), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// drawing defines draws, which draws a seven as a pointer does.
const drawing = `
const pad = document.getElementById('pad');
pad.setPointerCapture = () => {};
const point = (kind, x, y) => {
	const r = pad.getBoundingClientRect();
	pad.dispatchEvent(new PointerEvent(kind, {pointerId: 1, clientX: r.left + x * r.width, clientY: r.top + y * r.height}));
};
const draws = () => {
	point('pointerdown', 0.3, 0.28);
	for (const [x, y] of [[0.7, 0.28], [0.63, 0.43], [0.5, 0.76]]) point('pointermove', x, y);
	point('pointerup', 0.5, 0.76);
};
`
