package gate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/report"
	"github.com/petrify-ml/petrify/witness"
)

func TestReadManifest(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
		err  string
	}{
		{"\ufeff# models\r\na.onnx\r\n\r\n  ./b/../c.onnx  \na.onnx\n", []string{"a.onnx", "c.onnx"}, ""},
		{"/data/a.onnx\nfile:///data//b%20c.onnx\nFILE://localhost/d.onnx\n", []string{"/data/a.onnx", "/data/b c.onnx", "/d.onnx"}, ""},
		{"", []string{}, ""},
		{"a.onnx\n../b.onnx\n", nil, `line 2: "../b.onnx": a relative path is of a file below`},
		{"a/../../b.onnx\n", nil, "line 1"},
		{"s3://bucket/a.onnx\n", nil, "are read by petrify-fleet"},
		{"file://host/a.onnx\n", nil, "on another machine"},
		{"file://a.onnx\n", nil, "on another machine"},
		{"a.onnx\n" + strings.Repeat("x", longestLine+1), nil, "line 2: "},
	} {
		got, err := ReadManifest(strings.NewReader(tt.text), nil)
		if tt.err == "" && (err != nil || !slices.Equal(got, tt.want)) || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%.40q: %q, %v, want %q, %q", tt.text, got, err, tt.want, tt.err)
		}
	}
	got, err := ReadManifest(strings.NewReader("s3://bucket/a.onnx\ngs://bucket/b/\n"), &shelf{})
	if err != nil || !slices.Equal(got, []string{"s3://bucket/a.onnx", "gs://bucket/b/"}) {
		t.Errorf("%q, %v with a store", got, err)
	}
	var long strings.Builder
	for i := range mostFiles + 1 {
		fmt.Fprintf(&long, "models/%d.onnx\n", i)
	}
	begin := time.Now()
	if _, err := ReadManifest(strings.NewReader(long.String()), nil); err == nil || !strings.Contains(err.Error(), "more than 1048576 models") {
		t.Errorf("%d lines: %v", mostFiles+1, err)
	}
	t.Logf("%d lines in %v", mostFiles+1, time.Since(begin))
}

func FuzzReadManifest(f *testing.F) {
	for _, s := range []string{"a.onnx\n", "../x", "file:///a", "s3://b/k\n#\n", "\x00\xff\n", "C:\\x", "a\rb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		names, err := ReadManifest(strings.NewReader(text), nil)
		if err != nil {
			return
		}
		again, err := ReadManifest(strings.NewReader(strings.Join(names, "\n")), nil)
		for _, name := range names {
			if strings.HasPrefix(name, "../") || name == ".." || strings.ContainsAny(name, "\n") || name == "" {
				t.Errorf("%q is a name", name)
			}
			if strings.TrimSpace(name) != name || name[0] == '#' || strings.ContainsRune(name, '\ufeff') || strings.Contains(name, "://") {
				return // out of a file: URL, which can say what a line cannot
			}
		}
		if err != nil || !slices.Equal(again, names) {
			t.Errorf("%q read again is %q, %v", names, again, err)
		}
	})
}

// A shelf is a store of files.
type shelf struct {
	sync.Mutex
	files          map[string]string // by URL
	kept           map[string][]byte // that were written
	asked, fetched int
	broken         error
	folders        []string
}

func (s *shelf) Identify(_ context.Context, url string) (string, error) {
	s.Lock()
	defer s.Unlock()
	s.asked++
	b, err := os.ReadFile(s.files[url])
	return fmt.Sprint(len(b), string(b)), err
}

func (s *shelf) Fetch(_ context.Context, url, dir string) (string, error) {
	s.Lock()
	defer s.Unlock()
	s.fetched++
	s.folders = append(s.folders, dir)
	if s.broken != nil {
		return "", s.broken
	}
	b, err := os.ReadFile(s.files[url])
	at := filepath.Join(dir, "model.onnx")
	return at, errors.Join(err, os.WriteFile(at, b, 0o644))
}

func (s *shelf) Read(_ context.Context, url string) ([]byte, error) {
	s.Lock()
	defer s.Unlock()
	b, ok := s.kept[url]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return b, s.broken
}

