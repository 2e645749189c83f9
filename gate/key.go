package gate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/petrify-ml/petrify/internal/atomicfile"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/witness"
)

// resultKey is a digest of all that a result depends on: the program, the settings, the runtimes' versions, the model, what
// lies beside it as external data, and recorded data. Of an object it is what the store says of its bytes.
func resultKey(ctx context.Context, o Options, s Settings, name string) (string, error) {
	h := sha256.New()
	settings, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "petrify result 2\n%s\n%s\n%s\n", o.Version, settings, strconv.Quote(name))
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
	if o.remote(name) {
		identity, err := o.Store.Identify(ctx, name)
		fmt.Fprintf(h, "%s\n", identity)
		return hex.EncodeToString(h.Sum(nil)), err
	}
	file := o.file(name)
	dir := filepath.Dir(file)
	model, err := o.digest(file, true)
	if err != nil {
		return "", err
	}
	recorded, err := o.recorded(dir)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "%s\n", model.SHA256)
	for _, in := range slices.Concat(recorded, model.External) {
		at := filepath.Join(dir, filepath.FromSlash(in))
		if info, err := os.Lstat(at); err != nil || !info.Mode().IsRegular() {
			fmt.Fprintf(h, "%s is not there, or no file\n", strconv.Quote(in))
			continue
		}
		d, err := o.digest(at, false)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %s\n", strconv.Quote(in), d.SHA256)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// recorded lists the files of recorded data in a folder, with slashes and relative to it. Of a folder of many models it is
// found out once.
func (o *Options) recorded(dir string) ([]string, error) {
	type answer struct {
		names []string
		err   error
	}
	list := sync.OnceValue(func() answer {
		found, err := filepath.Glob(filepath.Join(escapeGlob(dir), "test_data_set_*", "*.pb"))
		for i, at := range found {
			found[i] = filepath.ToSlash(filepath.Join(filepath.Base(filepath.Dir(at)), filepath.Base(at)))
		}
		return answer{found, err}
	})
	once, _ := o.folders.LoadOrStore(dir, list)
	a := once.(func() answer)()
	return a.names, a.err
}

// A digest is what is known of the bytes of a file.
type digest struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size"`
	Changed  time.Time `json:"changed"`
	Seen     time.Time `json:"seen"` // when it was read
	SHA256   string    `json:"sha256"`
	External []string  `json:"external,omitempty"` // of a model: files that have its elements, with slashes, relative to it
}

// smallFile is a file that is read as fast as a note on it would be.
const smallFile = 64 << 10

// digest reads a file. In a cache there is a note on what it was when it was read last: one whose size and time are still the
// same is not read again, unless it was so new then that a later change may have the same time.
func (o *Options) digest(file string, model bool) (digest, error) {
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", file) // which to open may wait forever
	}
	if err != nil {
		return digest{}, err
	}
	note := ""
	if o.Cache && info.Size() > smallFile {
		full, err := filepath.Abs(file)
		if err != nil {
			return digest{}, err
		}
		file = full
		sum := sha256.Sum256([]byte(full))
		note = filepath.Join(o.Results, "files", hex.EncodeToString(sum[:])+".json")
		var d digest
		if b, err := os.ReadFile(note); err == nil && json.Unmarshal(b, &d) == nil && d.Path == inJSON(full) && d.Size == info.Size() &&
			d.Changed.Equal(info.ModTime()) && d.Seen.Sub(d.Changed) > 2*time.Second {
			return d, nil
		}
	}
	d := digest{Path: file, Size: info.Size(), Changed: info.ModTime(), Seen: time.Now()}
	if err := d.read(model); err != nil {
		return d, err
	}
	if note != "" {
		if b, err := json.Marshal(d); err == nil && os.MkdirAll(filepath.Dir(note), 0o755) == nil {
			_ = atomicfile.Write(note, append(b, '\n')) // it is read again where that fails
		}
	}
	return d, nil
}

// read reads the file, once where it is a model that can be read. One that cannot is all that its result depends on.
func (d *digest) read(model bool) error {
	if model {
		if m, err := wire.Read(d.Path, wire.Limits{}); err == nil {
			sum := sha256.Sum256(m.Bytes)
			d.SHA256, d.External = hex.EncodeToString(sum[:]), externalFiles(m.Proto)
			return nil
		}
	}
	f, err := os.Open(d.Path)
	if err != nil {
		return err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	d.SHA256 = hex.EncodeToString(h.Sum(nil))
	return errors.Join(err, f.Close())
}

// externalFiles lists the files that have elements of a model, whatever their names, as far as check would read them.
func externalFiles(m *pb.ModelProto) []string {
	var files []string
	for t := range onnx.Tensors(m) {
		if !onnx.IsExternal(t) {
			continue
		}
		for _, e := range t.ExternalData {
			at := filepath.Clean(filepath.FromSlash(e.GetValue()))
			if e.GetKey() != "location" || !filepath.IsLocal(at) {
				continue
			}
			if at = filepath.ToSlash(at); !slices.Contains(files, at) {
				files = append(files, at)
			}
		}
	}
	return files
}

// versions are queried once: starting a runtime takes longer than checking a model.
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
