package child

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness"
)

// surroundings are what a driver of the tests finds.
type surroundings struct {
	Dir     string
	Entries int
	Env     []string
	Args    []string
}

func described(t *testing.T, r *Runtime) surroundings {
	t.Helper()
	text, err := r.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var s surroundings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestADriverStartsInAnEmptyFolderThatGoesWithIt(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Setenv("TMP", temporary) // Windows
	s := described(t, driver(t, "describes its surroundings"))
	if here, err := os.Getwd(); err != nil || s.Dir == here || s.Entries != 0 {
		t.Errorf("started in %s, of %d entries", s.Dir, s.Entries)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("%d entries are left, %v", len(left), err)
	}
	for _, behaviour := range []string{"no greeting", "missing", "dies at open"} {
		if s, err := driver(t, behaviour).Start(t.Context(), model(t, "g", 0)); err == nil {
			s.Close()
			t.Errorf("%s: opens", behaviour)
		}
		if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
			t.Errorf("%s: %d entries are left, %v", behaviour, len(left), err)
		}
	}
}

// TestTrapsAndSecretsInTheEnvironmentDoNotReachADriver sets what would load code and what is secret, and wants neither there.
func TestTrapsAndSecretsInTheEnvironmentDoNotReachADriver(t *testing.T) {
	for _, name := range []string{
		"GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "NPM_TOKEN", "SSH_AUTH_SOCK", "HTTPS_PROXY", "npm_config_prefix",
		"NODE_OPTIONS", "NODE_EXTRA_CA_CERTS", "NODE_V8_COVERAGE", "PYTHONSTARTUP", "PYTHONHOME", "PYTHONPATH", "PYTHONUSERBASE", "PYTHONINSPECT",
		"PYTHONWARNINGS", "PYTHONPLATLIBDIR", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "OMP_TOOL_LIBRARIES", "BASH_ENV", "ENV", "OPENSSL_CONF",
		"PWD", "OLDPWD",
	} {
		t.Setenv(name, "trap")
	}
	t.Setenv("OPENBLAS_CORETYPE", "Haswell")
	s := described(t, driver(t, "describes its surroundings"))
	allowed := slices.Concat(passed, searched, homes, []string{"TMPDIR", "TEMP", "TMP", "ORT_DISABLE_TELEMETRY", behaviourEnv, "GORACE"})
	for _, v := range s.Env {
		if name, value, _ := strings.Cut(v, "="); !slices.Contains(allowed, name) || value == "trap" {
			t.Errorf("%s reached the driver", v)
		}
	}
	for _, want := range []string{"ORT_DISABLE_TELEMETRY=1", "OPENBLAS_CORETYPE=Haswell", "TMPDIR=" + s.Dir} {
		if !slices.Contains(s.Env, want) {
			t.Errorf("%s is not in the driver's environment", want)
		}
	}
}

func TestListsOfFoldersReachADriverWithoutTheWorkingFolder(t *testing.T) {
	here, named := t.TempDir(), t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(here, link); err != nil {
		t.Skip(err)
	}
	t.Chdir(here)
	list := strings.Join([]string{"", ".", "node_modules", "..", here, link, named, ""}, string(filepath.ListSeparator))
	for _, name := range []string{"LD_LIBRARY_PATH", "NODE_PATH"} {
		t.Setenv(name, list)
	}
	t.Setenv("HOME", here)
	r := driver(t, "describes its surroundings")
	r.Places, r.placesEnv = []string{"given"}, "NODE_PATH"
	s := described(t, r)
	for _, want := range []string{"LD_LIBRARY_PATH=" + named, "NODE_PATH=" + named, "HOME=" + s.Dir} {
		if !slices.Contains(s.Env, want) {
			t.Errorf("the environment lacks %s: %q", want, s.Env)
		}
	}
	if want := []string{filepath.Join(here, "given"), named}; len(s.Args) != 2 || !slices.Equal(s.Args, want) {
		t.Errorf("told to look in %q, want %q", s.Args, want)
	}
	t.Setenv("HOME", named)
	if s := described(t, r); !slices.Contains(s.Env, "HOME="+named) {
		t.Errorf("the user's home did not arrive: %q", s.Env)
	}
}

