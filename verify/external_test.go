package verify

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness"
	"google.golang.org/protobuf/proto"
)

// external returns m with the elements of net.b.weight in w.bin, and them.
func external(t *testing.T, m *onnx.Model) (*onnx.Model, []byte) {
	t.Helper()
	p := proto.CloneOf(m.Proto)
	var elements []byte
	for _, w := range p.Graph.Initializer {
		if w.GetName() == "net.b.weight" {
			elements, w.RawData = w.RawData, nil
			w.DataLocation = new(pb.TensorProto_EXTERNAL)
			w.ExternalData = []*pb.StringStringEntryProto{{Key: new("location"), Value: new("w.bin")}}
		}
	}
	b, err := onnx.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return &onnx.Model{Proto: p, Bytes: b}, elements
}

func TestElementsInOtherFilesAreThoseBesideTheModel(t *testing.T) {
	m := netModel(t)
	x, elements := external(t, m)
	dir := folder(t, m, &fake{}, 1, 3)
	path := writeModel(t, dir, x)
	write := func(dir string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, "w.bin"), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(t.TempDir())
	write(".", make([]byte, len(elements))) // a runtime that opened it would compute zeros
	options := Options{Paths: []string{path}, Runtimes: []witness.Runtime{new(fake).runtime("fake")}}

	for _, c := range []struct {
		name     string
		elements []byte
		verdict  Verdict
		exit     int
		problem  string
	}{
		{"missing", nil, Unchecked, 2, `"w.bin" cannot be opened`},
		{"too few", elements[:8], Different, 1, "tensor-length"},
		{"others", make([]byte, len(elements)), Different, 1, ""},
		{"right", elements, Equal, 0, ""},
	} {
		if c.elements != nil {
			write(dir, c.elements)
		}
		r := report(t, options)
		if got := r.Models[0]; got.Verdict() != c.verdict || r.ExitCode(false) != c.exit || !strings.Contains(got.Problem, c.problem) || !got.External {
			t.Errorf("%s: verdict %s, exit %d, problem %q, want %s, %d, %q", c.name, got.Verdict(), r.ExitCode(false), got.Problem, c.verdict, c.exit, c.problem)
		}
	}
	if _, err := report(t, options).Certificate(dir, "test"); err == nil || !strings.Contains(err.Error(), "elements are in other files") {
		t.Errorf("the certificate of a model whose digest is not that of its elements: %v", err)
	}
}

// A thief is a runtime in front of which the files of a model are changed.
type thief struct {
	witness.Runtime
	steal func()
}

func (r thief) Open(ctx context.Context, m *onnx.Model) (witness.Session, error) {
	r.steal()
	return r.Runtime.Open(ctx, m)
}

func TestWhatWasCheckedRunsWhateverBecomesOfTheFiles(t *testing.T) {
	m := netModel(t)
	x, elements := external(t, m)
	dir := folder(t, m, &fake{}, 1, 3)
	path, w := writeModel(t, dir, x), filepath.Join(dir, "w.bin")
	for name, steal := range map[string]func(){
		"other elements":  func() { os.WriteFile(w, make([]byte, len(elements)), 0o644) },
		"none":            func() { os.Remove(w) },
		"a link":          func() { os.Remove(w); os.Symlink("/dev/zero", w) },
		"cut off":         func() { os.Truncate(w, 3) },
		"another model":   func() { os.WriteFile(path, []byte("no model"), 0o644) },
		"nothing changed": func() {},
	} {
		writeModel(t, dir, x)
		os.Remove(w)
		if err := os.WriteFile(w, elements, 0o644); err != nil {
			t.Fatal(err)
		}
		r := report(t, Options{Paths: []string{path}, Runtimes: []witness.Runtime{thief{(&fake{}).runtime("fake"), steal}}})
		if got := r.Models[0]; got.Verdict() != Equal || len(rowsOf(r, "fake")) == 0 {
			t.Errorf("%s: %s %s", name, got.Verdict(), got.Problem)
		}
	}
}
