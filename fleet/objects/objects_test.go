package objects

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/gate"
	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/witness"
)

// A bucket is as much of S3 as the driver asks for, with the faults that networks have.
type bucket struct {
	sync.Mutex
	objects map[string]string
	sizes   map[string]int64 // that are said in place of the true ones
	faults  map[string]int   // what happens to so many readings of an object: hang, die or alter
	asked   map[string]int   // readings of objects
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.Lock()
	defer b.Unlock()
	key := strings.TrimPrefix(r.URL.Path, "/models/")
	if r.URL.Query().Get("list-type") == "2" {
		b.list(w, r.URL.Query().Get("prefix"))
		return
	}
	if r.Method == http.MethodPut {
		b.put(w, r, key)
		return
	}
	body, ok := b.objects[key]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	size := int64(len(body))
	if said, lies := b.sizes[key]; lies {
		size = said
	}
	w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprintf("%x", md5.Sum([]byte(body)))))
	w.Header().Set("Last-Modified", "Mon, 02 Mar 2026 10:00:00 GMT")
	w.Header().Set("Content-Length", fmt.Sprint(size))
	if r.Method == http.MethodHead {
		return
	}
	b.asked[key]++
	for _, fault := range []string{"hang", "die", "alter"} {
		if at := fault + " " + key; b.faults[at] > 0 {
			b.faults[at]--
			switch fault {
			case "hang":
				w.Write([]byte(body[:len(body)/2]))
				w.(http.Flusher).Flush()
				b.Unlock()
				<-r.Context().Done()
				b.Lock()
				return
			case "die":
				w.Write([]byte(body[:len(body)/2]))
				panic(http.ErrAbortHandler)
			case "alter":
				body = "X" + body[1:]
			}
		}
	}
	w.Write([]byte(body))
}

// put keeps an object whole, or not at all.
func (b *bucket) put(w http.ResponseWriter, r *http.Request, key string) {
	body, err := io.ReadAll(r.Body)
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body))
	switch {
	case b.faults["refuse "+key] > 0:
		b.faults["refuse "+key]--
		w.WriteHeader(http.StatusServiceUnavailable)
	case err != nil || int64(len(body)) != r.ContentLength:
		w.WriteHeader(http.StatusBadRequest)
	case r.Header.Get("X-Amz-Checksum-Crc32") != base64.StdEncoding.EncodeToString(sum):
		w.WriteHeader(http.StatusBadRequest)
	default:
		b.objects[key] = string(body)
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, md5.Sum(body)))
	}
}

func (b *bucket) list(w http.ResponseWriter, prefix string) {
	type content struct {
		Key, ETag, LastModified string
		Size                    int64
	}
	var page struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Contents []content
	}
	for key, body := range b.objects {
		if strings.HasPrefix(key, prefix) {
			page.Contents = append(page.Contents, content{key, fmt.Sprintf(`"%x"`, md5.Sum([]byte(body))), "2026-03-02T10:00:00.000Z", int64(len(body))})
		}
	}
	slices.SortFunc(page.Contents, func(x, y content) int { return strings.Compare(x.Key, y.Key) })
	out, err := xml.Marshal(page)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Write(out)
}

// store starts a server for the bucket and opens it.
func store(t *testing.T, b *bucket) *Store {
	t.Helper()
	b.asked = map[string]int{}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	return &Store{S3: "use_path_style=true&endpoint=" + server.URL, Idle: 300 * time.Millisecond, Wait: time.Millisecond}
}

// inEachStore runs a test on both stores, by the beginning of their URLs.
func inEachStore(t *testing.T, test func(t *testing.T, open func(*testing.T, *bucket) *Store, at string)) {
	t.Run("S3", func(t *testing.T) { test(t, store, "s3://models/") })
	t.Run("Google", func(t *testing.T) { test(t, googleStore, "gs://models/") })
}

func TestObjectsArrive(t *testing.T) { inEachStore(t, objectsArrive) }