func (s *shelf) Write(_ context.Context, url string, b []byte) error {
	s.Lock()
	defer s.Unlock()
	if s.broken != nil {
		return s.broken
	}
	if s.kept == nil {
		s.kept = map[string][]byte{}
	}
	s.kept[url] = b
	return nil
}

func (s *shelf) List(_ context.Context, url string) (names []string, err error) {
	s.Lock()
	defer s.Unlock()
	for at := range s.kept {
		if name, ok := strings.CutPrefix(at, url); ok {
			names = append(names, name)
		}
	}
	return names, s.broken
}

// Results that are objects are those of a folder: kept, found again, and put together.
func TestResultsAsObjects(t *testing.T) {
	root := t.TempDir()
	writeModel(t, filepath.Join(root, "a"), nil)
	writeModel(t, filepath.Join(root, "b"), nan)
	s := &shelf{files: map[string]string{"s3://x/a.onnx": filepath.Join(root, "a"), "s3://x/b.onnx": filepath.Join(root, "b")}}
	const policy = "version: 1\nmodels: [.]\nseverity: {weight-nan: error}\n"
	p, err := Parse([]byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	o := options(root)
	o.Store, o.Results, o.Shards = s, "s3://x/results", 2
	o.Files = []string{"s3://x/a.onnx", "s3://x/b.onnx"}
	for range 2 { // the second time, all is there
		for o.Shard = range 2 {
			if _, err := Run(t.Context(), p, o); err != nil {
				t.Fatal(err)
			}
		}
		if s.fetched != 2 {
			t.Errorf("%d objects fetched, want 2", s.fetched)
		}
	}
	s.kept["s3://x/results/deeper/c.json"] = []byte("no result")
	r, err := Join(t.Context(), "s3://x/results/", p, o)
	if err != nil || len(r.Files) != 2 || r.ExitCode != 1 || !slices.Equal(codes(r, "s3://x/b.onnx"), []string{"weight-nan"}) {
		t.Errorf("%+v, %v", r, err)
	}
	s.kept["s3://x/results/c.json"] = []byte("no result")
	if _, err := Join(t.Context(), "s3://x/results", p, o); err == nil || !strings.Contains(err.Error(), "c.json: no result of petrify gate") {
		t.Errorf("%v", err)
	}
	s.broken = errors.New("no permission")
	if _, err := Run(t.Context(), p, o); err == nil || !strings.Contains(err.Error(), "results: no permission") {
		t.Errorf("%v, want an error before any work", err)
	}
	o.Store = nil
	if _, err := Join(t.Context(), "s3://x/results", p, o); err == nil || !strings.Contains(err.Error(), "petrify-fleet") {
		t.Errorf("%v", err)
	}
}

func TestObjectsAreFetchedOnceAndGoneAfterwards(t *testing.T) {
	root, results := t.TempDir(), t.TempDir()
	writeModel(t, filepath.Join(root, "a"), nil)
	writeModel(t, filepath.Join(root, "b"), nan)
	s := &shelf{files: map[string]string{"s3://x/a.onnx": filepath.Join(root, "a"), "s3://x/b.onnx": filepath.Join(root, "b")}}
	o := options(root)
	o.Store, o.Results = s, results
	o.Files = []string{"s3://x/a.onnx", "s3://x/b.onnx", "s3://x/none.onnx"}
	const policy = "version: 1\nmodels: [.]\nseverity: {weight-nan: error}\n"
	for round, want := range []int{3, 4} { // the missing one again
		r := run(t, policy, o)
		if got := codes(r, "s3://x/b.onnx"); !slices.Equal(got, []string{"weight-nan"}) {
			t.Errorf("round %d: findings %v", round, got)
		}
		if got := codes(r, "s3://x/none.onnx"); !slices.Equal(got, []string{"model-unreadable"}) || r.ExitCode == 0 {
			t.Errorf("round %d: findings %v, exit code %d for an object that is not there", round, got, r.ExitCode)
		}
		if s.fetched != want {
			t.Errorf("round %d: %d objects fetched until now, want %d", round, s.fetched, want)
		}
	}
	for _, dir := range s.folders {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is left", dir)
		}
	}
	s.files["s3://x/a.onnx"] = filepath.Join(root, "b")
	if got := codes(run(t, policy, o), "s3://x/a.onnx"); !slices.Equal(got, []string{"weight-nan"}) {
		t.Errorf("a changed object has findings %v", got)
	}
}

