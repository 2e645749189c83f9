// Package web writes a page that plays a generator: one HTML file with the model, what runs it, and the controls inside.
//
// The page is self-contained: no other files, no network, no framework. It works from a file as well as from a server, and its content security
// policy forbids the browser to load anything else. What runs the model is page/runtime.js, which knows the operators of petrify's layers; noise
// comes from page/noise.js, with the bits of random.Noise. The tests compare the first with the reference, by package verify, and the second with
// Go, number by number.
package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/raster"
	"github.com/petrify-ml/petrify/random"
)

// The files of the page, put into one by Page.
var (
	//go:embed page/index.html
	frame string
	//go:embed page/page.css
	style string
	//go:embed page/noise.js
	noiseScript string
	//go:embed page/runtime.js
	runtimeScript string
	//go:embed page/ort.js
	ortScript string
	//go:embed page/page.js
	pageScript string
)

// A Fact is a line at the bottom of the page.
type Fact struct{ Name, Value string }

// Options say what a page shows. All texts are escaped.
type Options struct {
	Name      string // of the pictures that are saved; what is not a letter, digit or dash in it becomes a dash
	Title     string
	About     string
	Facts     []Fact
	Generator *onnx.Model // of noise or points, with its elements inside, that a check has passed
	Encoder   *onnx.Model // from images to points, where there is one
	Noise     bool        // the generator is made for standard normal noise
	Engine    Engine      // what runs the model; "" is Own
	CDN       bool        // ORT comes from PinnedCDN, and not from beside the page
}

// An Engine runs the model of a page.
type Engine string

// The engines.
const (
	Own Engine = "own" // page/runtime.js: the operators of petrify's layers, inside the page
	// ORT is ONNX Runtime Web, on one thread of WebAssembly: ORTFiles lie in the folder ort beside the page, which a server must show, or
	// are fetched from a CDN.
	ORT Engine = "onnxruntime-web"
)

// Engines lists the engines.
func Engines() []Engine { return []Engine{Own, ORT} }

// ORTFiles returns the files of the folder dist of the npm package onnxruntime-web that a page needs. The page refers to the first
// one.
func ORTFiles() []string {
	return []string{"ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"}
}

// mostBytes is the largest model of a page: browsers hold it as text, as bytes and as numbers.
const mostBytes = 256 << 20

// axes is the number of sliders.
const axes = 8

// Page makes the HTML of a page. A model with an operator that the page's own runtime lacks, if that is the engine, is an
// *onnx.UnsupportedError.
func Page(o Options) ([]byte, error) {
	if o.Engine == "" {
		o.Engine = Own
	}
	if !slices.Contains(Engines(), o.Engine) {
		return nil, fmt.Errorf("engine is %q, want one of %v", o.Engine, Engines())
	}
	if o.CDN && o.Engine != ORT {
		return nil, fmt.Errorf("a CDN has the files of %s, and the engine is %q", ORT, o.Engine)
	}
	p := &about{Name: plainName(o.Name), Noise: o.Noise, Reach: 4, Scheme: newScheme()}
	if !o.Noise {
		p.Reach = 8 // codes have no scale of their own, and are often larger than noise
	}
	var err error
	if p.Generator, err = newNet(o.Generator); err != nil {
		return nil, err
	}
	if p.Generator.kind != raster.Points || p.Generator.Images == nil {
		return nil, &onnx.UnsupportedError{Why: "the page makes images, as in float[N,1,28,28], of noise or points"}
	}
	generator, err := encoded(o.Generator, o.Engine)
	if err != nil {
		return nil, err
	}
	encoder := ""
	if o.Encoder != nil {
		net, err := newNet(o.Encoder)
		if err == nil && net.Class != nil {
			err = fmt.Errorf("it takes a class, %s, beside images", onnx.Quote(net.Class.Input))
		}
		if err == nil && net.kind != raster.Images {
			err = fmt.Errorf("input %s is %v, want images of 1 or 3 channels", onnx.Quote(net.Input), net.Dims)
		}
		if err == nil {
			encoder, err = encoded(o.Encoder, o.Engine)
		}
		if err != nil {
			return nil, fmt.Errorf("encoder: %w", err)
		}
		p.Encoder = &net
	}
	found := principalAxes(o.Generator.Proto.GetGraph(), p.Generator.Input, p.Generator.Width, axes)
	words := "Each moves the picture along one latent number."
	if found != nil {
		words = "Those in which the first layer is most sensitive: the principal components of its weights, the strongest first."
	} else {
		found = plainAxes(p.Generator.Width, axes)
	}
	p.Axes = found

	running := o.running()
	if o.CDN {
		p.CDN = PinnedCDN().Files
	}
	data, err := json.Marshal(p) // which escapes what would end the element
	if err != nil {
		return nil, err
	}
	var facts strings.Builder
	for _, f := range o.Facts {
		fmt.Fprintf(&facts, "<dt>%s</dt><dd>%s</dd>", html.EscapeString(f.Name), html.EscapeString(f.Value))
	}
	policy := fmt.Sprintf("default-src 'none'; script-src %s %s %s%s; style-src %s; img-src data: blob:; base-uri 'none'; form-action 'none'",
		hashOf(noiseScript), hashOf(running.script), hashOf(pageScript), running.policy, hashOf(style))
	return []byte(strings.NewReplacer(
		"{{policy}}", policy, "{{title}}", html.EscapeString(o.Title), "{{about}}", html.EscapeString(o.About), "{{axes}}", words,
		"{{facts}}", facts.String(), "{{style}}", style, "{{data}}", string(data), "{{generator}}", generator, "{{encoder}}", encoder,
		"{{noise}}", noiseScript, "{{runtime}}", running.script, "{{page}}", pageScript, "{{engine}}", running.before, "{{fetched}}", running.fetched,
	).Replace(frame)), nil
}

