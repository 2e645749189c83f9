package card

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	yamls "go.yaml.in/yaml/v3"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness"
)

func full() Card {
	ports := func(name string) []witness.Port {
		return []witness.Port{{Name: name, Type: onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Symbolic("N"), onnx.Fixed(100)}}}}
	}
	return Card{
		File: File{
			Name: "generator.onnx", Net: "generator", Doc: "standard normal noise to images in [-1, 1]", Bytes: 456789, SHA256: strings.Repeat("0a", 32),
			IR: 8, Opset: 13, Parameters: 114064, Operators: []Entry{{"MatMul", "2"}, {"Add", "2"}}, Inputs: ports("z"), Outputs: ports("image"),
		},
		Architecture: "gan", Title: "Dense GAN", Source: "Goodfellow et al. 2014", Task: Generates, Licence: "CC-BY-4.0",
		Tool: "petrify v1.2.3", Seed: math.MaxUint64, Step: 20000, Weights: strings.Repeat("0b", 32),
		Data:     Data{"mnist", strings.Repeat("0c", 32), "CC-BY-SA-3.0"},
		Training: []Entry{{"images in a batch", "128"}, {"learning rate", "0.001"}},
		Figures:  []Figure{{"d_loss", 0.5123456789}, {"g_loss", math.NaN()}},
	}
}

// schema is CycloneDX 1.6.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	for _, name := range []string{"spdx", "jsf-0.82", "bom-1.6"} {
		b, err := os.ReadFile(filepath.Join("testdata", "cyclonedx", name+".schema.json"))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource("http://cyclonedx.org/schema/"+name+".schema.json", doc); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// hostile are names that mean something to Markdown, HTML, YAML, JSON, terminals or CI systems.
var hostile = []string{
	"\x1b[31mred", "line\nbreak", "\r::error::x", "##[group]", "<script>alert(1)</script>", "&amp;", "[a](http://x)", "![a](b)", "www.example.org", "https://example.org",
	"| cell | cell |", "`code`", "**bold**", "_under_score_", "---\nlicense: mit\n---", "# head", "- item", "1. item", "@someone", "#1", ":tada:", `"quoted"`, "it's",
	"{{ x }}", "${x}", "%s%d", "\u202egpj", "\u2028", "\x00", "\xff", "~~~", "a: b", "!!tag", "*alias", "日本", strings.Repeat("long", 200), "", " ", "-- flag",
}

// The bill is what the schema of CycloneDX asks for, whatever it tells of, and always the same.
func TestBOMIsCycloneDX(t *testing.T) {
	s := schema(t)
	cards := []Card{full(), {}, {File: File{Name: "m.onnx"}}}
	for _, name := range hostile {
		cards = append(cards, spoilt(name))
	}
	serials := map[string]bool{}
	for _, c := range cards {
		b, err := c.BOM()
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err == nil {
			err = s.Validate(v)
		}
		if err != nil {
			t.Errorf("%v\n%s", err, b)
			continue
		}
		if i := bytes.IndexAny(b, "\x00\x1b\r\u202e\u2028"); i >= 0 {
			t.Errorf("the bill of %q acts on a terminal: %q", c.Architecture, b[i:])
		}
		again, err := c.BOM()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("another time another bill: %v", err)
		}
		serial, _ := v.(map[string]any)["serialNumber"].(string)
		serials[serial] = true
	}
	if len(serials) != len(cards) {
		t.Errorf("%d serial numbers of %d cards", len(serials), len(cards))
	}
}

// spoilt is a card with one name everywhere.
func spoilt(name string) Card {
	return Card{
		File:         File{Name: name + ".onnx", Net: name, Doc: name, SHA256: name, Operators: []Entry{{name, name}}, Inputs: []witness.Port{{Name: name}}, Outputs: []witness.Port{{Name: name, Other: true}}},
		Architecture: name, Title: name, Source: name, Licence: name, Tool: name, Weights: name, Data: Data{name, name, name},
		Training: []Entry{{name, name}}, Figures: []Figure{{name, 1}},
	}
}

