package gate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/petrify-ml/petrify/internal/atomicfile"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/onnx/wire"
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
	// Runtimes makes the runtimes of these names.
	Runtimes func(names []string) ([]witness.Runtime, error)
	// Files, unless nil, are judged in place of what the policy's patterns stand for: paths with slashes, relative to Root.
	Files []string
	// Results, unless empty, is a folder that keeps the result of each model under a digest of all that it depends on. What is
	// there is not judged again.
	Results string
	// Shard and Shards pick those models whose path has the digest Shard modulo Shards; none where Shards is 0.
	Shard, Shards int
	Parallel      int
	// Progress, unless nil, is called after each model, never twice at the same time.
	Progress func(done, all int, path string)
}

// Run judges the models of a policy.
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
	files := make([]report.File, len(names))
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

// files lists the models of a policy, and the patterns that stand for none.
func (p *Policy) files(o Options) (names, missing []string, err error) {
	if o.Files != nil {
		return o.Files, nil, nil
	}
	root, err := os.OpenRoot(o.Root)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] && !slices.ContainsFunc(p.Exclude, func(x string) bool { return matches(x, name) }) {
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, pattern := range p.Models {
		before := len(seen)
		found, err := doublestar.Glob(root.FS(), path.Clean(pattern))
		if err != nil {
			return nil, nil, fmt.Errorf("models: %s: %w", pattern, err)
		}
		for _, name := range found {
			info, err := fs.Stat(root.FS(), name)
			switch {
			case err != nil:
				add(name) // judged, and found unreadable
			case !info.IsDir():
				add(name)
			default:
				fs.WalkDir(root.FS(), name, func(at string, d fs.DirEntry, err error) error {
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
	file := filepath.Join(o.Root, filepath.FromSlash(name))
	var kept string
	if o.Results != "" {
		if key, err := resultKey(o, s, name, file); err == nil {
			kept = filepath.Join(o.Results, key+".json")
			if b, err := os.ReadFile(kept); err == nil && json.Unmarshal(b, &f) == nil && f.Path == name {
				return f
			}
		}
	}
	f = examine(ctx, s, o, name, file)
	if kept != "" && ctx.Err() == nil {
		b, err := json.Marshal(f)
		if err == nil {
			err = errors.Join(os.MkdirAll(o.Results, 0o755), atomicfile.Write(kept, append(b, '\n')))
		}
		if err != nil {
			f.Notes = append(f.Notes, fmt.Sprintf("the result was not kept: %v", err))
		}
	}
	return f
}

func examine(ctx context.Context, s Settings, o Options, name, file string) (f report.File) {
	f = report.File{Path: name}
	defer func() {
		if x := recover(); x != nil { // so that the other models keep their results
			f.AddRule("model-not-judged", "", fmt.Sprintf("petrify failed, which is a fault of petrify: panic: %v", x))
		}
	}()
	m, found, err := check.File(file, check.Options{External: true})
	if err != nil {
		f.AddRule("model-unreadable", "", err.Error())
		return f
	}
	f.AddFindings(found)
	if m == nil || slices.ContainsFunc(found, rule.Finding.Hinders) {
		return f
	}
	sum := sha256.Sum256(m.Bytes)
	f.SHA256 = hex.EncodeToString(sum[:])
	s.keep(&f, measure(m))
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

// resultKey is a digest of all that a result depends on: the program, the settings, the model, what lies beside it as external
// data, and recorded data.
func resultKey(o Options, s Settings, name, file string) (string, error) {
	h := sha256.New()
	settings, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "petrify result 1\n%s\n%s\n%s\n", o.Version, settings, strconv.Quote(name))
	if s.Runtimes != nil {
		runtimes, err := o.Runtimes(slices.Concat(s.Runtimes.Require, s.Runtimes.Try))
		if err != nil {
			return "", err
		}
		for _, rt := range runtimes {
			version, err := runtimeVersion(rt)
			fmt.Fprintf(h, "%s %s %v\n", rt.Name(), version, err != nil)
		}
	}
	var inputs []string
	dir := filepath.Dir(file)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		switch at := filepath.Join(dir, e.Name()); {
		case at == file:
			inputs = append(inputs, at)
		case e.IsDir() && strings.HasPrefix(e.Name(), "test_data_set_"):
			more, err := filepath.Glob(filepath.Join(escapeGlob(at), "*.pb"))
			if err != nil {
				return "", err
			}
			inputs = append(inputs, more...)
		}
	}
	inputs = append(inputs, externalFiles(file)...)
	for _, in := range inputs {
		info, err := os.Lstat(in)
		if err != nil || !info.Mode().IsRegular() {
			fmt.Fprintf(h, "%s is not there, or no file\n", strconv.Quote(in))
			continue
		}
		f, err := os.Open(in)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", strconv.Quote(filepath.Base(filepath.Dir(in))+"/"+filepath.Base(in)), info.Size())
		_, err = io.Copy(h, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// externalFiles lists the files that have elements of a model, whatever their names, as far as check would read them.
func externalFiles(file string) []string {
	m, err := wire.Read(file, wire.Limits{})
	if err != nil {
		return nil // the result says so, and depends on the file alone
	}
	var files []string
	for t := range onnx.Tensors(m.Proto) {
		if !onnx.IsExternal(t) {
			continue
		}
		for _, e := range t.ExternalData {
			at := filepath.FromSlash(e.GetValue())
			if e.GetKey() != "location" || !filepath.IsLocal(at) {
				continue
			}
			if at = filepath.Join(filepath.Dir(file), at); !slices.Contains(files, at) {
				files = append(files, at)
			}
		}
	}
	return files
}

// versions are asked for once: starting a runtime takes longer than checking a model.
var versions sync.Map

func runtimeVersion(rt witness.Runtime) (string, error) {
	type answer struct {
		version string
		err     error
	}
	ask := sync.OnceValue(func() answer {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		v, err := rt.Version(ctx)
		return answer{v, err}
	})
	once, _ := versions.LoadOrStore(rt.Name(), ask)
	a := once.(func() answer)()
	return a.version, a.err
}

func escapeGlob(p string) string {
	return strings.NewReplacer("[", `\[`, "]", `\]`, "*", `\*`, "?", `\?`).Replace(p)
}

// Join puts the results in a folder together, as one run would have given them.
func Join(dir string, p *Policy, o Options) (*report.Report, error) {
	entries, err := os.ReadDir(dir)
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
	seen := map[string]bool{}
	for _, e := range entries {
		if e.IsDir() || path.Ext(e.Name()) != ".json" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		var f report.File
		err = json.Unmarshal(b, &f)
		if err == nil && f.Path == "" {
			err = errors.New("it names no model")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: no result of petrify gate (%w)", e.Name(), err)
		}
		if seen[f.Path] {
			return nil, fmt.Errorf("%s: two results for %q, one of them of an earlier version of model, data, settings or program: remove it", dir, f.Path)
		}
		seen[f.Path] = true
		if p != nil {
			p.weigh(&f, base, o.Today, make([]bool, len(p.Ignore)))
		}
		r.Files = append(r.Files, f)
	}
	if len(r.Files) == 0 {
		return nil, fmt.Errorf("%s: no results of petrify gate in the folder", dir)
	}
	slices.SortFunc(r.Files, func(a, b report.File) int { return strings.Compare(a.Path, b.Path) })
	r.Settle()
	return r, nil
}
