package objects

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A google is a bucket that is asked in the JSON API of Google Cloud Storage, and in the older one for what objects hold.
type google struct{ *bucket }

func (g google) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const api = "/storage/v1/b/models/o"
	key, named := strings.CutPrefix(r.URL.Path, api+"/")
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/upload"+api:
		g.upload(w, r)
	case r.Method != http.MethodGet:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case r.URL.Path == api:
		g.list(w, r.URL.Query().Get("prefix"))
	case named:
		g.attributes(w, key)
	default:
		g.bucket.ServeHTTP(w, r) // the content, as S3 gives it
	}
}

// resource describes an object.
func resource(key, body string) map[string]any {
	sum := md5.Sum([]byte(body))
	return map[string]any{
		"kind": "storage#object", "bucket": "models", "name": key, "size": fmt.Sprint(len(body)), "md5Hash": sum[:], "etag": fmt.Sprintf("%x", sum),
		"generation": "1", "metageneration": "1", "updated": "2026-03-02T10:00:00Z",
	}
}

func (g google) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}

func (g google) attributes(w http.ResponseWriter, key string) {
	g.Lock()
	defer g.Unlock()
	body, ok := g.objects[key]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		g.answer(w, map[string]any{"error": map[string]any{"code": 404, "message": "No such object"}})
		return
	}
	g.answer(w, resource(key, body))
}

func (g google) list(w http.ResponseWriter, prefix string) {
	g.Lock()
	defer g.Unlock()
	items := []any{}
	for key, body := range g.objects {
		if strings.HasPrefix(key, prefix) {
			items = append(items, resource(key, body))
		}
	}
	g.answer(w, map[string]any{"kind": "storage#objects", "items": items})
}

// upload keeps an object that comes in two parts, what it is called and what it holds, if it has the MD5 that it names.
func (g google) upload(w http.ResponseWriter, r *http.Request) {
	var about struct {
		Name    string
		MD5Hash []byte
	}
	_, p, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	parts := multipart.NewReader(r.Body, p["boundary"])
	var body []byte
	for _, read := range []func(io.Reader) error{
		func(part io.Reader) error { return json.NewDecoder(part).Decode(&about) },
		func(part io.Reader) (err error) { body, err = io.ReadAll(part); return err },
	} {
		if err != nil {
			break
		}
		var part *multipart.Part
		if part, err = parts.NextPart(); err == nil {
			err = read(part)
		}
	}
	g.Lock()
	defer g.Unlock()
	sum := md5.Sum(body)
	switch fault := "refuse " + about.Name; {
	case g.faults[fault] > 0:
		g.faults[fault]--
		w.WriteHeader(http.StatusServiceUnavailable)
	case err != nil || r.URL.Query().Get("uploadType") != "multipart" || !bytes.Equal(about.MD5Hash, sum[:]):
		w.WriteHeader(http.StatusBadRequest)
	default:
		g.objects[about.Name] = string(body)
		g.answer(w, resource(about.Name, string(body)))
	}
}

// googleStore starts a server for the bucket, which gs:// leads to.
func googleStore(t *testing.T, b *bucket) *Store {
	t.Helper()
	b.asked = map[string]int{}
	server := httptest.NewServer(google{b})
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(server.URL, "http://"))
	return &Store{Idle: 300 * time.Millisecond, Wait: time.Millisecond}
}
