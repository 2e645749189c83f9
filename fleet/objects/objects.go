// Package objects gives petrify gate the objects of S3 and of Google Cloud Storage that a manifest names, and of whatever speaks
// their protocols, and keeps its results there. It is a module of its own because the drivers weigh about as much as petrify.
package objects

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // a checksum that stores give, and no proof of anything
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/gcsblob" // gs://
	_ "gocloud.dev/blob/s3blob"  // s3://
	"gocloud.dev/gcerrors"
)

// A Store reads objects. Its zero value works; credentials and regions come from where the stores' own tools look for them.
type Store struct {
	S3   string        // options of S3's driver, as in endpoint=http://minio:9000&use_path_style=true
	Most int64         // bytes of one model with its data; default 16 GiB
	Idle time.Duration // longest time without a byte; default one minute
	Wait time.Duration // before the second try, doubled before each further one; default half a second

	lock    sync.Mutex
	buckets map[string]*blob.Bucket
}

const (
	tries       = 4
	mostObjects = 10000 // below one URL
	usualMost   = 16 << 30
	mostResults = 1 << 20 // as many as a policy has models
)

func (s *Store) idle() time.Duration { return orElse(s.Idle, time.Minute) }

func orElse[T ~int64](v, usual T) T {
	if v == 0 {
		return usual
	}
	return v
}

// open finds the bucket and the key of a URL.
func (s *Store) open(ctx context.Context, url string) (*blob.Bucket, string, error) {
	scheme, rest, _ := strings.Cut(url, "://")
	name, key, _ := strings.Cut(rest, "/")
	switch {
	case scheme != "s3" && scheme != "gs":
		return nil, "", fmt.Errorf("no store is called %q, want s3://BUCKET/KEY or gs://BUCKET/KEY", scheme)
	case name == "" || key == "":
		return nil, "", fmt.Errorf("want %s://BUCKET/KEY", scheme)
	case strings.ContainsAny(name, "?#%@:"):
		return nil, "", fmt.Errorf("%q is no name of a bucket", name)
	}
	at := scheme + "://" + name
	s.lock.Lock()
	defer s.lock.Unlock()
	if b := s.buckets[at]; b != nil {
		return b, key, nil
	}
	full := at
	if scheme == "s3" && s.S3 != "" {
		full += "?" + s.S3
	}
	b, err := blob.OpenBucket(context.WithoutCancel(ctx), full) // which outlives this call
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", at, err)
	}
	if s.buckets == nil {
		s.buckets = map[string]*blob.Bucket{}
	}
	s.buckets[at] = b
	return b, key, nil
}

// An object is one that is to be fetched.
type object struct {
	key, local string // local is the path in the folder, with slashes
	size       int64
	md5        []byte
	changed    time.Time
	etag       string
}

