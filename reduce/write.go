package reduce

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/atomicfile"
	"github.com/petrify-ml/petrify/internal/count"
	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/verify"
)

// A Setup is how sessions of ONNX Runtime were set up, for the README.
type Setup struct {
	Command      string // that judges the folder again, without the folder
	Optimization string // empty is the runtime's own default
	Provider     string
	Threads      int
	Tool         string // what reduced, with its version
}

const setFolder = "test_data_set_0"

// Write puts the result into a folder of its own, which it makes: model.onnx, test_data_set_0 and README.md. It refuses one
// that has anything in it, unless force says that these files may be replaced. It returns the paths.
func (r *Result) Write(dir string, setup Setup, force bool) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(entries) > 0 && !force {
		return nil, fmt.Errorf("%s is not empty: say --force to replace what is there, or choose another folder with -o", dir)
	}
	set := filepath.Join(dir, setFolder)
	if err := os.MkdirAll(set, 0o777); err != nil {
		return nil, err
	}
	old, err := filepath.Glob(filepath.Join(escapeGlob(set), "*put_*.pb")) // of another reduction
	if err != nil {
		return nil, err
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	var paths []string
	write := func(path string, b []byte, err error) error {
		if err != nil {
			return err
		}
		paths = append(paths, path)
		return atomicfile.Write(path, b)
	}
	var all []error
	for i, t := range r.Inputs {
		b, err := onnx.Marshal(t.Proto())
		all = append(all, write(filepath.Join(set, fmt.Sprintf("input_%d.pb", i)), b, err))
	}
	for i, v := range r.Want {
		t, err := v.Tensor()
		var p *pb.TensorProto
		if err == nil {
			p = t.Proto()
			p.Name = proto.String(v.Name)
		}
		var b []byte
		if err == nil {
			b, err = onnx.Marshal(p)
		}
		all = append(all, write(filepath.Join(set, fmt.Sprintf("output_%d.pb", i)), b, err))
	}
	all = append(all, write(filepath.Join(dir, "README.md"), []byte(r.Readme(setup)), nil))
	all = append(all, write(filepath.Join(dir, "model.onnx"), r.Model.Bytes, nil)) // last: then the folder is whole
	return paths, errors.Join(all...)
}

func escapeGlob(p string) string {
	return strings.NewReplacer("[", `\[`, "]", `\]`, "*", `\*`, "?", `\?`).Replace(p)
}

// Readme says in Markdown what fails, and how to see it.
func (r *Result) Readme(setup Setup) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("# %s\n\n", r.title())
	p("| | |\n|---|---|\n")
	p("| runtime | %s |\n", cell(r.versioned()))
	if r.Settings != "" {
		p("| settings | %s |\n", cell(r.Settings))
	}
	p("| failure | %s |\n", cell(r.Failure.String()))
	p("| model | %s, opset %d |\n", cell(count.Of(r.After.Nodes, "node")+", "+count.Of(r.After.Bytes, "byte")+" with its inputs"), r.Model.Opset())
	p("| reduced from | %s and %s |\n", count.Of(r.Before.Nodes, "node"), count.Of(r.Before.Bytes, "byte"))
	p("| by | %s |\n\n", cell(setup.Tool))
	if r.Unfinished {
		p("The search ended early: a smaller model may fail as well.\n\n")
	}
	var text strings.Builder
	if onnx.Text(&text, r.Model.Proto) == nil && text.Len() < 8000 {
		p("```text\n%s```\n\n", strings.ReplaceAll(quote.Lines(text.String()), "```", "'''"))
	}
	if differs := r.worst(); differs != nil {
		p("## What is wrong\n\n")
		p("`%s/output_*.pb` is what the model says, computed in float64 and rounded to the type of the output.\n\n", setFolder)
		p("| output | element | got | want | off by | rounding explains at most |\n|---|---|---|---|---|---|\n")
		for _, row := range differs {
			at := row.First
			if at == nil {
				at = row.Worst
			}
			p("| %s | %s | %s | %s | %.3g | %.3g |\n", cell(row.Output), cell(strings.ReplaceAll(fmt.Sprint(at.Index), " ", ", ")), number(at.Got), number(at.Want), float64(at.Error), float64(at.Sound))
		}
		p("\n")
	}
	p("## See it\n\n")
	if name := r.strange(); name != "" {
		p("NumPy has no %s, so that ONNX Runtime for Python cannot be given these inputs, or asked for these outputs, as arrays.\n\n", name)
	} else {
		p("With ONNX Runtime for Python, and the packages numpy and onnx, in this folder:\n\n```python\n%s```\n\n", r.script(setup))
	}
	p("With [petrify](https://github.com/petrify-ml/petrify), which judged it, and says how large an error rounding can explain:\n\n```\n%s .\n```\n", setup.Command)
	return b.String()
}

