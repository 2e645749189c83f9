package sign

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/petrify-ml/petrify/internal/witnesstest"
)

// write makes files below a new folder.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// pair is a new key and the trust in it.
func pair(t testing.TB, c elliptic.Curve) (*Key, *Trust) {
	t.Helper()
	private, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	trust, err := TrustKey(inPEM(&private.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return k, trust
}

func signIt(t testing.TB, path string, k *Key, o Options) []byte {
	t.Helper()
	b, err := Sign(t.Context(), path, k, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func namesOf(m *Manifest) (names []string) {
	for _, f := range m.Files {
		names = append(names, f.Name)
	}
	return names
}

var oms = filepath.Join("testdata", "oms")

func readFile(t testing.TB, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The signatures that the reference implementation has made since its version 0.2 hold, and none holds for a model that has changed.
func TestSignaturesOfTheReferenceImplementation(t *testing.T) {
	key, err := TrustKey(readFile(t, oms, "keys", "signing-key-pub.pem"))
	if err != nil {
		t.Fatal(err)
	}
	authority, err := TrustAuthorities(readFile(t, oms, "keys", "ca-cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	_, stranger := pair(t, elliptic.P384())
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		version, method, only string
		names                 []string
	}{
		{"v0.2.0", "certificate", "", []string{"signme-1", "signme-2"}},
		{"v0.3.1", "certificate", "", []string{"signme-1", "signme-2"}},
		{"v0.3.1", "elliptic-key", "signme-1", []string{"signme-1"}},
		{"v1.0.0", "certificate", "", []string{"signme-1", "signme-2"}},
		{"v1.0.0", "elliptic-key", "signme-1", []string{"signme-1"}},
		{"v1.0.1", "certificate", "", []string{"signme-1", "signme-2"}},
		{"v1.0.1", "elliptic-key", "", []string{"signme-1", "signme-2"}},
		{"v1.1.0", "certificate", "", []string{"signme-1", "signme-2"}},
		{"v1.1.0", "elliptic-key", "", []string{"signme-1", "signme-2"}},
	} {
		name := test.version + "-" + test.method
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "model")
			if err := os.CopyFS(dir, os.DirFS(filepath.Join(oms, name))); err != nil {
				t.Fatal(err)
			}
			sig := readFile(t, dir, "model.sig")
			trust, o := key, Options{Ignore: []string{"model.sig", "ignore-me"}, At: at}
			if test.method == "certificate" {
				trust = authority
			}
			model := filepath.Join(dir, test.only)
			m, err := Verify(t.Context(), model, sig, trust, o)
			if err != nil {
				t.Fatal(err)
			}
			if got := namesOf(m); !slices.Equal(got, test.names) {
				t.Errorf("signed are %v, want %v", got, test.names)
			}
			if _, err := Verify(t.Context(), model, sig, stranger, o); !isMismatch(err) {
				t.Errorf("another key: %v", err)
			}
			if test.method == "certificate" {
				late := o
				late.At = time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)
				if _, err := Verify(t.Context(), model, sig, trust, late); !isMismatch(err) || !strings.Contains(err.Error(), "expired") {
					t.Errorf("after the end of the certificate: %v", err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "signme-1"), []byte("something else\n"), 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := Verify(t.Context(), model, sig, trust, o); !isMismatch(err) || !strings.Contains(err.Error(), "signme-1: changed since it was signed") {
				t.Errorf("a changed file: %v", err)
			}
		})
	}
}

func isMismatch(err error) bool {
	_, ok := errors.AsType[*Mismatch](err)
	return ok
}

// What is signed is found again, on every curve; the bundle is what the specification's schemas ask for, and always the same.
func TestSignAndVerify(t *testing.T) {
	files := map[string]string{
		"generator.onnx": "weights", "empty.bin": "", ".config": "kept", ".cache/data.bin": "kept", "sub/.git/kept": "only the top is git's",
		"模型.bin": "unicode", "file (copy).bin": "spaces", "a b/c d.bin": "more", "<&>.bin": "escaped in JSON",
		".git/config": "git's", ".gitignore": "git's", ".gitattributes": "git's", ".github/ci.yml": "git's", "notes/draft.txt": "ignored", "model.sig": "an old one",
	}
	want := []string{".cache/data.bin", ".config", "<&>.bin", "a b/c d.bin", "empty.bin", "file (copy).bin", "generator.onnx", "sub/.git/kept", "模型.bin"}
	schema := schemas(t)
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		t.Run(c.Params().Name, func(t *testing.T) {
			dir := write(t, files)
			k, trust := pair(t, c)
			o := Options{Ignore: []string{"model.sig", "notes"}}
			sig := signIt(t, dir, k, o)
			if again := signIt(t, dir, k, o); !bytes.Equal(again, sig) {
				t.Error("the same model and key give another signature")
			}
			schema(t, sig)
			m, err := Verify(t.Context(), dir, sig, trust, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := namesOf(m); !slices.Equal(got, want) {
				t.Errorf("signed are %q,\nwant %q", got, want)
			}
			if m.Name != filepath.Base(dir) || len(m.Digest) != 64 || m.Signer != "key "+fingerprint(&k.private.PublicKey) {
				t.Errorf("the manifest says %q, %q, %q", m.Name, m.Digest, m.Signer)
			}
		})
	}
}

// schemas gives a check of a bundle, and of what it holds, by the JSON schemas of the specification.
func schemas(t *testing.T) func(*testing.T, []byte) {
	t.Helper()
	c := jsonschema.NewCompiler()
	var ids []string
	for _, name := range []string{"bundle", "statement", "envelope", "predicate"} {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(readFile(t, oms, "schemas", name+".schema.json")))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, doc.(map[string]any)["$id"].(string))
		if err := c.AddResource(ids[len(ids)-1], doc); err != nil {
			t.Fatal(err)
		}
	}
	outer, inner := c.MustCompile(ids[0]), c.MustCompile(ids[1])
	return func(t *testing.T, b []byte) {
		t.Helper()
		s, err := parseBundle(b)
		if err != nil {
			t.Fatal(err)
		}
		for schema, text := range map[*jsonschema.Schema][]byte{outer: b, inner: s.payload} {
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err == nil {
				err = schema.Validate(v)
			}
			if err != nil {
				t.Errorf("%v\n%s", err, text)
			}
		}
	}
}

// A file is a model of its own, and what lies beside it does not matter.
func TestOneFile(t *testing.T) {
	dir := write(t, map[string]string{"generator.onnx": "weights", "other": "x"})
	k, trust := pair(t, elliptic.P256())
	path := filepath.Join(dir, "generator.onnx")
	sig := signIt(t, path, k, Options{})
	m, err := Verify(t.Context(), path, sig, trust, Options{})
	if err != nil || len(m.Files) != 1 || m.Files[0].Name != "generator.onnx" || m.Name != "generator.onnx" {
		t.Fatalf("%+v, %v", m, err)
	}
	if _, err := Verify(t.Context(), filepath.Join(dir, "other"), sig, trust, Options{}); !isMismatch(err) {
		t.Errorf("another file: %v", err)
	}
	if _, err := Verify(t.Context(), dir, sig, trust, Options{}); !isMismatch(err) || !strings.Contains(err.Error(), "other: not signed") {
		t.Errorf("the folder: %v", err)
	}
}

// Whatever is done to a model after it was signed is told, file by file.
func TestChangedModels(t *testing.T) {
	k, trust := pair(t, elliptic.P256())
	for claim, test := range map[string]struct {
		do      func(dir string) error
		options Options
		want    string // "" is no error
	}{
		"nothing":                        {func(string) error { return nil }, Options{}, ""},
		"changed":                        {put("a.bin", "b"), Options{}, "a.bin: changed since it was signed"},
		"longer":                         {put("a.bin", "aa"), Options{}, "a.bin: changed since it was signed"},
		"gone":                           {remove("a.bin"), Options{}, "a.bin: signed, and missing"},
		"gone, whatever else is allowed": {remove("a.bin"), Options{AllowUnsigned: true}, "a.bin: signed, and missing"},
		"one more":                       {put("c.bin", ""), Options{}, "c.bin: not signed"},
		"one more, below":                {put("sub/c.bin", ""), Options{}, "sub/c.bin: not signed"},
		"one more, allowed":              {put("c.bin", ""), Options{AllowUnsigned: true}, ""},
		"one more, ignored":              {put("c.bin", ""), Options{Ignore: []string{"c.bin"}}, ""},
		"one more, ignored with others":  {put("sub2/c.bin", ""), Options{Ignore: []string{"sub2"}}, ""},
		"one more of the same beginning": {put("sub2c.bin", ""), Options{Ignore: []string{"sub2"}}, "sub2c.bin: not signed"},
		"the signature beside the files": {put("model.sig", "{}"), Options{}, ""},
		"git's files":                    {put(".gitignore", ""), Options{}, ""},
		"git's name elsewhere":           {put("sub/.gitignore", ""), Options{}, "sub/.gitignore: not signed"},
		"renamed":                        {func(dir string) error { return os.Rename(dir+"/a.bin", dir+"/A.bin2") }, Options{}, "A.bin2: not signed"},
	} {
		t.Run(claim, func(t *testing.T) {
			dir := write(t, map[string]string{"a.bin": "a", "sub/b.bin": "b"})
			sig := signIt(t, dir, k, Options{Ignore: []string{"model.sig"}})
			if err := test.do(dir); err != nil {
				t.Fatal(err)
			}
			_, err := Verify(t.Context(), dir, sig, trust, test.options)
			switch {
			case test.want == "" && err != nil, test.want != "" && (!isMismatch(err) || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func put(name, content string) func(string) error {
	return func(dir string) error {
		path := filepath.Join(dir, filepath.FromSlash(name))
		return errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(content), 0o666))
	}
}

func remove(name string) func(string) error {
	return func(dir string) error { return os.Remove(filepath.Join(dir, name)) }
}

// Nothing is signed, and nothing is taken for signed, that leads out of the folder or is not a file.
func TestLinks(t *testing.T) {
	k, trust := pair(t, elliptic.P256())
	for _, target := range []string{"a.bin", ".", "/etc/passwd", "nowhere"} {
		dir := write(t, map[string]string{"a.bin": "a"})
		sig := signIt(t, dir, k, Options{})
		if err := os.Symlink(target, filepath.Join(dir, "link")); err != nil {
			t.Skip(err)
		}
		if _, err := Sign(t.Context(), dir, k, Options{}); err == nil || !strings.Contains(err.Error(), "link: a symbolic link") {
			t.Errorf("signing a link to %s: %v", target, err)
		}
		if _, err := Verify(t.Context(), dir, sig, trust, Options{}); err == nil {
			t.Errorf("a link to %s is passed over", target)
		}
		// A signer of another program may have followed links: those inside are what they point to, others are refused.
		followed := forge(t, k, func(s *statement) {
			s.Predicate.Serialization.AllowSymlinks = true
			s.Predicate.Resources = append(s.Predicate.Resources, resource{"link", s.Predicate.Resources[0].Digest, "sha256"})
		}, sig)
		if _, err := Verify(t.Context(), dir, followed, trust, Options{}); (err == nil) != (target == "a.bin") {
			t.Errorf("a link to %s, followed: %v", target, err)
		}
	}
}

func TestNothingToSign(t *testing.T) {
	k, _ := pair(t, elliptic.P256())
	for _, test := range []struct {
		files map[string]string
		o     Options
		want  string
	}{
		{nil, Options{}, "no file to sign"},
		{map[string]string{".gitignore": "*"}, Options{}, "no file to sign"},
		{map[string]string{"a": "a"}, Options{Ignore: []string{"a"}}, "no file to sign"},
		{map[string]string{"a": "a"}, Options{Ignore: []string{"../b"}}, "cannot ignore"},
		{map[string]string{"a": "a"}, Options{Ignore: []string{"/b"}}, "cannot ignore"},
		{map[string]string{"a": "a"}, Options{Ignore: []string{"."}}, "cannot ignore"},
	} {
		if _, err := Sign(t.Context(), write(t, test.files), k, test.o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: error %v, want %q", test.files, err, test.want)
		}
	}
}

// forge signs a changed statement of a signature again, as a hostile or faulty owner of the key might.
func forge(t testing.TB, k *Key, change func(*statement), sig []byte) []byte {
	t.Helper()
	p, err := parseBundle(sig)
	if err != nil {
		t.Fatal(err)
	}
	var s statement
	if err := json.Unmarshal(p.payload, &s); err != nil {
		t.Fatal(err)
	}
	change(&s)
	if s.Predicate != nil && len(s.Subject) == 1 && s.Subject[0].Digest["sha256"] != "wrong" {
		if root, err := rootDigest(s.Predicate.Resources); err == nil {
			s.Subject[0].Digest = map[string]string{"sha256": root}
		}
	}
	payload, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return wrap(t, k, payload)
}

// wrap signs any payload.
func wrap(t testing.TB, k *Key, payload []byte) []byte {
	t.Helper()
	raw, err := k.sign(preAuthentication(payload))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(bundle{mediaType, k.material(), &envelope{
		base64.StdEncoding.EncodeToString(payload), payloadType, []signature{{Sig: base64.StdEncoding.EncodeToString(raw)}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A bundle that is not as it should be is refused, also where its owner has signed it.
func TestMalformedBundles(t *testing.T) {
	k, trust := pair(t, elliptic.P256())
	dir := write(t, map[string]string{"a.bin": "a"})
	sig := signIt(t, dir, k, Options{})
	digest := strings.Repeat("0a", 32)
	edit := func(change func(map[string]any)) []byte {
		var v map[string]any
		if err := json.Unmarshal(sig, &v); err != nil {
			t.Fatal(err)
		}
		change(v)
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	inside := func(change func(map[string]any)) []byte {
		return edit(func(v map[string]any) { change(v["dsseEnvelope"].(map[string]any)) })
	}
	add := func(name, digest, algorithm string) func(*statement) {
		return func(s *statement) {
			s.Predicate.Resources = append(s.Predicate.Resources, resource{name, digest, algorithm})
		}
	}
	for claim, test := range map[string]struct {
		sig  []byte
		want string
	}{
		"empty":              {nil, "invalid JSON"},
		"garbage":            {[]byte("\x00\xffgarbage"), "invalid JSON"},
		"cut":                {sig[:len(sig)/2], "invalid JSON"},
		"an array":           {[]byte("[]"), "invalid JSON"},
		"nothing":            {[]byte("{}"), "mediaType"},
		"another media type": {edit(func(v map[string]any) { v["mediaType"] = "application/json" }), "mediaType"},
		"no material":        {edit(func(v map[string]any) { delete(v, "verificationMaterial") }), "verificationMaterial: missing"},
		"empty material":     {edit(func(v map[string]any) { v["verificationMaterial"] = map[string]any{} }), "0 of publicKey"},
		"two materials":      {edit(func(v map[string]any) { v["verificationMaterial"].(map[string]any)["certificate"] = map[string]any{} }), "2 of publicKey"},
		"of Sigstore":        {edit(func(v map[string]any) { v["verificationMaterial"] = map[string]any{"certificate": map[string]any{}} }), "unsupported: the signature is by a certificate of Sigstore"},
		"a certificate": {edit(func(v map[string]any) {
			v["verificationMaterial"] = map[string]any{"x509CertificateChain": map[string]any{}}
		}), "by a certificate, not by the public key"},
		"another hint": {edit(func(v map[string]any) {
			v["verificationMaterial"] = map[string]any{"publicKey": map[string]any{"hint": digest}}
		}), "by another key"},
		"no envelope":         {edit(func(v map[string]any) { delete(v, "dsseEnvelope") }), "dsseEnvelope: missing"},
		"no signature":        {inside(func(v map[string]any) { v["signatures"] = []any{} }), "0 of them"},
		"two signatures":      {inside(func(v map[string]any) { l := v["signatures"].([]any); v["signatures"] = append(l, l[0]) }), "2 of them"},
		"another type":        {inside(func(v map[string]any) { v["payloadType"] = "text/plain" }), "payloadType"},
		"invalid base64":      {inside(func(v map[string]any) { v["payload"] = "%%%" }), "invalid base64"},
		"another payload":     {inside(func(v map[string]any) { v["payload"] = base64.StdEncoding.EncodeToString([]byte("{}")) }), "the signature is not by key"},
		"an empty signature":  {inside(func(v map[string]any) { v["signatures"] = []any{map[string]any{"sig": ""}} }), "the signature is not by key"},
		"signed text":         {wrap(t, k, []byte("hello")), "invalid JSON"},
		"signed null":         {wrap(t, k, []byte("null")), "_type"},
		"another statement":   {forge(t, k, func(s *statement) { s.Type = "https://in-toto.io/Statement/v0.1" }, sig), "_type"},
		"another predicate":   {forge(t, k, func(s *statement) { s.PredicateType = "https://slsa.dev/provenance/v1" }, sig), "predicateType"},
		"no predicate":        {forge(t, k, func(s *statement) { s.Predicate = nil }, sig), "predicate: missing"},
		"no serialization":    {forge(t, k, func(s *statement) { s.Predicate.Serialization = nil }, sig), "serialization: missing"},
		"no subject":          {forge(t, k, func(s *statement) { s.Subject = nil }, sig), "subject: 0 of them"},
		"two subjects":        {forge(t, k, func(s *statement) { s.Subject = append(s.Subject, s.Subject[0]) }, sig), "subject: 2 of them"},
		"no name":             {forge(t, k, func(s *statement) { s.Subject[0].Name = "" }, sig), "without a name"},
		"another root digest": {forge(t, k, func(s *statement) { s.Subject[0].Digest = map[string]string{"sha256": "wrong"} }, sig), "its digest is not that of the resources"},
		"no resources":        {forge(t, k, func(s *statement) { s.Predicate.Resources = nil }, sig), "resources: none"},
		"another hash":        {forge(t, k, func(s *statement) { s.Predicate.Serialization.HashType = "blake3" }, sig), "unsupported: digests of type blake3"},
		"another method":      {forge(t, k, func(s *statement) { s.Predicate.Serialization.Method = "tensors" }, sig), "unsupported: serialization by the method tensors"},
		"shards of no size":   {forge(t, k, func(s *statement) { s.Predicate.Serialization.Method = "shards" }, sig), "shard_size"},
		"another algorithm":   {forge(t, k, add("b.bin", digest, "md5"), sig), "unsupported: resource 1 by the algorithm md5"},
		"a short digest":      {forge(t, k, add("b.bin", "0a", "sha256"), sig), "digest 0a"},
		"an absolute path":    {forge(t, k, add("/etc/passwd", digest, "sha256"), sig), "not a path inside a model"},
		"a path out of it":    {forge(t, k, add("../b.bin", digest, "sha256"), sig), "not a path inside a model"},
		"a path that turns":   {forge(t, k, add("x/../a.bin", digest, "sha256"), sig), "not a path inside a model"},
		"no path":             {forge(t, k, add("", digest, "sha256"), sig), "not a path inside a model"},
		"a name twice":        {forge(t, k, func(s *statement) { s.Predicate.Resources = append(s.Predicate.Resources, s.Predicate.Resources[0]) }, sig), "named twice"},
		"a folder for a file": {forge(t, k, add(".", digest, "sha256"), sig), "not a regular file"},
	} {
		_, err := Verify(t.Context(), dir, test.sig, trust, Options{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q in it", claim, err, test.want)
		}
	}
	if _, err := Verify(t.Context(), dir, forge(t, k, func(*statement) {}, sig), trust, Options{}); err != nil {
		t.Errorf("what is forged without a change: %v", err)
	}
}

// Ranges of bytes, as other signers make them of large files, must cover a file from its beginning to its end.
func TestShards(t *testing.T) {
	k, trust := pair(t, elliptic.P256())
	content := strings.Repeat("0123456789", 3) + "ab" // 11 ranges of 3 bytes, so that their names do not sort as they lie
	dir := write(t, map[string]string{"w:1.bin": content, "empty": ""})
	sig := signIt(t, dir, k, Options{})
	ranges := func(s *statement) {
		s.Predicate.Resources = nil
		size := int64(3)
		s.Predicate.Serialization.Method, s.Predicate.Serialization.ShardSize = "shards", &size
		for i := 0; i < len(content); i += 3 {
			end := min(i+3, len(content))
			s.Predicate.Resources = append(s.Predicate.Resources, resource{fmt.Sprintf("w:1.bin:%d:%d", i, end), hexDigest(content[i:end]), "sha256"})
		}
		slices.SortFunc(s.Predicate.Resources, func(a, b resource) int { return strings.Compare(a.Name, b.Name) })
	}
	if m, err := Verify(t.Context(), dir, forge(t, k, ranges, sig), trust, Options{}); err != nil || len(m.Files) != 11 {
		t.Errorf("all ranges: %v", err)
	}
	for claim, change := range map[string]func(*statement){
		"the last left out": func(s *statement) {
			s.Predicate.Resources = slices.DeleteFunc(s.Predicate.Resources, func(r resource) bool { return r.Name == "w:1.bin:30:32" })
		},
		"the first left out": func(s *statement) { s.Predicate.Resources = s.Predicate.Resources[1:] },
		"one twice":          func(s *statement) { s.Predicate.Resources = append(s.Predicate.Resources, s.Predicate.Resources[0]) },
		"no range":           func(s *statement) { s.Predicate.Resources[0].Name = "w:1.bin" },
		"a range backwards":  func(s *statement) { s.Predicate.Resources[0].Name = "w:1.bin:3:0" },
		"a number with plus": func(s *statement) { s.Predicate.Resources[0].Name = "w:1.bin:+0:3" },
		"beyond the end": func(s *statement) {
			s.Predicate.Resources = append(s.Predicate.Resources, resource{"w:1.bin:32:35", hexDigest(""), "sha256"})
		},
	} {
		both := func(s *statement) { ranges(s); change(s) }
		if _, err := Verify(t.Context(), dir, forge(t, k, both, sig), trust, Options{}); err == nil {
			t.Errorf("%s: no error", claim)
		}
	}
}

func hexDigest(s string) string {
	return hex.EncodeToString(digestOf(5, []byte(s))) // crypto.SHA256
}

// A certificate signs as long as a trusted authority has issued it, it is in time, and it is meant for signing.
func TestCertificates(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	issue := func(name string, serial int64, public *ecdsa.PublicKey, by *x509.Certificate, byKey *ecdsa.PrivateKey, change func(*x509.Certificate)) *x509.Certificate {
		c := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0),
			BasicConstraintsValid: true,
		}
		change(c)
		if by == nil {
			by = c
		}
		der, err := x509.CreateCertificate(rand.Reader, c, by, public, byKey)
		if err != nil {
			t.Fatal(err)
		}
		made, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	inPEM := func(list ...*x509.Certificate) (b []byte) {
		for _, c := range list {
			b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
		}
		return b
	}
	authority := func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign }
	signer := func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }
	rootKey, _ := pair(t, elliptic.P384())
	midKey, _ := pair(t, elliptic.P384())
	k, trustKey := pair(t, elliptic.P256())
	root := issue("root", 1, &rootKey.private.PublicKey, nil, rootKey.private, authority)
	mid := issue("between", 2, &midKey.private.PublicKey, root, rootKey.private, authority)
	dir := write(t, map[string]string{"a.bin": "a"})
	other := issue("root", 1, &k.private.PublicKey, nil, k.private, authority)
	for claim, test := range map[string]struct {
		change    func(*x509.Certificate)
		chain     []*x509.Certificate
		authority *x509.Certificate
		at        time.Time
		want      string
	}{
		"as it should be":         {signer, []*x509.Certificate{mid}, root, now, ""},
		"the root in the chain":   {signer, []*x509.Certificate{mid, root}, root, now, ""},
		"trusted in between":      {signer, nil, mid, now, ""},
		"for code":                {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }, []*x509.Certificate{mid}, root, now, ""},
		"for servers":             {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, []*x509.Certificate{mid}, root, now, "not meant for signing"},
		"for nothing":             {func(*x509.Certificate) {}, []*x509.Certificate{mid}, root, now, "not meant for signing"},
		"nobody in between":       {signer, nil, root, now, "no trusted authority"},
		"another authority":       {signer, []*x509.Certificate{mid}, other, now, "no trusted authority"},
		"the other's in the file": {signer, []*x509.Certificate{mid, other}, other, now, "no trusted authority"},
		"too late":                {signer, []*x509.Certificate{mid}, root, now.AddDate(2, 0, 0), "expired"},
		"too early":               {signer, []*x509.Certificate{mid}, root, now.AddDate(-2, 0, 0), "not yet valid"},
	} {
		t.Run(claim, func(t *testing.T) {
			leaf := issue("signer\n\x1b[31m", 3, &k.private.PublicKey, mid, midKey.private, test.change)
			own, err := k.WithCertificates(inPEM(append([]*x509.Certificate{leaf}, test.chain...)...))
			if err != nil {
				t.Fatal(err)
			}
			trust, err := TrustAuthorities(inPEM(test.authority))
			if err != nil {
				t.Fatal(err)
			}
			sig := signIt(t, dir, own, Options{})
			schemas(t)(t, sig)
			m, err := Verify(t.Context(), dir, sig, trust, Options{At: test.at})
			switch {
			case test.want == "" && (err != nil || strings.ContainsAny(m.Signer, "\n\x1b")):
				t.Errorf("%+v, %v", m, err)
			case test.want != "" && (!isMismatch(err) || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want %q", err, test.want)
			}
			if _, err := Verify(t.Context(), dir, sig, trustKey, Options{At: test.at}); !isMismatch(err) {
				t.Errorf("against the key alone: %v", err)
			}
			if _, err := Verify(t.Context(), dir, signIt(t, dir, k, Options{}), trust, Options{At: test.at}); !isMismatch(err) {
				t.Errorf("a key alone against an authority: %v", err)
			}
		})
	}
	if _, err := k.WithCertificates(inPEM(mid)); err == nil {
		t.Error("another's certificate is taken")
	}
}

// Keys that cannot sign say why.
func TestKeysThatDoNotFit(t *testing.T) {
	block := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(small)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"": "no private key", "hello": "no private key",
		string(block("PRIVATE KEY", []byte("x"))):           "private key",
		string(block("PRIVATE KEY", der)):                   "P-224",
		string(block("ENCRYPTED PRIVATE KEY", []byte("x"))): "encrypted",
		string(block("PUBLIC KEY", []byte("x"))):            "no private key",
	} {
		if _, err := ParseKey([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "no public key", string(block("PUBLIC KEY", []byte("x"))): "public key", string(block("PRIVATE KEY", der)): "no public key",
		string(inPEM(&small.PublicKey)): "P-224",
	} {
		if _, err := TrustKey([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	if _, err := TrustAuthorities(nil); err == nil {
		t.Error("no authority is trusted")
	}
}

// OpenSSL, which has made the key, finds our signature right, over what DSSE says is signed.
func TestOpenSSLAgrees(t *testing.T) {
	openssl := witnesstest.Program(t, "openssl")
	dir := write(t, map[string]string{"model/a.bin": "a"})
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(openssl, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("openssl %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	for _, curve := range []struct{ name, hash string }{{"prime256v1", "-sha256"}, {"secp384r1", "-sha384"}} {
		run("ecparam", "-name", curve.name, "-genkey", "-out", "key.pem") // with its parameters in a block of their own
		run("ec", "-in", "key.pem", "-pubout", "-out", "key.pub")
		k, err := ParseKey(readFile(t, dir, "key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := parseBundle(signIt(t, filepath.Join(dir, "model"), k, Options{}))
		if err != nil {
			t.Fatal(err)
		}
		pae := fmt.Sprintf("DSSEv1 28 application/vnd.in-toto+json %d %s", len(s.payload), s.payload)
		for name, b := range map[string][]byte{"message": []byte(pae), "sig": s.sig} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if out := run("dgst", curve.hash, "-verify", "key.pub", "-signature", "sig", "message"); !strings.Contains(out, "Verified OK") {
			t.Errorf("%s: %s", curve.name, out)
		}
	}
}

func TestReprOfBytes(t *testing.T) {
	for in, want := range map[string]string{
		"a\n\t\r\\": `b'a\n\t\r\\'`, "it's": `b"it's"`, `"it's"`: `b'"it\'s"'`, "\x00\x7f\xff": `b'\x00\x7f\xff'`, `"`: `b'"'`,
	} {
		if got := reprOfBytes([]byte(in)); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
