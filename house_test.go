package petrify

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/petrify-ml/petrify/"

// rooms says, for every folder of the project, which of its other folders the code there imports, and which of the libraries
// that must stay in their rooms.
var rooms = map[string]struct{ may, libraries []string }{
	"":                     {},
	"cmd/petrify":          {may: []string{"internal/cli"}},
	"internal/kernel":      {},
	"internal/kernel/peak": {},
	"internal/gop":         {may: []string{"internal/kernel"}, libraries: []string{"gorgonia"}},
	"internal/picture":     {},
	"internal/latent":      {},
	"internal/sampler":     {may: []string{"dataset", "export", "internal/latent", "internal/picture", "layer", "load", "model", "models", "onnx", "onnx/check", "onnx/pb", "onnx/raster", "onnx/rule", "onnx/wire", "random", "run", "web", "witness"}},
	"web":                  {may: []string{"onnx", "onnx/pb", "onnx/raster", "random"}},
	"internal/suggest":     {},
	"internal/atomicfile":  {},
	"internal/buildinfo":   {},
	"internal/memory":      {},
	"random":               {may: []string{"internal/kernel"}},
	"layer":                {may: []string{"random", "internal/kernel", "internal/gop", "onnx", "onnx/pb"}, libraries: []string{"gorgonia"}},
	"model":                {may: []string{"layer"}},
	"models":               {may: []string{"layer", "model", "train", "internal/suggest"}},
	"internal/quote":       {},
	"internal/count":       {},
	"dataset":              {may: []string{"dataset/mnist", "internal/count", "internal/npy", "internal/suggest"}},
	"dataset/mnist":        {},
	"checkpoint":           {may: []string{"internal/atomicfile"}},
	"run":                  {may: []string{"card", "model", "models", "layer", "train", "export", "checkpoint", "dataset", "random", "internal/atomicfile", "internal/buildinfo", "internal/picture"}},
	"train":                {may: []string{"layer", "model", "random", "checkpoint", "dataset", "internal/gop", "internal/kernel", "internal/memory"}, libraries: []string{"gorgonia"}},
	"export":               {may: []string{"layer", "model", "random", "load", "onnx", "onnx/check", "onnx/infer", "onnx/pass", "onnx/pb", "onnx/raster", "onnx/rule", "checkpoint", "internal/atomicfile", "internal/suggest"}},
	"onnx":                 {may: []string{"onnx/internal/sat", "onnx/pb"}},
	"onnx/internal/sat":    {},
	"onnx/pb":              {},
	"onnx/raster":          {may: []string{"onnx", "onnx/pb"}},
	"onnx/rule":            {may: []string{"onnx", "onnx/pb"}},
	"onnx/wire":            {may: []string{"onnx", "onnx/internal/sat", "onnx/pb", "onnx/rule"}},
	"onnx/op":              {may: []string{"onnx", "onnx/internal/sat", "onnx/pb"}},
	"onnx/infer":           {may: []string{"onnx", "onnx/internal/sat", "onnx/op", "onnx/pb", "onnx/rule"}},
	"onnx/pass":            {may: []string{"onnx", "onnx/infer", "onnx/pb"}},
	"onnx/check":           {may: []string{"onnx", "onnx/infer", "onnx/op", "onnx/pb", "onnx/rule", "onnx/wire"}},
	"reference":            {may: []string{"onnx", "onnx/infer", "onnx/op", "onnx/pb", "witness"}},
	"load":                 {may: []string{"onnx", "onnx/check", "onnx/infer", "onnx/op", "onnx/pass", "onnx/pb", "onnx/raster", "onnx/rule", "onnx/wire", "witness", "random", "internal/gop", "internal/kernel"}, libraries: []string{"gorgonia", "onnx-go"}},
	"witness":              {may: []string{"onnx", "onnx/pb"}},
	"witness/witnesstest":  {may: []string{"onnx", "onnx/pb", "witness"}},
	"witness/child":        {may: []string{"onnx", "onnx/pb", "witness"}},
	"witness/gorgonnx":     {may: []string{"onnx", "onnx/infer", "onnx/pb", "witness", "witness/child"}, libraries: []string{"gorgonia", "onnx-go"}},
	"internal/npy":         {},
	"verify":               {may: []string{"internal/atomicfile", "internal/npy", "internal/suggest", "onnx", "onnx/check", "onnx/infer", "onnx/pb", "onnx/rule", "onnx/wire", "reference", "witness"}},
	"report":               {may: []string{"internal/count", "onnx/rule", "verify"}},
	"gate/target":          {may: []string{"onnx", "onnx/infer", "onnx/op", "onnx/pb", "onnx/rule", "internal/suggest"}},
	"gate":                 {may: []string{"gate/target", "onnx", "onnx/check", "onnx/infer", "onnx/pb", "onnx/rule", "onnx/wire", "reference", "report", "verify", "witness", "internal/atomicfile", "internal/suggest"}},
	"sign":                 {},
	"reduce":               {may: []string{"internal/count", "onnx", "onnx/infer", "onnx/pb", "reference", "verify", "witness", "internal/atomicfile"}},
	"card":                 {may: []string{"onnx", "onnx/pb", "onnx/wire", "witness"}},
	"diff":                 {may: []string{"onnx", "onnx/infer", "onnx/pb", "reference", "verify", "witness"}},
}

// anything may be imported by these: the command line, and code that runs in tests and generators only.
var unbound = []string{"internal/cli", "internal/filetest", "internal/onnxtest", "internal/race", "internal/witnesstest", "internal/kernel/asm", "bench/iterate", "bench/page/wasm", "bench/serve", "examples/go", "examples/server"}

// everywhere may be imported by every room: what is outside must not act where it is shown.
const everywhere = "internal/quote"

var libraries = map[string]string{
	"gorgonia.org/":                 "gorgonia",
	"github.com/owulveryck/onnx-go": "onnx-go",
}

func TestImportsKeepToTheirRooms(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		room := strings.TrimPrefix(strings.TrimPrefix(fields[0], strings.TrimSuffix(module, "/")), "/")
		seen[room] = true
		if slices.Contains(unbound, room) {
			continue
		}
		rule, ok := rooms[room]
		if !ok {
			t.Errorf("%s is not a room of the house: add it to the table, with what it may import", room)
			continue
		}
		for _, imported := range fields[1:] {
			if inner, ours := strings.CutPrefix(imported, module); ours && inner != everywhere && !slices.Contains(rule.may, inner) {
				t.Errorf("%s imports %s, which is not among %v", room, inner, rule.may)
			}
			for prefix, name := range libraries {
				if strings.HasPrefix(imported, prefix) && !slices.Contains(rule.libraries, name) {
					t.Errorf("%s imports %s: %s stays in its rooms", room, imported, name)
				}
			}
		}
		for _, may := range rule.may {
			if !slices.Contains(fields[1:], module+may) {
				t.Errorf("the table lets %s import %s, which it does not", room, may)
			}
		}
	}
	for room := range rooms {
		if !seen[room] {
			t.Errorf("the table names %s, and there is no such folder", room)
		}
	}
}