func TestABrokenRuntimeIsNotAMissingOne(t *testing.T) {
	_, err := driver(t, "broken").Version(t.Context())
	if _, missing := errors.AsType[*witness.MissingError](err); err == nil || missing || !strings.Contains(err.Error(), "test: start: libonnx.so has no version GLIBC_9") {
		t.Errorf("error is %v", err)
	}
}

// A trap is a file that code would be loaded from if the working folder chose it; it makes the file at its end.
type trap struct {
	files []string // below the folder; the last of the slash-separated names says the language
	in    string   // the working folder, below the folder
	env   map[string]string
}

// TestTrapsInTheWorkingFolderAreNotSprung lays traps where runtimes used to look, or where their languages would.
func TestTrapsInTheWorkingFolderAreNotSprung(t *testing.T) {
	race.Skip(t)
	user := filepath.Join(".local", "lib", "python%s", "site-packages")
	traps := map[string]trap{
		"standard library": {files: []string{"json.py", "queue.py", "re.py", "threading.py", "time.py", "site.py", "encodings/__init__.py"}},
		"packages":         {files: []string{"numpy.py", "numpy/__init__.py", "onnxruntime.py", "onnxruntime/__init__.py", "cv2.py", "cv2/__init__.py"}},
		"start of Python":  {files: []string{"sitecustomize.py", "usercustomize.py", "start.py"}, env: map[string]string{"PYTHONSTARTUP": "start.py"}},
		"PYTHONPATH":       {files: []string{"json.py", "onnxruntime.py", "numpy.py", "sitecustomize.py"}, env: map[string]string{"PYTHONPATH": ":.:HERE:"}},
		"PYTHONHOME":       {files: []string{"lib/python%s/json/__init__.py", "lib/python%s/os.py"}, env: map[string]string{"PYTHONHOME": "HERE"}},
		"home":             {files: []string{user + "/numpy.py", user + "/onnxruntime.py", user + "/usercustomize.py", ".node_modules/onnxruntime-node/index.js", ".node_modules/onnxruntime-web/index.js"}, env: map[string]string{"HOME": "HERE"}},
		"node_modules":     {files: []string{"node_modules/onnxruntime-node/index.js", "node_modules/onnxruntime-common/index.js", "node_modules/onnxruntime-web/index.js", "ort-wasm-simd-threaded.mjs"}},
		"folders above":    {files: []string{"node_modules/onnxruntime-node/index.js", "a/node_modules/onnxruntime-node/index.js", "a/node_modules/onnxruntime-web/index.js", "json.py"}, in: "a/b"},
		"relative NODE_PATH": {files: []string{"node_modules/onnxruntime-node/index.js", "onnxruntime-node/index.js", "onnxruntime-web/index.js"},
			env: map[string]string{"NODE_PATH": "node_modules::.:HERE"}},
		"NODE_OPTIONS":       {files: []string{"hook.js"}, env: map[string]string{"NODE_OPTIONS": "--require ./hook.js"}},
		"package.json":       {files: []string{"package.json", "index.js", "fs.js", "path.js", "node:fs.js", "node_modules/fs/index.js"}},
		"interpreters":       {files: []string{"python3", "python", "node", "nodejs"}, env: map[string]string{"PATH": ".::HERE:PATH"}},
		"interpreters above": {files: []string{"python3", "node", "bin/python3", "bin/node"}, in: "bin", env: map[string]string{"PATH": "..:../bin:.:PATH"}},
	}
	python, node := witnesstest.Python(t, "onnx", "numpy"), witnesstest.Node(t, "onnxruntime-node")
	witnesstest.Node(t, "onnxruntime-web")
	opencv, library := witnesstest.Python(t, "cv2"), witnesstest.ORTLibrary(t)
	standin, err := filepath.Abs("testdata/standin")
	if err != nil {
		t.Fatal(err)
	}
	module := os.Getenv("NODE_PATH")
	for name, trap := range traps {
		for _, r := range []*Runtime{Python(), Node(), Web(), CLibrary(), OpenCV()} {
			t.Run(name+"/"+r.Label, func(t *testing.T) {
				dir, err := filepath.EvalSymlinks(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				sprung := filepath.Join(t.TempDir(), "sprung")
				for _, file := range trap.files {
					if strings.Contains(file, "%s") {
						file = fmt.Sprintf(file, pythonVersion(t, python))
					}
					lay(t, filepath.Join(dir, file), sprung)
				}
				here := filepath.Join(dir, trap.in)
				if err := os.MkdirAll(here, 0o755); err != nil {
					t.Fatal(err)
				}
				t.Chdir(here)
				path := os.Getenv("PATH")
				for variable, value := range trap.env {
					value = strings.NewReplacer("HERE", here, ":PATH", ":"+path, ":", string(filepath.ListSeparator)).Replace(value)
					t.Setenv(variable, value)
				}
				if name != "interpreters" && name != "interpreters above" {
					r.Program = map[string]string{"ort-python": python, "ort-node": node, "ort-web": node, "ort-c": python, "opencv": opencv}[r.Label]
				}
				switch r.Label {
				case "ort-python":
					r.Places = []string{standin}
				case "ort-c":
					r.Places = []string{library}
				case "ort-node", "ort-web":
					r.Places = filepath.SplitList(module)
				}
				// The first Python in PATH may lack what the stand-in needs: then it says so, and nothing was sprung all the same.
				if s, err := r.Start(t.Context(), affine(t)); err == nil {
					if _, err := s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", []float32{1, 2}, 1, 2)}); err != nil {
						t.Error(err)
					}
					s.Close()
				} else if r.Program != "" {
					t.Error(err)
				}
				if by, err := os.ReadFile(sprung); err == nil {
					t.Errorf("code ran: %s", by)
				}
			})
		}
	}
}

