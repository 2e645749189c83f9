package verify

import (
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
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
