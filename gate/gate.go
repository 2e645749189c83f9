package gate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/petrify-ml/petrify/gate/target"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/report"
	"github.com/petrify-ml/petrify/verify"
	"github.com/petrify-ml/petrify/witness"
)

// Options say how to judge.
type Options struct {
	Root    string // the policy's folder, which paths are relative to
	Version string // of the program, in reports and in the names of results
	Today   time.Time
	// Runtimes returns the runtimes with these names.
	Runtimes func(names []string) ([]witness.Runtime, error)
	// Files, unless nil, are judged instead of the files that the policy's patterns match: paths with forward slashes,
	// relative to Root or absolute, and URLs of objects in the Store.
	Files []string
	Store Store
	// Results, unless empty, is a folder, or a URL of the Store, that keeps the result of each model under a digest of everything
	// that it depends on. Models with a result are not judged again.
	Results string
	// Cache says that Results is a folder used as a cache: failing to keep a result is not an error, and files whose size and
	// modification time have not changed are taken to be the same.
	Cache bool
	// Shard and Shards select the models whose path has a digest equal to Shard modulo Shards; if Shards is 0,
	// all models are judged.
	Shard, Shards int
	Parallel      int
	// Progress, unless nil, is called after each model, never twice at the same time.
	Progress func(done, all int, path string)

	kept    results   // nil where none are
	folders *sync.Map // of recorded data, by folder
}

// Run judges the models of a policy and returns the report.
func Run(ctx context.Context, p *Policy, o Options) (*report.Report, error) {
	r := &report.Report{Tool: "petrify gate", Version: o.Version}
	names, missing, err := p.files(o)
	if err != nil {
		return nil, err
	}
	base, err := p.baseline(o.Root)
	if err != nil {
		return nil, err
	}
	if o.Shards > 0 {
		names = slices.DeleteFunc(names, func(name string) bool { return shardOf(name, o.Shards) != o.Shard })
		if o.Shard != 0 {
			missing = nil // said once
		}
	}
	if err := o.openResults(ctx); err != nil {
		return nil, err
	}
	files := make([]report.File, len(names))
	o.folders = &sync.Map{}
	lanes := o.Parallel
	if lanes < 1 {
		lanes = runtime.GOMAXPROCS(0)
	}
	var (
		wait sync.WaitGroup
		lock sync.Mutex
		done int
		jobs = make(chan int)
	)
	for range min(lanes, max(len(names), 1)) {
		wait.Go(func() {
			for i := range jobs {
				files[i] = judge(ctx, p, o, names[i])
				lock.Lock()
				if done++; o.Progress != nil {
					o.Progress(done, len(names), names[i])
				}
				lock.Unlock()
			}
		})
	}
	for i := range names {
		if ctx.Err() != nil {
			break
		}
		jobs <- i
	}
	close(jobs)
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, pattern := range missing {
		f := report.File{Path: pattern}
		f.AddRule("model-missing", "", "no model matches the pattern")
		files = append(files, f)
	}
	used := make([]bool, len(p.Ignore))
	for k := range files {
		p.weigh(&files[k], base, o.Today, used)
	}
	r.Files = files
	if o.Shards == 0 && o.Files == nil {
		for k, x := range p.Ignore {
			if !used[k] && len(files) > 0 {
				files[0].AddRule("ignore-unused", "", fmt.Sprintf("the ignore of %s (%s) matches no finding", x.Rule, x.Reason))
			}
		}
	}
	r.Settle()
	return r, nil
}

// openResults finds where results are kept, and sees that they can be.
func (o *Options) openResults(ctx context.Context) error {
	if o.Results == "" {
		return nil
	}
	at, err := resultsAt(o.Results, o.Store)
	if err == nil {
		err = at.open(ctx)
	}
	switch {
	case err == nil:
		o.kept = at
	case o.Cache:
	default:
		return fmt.Errorf("results: %w", err)
	}
	return nil
}

