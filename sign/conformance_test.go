package sign

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A conformanceCase is a config.json of the OpenSSF Model Signing conformance suite (github.com/sampras343/model-signing-conformance).
type conformanceCase struct {
	Method        string   `json:"method"`
	Model         string   `json:"model"`
	RelativeTo    string   `json:"model_relative_to"`
	Expect        string   `json:"expect"`
	Inside        bool     `json:"sig_inside_model"`
	Signed        []string `json:"expected_signed_files"`
	Modifications struct {
		Tamper, Inject, Symlinks map[string]string
		Delete                   []string
	} `json:"model_modifications"`
	Sign struct {
		Key         string   `json:"private_key"`
		Certificate string   `json:"signing_cert"`
		Chain       []string `json:"cert_chain"`
	} `json:"sign"`
	Verify struct {
		Key    string   `json:"public_key"`
		Chain  []string `json:"cert_chain"`
		Ignore []string `json:"ignore_paths"`
		Allow  bool     `json:"ignore_unsigned_files"`
	} `json:"verify"`
}

// TestConformanceSuite runs the cases of the suite's checkout in PETRIFY_OMS_CONFORMANCE that need no servers, all but those of the method
// "sigstore". The suite has no licence that would let a copy of it stand here.
func TestConformanceSuite(t *testing.T) {
	suite := os.Getenv("PETRIFY_OMS_CONFORMANCE")
	if suite == "" {
		t.Skip("PETRIFY_OMS_CONFORMANCE names no checkout of the conformance suite")
	}
	cases, err := filepath.Glob(filepath.Join(suite, "test", "test-cases", "*", "*", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob(filepath.Join(suite, "test", "test-cases", "verify", "*", "*", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, path := range append(cases, deeper...) {
		var c conformanceCase
		if err := json.Unmarshal(readFile(t, path), &c); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if c.Method == "sigstore" {
			continue
		}
		ran++
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			err := c.run(t, filepath.Join(suite, "test", "assets"), filepath.Dir(path))
			if fails := c.Expect == "fail"; (err != nil) != fails {
				t.Errorf("error %v, want one: %v", err, fails)
			}
		})
	}
	if ran < 50 {
		t.Errorf("%d cases in %s, want at least 50", ran, suite)
	}
}

// run copies the model, changes it, signs it unless there is a signature, and verifies.
func (c *conformanceCase) run(t *testing.T, assets, dir string) error {
	source := filepath.Join(assets, c.Model)
	if c.RelativeTo == "test_dir" {
		source = filepath.Join(dir, c.Model)
	}
	info, err := os.Stat(source)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "model")
	model := folder
	if info.IsDir() {
		err = os.CopyFS(folder, os.DirFS(source))
	} else {
		model = filepath.Join(folder, filepath.Base(source))
		err = errors.Join(os.Mkdir(folder, 0o777), os.WriteFile(model, readFile(t, source), 0o666))
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []map[string]string{c.Modifications.Tamper, c.Modifications.Inject} {
		for name, text := range m {
			if err := put(name, text)(folder); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range c.Modifications.Delete {
		if err := os.Remove(filepath.Join(folder, name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	for name, target := range c.Modifications.Symlinks {
		if err := os.Symlink(target, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Ignore: c.Verify.Ignore, AllowUnsigned: c.Verify.Allow, At: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
	var sig []byte
	if c.Sign.Key == "" {
		sig = readFile(t, dir, "bundle.sig")
	} else {
		k, err := ParseKey(readFile(t, assets, c.Sign.Key))
		if err != nil {
			return err
		}
		if c.Sign.Certificate != "" {
			chain := readFile(t, assets, c.Sign.Certificate)
			for _, name := range c.Sign.Chain {
				chain = append(chain, readFile(t, assets, name)...)
			}
			if k, err = k.WithCertificates(chain); err != nil {
				return err
			}
		}
		if c.Inside {
			o.Ignore = append(slices.Clone(o.Ignore), "bundle.sig")
		}
		if sig, err = Sign(t.Context(), model, k, o); err != nil {
			return err
		}
		schemas(t)(t, sig)
		if c.Inside {
			if err := os.WriteFile(filepath.Join(folder, "bundle.sig"), sig, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	var trust *Trust
	if c.Method == "key" {
		key, err := os.ReadFile(filepath.Join(assets, c.Verify.Key))
		if err != nil {
			return err // one case names a key that the suite lacks, and expects a failure
		}
		trust, err = TrustKey(key)
		if err != nil {
			return err
		}
	} else {
		var list []byte
		for _, name := range c.Verify.Chain {
			list = append(list, readFile(t, assets, name)...)
		}
		if trust, err = TrustAuthorities(list); err != nil {
			return err
		}
	}
	m, err := Verify(t.Context(), model, sig, trust, o)
	if err == nil && c.Signed != nil && !slices.Equal(namesOf(m), c.Signed) && !slices.Equal(c.Signed, []string{"."}) {
		t.Errorf("signed are %v, want %v", namesOf(m), c.Signed)
	}
	return err
}
