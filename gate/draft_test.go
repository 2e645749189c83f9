package gate

import (
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// A policy that is drafted stands for the models that it was drafted for, whatever their folders are called.
func TestDraftFindsItsModels(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("folders cannot have such names")
	}
	root := t.TempDir()
	var names []string
	for _, folder := range []string{
		"a: b", "#x", "- y", "&anchor", "*alias", "!tag", "%0A::error file=x::y", "@at", "`tick`", "'q'", `"dq"`, "{a,b}", "[a-z]", "?q", "null", "true", "1.0", "~", "<<: *x", "|", ">", "** ",
		`\x41`, `\`, `a\*`, "a\nb", "\u2028", "\u202ebidi", "\ufeffbom", "\u0085", "\x7f", "\x1b[31m", "bad\xffutf", "\xff", "]]>", "${HOME}", "$(id)", "..x", "...", " lead", "trail ", "-c", "key = \"toml\"\n[x]",
	} {
		writeModel(t, filepath.Join(root, folder, "m.onnx"), nil)
		names = append(names, folder+"/m.onnx")
	}
	b, err := Draft(root, names)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	found, missing, err := p.files(Options{Root: root})
	slices.Sort(names)
	if err != nil || len(missing) > 0 || !slices.Equal(found, names) {
		t.Errorf("found %q, missing %q (%v), want %q", found, missing, err, names)
	}
}
