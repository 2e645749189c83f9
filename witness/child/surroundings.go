package child

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A driver runs with the rights of this program, which may stand in a folder that others wrote, with secrets in its
// environment. So nothing around a driver chooses code for it but what the user named: it starts in a new empty folder, gets
// the variables below and no others, and is found, like the packages that it loads, in places that have absolute names and
// are not the working folder.
//
// What is left out on purpose, because it names code to load: NODE_OPTIONS, PYTHONHOME, PYTHONSTARTUP, PYTHONUSERBASE,
// LD_PRELOAD, LD_AUDIT, DYLD_INSERT_LIBRARIES, OMP_TOOL_LIBRARIES, BASH_ENV, ENV, OPENSSL_CONF and their like. PYTHONPATH
// reaches the Python driver as arguments, after Python's own library: see [Runtime.Places].
var (
	// passed reach a driver as they are: they hold names and numbers, neither code nor secrets.
	passed = []string{
		"LANG", "LC_ALL", "LC_CTYPE", "TZ",
		"OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
		"GOMAXPROCS", "GOMEMLIMIT",
		"SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "PATHEXT", "NUMBER_OF_PROCESSORS", // without which little starts on Windows
	}
	// searched are lists of folders that programs and libraries are found in.
	searched = []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "NODE_PATH"}
	// homes are folders of the user, where version managers keep what python3 and node stand for.
	homes = []string{
		"HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA",
		"PYENV_ROOT", "NODENV_ROOT", "VOLTA_HOME", "ASDF_DIR", "ASDF_DATA_DIR", "MISE_DATA_DIR",
	}
)

// environment is that of a driver whose working folder is dir.
func environment(dir string) []string {
	env := []string{
		"TMPDIR=" + dir, "TEMP=" + dir, "TMP=" + dir,
		"ORT_DISABLE_TELEMETRY=1", // ONNX Runtime 1.29 and later keep a log and a data base of the models that they open
	}
	for _, name := range passed {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for _, name := range searched {
		if kept, _ := places(os.Getenv(name)); len(kept) > 0 {
			env = append(env, name+"="+strings.Join(kept, string(filepath.ListSeparator)))
		}
	}
	for _, name := range homes {
		if value, ok := os.LookupEnv(name); ok {
			if objection(value) != "" {
				value = dir
			}
			env = append(env, name+"="+value)
		}
	}
	return env
}

// Places splits a list of folders, such as NODE_PATH, into those from which code may be loaded, and messages about the others,
// which are relative or the working folder.
func Places(list string) (kept, refused []string) { return places(list) }

// places splits a list of folders into those that code may come from, and what is to be said of the others.
func places(list string) (kept, refused []string) {
	for _, dir := range filepath.SplitList(list) {
		if dir == "" {
			continue // another spelling of the working folder
		}
		if why := objection(dir); why != "" {
			refused = append(refused, fmt.Sprintf("%q, which is %s", dir, why))
			continue
		}
		kept = append(kept, dir)
	}
	return kept, refused
}

// objection says why no code may come from a folder that the environment names, "" if it may.
func objection(dir string) string {
	if !filepath.IsAbs(dir) {
		return "relative"
	}
	here, err := os.Stat(".")
	if err != nil {
		return ""
	}
	if there, err := os.Stat(dir); err == nil && os.SameFile(here, there) {
		return "the working folder"
	}
	return ""
}

// find looks for a program: in PATH, unless name is a path.
func find(name string) (string, bool) {
	if filepath.Base(name) != name {
		path, err := exec.LookPath(name)
		if err == nil {
			path, err = filepath.Abs(path) // the driver starts in another folder
		}
		return path, err == nil
	}
	dirs, _ := places(os.Getenv("PATH"))
	for _, dir := range dirs {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, true
		}
	}
	return "", false
}

// lookIn are the folders that the driver is told to look for its packages in, and what is to be said of those left out.
func (r *Runtime) lookIn() (dirs, refused []string, err error) {
	for _, dir := range r.Places {
		if dir, err = filepath.Abs(dir); err != nil {
			return nil, nil, err
		}
		dirs = append(dirs, dir)
	}
	if r.placesEnv != "" {
		kept, out := places(os.Getenv(r.placesEnv))
		return append(dirs, kept...), out, nil
	}
	return dirs, nil, nil
}