func TestWhatHasNoResultWasNotJudged(t *testing.T) {
	root, results := t.TempDir(), t.TempDir()
	for _, name := range []string{"a.onnx", "b.onnx", "c.onnx"} {
		writeModel(t, filepath.Join(root, name), nil)
	}
	o := options(root)
	o.Results, o.Files = results, []string{"a.onnx", "c.onnx"}
	run(t, "version: 1\nmodels: [.]\n", o)
	o.Files = []string{"a.onnx", "b.onnx", "c.onnx"}
	r, err := Join(t.Context(), results, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	if got := codes(r, "b.onnx"); len(r.Files) != 3 || !slices.Equal(got, []string{"model-not-judged"}) || r.ExitCode != 2 {
		t.Errorf("%d files, b.onnx has %v, exit code %d; want it not judged, and 2", len(r.Files), got, r.ExitCode)
	}
}

// TestTwoOnOneShard has two processes, as far as files go, judge the same models at the same time.
func TestTwoOnOneShard(t *testing.T) {
	root, results := t.TempDir(), t.TempDir()
	for i := range 30 {
		writeModel(t, filepath.Join(root, fmt.Sprintf("%d.onnx", i)), nil)
	}
	p, err := Parse([]byte("version: 1\nmodels: [.]\nruntimes: {require: [load]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			o := options(root)
			o.Results = results
			if r, err := Run(t.Context(), p, o); err != nil || r.ExitCode != 0 || len(r.Files) != 30 {
				t.Errorf("%v, %v", r, err)
			}
		})
	}
	wait.Wait()
	entries, err := os.ReadDir(results)
	if err != nil || len(entries) != 30 {
		t.Errorf("%d files of results, %v, want 30", len(entries), err)
	}
	if r, err := Join(t.Context(), results, p, options(root)); err != nil || len(r.Files) != 30 || r.ExitCode != 0 {
		t.Errorf("joined %v, %v", r, err)
	}
}

