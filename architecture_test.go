package petrify

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	traceLine = regexp.MustCompile(`(?m)^Traced on .* \[(.+)\]: (.+)\.$`)
	backticks = regexp.MustCompile("`([^`]+)`")
)

// TestRecipesNameEveryFileOfAnAddition compares the files that a recipe of ARCHITECTURE.md names with those of the
// production code that speak of its example.
func TestRecipesNameEveryFileOfAnAddition(t *testing.T) {
	page, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{} // path -> text; the tables of gate/target are measured, and nobody adds to them by hand
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (path == ".git" || strings.HasSuffix(path, "testdata") || path == "bench" || path == "docs" || path == filepath.Join("gate", "target") || strings.HasPrefix(d.Name(), "node_modules")) {
			return unlessFailed(err)
		}
		switch filepath.Ext(path) {
		case ".go", ".txt", ".js", ".py":
			// What only tests import counts as a test.
			if strings.HasSuffix(path, "_test.go") || strings.Contains(path, "test/") {
				return nil
			}
			text, err := os.ReadFile(path)
			files[filepath.ToSlash(path)] = path + "\n" + string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	recipes := traceLine.FindAllStringSubmatch(string(page), -1)
	if sections := strings.Count(string(page), "\n### "); len(recipes) != sections || sections < 7 {
		t.Errorf("%d recipes, %d of them traced, want 7 or more and all", sections, len(recipes))
	}
	for _, r := range recipes {
		words, err := regexp.Compile("(?i)" + r[1])
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		for path, text := range files {
			if words.MatchString(text) {
				want[path] = true
			}
		}
		got := map[string]bool{}
		for _, m := range backticks.FindAllStringSubmatch(r[2], -1) {
			got[m[1]] = true
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s\nnames %v,\nand these speak of it: %v", r[0], slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
	}
}

// unlessFailed leaves a folder out unless it could not be read.
func unlessFailed(err error) error {
	if err != nil {
		return err
	}
	return fs.SkipDir
}

// TestTheMapShowsEveryRoom compares the table of ARCHITECTURE.md with the rooms that house_test.go knows.
func TestTheMapShowsEveryRoom(t *testing.T) {
	page, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for room := range rooms {
		if room == "" || strings.HasPrefix(room, "internal/") || strings.Count(room, "/") > 1 {
			continue
		}
		top, inner, _ := strings.Cut(room, "/")
		if !strings.Contains(string(page), "`"+room+"`") && (inner == "" || !strings.Contains(string(page), "| `"+top+"` |") || !strings.Contains(string(page), "`"+inner+"`")) {
			t.Errorf("ARCHITECTURE.md does not show %s", room)
		}
	}
}
