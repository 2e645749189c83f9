package web_test

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/web"
)

var update = flag.Bool("update", false, "pin the version of onnxruntime-web that is in NODE_PATH")

// The pinned files are those of the npm package.
func TestThePinnedFilesAreThoseOfThePackage(t *testing.T) {
	module := witnesstest.NodeModule(t, "onnxruntime-web")
	text, err := os.ReadFile(filepath.Join(module, "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	var pack struct{ Version string }
	if err := json.Unmarshal(text, &pack); err != nil {
		t.Fatal(err)
	}
	want := web.CDN{Version: pack.Version}
	for _, name := range web.ORTFiles() {
		b, err := os.ReadFile(filepath.Join(module, "dist", name))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha512.Sum384(b)
		want.Files = append(want.Files, web.CDNFile{
			Address:   "https://cdn.jsdelivr.net/npm/onnxruntime-web@" + pack.Version + "/dist/" + name,
			Integrity: "sha384-" + base64.StdEncoding.EncodeToString(sum[:]),
		})
	}
	made, err := json.MarshalIndent(want, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	made = append(made, '\n')
	if *update {
		if err := os.WriteFile(filepath.Join("page", "cdn.json"), made, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if v := web.PinnedCDN().Version; v != pack.Version {
		t.Skipf("NODE_PATH has onnxruntime-web %s, and %s is pinned: go test ./web -run Pinned -update pins the other", pack.Version, v)
	}
	pinned, err := os.ReadFile(filepath.Join("page", "cdn.json"))
	if err != nil {
		t.Fatal(err)
	}
	if string(pinned) != string(made) {
		t.Errorf("page/cdn.json is\n%swant\n%s", pinned, made)
	}
}

// A page that fetches ONNX Runtime Web from a CDN may fetch its three files, runs none but by its digest, and reads nothing else.
func TestAPageOfACDN(t *testing.T) {
	b, err := web.Page(web.Options{Title: "t", Generator: generator(t, "Sin"), Engine: web.ORT, CDN: true})
	if err != nil {
		t.Fatal(err)
	}
	files := web.PinnedCDN().Files
	if len(files) != len(web.ORTFiles()) {
		t.Fatalf("%d files are pinned", len(files))
	}
	policy := string(regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindSubmatch(b)[1])
	sources := map[string][]string{}
	for directive := range strings.SplitSeq(policy, "; ") {
		words := strings.Fields(directive)
		sources[words[0]] = words[1:]
	}
	for i, s := range sources["script-src"] {
		if i < 3 != strings.HasPrefix(s, "'sha256-") {
			t.Errorf("script %d is %s", i, s)
		}
	}
	if got, want := strings.Join(sources["script-src"][3:], " "), files[0].Address+" blob: 'wasm-unsafe-eval'"; got != want {
		t.Errorf("scripts come from %s, want %s", got, want)
	}
	if got, want := strings.Join(sources["connect-src"], " "), files[0].Address+" "+files[1].Address+" "+files[2].Address; got != want {
		t.Errorf("files come from %s, want %s", got, want)
	}
	if d := sources["default-src"]; len(d) != 1 || d[0] != "'none'" {
		t.Errorf("the rest comes from %v", d)
	}
	tag := `<script src="` + files[0].Address + `" integrity="` + files[0].Integrity + `" crossorigin="anonymous"></script>`
	if !strings.Contains(string(b), tag) || strings.Count(string(b), "<script src=") != 1 {
		t.Errorf("the page has no %s, or another", tag)
	}
	if _, err := web.Page(web.Options{Generator: generator(t, "Tanh"), CDN: true}); err == nil || !strings.Contains(err.Error(), "onnxruntime-web") {
		t.Errorf("a CDN of the page's own runtime: %v", err)
	}
}