func objectsArrive(t *testing.T, open func(*testing.T, *bucket) *Store, at string) {
	s := open(t, &bucket{objects: map[string]string{
		"a.onnx": "alpha", "b/net.onnx": "beta", "b/weights.bin": "gamma", "b/test_data_set_0/input_0.pb": "delta", "b/": "",
	}})
	dir := t.TempDir()
	file, err := s.Fetch(t.Context(), at+"a.onnx", dir)
	if got, _ := os.ReadFile(file); err != nil || string(got) != "alpha" {
		t.Errorf("%q, %v, want alpha", got, err)
	}
	dir = t.TempDir()
	file, err = s.Fetch(t.Context(), at+"b/", dir)
	if err != nil || file != filepath.Join(dir, "net.onnx") {
		t.Fatalf("%s, %v, want net.onnx", file, err)
	}
	for name, want := range map[string]string{"net.onnx": "beta", "weights.bin": "gamma", "test_data_set_0/input_0.pb": "delta"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v, want %q", name, got, err, want)
		}
	}
}

// Results are objects: written whole, found again, and put together by the list of them.
func TestObjectsAreKept(t *testing.T) { inEachStore(t, objectsAreKept) }

func objectsAreKept(t *testing.T, open func(*testing.T, *bucket) *Store, at string) {
	b := &bucket{objects: map[string]string{"other.json": "x"}, faults: map[string]int{"refuse results/a.json": 2}}
	s := open(t, b)
	for name, text := range map[string]string{"a.json": "alpha", "b.json": "beta", "a.json ": "blank", "deeper/c.json": strings.Repeat("c", 1<<20)} {
		if err := s.Write(t.Context(), at+"results/"+name, []byte(text)); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if got, err := s.Read(t.Context(), at+"results/"+name); err != nil || string(got) != text {
			t.Errorf("%q: %.20q, %v, want %.20q", name, got, err, text)
		}
	}
	names, err := s.List(t.Context(), at+"results/")
	if slices.Sort(names); err != nil || !slices.Equal(names, []string{"a.json", "a.json ", "b.json", "deeper/c.json"}) {
		t.Errorf("%q, %v", names, err)
	}
	if _, err := s.Read(t.Context(), at+"results/none.json"); err == nil || !strings.Contains(err.Error(), "code=NotFound") {
		t.Errorf("of none: %v", err)
	}
	b.Lock()
	b.faults["refuse results/b.json"] = 1000
	b.Unlock()
	if err := s.Write(t.Context(), at+"results/b.json", []byte("new")); err == nil {
		t.Error("what the store refuses is written")
	}
	if got, err := s.Read(t.Context(), at+"results/b.json"); err != nil || string(got) != "beta" {
		t.Errorf("after a write that failed: %q, %v, want beta", got, err)
	}
}

// A fleet in a bucket: models and results are objects, each model is fetched once whatever the number of runs, and the report is of all.
func TestAFleetInABucket(t *testing.T) { inEachStore(t, aFleetInABucket) }