func TestATrapAroundTheProgramIsNotSprung(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := Node()
	r.Program = witnesstest.Node(t, "onnxruntime-node")
	r.Places = filepath.SplitList(os.Getenv("NODE_PATH"))
	sprung := filepath.Join(t.TempDir(), "sprung")
	lay(t, filepath.Join(filepath.Dir(exe), "node_modules", "onnxruntime-node", "index.js"), sprung)
	t.Cleanup(func() { os.RemoveAll(filepath.Join(filepath.Dir(exe), "node_modules")) })
	t.Chdir(t.TempDir())
	if _, err := r.Version(t.Context()); err != nil {
		t.Error(err)
	}
	if by, err := os.ReadFile(sprung); err == nil {
		t.Errorf("code ran: %s", by)
	}
}

// lay writes a trap that makes the file sprung when it is run.
func lay(t *testing.T, path, sprung string) {
	t.Helper()
	var code string
	switch filepath.Ext(path) {
	case ".py":
		code = fmt.Sprintf("open(%q, 'a').write(%q)\n", sprung, path)
	case ".js":
		code = fmt.Sprintf("require('fs').appendFileSync(%q, %q);\n", sprung, path)
	case ".json":
		code = `{"type": "module", "main": "./index.js", "imports": {"#x": "./index.js"}, "exports": "./index.js"}`
	default:
		code = fmt.Sprintf("#!/bin/sh\necho %s >> '%s'\nexit 3\n", path, sprung)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(code), 0o755); err != nil && runtime.GOOS != "windows" { // where a name may not hold a colon
		t.Fatal(err)
	}
}