func TestResultsThatCannotBeKept(t *testing.T) {
	root, results := t.TempDir(), filepath.Join(t.TempDir(), "results")
	writeModel(t, filepath.Join(root, "a.onnx"), nil)
	if err := os.WriteFile(results, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	o := options(root)
	o.Results = results
	p, err := Parse([]byte("version: 1\nmodels: [.]\nruntimes: {require: [load]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), p, o); err == nil || !strings.Contains(err.Error(), "results: ") {
		t.Errorf("a file in place of the folder: %v, want an error before any work", err)
	}
	o.Cache = true
	if r, err := Run(t.Context(), p, o); err != nil || r.ExitCode != 0 {
		t.Errorf("a cache that cannot be kept: %v, %v, want none", r, err)
	}
	// The folder goes while models are judged.
	o.Cache, o.Results = false, filepath.Join(t.TempDir(), "results")
	o.Runtimes = func([]string) ([]witness.Runtime, error) {
		if err := os.RemoveAll(o.Results); err != nil {
			t.Error(err)
		}
		return []witness.Runtime{load.Runtime{Release: "test"}}, nil
	}
	r, err := Run(t.Context(), p, o)
	if err != nil || !slices.Equal(codes(r, "a.onnx"), []string{"model-not-judged"}) || r.ExitCode != 2 {
		t.Errorf("%v, %v, want a result that could not be kept, and 2", r, err)
	}
}

// TestACacheGoesBySizeAndTime shows what a cache saves, and what it does not see.
func TestACacheGoesBySizeAndTime(t *testing.T) {
	const policy = "version: 1\nmodels: [.]\nseverity: {weight-nan: error}\n"
	for _, cache := range []bool{true, false} {
		root := t.TempDir()
		path := filepath.Join(root, "a.onnx")
		o := options(root)
		o.Results, o.Cache = t.TempDir(), cache
		judged := func() int { return len(codes(run(t, policy, o), "a.onnx")) }
		write := func(first float64) {
			writeModel(t, path, func(m *pb.ModelProto) { // too large to be read each time
				m.Graph.Node = append(m.Graph.Node, &pb.NodeProto{OpType: proto.String("Add"), Input: []string{"s", "large"}, Output: []string{"z"}})
				data := make([]float32, 40000)
				data[0] = float32(first)
				m.Graph.Initializer = append(m.Graph.Initializer, &pb.TensorProto{Name: proto.String("large"), DataType: proto.Int32(1), Dims: []int64{10000, 4}, FloatData: data})
			})
		}
		write(1)
		hour := time.Now().Add(-time.Hour)
		if err := os.Chtimes(path, hour, hour); err != nil {
			t.Fatal(err)
		}
		if n := judged(); n != 0 {
			t.Fatalf("%d findings", n)
		}
		stamp, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		write(math.NaN())
		if got := judged(); got != 1 {
			t.Errorf("cache %v: a model of another time has %d findings, want 1", cache, got)
		}
		// Neither size nor time tells.
		if err := os.Chtimes(path, stamp.ModTime(), stamp.ModTime()); err != nil {
			t.Fatal(err)
		}
		judged()
		write(1)
		if err := os.Chtimes(path, stamp.ModTime(), stamp.ModTime()); err != nil {
			t.Fatal(err)
		}
		if got, want := judged(), map[bool]int{true: 1, false: 0}[cache]; got != want {
			t.Errorf("cache %v: a model of the same size and time has %d findings, want %d", cache, got, want)
		}
	}
}

// TestALinkedModelIsItsFile has a result depend on the file behind a link.
func TestALinkedModelIsItsFile(t *testing.T) {
	root, elsewhere := t.TempDir(), t.TempDir()
	path := filepath.Join(elsewhere, "a.onnx")
	writeModel(t, path, nil)
	if err := os.Symlink(path, filepath.Join(root, "a.onnx")); err != nil {
		t.Skip(err)
	}
	o := options(root)
	o.Results, o.Files = t.TempDir(), []string{"a.onnx"}
	const policy = "version: 1\nmodels: [.]\nseverity: {weight-nan: error}\n"
	before := run(t, policy, o)
	writeModel(t, path, nan)
	if after := run(t, policy, o); slices.Equal(codes(after, "a.onnx"), codes(before, "a.onnx")) {
		t.Errorf("the result of the file before is kept: %v", codes(after, "a.onnx"))
	}
}

func TestHostileNamesKeepTheirResults(t *testing.T) {
	root := t.TempDir()
	names := []string{"a\x1b[31m.onnx", "b\xff.onnx", "c ::error::.onnx", "d<script>.onnx", "e'\"`$(x).onnx"}
	for _, name := range names {
		writeModel(t, filepath.Join(root, name), nil)
	}
	o := options(root)
	opened := 0
	o.Results, o.Files, o.Parallel = t.TempDir(), names, 1
	o.Runtimes = func([]string) ([]witness.Runtime, error) {
		return []witness.Runtime{counting{load.Runtime{Release: "test"}, &opened}}, nil
	}
	const policy = "version: 1\nmodels: [.]\nruntimes: {require: [load]}\n"
	var texts []string
	for range 2 {
		r := run(t, policy, o)
		var b strings.Builder
		if err := report.JSON(&b, r); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, strings.ReplaceAll(b.String(), `\ufffd`, "\ufffd")) // JSON has two ways to write it
		if opened == 0 {
			t.Error("nothing was judged")
		}
	}
	if once := opened; texts[0] != texts[1] || once > 2*len(names) {
		t.Errorf("%d openings, reports alike: %v", opened, texts[0] == texts[1])
	}
	if r, err := Join(t.Context(), o.Results, nil, o); err != nil || len(r.Files) != len(names) || r.ExitCode != 0 {
		t.Errorf("joined: %v, %v", r, err)
	}
}