// list finds the objects that a URL stands for.
func (s *Store) list(ctx context.Context, b *blob.Bucket, key string) ([]object, error) {
	if !strings.HasSuffix(key, "/") {
		limited, cancel := context.WithTimeout(ctx, s.idle())
		defer cancel()
		a, err := b.Attributes(limited, key)
		if err != nil {
			return nil, err
		}
		return []object{{key, "model.onnx", a.Size, a.MD5, a.ModTime, a.ETag}}, nil
	}
	var all []object
	err := s.each(ctx, b, key, func(o *blob.ListObject, local string) error {
		switch {
		case local == "" || strings.HasSuffix(local, "/"): // a mark of a folder
			return nil
		case !filepath.IsLocal(filepath.FromSlash(local)) || path.Clean(local) != local || strings.ContainsAny(local, "\x00\\:"):
			return fmt.Errorf("the key %q is no path of a file", o.Key)
		}
		if all = append(all, object{o.Key, local, o.Size, o.MD5, o.ModTime, ""}); len(all) > mostObjects {
			return fmt.Errorf("more than %d objects below it", mostObjects)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("no object is below it")
	}
	return all, nil
}

// each visits the objects whose keys begin with a prefix, with the rest of the key; a store that is silent for as long as Idle ends it.
func (s *Store) each(ctx context.Context, b *blob.Bucket, prefix string, visit func(o *blob.ListObject, local string) error) error {
	it := b.List(&blob.ListOptions{Prefix: prefix})
	for {
		limited, cancel := context.WithTimeout(ctx, s.idle())
		o, err := it.Next(limited)
		cancel()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := visit(o, strings.TrimPrefix(o.Key, prefix)); err != nil {
			return err
		}
	}
}

// Identify says what the objects are, by their sizes, times and checksums.
func (s *Store) Identify(ctx context.Context, url string) (string, error) {
	b, key, err := s.open(ctx, url)
	if err != nil {
		return "", err
	}
	var all []object
	err = s.persist(ctx, func() error {
		all, err = s.list(ctx, b, key)
		return err
	})
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, o := range all {
		fmt.Fprintf(h, "%q %d %x %q %d\n", o.local, o.size, o.md5, o.etag, o.changed.UnixNano())
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// Fetch copies the objects of a URL into a folder that is empty.
func (s *Store) Fetch(ctx context.Context, url, dir string) (string, error) {
	b, key, err := s.open(ctx, url)
	if err != nil {
		return "", err
	}
	var all []object
	if err := s.persist(ctx, func() error {
		all, err = s.list(ctx, b, key)
		return err
	}); err != nil {
		return "", err
	}
	model, models := "", 0
	var bytes int64
	for _, o := range all {
		if bytes += o.size; o.size < 0 || bytes < 0 || bytes > orElse(s.Most, usualMost) {
			return "", fmt.Errorf("more than %d bytes, which is the most that is fetched", orElse(s.Most, usualMost))
		}
		if !strings.Contains(o.local, "/") && strings.EqualFold(path.Ext(o.local), ".onnx") {
			model = o.local
			models++
		}
	}
	if models != 1 {
		return "", fmt.Errorf("%d files with .onnx at its end in the folder, want one", models)
	}
	for _, o := range all {
		at := filepath.Join(dir, filepath.FromSlash(o.local))
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			return "", err
		}
		if err := s.persist(ctx, func() error { return s.copy(ctx, b, o, at) }); err != nil {
			return "", fmt.Errorf("%s: %w", o.local, err)
		}
	}
	return filepath.Join(dir, model), nil
}

// mostResult is how many bytes an object may have that is read as a whole.
const mostResult = 256 << 20

// Read returns a small object.
func (s *Store) Read(ctx context.Context, url string) ([]byte, error) {
	b, key, err := s.open(ctx, url)
	if err != nil {
		return nil, err
	}
	var all []byte
	err = s.persist(ctx, func() error {
		limited, cancel := context.WithTimeout(ctx, s.idle())
		defer cancel()
		r, err := b.NewReader(limited, key, nil)
		if err != nil {
			return err
		}
		defer r.Close()
		if r.Size() > mostResult {
			return fmt.Errorf("%d bytes, want at most %d", r.Size(), mostResult)
		}
		all, err = io.ReadAll(io.LimitReader(r, r.Size()+1))
		if err == nil && int64(len(all)) != r.Size() {
			err = fmt.Errorf("%d bytes came, want %d", len(all), r.Size())
		}
		return err
	})
	return all, err
}

// Write makes an object of the bytes: a store shows it whole or not at all, and refuses bytes of another checksum than is said (the
// driver of S3 says a CRC-32, that of Google Cloud Storage the MD5).
func (s *Store) Write(ctx context.Context, url string, content []byte) error {
	b, key, err := s.open(ctx, url)
	if err != nil {
		return err
	}
	sum := md5.Sum(content) //nolint:gosec // see above
	return s.persist(ctx, func() error {
		limited, cancel := context.WithTimeout(ctx, s.idle())
		defer cancel()
		return b.WriteAll(limited, key, content, &blob.WriterOptions{ContentType: "application/octet-stream", ContentMD5: sum[:]})
	})
}

// List lists the objects below a URL that ends in a slash, by what stands behind it.
func (s *Store) List(ctx context.Context, url string) ([]string, error) {
	b, key, err := s.open(ctx, url)
	if err != nil {
		return nil, err
	}
	var names []string
	err = s.persist(ctx, func() error {
		names = nil
		return s.each(ctx, b, key, func(_ *blob.ListObject, local string) error {
			if names = append(names, local); len(names) > mostResults {
				return fmt.Errorf("more than %d objects below it", mostResults)
			}
			return nil
		})
	})
	return names, err
}

// persist tries again what may have failed by chance.
func (s *Store) persist(ctx context.Context, f func() error) error {
	wait := orElse(s.Wait, time.Second/2)
	for try := 1; ; try++ {
		err := f()
		switch code := gcerrors.Code(err); {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case code == gcerrors.NotFound || code == gcerrors.PermissionDenied || code == gcerrors.InvalidArgument || code == gcerrors.FailedPrecondition:
			return err
		case errors.Is(err, os.ErrPermission), isPath(err): // of the disk here
			return err
		case try == tries:
			return fmt.Errorf("after %d tries: %w", tries, err)
		}
		select {
		case <-time.After(wait):
			wait *= 2
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func isPath(err error) bool {
	_, ok := errors.AsType[*os.PathError](err)
	return ok
}

// copy fetches one object. What arrives has the length and the checksum that the store said, or it is an error.
func (s *Store) copy(ctx context.Context, b *blob.Bucket, o object, to string) (err error) {
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := s.idle()
	alarm := time.AfterFunc(idle, func() { cancel(fmt.Errorf("no byte came for %v", idle)) })
	defer alarm.Stop()
	defer func() {
		if err != nil && limited.Err() != nil && ctx.Err() == nil {
			err = context.Cause(limited)
		}
	}()
	r, err := b.NewReader(limited, o.key, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var sum hash.Hash = md5.New() //nolint:gosec // see above
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(&awake{r, func() { alarm.Reset(idle) }}, o.size+1))
	switch {
	case err != nil:
		return err
	case n != o.size:
		return fmt.Errorf("%d bytes came, want %d", n, o.size)
	case len(o.md5) > 0 && !bytes.Equal(sum.Sum(nil), o.md5):
		return fmt.Errorf("the bytes that came have the MD5 %x, want %x", sum.Sum(nil), o.md5)
	}
	return nil
}

// awake is a reader that says when something comes.
type awake struct {
	io.Reader
	came func()
}

func (a *awake) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	if n > 0 {
		a.came()
	}
	return n, err
}