func (r *Result) title() string {
	ops := map[string]bool{}
	var list []string
	for _, n := range r.Model.Proto.GetGraph().GetNode() {
		if op := n.GetOpType(); !ops[op] {
			ops[op] = true
			list = append(list, quote.Text(op))
		}
	}
	if len(list) > 4 {
		list = append(list[:3], "...")
	}
	what := map[Class]string{
		Different: "computes something else", Unsteady: "computes something else each time", Unfit: "gives outputs of another type or shape",
		Refused: "gives an error", Lacking: "lacks something", Crashed: "crashes", Hung: "does not return",
	}[r.Failure.Class]
	name, _, _ := strings.Cut(r.versioned(), ", ")
	return fmt.Sprintf("%s %s: %s", quote.Text(name), what, strings.Join(list, ", "))
}

// versioned names the runtime as its own people do: ort-node is a word of petrify's.
func (r *Result) versioned() string {
	if r.Version == "" {
		return r.Runtime
	}
	return r.Version
}

// worst are the rows that say how far an output is off.
func (r *Result) worst() []verify.Comparison {
	var rows []verify.Comparison
	for _, row := range r.Rows {
		if row.Verdict == verify.Different && row.Measure != nil && (row.First != nil || row.Worst != nil) {
			rows = append(rows, row)
		}
	}
	return rows
}

func number(n verify.Number) string { return fmt.Sprintf("%.9g", float64(n)) }

// cell is text in a table of Markdown.
func cell(s string) string {
	s = quote.Text(s)
	if len(s) > 600 {
		s = strings.ToValidUTF8(s[:600], "") + "..."
	}
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "`", "'", "*", `\*`, "_", `\_`, "[", `\[`).Replace(s)
}

// script is a program for ONNX Runtime's own Python package that compares its outputs with the files.
func (r *Result) script(setup Setup) string {
	var b strings.Builder
	b.WriteString(`import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

def read(path):
    tensor = onnx.TensorProto()
    with open(path, "rb") as f:
        tensor.ParseFromString(f.read())
    return numpy_helper.to_array(tensor)

options = onnxruntime.SessionOptions()
`)
	if level := map[string]string{"off": "ORT_DISABLE_ALL", "basic": "ORT_ENABLE_BASIC", "extended": "ORT_ENABLE_EXTENDED"}[setup.Optimization]; level != "" {
		fmt.Fprintf(&b, "options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.%s\n", level)
	}
	fmt.Fprintf(&b, "options.intra_op_num_threads = %d\n", max(setup.Threads, 1))
	provider := map[string]string{"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider", "coreml": "CoreMLExecutionProvider", "dml": "DmlExecutionProvider", "webgpu": "WebGpuExecutionProvider"}[setup.Provider]
	if provider == "" {
		provider = "CPUExecutionProvider"
	}
	fmt.Fprintf(&b, "session = onnxruntime.InferenceSession(\"model.onnx\", options, providers=[%q])\n", provider)
	b.WriteString("outputs = session.run(None, {\n")
	for i, t := range r.Inputs {
		fmt.Fprintf(&b, "    %s: read(\"%s/input_%d.pb\"),\n", literal(t.Name), setFolder, i)
	}
	b.WriteString("})\n")
	fmt.Fprintf(&b, `for k, got in enumerate(outputs):
    want = read(f"%s/output_{k}.pb")
    print(session.get_outputs()[k].name, "got", got.dtype, got.shape, "want", want.dtype, want.shape)
    if got.shape == want.shape:
        print("got", got, "want", want, sep="\n")
        if np.array_equal(got, want, equal_nan=got.dtype.kind == "f"):
            print("equal")
        elif got.dtype.kind in "iuf":
            print("off by at most", np.max(np.abs(got.astype(np.float64) - want.astype(np.float64))))
`, setFolder)
	return b.String()
}

// strange is a type of the inputs or outputs that NumPy lacks, "" if it has them all.
func (r *Result) strange() string {
	types := make([]pb.TensorProto_DataType, 0, len(r.Inputs)+len(r.Want))
	for _, t := range r.Inputs {
		types = append(types, t.Type())
	}
	for _, v := range r.Want {
		types = append(types, v.Type)
	}
	for _, t := range types {
		switch t {
		case pb.TensorProto_FLOAT, pb.TensorProto_DOUBLE, pb.TensorProto_FLOAT16, pb.TensorProto_BOOL, pb.TensorProto_STRING, pb.TensorProto_COMPLEX64, pb.TensorProto_COMPLEX128,
			pb.TensorProto_INT8, pb.TensorProto_INT16, pb.TensorProto_INT32, pb.TensorProto_INT64,
			pb.TensorProto_UINT8, pb.TensorProto_UINT16, pb.TensorProto_UINT32, pb.TensorProto_UINT64:
		default:
			return strings.ToLower(t.String())
		}
	}
	return ""
}

// literal is text as Python writes it.
func literal(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return strings.ReplaceAll(string(b), "`", "\\u0060")
}