// running is how a page runs its model.
type running struct {
	script  string // inside the page
	before  string // what the page loads before it
	policy  string // what the policy lets in for it, after the scripts inside
	fetched string // in words for who reads the page
}

func (o Options) running() running {
	switch {
	case o.CDN:
		c := PinnedCDN()
		var addresses []string
		for _, f := range c.Files {
			addresses = append(addresses, f.Address)
		}
		return running{
			script:  ortScript,
			before:  fmt.Sprintf(`<script src="%s" integrity="%s" crossorigin="anonymous"></script>`+"\n", c.Files[0].Address, c.Files[0].Integrity),
			policy:  " " + c.Files[0].Address + " blob: 'wasm-unsafe-eval'; connect-src " + strings.Join(addresses, " "),
			fetched: fmt.Sprintf("nothing is fetched but ONNX Runtime Web %s, from %s, which the browser uses only if its files have the digests that this page names", c.Version, c.Host()),
		}
	case o.Engine == ORT:
		return running{
			script:  ortScript,
			before:  fmt.Sprintf(`<script src="ort/%s"></script>`+"\n", ORTFiles()[0]),
			policy:  " 'self' 'wasm-unsafe-eval'; connect-src 'self'",
			fetched: "nothing is fetched but ONNX Runtime Web, from beside the page",
		}
	}
	return running{script: runtimeScript, fetched: "nothing is fetched"}
}

// hashOf names a script or a style to a content security policy.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

var noName = regexp.MustCompile(`[^A-Za-z0-9-]+`)

func plainName(s string) string {
	if s = strings.Trim(noName.ReplaceAllString(s, "-"), "-"); s == "" {
		return "picture"
	}
	return s[:min(len(s), 64)]
}

// about is what page.js is told.
type about struct {
	Name      string    `json:"name"`
	Noise     bool      `json:"noise"`
	Reach     float64   `json:"reach"` // of a slider, either way
	Generator net       `json:"generator"`
	Encoder   *net      `json:"encoder,omitempty"`
	Axes      []axis    `json:"axes"`
	Scheme    scheme    `json:"scheme"`
	CDN       []CDNFile `json:"cdn,omitempty"`
}

// net is what goes into a model and comes out.
type net struct {
	kind   raster.Kind
	Input  string  `json:"input"`
	Dims   []int   `json:"dims"` // of the input, without the batch
	Width  int     `json:"width"`
	Class  *class  `json:"class,omitempty"`
	Images *images `json:"images,omitempty"` // of the input, or else of the output
}

