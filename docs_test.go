package petrify

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/models"
)

var update = flag.Bool("update", false, "write the generated pages instead of comparing them")

// The generated pages say what the code and the modules behind it say. `go test . -update` writes them again.
func TestGeneratedPages(t *testing.T) {
	for path, page := range map[string]func(*strings.Builder) error{
		"docs/layers.md": layersPage, "docs/models.md": modelsPage, "NOTICE": notice, "THIRD_PARTY_LICENSES": thirdParty,
	} {
		var b strings.Builder
		if err := page(&b); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if have, err := os.ReadFile(path); err != nil || string(have) != b.String() {
			t.Errorf("%s is not what the code says (%v): write it anew by `go test . -update`", path, err)
		}
	}
}

func layersPage(b *strings.Builder) error {
	b.WriteString("# Layers\n\nMade from `layer.Kinds()` by `go test . -update`. Operators are ONNX's, of opset 13.\n\n")
	b.WriteString("| layer | what it does | hyper-parameters (default) | ONNX operators |\n|---|---|---|---|\n")
	for _, k := range layer.Kinds() {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", k.Name, k.Doc, hyperparameters(k.New()), strings.Join(k.Ops, ", "))
	}
	return nil
}

// hyperparameters lists the exported fields of a layer that are data.
func hyperparameters(l layer.Layer) string {
	v := reflect.ValueOf(l)
	var fields []string
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.IsExported() && f.Type.Kind() != reflect.Func {
			fields = append(fields, fmt.Sprintf("%s (%v)", f.Name, v.Field(i).Interface()))
		}
	}
	return strings.Join(fields, ", ")
}

func modelsPage(b *strings.Builder) error {
	b.WriteString("# Models\n\nMade from `models.All()` by `go test . -update`. `petrify models NAME` shows the same tables.\nShapes are those of one sample.\n")
	b.WriteString("\n`petrify export RUN --form` writes these nets as they stand here (raw), with images as bytes (image), with the noise inside (sample), or as encode, decode and\n" +
		"interpolate (latent): [loading.md](loading.md#forms). `--precision` stores weights, or computes, in float16 or int8: [loading.md](loading.md#smaller-files) has bytes,\n" +
		"errors and times of each net.\n\n| model | its nets | forms |\n|---|---|---|\n")
	for _, m := range models.All() {
		var nets []string
		for _, n := range m.Exports() {
			nets = append(nets, n.Name)
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", m.Name, strings.Join(nets, ", "), strings.Join(export.FormsOf(m), ", "))
	}
	for _, m := range models.All() {
		r := m.Recipe
		fmt.Fprintf(b, "\n## %s\n\n`petrify train %s`\n\n%s\n\nSource: %s.\n\n", m.Title, m.Name, m.Doc, m.Source)
		fmt.Fprintf(b, "Recipe: %d steps of batch %d, Adam with learning rate %g, beta1 %g, beta2 %g, epsilon %g; pixels in [%g, %g].\n",
			r.Steps, r.Batch, r.Adam.LR, r.Adam.Beta1, r.Adam.Beta2, r.Adam.Epsilon, r.Pixels.Low, r.Pixels.High)
		for _, n := range m.Nets {
			p, err := n.Plan()
			if err != nil {
				return err
			}
			fmt.Fprintf(b, "\n### %s\n\n%s. %d parameters.\n\n| name | layer | shape | parameters |\n|---|---|---|---|\n", n.Name, sentence(n.Doc), p.ParamCount())
			fmt.Fprintf(b, "| `%s` | input | %v | |\n", n.Input.Name, n.Input.Shape)
			if c := n.Class; c.Count > 0 {
				fmt.Fprintf(b, "| `%s` | class, one-hot of a number from 0 to %d | %v | |\n", c.Name, c.Count-1, c.Shape())
			}
			for _, s := range p.Steps {
				count := 0
				for _, q := range s.Params {
					count += q.Shape.Len()
				}
				fmt.Fprintf(b, "| `%s` | %s | %v | %d |\n", s.Name, layer.Describe(s.Layer), s.Out, count)
			}
		}
	}
	return nil
}

// sentence begins with a capital letter.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