func aFleetInABucket(t *testing.T, open func(*testing.T, *bucket) *Store, at string) {
	model := onnxtest.DenseModel(t)
	good := string(onnxtest.Bytes(t, model))
	b := &bucket{objects: map[string]string{"a.onnx": good, "b/net.onnx": good, "c.onnx": "no model"}, faults: map[string]int{"die a.onnx": 1}}
	s := open(t, b)
	p, err := gate.Parse([]byte("version: 1\nmodels: [.]\nruntimes: {require: [load]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	o := gate.Options{
		Root: t.TempDir(), Version: "test", Store: s, Results: at + "results", Files: []string{at + "a.onnx", at + "b/", at + "c.onnx"}, Shards: 2,
		Runtimes: func([]string) ([]witness.Runtime, error) {
			return []witness.Runtime{load.Runtime{Release: "test"}}, nil
		},
	}
	for range 2 { // the second time there is nothing left to do
		for o.Shard = range o.Shards {
			if _, err := gate.Run(t.Context(), p, o); err != nil {
				t.Fatal(err)
			}
		}
	}
	for key, want := range map[string]int{"a.onnx": 2, "b/net.onnx": 1, "c.onnx": 1} { // one died on the way
		if b.asked[key] != want {
			t.Errorf("%s was read %d times, want %d", key, b.asked[key], want)
		}
	}
	r, err := gate.Join(t.Context(), o.Results, p, o)
	if err != nil || r.Summary.Files != 3 || r.Summary.Passed != 2 || r.ExitCode != 1 {
		t.Errorf("%+v, %v, want two good ones and a finding", r, err)
	}
}

func TestIdentityIsOfTheBytes(t *testing.T) { inEachStore(t, identityIsOfTheBytes) }

func identityIsOfTheBytes(t *testing.T, open func(*testing.T, *bucket) *Store, at string) {
	b := &bucket{objects: map[string]string{"a.onnx": "alpha", "b/net.onnx": "beta"}}
	s := open(t, b)
	for _, url := range []string{at + "a.onnx", at + "b/"} {
		first, err1 := s.Identify(t.Context(), url)
		again, err2 := s.Identify(t.Context(), url)
		b.Lock()
		b.objects["a.onnx"], b.objects["b/net.onnx"] = "alphA", "betA"
		b.Unlock()
		other, err3 := s.Identify(t.Context(), url)
		if err1 != nil || err2 != nil || err3 != nil || first != again || first == other {
			t.Errorf("%s: %q, %q, then %q; %v, %v, %v", url, first, again, other, err1, err2, err3)
		}
		b.Lock()
		b.objects["a.onnx"], b.objects["b/net.onnx"] = "alpha", "beta"
		b.Unlock()
	}
	if len(b.asked) > 0 {
		t.Errorf("%v were read", b.asked)
	}
}

func TestFaultsOfTheNetwork(t *testing.T) { inEachStore(t, faultsOfTheNetwork) }

func faultsOfTheNetwork(t *testing.T, open func(*testing.T, *bucket) *Store, at string) {
	const key = "a.onnx"
	for _, tt := range []struct {
		fault string
		times int
		err   string
	}{
		{"hang", 2, ""},
		{"die", 3, ""},
		{"hang", 100, "after 4 tries: no byte came for 300ms"},
		{"die", 100, "after 4 tries: "},
	} {
		t.Run(fmt.Sprint(tt.fault, tt.times), func(t *testing.T) {
			s := open(t, &bucket{objects: map[string]string{key: strings.Repeat("alpha", 1000)}, faults: map[string]int{tt.fault + " " + key: tt.times}})
			dir := t.TempDir()
			file, err := s.Fetch(t.Context(), at+key, dir)
			got, _ := os.ReadFile(file)
			switch {
			case tt.err == "" && (err != nil || len(got) != 5000):
				t.Errorf("%d bytes, %v, want 5000", len(got), err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("%v, want %q", err, tt.err)
			}
		})
	}
}

func TestObjectsThatAreRefused(t *testing.T) {
	b := &bucket{objects: map[string]string{
		"huge.onnx": "x", "none/readme": "x", "two/a.onnx": "x", "two/b.onnx": "y", "up/../../escape.onnx": "x", "abs//etc/passwd": "x",
	}, sizes: map[string]int64{"huge.onnx": 1 << 50}}
	s := store(t, b)
	for url, want := range map[string]string{
		"s3://models/huge.onnx":                   "more than 17179869184 bytes",
		"s3://models/gone.onnx":                   "code=NotFound",
		"s3://models/gone/":                       "no object is below it",
		"s3://models/none/":                       "0 files with .onnx",
		"s3://models/two/":                        "2 files with .onnx",
		"s3://models/up/":                         "is no path of a file",
		"s3://models/abs/":                        "is no path of a file",
		"s3://models":                             "want s3://BUCKET/KEY",
		"s3://":                                   "want s3://BUCKET/KEY",
		"s3://models?endpoint=http://evil/a.onnx": "is no name of a bucket",
		"http://models/a.onnx":                    `no store is called "http"`,
	} {
		dir := t.TempDir()
		if _, err := s.Fetch(t.Context(), url, dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: %v is left", url, left)
		}
	}
	if len(b.asked) > 0 {
		t.Errorf("%v were read", b.asked)
	}
}

func TestAnEndEndsAtOnce(t *testing.T) {
	s := store(t, &bucket{objects: map[string]string{"a.onnx": "alpha"}, faults: map[string]int{"hang a.onnx": 100}})
	s.Idle = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := s.Fetch(ctx, "s3://models/a.onnx", t.TempDir()); err == nil || time.Since(begin) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}