// class is the input of the number of a class, and the names of the classes in the order of their numbers.
type class struct {
	Input string   `json:"input"`
	Names []string `json:"names"`
}

type images struct {
	Name   string        `json:"name"`
	Layout raster.Layout `json:"layout"`
	Shape  [3]int        `json:"shape"` // channels, height, width
	Bytes  bool          `json:"bytes"`
	Low    float64       `json:"low"`
	High   float64       `json:"high"`
}

func newNet(m *onnx.Model) (n net, err error) {
	if m == nil || m.Proto == nil {
		return n, errors.New("no model")
	}
	is, err := raster.Of(m.Proto)
	if err != nil {
		return n, err
	}
	if c := is.Class; c.Taken() && c.Names == nil {
		return n, &onnx.UnsupportedError{Why: fmt.Sprintf("it takes a class, %s, and does not name the classes in its metadata %s", onnx.Quote(c.Input), raster.MetaClasses)}
	} else if c.Taken() {
		n.Class = &class{c.Input, c.Names}
	}
	n = net{kind: is.Kind, Class: n.Class, Input: is.Input.Name, Dims: is.Input.Dims, Width: is.Input.Size}
	if in := is.Input; is.Kind == raster.Images {
		n.Images = newImages(in.Name, in.Elem, in.Layout, in.Levels)
		n.Images.Shape[0], n.Images.Shape[1], n.Images.Shape[2] = in.Shape()
		return n, nil
	}
	levels, err := raster.LevelsOf(m.Proto)
	if err != nil {
		return n, err
	}
	for _, v := range m.Proto.GetGraph().GetOutput() {
		t, _ := onnx.TypeOf(v.GetType())
		dims := make([]int, len(t.Dims))
		for i, d := range t.Dims {
			dims[i] = int(d.Size)
		}
		if c, h, w, layout := is.Output(t.Elem, dims); layout != "" && h > 0 && w > 0 {
			n.Images = newImages(v.GetName(), t.Elem, layout, levels)
			n.Images.Shape = [3]int{c, h, w}
			break
		}
	}
	return n, nil
}

func newImages(name string, elem pb.TensorProto_DataType, layout raster.Layout, levels raster.Levels) *images {
	i := &images{Name: name, Layout: layout, Bytes: elem == pb.TensorProto_UINT8}
	if i.Bytes {
		levels = raster.Bytes
	}
	i.Low, i.High = levels.Low, levels.High
	return i
}

// scheme is random.Scheme for noise.js.
type scheme struct {
	Quantiles string   `json:"quantiles"` // base64 of little-endian int32
	Limits    []int64  `json:"limits"`
	Levels    [3]int64 `json:"levels"`
	Weyl      int64    `json:"weyl"`
	Rounds    int      `json:"rounds"`
}

func newScheme() scheme {
	s := random.NoiseScheme()
	b := make([]byte, 0, 4*len(s.Quantiles))
	for _, q := range s.Quantiles {
		b = binary.LittleEndian.AppendUint32(b, uint32(q))
	}
	return scheme{Quantiles: base64.StdEncoding.EncodeToString(b), Limits: s.Limits, Levels: s.Levels, Weyl: s.Weyl, Rounds: s.Rounds}
}