// weigh gives findings the severity of the policy, and takes those out of the count that it ignores or the baseline knows.
func (p *Policy) weigh(f *report.File, base baseline, today time.Time, used []bool) {
	s, kept := p.For(f.Path), f.Findings[:0]
	for _, i := range f.Findings {
		if !s.apply(&i) {
			continue
		}
		p.suppress(f.Path, &i, today, used)
		base.suppress(&i)
		kept = append(kept, i)
	}
	f.Findings = kept
}

// shardOf is the shard of a path, the same on every machine.
func shardOf(name string, shards int) int {
	sum := sha256.Sum256([]byte(name))
	return int((uint64(sum[0])<<24 | uint64(sum[1])<<16 | uint64(sum[2])<<8 | uint64(sum[3])) % uint64(shards))
}

// mostFiles is how many models a policy may stand for.
const mostFiles = 1 << 20

// A tree is a file system without the check that names are UTF-8: a model that it would hide must be judged, too.
type tree struct{ root *os.Root }

func (t tree) Open(name string) (fs.File, error)     { return t.root.Open(name) }
func (t tree) Stat(name string) (fs.FileInfo, error) { return t.root.Stat(name) }

// files lists the models of a policy, and the patterns that stand for none.
func (p *Policy) files(o Options) (names, missing []string, err error) {
	if o.Files != nil {
		return slices.Clone(o.Files), nil, nil
	}
	root, err := os.OpenRoot(o.Root)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	files := tree{root}
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] && !slices.ContainsFunc(p.Exclude, func(x string) bool { return matches(x, name) }) {
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, pattern := range p.Models {
		before := len(seen)
		found, err := doublestar.Glob(files, path.Clean(pattern))
		if err != nil {
			return nil, nil, fmt.Errorf("models: %s: %w", pattern, err)
		}
		for _, name := range found {
			info, err := fs.Stat(files, name)
			switch {
			case err != nil:
				add(name) // judged, and found unreadable
			case !info.IsDir():
				add(name)
			default:
				fs.WalkDir(files, name, func(at string, d fs.DirEntry, err error) error {
					if err == nil && !d.IsDir() && strings.EqualFold(path.Ext(at), ".onnx") {
						add(at)
					}
					return nil
				})
			}
			if len(names) > mostFiles {
				return nil, nil, fmt.Errorf("models: more than %d files", mostFiles)
			}
		}
		if len(seen) == before && !slices.ContainsFunc(found, func(n string) bool { return seen[n] }) {
			missing = append(missing, pattern)
		}
	}
	slices.Sort(names)
	return names, missing, nil
}

// judge judges one model.
func judge(ctx context.Context, p *Policy, o Options, name string) (f report.File) {
	s := p.For(name)
	kept := ""
	if o.kept != nil {
		if key, err := resultKey(ctx, o, s, name); err == nil {
			kept = key + ".json"
			if b, err := o.kept.read(ctx, kept); err == nil && json.Unmarshal(b, &f) == nil && f.Path == inJSON(name) {
				f.Path = name
				return f
			}
		}
	}
	file := o.file(name)
	if o.remote(name) {
		at, done, err := o.bring(ctx, name)
		if err != nil {
			f = report.File{Path: name}
			f.AddRule("model-unreadable", "", err.Error())
			return f // and ask again the next time
		}
		defer done()
		file = at
	}
	f = examine(ctx, s, o, name, file)
	if kept == "" || ctx.Err() != nil {
		return f
	}
	b, err := json.Marshal(f)
	if err == nil {
		err = o.kept.write(ctx, kept, append(b, '\n'))
	}
	switch {
	case err == nil:
	case o.Cache:
		f.Notes = append(f.Notes, fmt.Sprintf("the result was not kept: %v", err))
	default:
		f.AddRule("model-not-judged", "", fmt.Sprintf("the result could not be kept, so that petrify report will not have it: %v", err))
	}
	return f
}

// inJSON is text as it comes back out of JSON, which has no bytes that are not UTF-8.
func inJSON(text string) string {
	return string([]rune(text)) // each such byte becomes U+FFFD
}