// The page has a head that YAML reads, and says all that there is to say.
func TestMarkdownSaysIt(t *testing.T) {
	c := full()
	page := string(c.Markdown())
	for _, want := range []string{
		"\n# gan, generator\n", "Dense GAN. What it does: standard normal noise to images in [-1, 1].\n", "| in | `z` | `float[N,100]` |", "petrify sample generator.onnx --seed 7",
		"| made by | petrify v1.2.3 |", "| training data | mnist |", "| their licence | CC-BY-SA-3.0 |", "| seed | 18446744073709551615 |", "| iterations | 20000 |",
		"| learning rate | 0.001 |", "| d_loss | 0.512346 |", "| g_loss | not a finite number |", "| operators | MatMul 2, Add 2 |", "| parameters | 114064 |",
		"petrify verify generator.onnx", "\n## Limits\n", "| licence of this file | CC-BY-4.0 |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if regexp.MustCompile(`20[0-9][0-9]-[0-9][0-9]`).MatchString(page) {
		t.Error("the page has a date")
	}
	head := front(t, page)
	if head["license"] != "cc-by-4.0" || head["pipeline_tag"] != "unconditional-image-generation" || head["library_name"] != "onnx" {
		t.Errorf("the head is %v", head)
	}
	if again := c.Markdown(); string(again) != page {
		t.Error("another time another page")
	}
	unknown := Card{}
	if page := string(unknown.Markdown()); !strings.Contains(page, "not stated by whoever exported it") || !strings.Contains(page, "license: unknown\n") {
		t.Errorf("of nothing: %s", page)
	}
}

// front reads the head of a page.
func front(t *testing.T, page string) map[string]any {
	t.Helper()
	parts := strings.SplitN(page, "---\n", 3)
	if len(parts) != 3 || parts[0] != "" {
		t.Fatalf("no head: %s", page)
	}
	var head map[string]any
	if err := yamls.Unmarshal([]byte(parts[1]), &head); err != nil {
		t.Fatalf("%v: %s", err, parts[1])
	}
	return head
}

var fenced = regexp.MustCompile("(?m)^```\n.*\n```$|`[^`\n]+`")

// Nothing that a name says has an effect: no markup, no line of its own, no key of the head.
func TestMarkdownShowsHostileNamesAsText(t *testing.T) {
	plain := spoilt("name")
	want := strings.Count(string(plain.Markdown()), "\n")
	for _, name := range hostile {
		c := spoilt(name)
		page := string(c.Markdown())
		head := front(t, page)
		for key := range head {
			if !slices.Contains([]string{"license", "license_name", "library_name", "pipeline_tag", "tags"}, key) {
				t.Errorf("%q: the head has a key %q", name, key)
			}
		}
		if got := strings.Count(page, "\n"); name != "" && name != " " && got != want {
			t.Errorf("%q: %d lines, want %d", name, got, want)
		}
		body := page[strings.Index(page[4:], "---\n")+8:]
		body = fenced.ReplaceAllString(body, "") // in code markup means nothing
		for _, bad := range []string{"\x1b", "\r", "\x00", "\u202e", "\u2028", "<script", "](", "**", "_under_", "![", "@someone", "::error", "##[", ":tada:", "www.", "https://"} {
			if strings.Contains(body, bad) {
				t.Errorf("%q: the page has %q", name, bad)
			}
		}
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "| ") && strings.Count(line, "|") > 4 {
				t.Errorf("%q: a row of more cells: %s", name, line)
			}
		}
	}
}

func TestReadFile(t *testing.T) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: 13, IR: 8})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(3))
	e.Step("y", "y")
	e.Output(e.Node("Relu", "", []onnx.Value{x}), pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(3))
	m, err := e.Model()
	if err != nil {
		t.Fatal(err)
	}
	doc, key, value := "Title, net: noise to noise", "petrify.net", "net"
	m.DocString, m.MetadataProps = &doc, []*pb.StringStringEntryProto{{Key: &key, Value: &value}}
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if f.Name != "m.onnx" || f.Net != "net" || f.Doc != "noise to noise" || f.Bytes != int64(len(b)) || len(f.SHA256) != 64 || f.IR != 8 || f.Opset != 13 ||
		len(f.Operators) != 1 || f.Operators[0] != (Entry{"Relu", "1"}) || len(f.Inputs) != 1 || f.Outputs[0].String() != "y float[N,3]" {
		t.Errorf("%+v", f)
	}
	if _, err := ReadFile(filepath.Join(filepath.Dir(path), "nowhere.onnx")); err == nil {
		t.Error("no file, and a card")
	}
	var decoded map[string]any
	c := Card{File: f}
	bill, err := c.BOM()
	if err != nil || json.Unmarshal(bill, &decoded) != nil {
		t.Errorf("%v: %s", err, bill)
	}
}
