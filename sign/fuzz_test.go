package sign

import (
	"bytes"
	"crypto/elliptic"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// FuzzVerify changes bundles, and what is signed in them by a key that is trusted. No bundle makes Verify panic or read outside of the
// model, and none of another payload than ours holds.
func FuzzVerify(f *testing.F) {
	k, trust := pair(f, elliptic.P256())
	dir := write(f, map[string]string{"a.bin": "a", "sub/b.bin": "b"})
	sig := signIt(f, dir, k, Options{})
	ours, err := parseBundle(sig)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sig, false)
	f.Add(ours.payload, true)
	f.Add([]byte("{}"), true)
	for _, name := range []string{"v0.2.0-certificate", "v0.3.1-elliptic-key", "v1.1.0-certificate", "v1.1.0-elliptic-key"} {
		b, err := os.ReadFile(filepath.Join(oms, name, "model.sig"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, false)
		old, err := parseBundle(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(old.payload, true)
	}
	authorities, err := os.ReadFile(filepath.Join(oms, "keys", "ca-cert.pem"))
	if err != nil {
		f.Fatal(err)
	}
	authority, err := TrustAuthorities(authorities)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte, payload bool) {
		if payload {
			b = wrap(t, k, b)
		}
		if _, err := Verify(t.Context(), dir, b, authority, Options{}); err == nil {
			t.Error("a certificate signs a model that its owner has never seen")
		}
		m, err := Verify(t.Context(), dir, b, trust, Options{})
		if err != nil {
			return
		}
		s, err := parseBundle(b)
		if err != nil {
			t.Fatal(err)
		}
		if !payload && !bytes.Equal(s.payload, ours.payload) {
			t.Errorf("a payload that was never signed holds: %s", s.payload)
		}
		var st statement
		if err := json.Unmarshal(s.payload, &st); err != nil || len(m.Files) == 0 {
			t.Errorf("%d files of a statement that says %v", len(m.Files), err)
		}
	})
}

// FuzzKeys reads keys and certificates.
func FuzzKeys(f *testing.F) {
	k, _ := pair(f, elliptic.P256())
	f.Add(inPEM(&k.private.PublicKey))
	f.Add([]byte("-----BEGIN EC PRIVATE KEY-----\nMA==\n-----END EC PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"))
	b, err := os.ReadFile(filepath.Join(oms, "keys", "ca-cert.pem"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if own, err := ParseKey(b); err == nil {
			if _, err := own.sign([]byte("x")); err != nil {
				t.Error(err)
			}
		}
		_, _ = TrustKey(b)
		_, _ = TrustAuthorities(b)
		_, _ = k.WithCertificates(b)
	})
}