// encoded is the file of a model, if the engine can run it.
func encoded(m *onnx.Model, e Engine) (string, error) {
	g := m.Proto.GetGraph()
	if e == Own {
		if err := runs(m); err != nil {
			return "", err
		}
	}
	for _, t := range g.GetInitializer() {
		if t.GetDataLocation() == pb.TensorProto_EXTERNAL {
			return "", errors.New("elements are in other files")
		}
	}
	b, err := onnx.Marshal(m.Proto)
	if err != nil {
		return "", err
	}
	if len(b) > mostBytes {
		return "", fmt.Errorf("the model is of %d bytes, a page holds %d", len(b), mostBytes)
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

// runs tells whether the page's own runtime knows all that a model needs.
func runs(m *onnx.Model) error {
	g := m.Proto.GetGraph()
	if len(m.Proto.GetFunctions()) > 0 {
		return &onnx.UnsupportedError{Why: "functions in the model"}
	}
	known := Operators()
	for _, node := range g.GetNode() {
		if (node.GetDomain() != "" && node.GetDomain() != "ai.onnx") || !slices.Contains(known, node.GetOpType()) {
			return &onnx.UnsupportedError{Domain: node.GetDomain(), Op: node.GetOpType(), Why: "the page runs the operators of petrify's layers: " + strings.Join(known, ", ")}
		}
		for _, a := range node.GetAttribute() {
			if usual, special := plainAttributes[a.GetName()]; special && !usual(a) {
				return &onnx.UnsupportedError{Op: node.GetOpType(), Why: "attribute " + a.GetName() + " is none that petrify's layers have"}
			}
		}
	}
	for _, set := range m.Proto.GetOpsetImport() {
		if d := set.GetDomain(); (d == "" || d == "ai.onnx") && set.GetVersion() < oldestOpset {
			return &onnx.UnsupportedError{Opset: set.GetVersion(), Why: fmt.Sprintf("opset %d: the page runs %d and later", set.GetVersion(), oldestOpset)}
		}
	}
	for _, t := range g.GetInitializer() {
		if e := pb.TensorProto_DataType(t.GetDataType()); !slices.Contains(elements, e) {
			return &onnx.UnsupportedError{Why: fmt.Sprintf("initializer %s is of %v: the page reads %v", onnx.Quote(t.GetName()), e, elements)}
		}
	}
	if len(g.GetSparseInitializer()) > 0 {
		return &onnx.UnsupportedError{Why: "sparse weights"}
	}
	return nil
}

// elements are the types of constants that the page's runtime reads.
var elements = []pb.TensorProto_DataType{pb.TensorProto_FLOAT, pb.TensorProto_FLOAT16, pb.TensorProto_INT64, pb.TensorProto_INT32, pb.TensorProto_INT8, pb.TensorProto_UINT8}

// oldestOpset is the first in which all operators are as the page's runtime takes them.
const oldestOpset = 11

// plainAttributes are those that the runtime knows one setting of.
var plainAttributes = map[string]func(*pb.AttributeProto) bool{
	"auto_pad":                       text("NOTSET"),
	"mode":                           text("nearest"),
	"coordinate_transformation_mode": text("asymmetric"),
	"nearest_mode":                   text("floor"),
	"ceil_mode":                      off,
	"allowzero":                      off,
	"training_mode":                  off,
	"storage_order":                  off,
	"antialias":                      off,
	"output_shape":                   never,
	"noop_with_empty_axes":           off,
	"to":                             oneOf(pb.TensorProto_FLOAT, pb.TensorProto_UINT8, pb.TensorProto_FLOAT16),
	"block_size":                     off,
	"output_dtype":                   off,
}

func text(want string) func(*pb.AttributeProto) bool {
	return func(a *pb.AttributeProto) bool { return string(a.GetS()) == want }
}

func off(a *pb.AttributeProto) bool { return a.GetI() == 0 }

func oneOf(elems ...pb.TensorProto_DataType) func(*pb.AttributeProto) bool {
	return func(a *pb.AttributeProto) bool { return slices.Contains(elems, pb.TensorProto_DataType(a.GetI())) }
}

func never(*pb.AttributeProto) bool { return false }

var operatorLine = regexp.MustCompile(`(?m)^  ([A-Z][A-Za-z0-9]*): `)

// Operators returns the operators of ONNX's default domain that the page's runtime supports.
func Operators() []string {
	_, table, _ := strings.Cut(runtimeScript, "\nconst operators = {\n")
	table, _, _ = strings.Cut(table, "\n};\n")
	var names []string
	for _, m := range operatorLine.FindAllStringSubmatch(table, -1) {
		names = append(names, m[1])
	}
	return names
}

// Scripts returns noise.js and runtime.js, which do not need a browser.
func Scripts() (noise, runtime string) { return noiseScript, runtimeScript }

// Marked reports whether a file is a page that this package wrote.
func Marked(b []byte) bool {
	return bytes.Contains(b[:min(len(b), 2048)], []byte(`<meta name="generator" content="petrify">`))
}
