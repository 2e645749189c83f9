package verify

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/witness"
)

// wrongFiles are tests of ONNX 1.12 whose files are not what they say, by a part
// of their names, with what is wrong.
var wrongFiles = map[string]string{
	"castlike_BFLOAT16_to_FLOAT": "an input of another shape than declared",
	"castlike_FLOAT_to_BFLOAT16": "an input of another shape than declared",
	"adam_multiple":              "computed with an epsilon that the file leaves out",
	"blackmanwindow":             "recorded with 3.1415 for pi",
	"hammingwindow":              "recorded with 3.1415 for pi",
	"hannwindow":                 "recorded with 3.1415 for pi",
	"gridsample_bicubic":         "recorded with four digits",
	"roialign_aligned":           "recorded with four digits",
}

// TestThousandsOfFoldersInOneCall replays all of ONNX's own tests.
func TestThousandsOfFoldersInOneCall(t *testing.T) {
	root := witnesstest.ONNXTestData(t)
	var paths []string
	for _, folder := range []string{"node", "pytorch-converted", "pytorch-operator", "simple"} {
		paths = append(paths, filepath.Join(root, folder))
	}
	r := report(t, Options{Paths: paths, Parallel: runtime.GOMAXPROCS(0)})
	for _, m := range r.Models {
		name := filepath.Base(filepath.Dir(m.Path))
		excused := false
		for part := range wrongFiles {
			excused = excused || strings.Contains(name, part)
		}
		switch bad := m.Invalid || m.Unreadable || m.Unjudged || m.Verdict() == Different; {
		case bad && !excused:
			reason := m.Problem
			for _, row := range m.Rows {
				if row.Verdict != Equal {
					reason += row.Output + ": " + row.Reason
				}
			}
			t.Errorf("%s: %s", name, reason)
		case !bad && excused && !m.Unsupported:
			t.Errorf("%s: passes, and is said to be wrong", name)
		}
	}
	if s := r.Summary; s.Models != 1072 || s.Passed < 961 || s.Passed+s.Failed+s.Unsupported+s.Uncompared+s.Unreadable+s.Unjudged != s.Models {
		t.Errorf("summary %+v, want 961 passed of 1072 and every model counted once", s)
	}
	sequences := 0
	for _, row := range rowsOf(r, Recorded) {
		if strings.Contains(row.Output, "[") {
			sequences++
		}
	}
	if sequences < 20 {
		t.Errorf("%d rows are elements of sequences and optionals, want many", sequences)
	}
}

// A census counts what became of ONNX's models on a runtime.
type census struct {
	models, equal, skipped, without, bad int
	elements                             int
	largest                              statistics // of outputs that are equal
	lines                                []string
}

// take counts one model. A runtime that is wrong, fails or crashes where the recorded
// outputs are right is at fault itself, and the page says so by name.
func (c *census) take(t *testing.T, m *ModelReport, runtime, page string) {
	c.models++
	name := filepath.Base(filepath.Dir(m.Path))
	recorded, verdict, reason := Equal, Skipped, ""
	for _, row := range m.Rows {
		if row.Runtime == Recorded {
			recorded = worse(recorded, row.Verdict)
			continue
		}
		if row.Verdict == Broken && verdict != Different && verdict != Failed {
			verdict, reason = Broken, row.Reason
			continue
		}
		if verdict != Broken {
			verdict = worse(verdict, row.Verdict)
		}
		if row.Verdict != Equal && reason == "" {
			reason = row.Reason
		}
		if row.Verdict == Equal && row.Measure != nil {
			c.elements += lengthOf(row.Shape)
			c.largest.add(row.Spreads, row.Collective)
		}
	}
	switch {
	case m.Problem != "":
		c.without++
	case verdict == Equal:
		c.equal++
	case verdict == Skipped:
		c.skipped++
	case verdict == Unchecked:
		c.without++
		c.lines = append(c.lines, fmt.Sprintf("%s: not judged: %s", name, reason))
	default:
		c.bad++
		c.lines = append(c.lines, fmt.Sprintf("%s: %s, recorded %s: %s", name, verdict, recorded, reason))
		if recorded != Equal && !slices.ContainsFunc(slices.Collect(maps.Keys(wrongFiles)), func(part string) bool { return strings.Contains(name, part) }) {
			t.Errorf("%s: %s is %s, and so is what ONNX recorded: %s", name, runtime, verdict, reason)
		}
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("%s: %s is %s, and %s does not say so", name, runtime, verdict, "docs/verification.md")
		}
	}
}

// TestONNXModels runs ONNX's own models on the runtimes that a flag names.
func TestONNXModels(t *testing.T) {
	if *sweepRuntime == "" {
		t.Skip("a sweep, which -sweep.runtime asks for")
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	models, err := filepath.Glob(filepath.Join(witnesstest.ONNXTestData(t), "*", "*", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	models = models[min(*sweepFirst, len(models)):]
	models = models[:min(graphsToDraw(t, len(models)), len(models))]
	paths := make([]string, len(models))
	for i, m := range models {
		paths[i] = filepath.Dir(m)
	}
	for _, c := range contenders(t, *sweepRuntime) {
		r := report(t, Options{Paths: paths, Runtimes: []witness.Runtime{c.rt}, Timeout: patience, Parallel: runtime.GOMAXPROCS(0)})
		var n census
		for _, m := range r.Models {
			n.take(t, m, c.name, string(text))
		}
		t.Logf("%s: of %d models %d equal, %d beyond the runtime, %d that the reference has no limits for; %d elements", c.name, n.models, n.equal, n.skipped, n.without, n.elements)
		t.Logf("| %s | %d | %d | %d | %d | %.1f | %.2f | %.2f |", c.name, n.models, n.equal, n.skipped, n.bad, n.largest.spreads, n.largest.rms, n.largest.bias)
		for _, line := range n.lines {
			t.Log(line)
		}
	}
}