func pythonVersion(t *testing.T, program string) string {
	t.Helper()
	r := Python()
	r.Program = program
	r.Args = []string{"-I", "-c", `import sys; print('{"hello":1,"runtime":"%d.%d"}' % sys.version_info[:2], flush=True); sys.stdin.read()`}
	v, err := r.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestONNXRuntimeLeavesNothing wants no log, no cache and no data base of models after a session.
func TestONNXRuntimeLeavesNothing(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r *Runtime) {
		home, temporary := t.TempDir(), t.TempDir()
		t.Setenv("HOME", home)
		t.Setenv("TMPDIR", temporary)
		before, err := filepath.Glob(filepath.Join(os.TempDir(), "mat-debug-*"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.Start(t.Context(), affine(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for _, dir := range []string{home, temporary} {
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("%v left in %s, %v", left, dir, err)
			}
		}
		if after, _ := filepath.Glob(filepath.Join(os.TempDir(), "mat-debug-*")); len(after) > len(before) {
			t.Errorf("left %v", after)
		}
	})
}

// TestNamesOfAnyKindTravel uses names that languages give a meaning of their own.
func TestNamesOfAnyKindTravel(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r *Runtime) {
		for _, names := range [][2]string{
			{"__proto__", "y"}, {"x", "__proto__"}, {"__proto__", "constructor"}, {"constructor", "toString"}, {"hasOwnProperty", "__defineGetter__"},
			{"x\n", "y\u2028"}, {"0", "1"}, {"", ""},
		} {
			x, y := names[0], names[1]
			if x == "" {
				x, y = "__proto__", "__proto__" // an input that is an output as it is
			}
			vector := onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Symbolic("N")}}.Proto()
			m := &pb.ModelProto{
				IrVersion: new(int64(8)), OpsetImport: []*pb.OperatorSetIdProto{{Domain: new(""), Version: new(int64(13))}},
				Graph: &pb.GraphProto{
					Name:   new("g"),
					Input:  []*pb.ValueInfoProto{{Name: &x, Type: vector}},
					Output: []*pb.ValueInfoProto{{Name: &y, Type: vector}, {Name: new("other"), Type: vector}},
					Node:   []*pb.NodeProto{{OpType: new("Identity"), Input: []string{x}, Output: []string{"other"}}},
				},
			}
			want := []float32{1, -2}
			if x != y {
				m.Graph.Node = append(m.Graph.Node, &pb.NodeProto{OpType: new("Identity"), Input: []string{"other"}, Output: []string{y}})
			}
			s, err := r.Start(t.Context(), &onnx.Model{Proto: m})
			if err != nil {
				t.Errorf("%q to %q: %v", x, y, err)
				continue
			}
			for range 2 {
				out, err := s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, x, want, 2)})
				if err != nil {
					t.Errorf("%q to %q: %v", x, y, err)
					break
				}
				if got, ok := out[0].Data.(onnx.Slice[float32]); out[0].Name != y || !ok || !slices.Equal(got, want) {
					t.Errorf("%q to %q: %q is %v, want %v", x, y, out[0].Name, out[0].Data, want)
				}
			}
			if m.Graph.GetInput()[0].GetName() != x {
				t.Errorf("%q: the model was changed", x)
			}
			s.Close()
		}
	})
}

// TestElementsInOtherFilesAreRefused holds every driver to opening no file for a model.
func TestElementsInOtherFilesAreRefused(t *testing.T) {
	m := affine(t)
	w := m.Proto.Graph.Initializer[0]
	w.RawData, w.DataLocation = nil, new(pb.TensorProto_EXTERNAL)
	w.ExternalData = []*pb.StringStringEntryProto{{Key: new("location"), Value: new("w.bin")}}
	_, err := driver(t, "honest").Start(t.Context(), m)
	if _, ok := errors.AsType[*onnx.UnsupportedError](err); !ok || !strings.Contains(err.Error(), "in other files") {
		t.Errorf("error is %v", err)
	}
}