func examine(ctx context.Context, s Settings, o Options, name, file string) (f report.File) {
	f = report.File{Path: name}
	defer func() {
		if x := recover(); x != nil { // so that the other models keep their results
			f.AddRule("model-not-judged", "", fmt.Sprintf("internal error in petrify: panic: %v", x))
		}
	}()
	m, found, err := check.File(file, check.Options{External: true})
	if err != nil {
		f.AddRule("model-unreadable", "", err.Error())
		return f
	}
	f.AddFindings(found)
	if m == nil {
		return f
	}
	sum := sha256.Sum256(m.Bytes)
	f.SHA256 = hex.EncodeToString(sum[:])
	s.keep(&f, measure(m))
	if slices.ContainsFunc(found, rule.Finding.Hinders) {
		f.Notes = append(f.Notes, "the model is not valid, whatever the policy makes of that: it was not run, nor held to targets")
		return f
	}
	for _, text := range s.Targets {
		t, err := target.Parse(text)
		if err != nil {
			f.AddRule("model-not-judged", "", err.Error())
			continue
		}
		found, note := t.Findings(m.Proto)
		f.AddFindings(found)
		f.Notes = append(f.Notes, note)
	}
	m = nil
	if s.Runtimes == nil || len(s.Runtimes.Require)+len(s.Runtimes.Try) == 0 {
		return f
	}
	runtimes, err := o.Runtimes(slices.Concat(s.Runtimes.Require, s.Runtimes.Try))
	if err != nil {
		f.AddRule("model-not-judged", "", err.Error())
		return f
	}
	v := verify.Options{Paths: []string{file}, Runtimes: runtimes, Seed: 1}
	if s.Timeout != nil {
		v.Timeout = time.Duration(*s.Timeout)
	}
	if s.Arithmetic != "" {
		if v.Reference.Profile, err = reference.FindProfile(s.Arithmetic); err != nil {
			f.AddRule("model-not-judged", "", err.Error())
			return f
		}
	}
	verified, err := verify.Run(ctx, v)
	if err != nil {
		f.AddRule("model-not-judged", "", err.Error())
		return f
	}
	for _, m := range verified.Models {
		m.Path = name
		f.AddVerification(m)
	}
	for _, rt := range f.Runtimes {
		if rt.Status == report.Skipped && slices.Contains(s.Runtimes.Require, rt.Name) {
			f.AddRule("runtime-required", rt.Name, rt.Text)
		}
	}
	return f
}

// Join merges the results in a folder, or below a URL of the Store, into the report that one run would have given. Models in o.Files
// without a result are reported as not judged.
func Join(ctx context.Context, dir string, p *Policy, o Options) (*report.Report, error) {
	kept, err := resultsAt(dir, o.Store)
	if err != nil {
		return nil, err
	}
	names, err := kept.list(ctx)
	if err != nil {
		return nil, err
	}
	r := &report.Report{Tool: "petrify gate", Version: o.Version}
	base := baseline{}
	if p != nil {
		if base, err = p.baseline(o.Root); err != nil {
			return nil, err
		}
	}
	seen := map[string]string{} // the files that results are in
	for _, result := range names {
		b, err := kept.read(ctx, result)
		if err != nil {
			return nil, err
		}
		var f report.File
		err = json.Unmarshal(b, &f)
		if err == nil && f.Path == "" {
			err = errors.New("it names no model")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: no result of petrify gate (%w)", result, err)
		}
		if other := seen[f.Path]; other != "" {
			return nil, fmt.Errorf("%s: two results for %q, %s and %s, one of them of an earlier version of model, data, settings or program: remove it", dir, f.Path, other, result)
		}
		seen[f.Path] = result
		if p != nil {
			p.weigh(&f, base, o.Today, make([]bool, len(p.Ignore)))
		}
		r.Files = append(r.Files, f)
	}
	if len(r.Files) == 0 {
		return nil, fmt.Errorf("%s: no results of petrify gate in the folder", dir)
	}
	for _, name := range o.Files {
		if seen[inJSON(name)] == "" {
			f := report.File{Path: name}
			f.AddRule("model-not-judged", "", "there is no result: its shard was not judged, or not completely")
			r.Files = append(r.Files, f)
		}
	}
	slices.SortFunc(r.Files, func(a, b report.File) int { return strings.Compare(a.Path, b.Path) })
	r.Settle()
	return r, nil
}
