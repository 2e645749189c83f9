// Package sign makes and checks signatures of models in the format of OpenSSF Model Signing 1.0: a Sigstore bundle 0.3 in JSON
// that holds a DSSE envelope around an in-toto statement, which names every file of the model with its SHA-256.
//
// A model is a file, or a folder with all that is in it and below it. It is signed with a key on an elliptic curve (P-256, P-384 or
// P-521) or with such a key and its certificates, and checked against the public key or the authorities that are trusted. Keys from
// an identity provider (Sigstore's keyless signing) need its servers, and are reported as unsupported.
//
// A signature is checked before a byte of the model is read, then every file that it names, then that there are no others. Whatever
// is not as it was signed gives a *Mismatch; any other error says that the question could not be answered. There is no third way:
// without an error, everything that the [Manifest] lists is what was signed.
//
// The same model and key give the same bytes: signing uses no random numbers (RFC 6979), and the signature
// contains no time.
//
// Sources: the OpenSSF Model Signing specification 1.0 (github.com/ossf/model-signing-spec), DSSE 1.0, in-toto Statement 1, Sigstore's
// bundle format.
package sign

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/petrify-ml/petrify/internal/quote"
)

// Options say which files belong to a model. The zero value means everything but git's own files.
type Options struct {
	// Ignore are files and folders that are not covered, such as the signature itself: paths relative to the model's folder,
	// with forward slashes. They are recorded in the signature. Those of .git, .gitignore, .gitattributes and .github are
	// always ignored.
	Ignore []string
	// AllowUnsigned lets Verify pass over files that the signature does not name. Those that it names must be there all the same.
	AllowUnsigned bool
	// At is when certificates must be valid; the zero value is now.
	At time.Time
}

// A File is one file of a model, or a range of its bytes.
type File struct {
	Name   string // from the model's folder on, with slashes
	SHA256 string // hexadecimal
}

// A Manifest is what a signature says about a model.
type Manifest struct {
	Name    string   // of the model, as given by the signer
	Digest  string   // SHA-256 over the digests of the files, hexadecimal: an identifier of the model
	Signer  string   // the signer: the digest of a public key, or the subject of a certificate
	Files   []File   // by name
	Ignored []string // paths that the signer ignored, relative to the model's folder
}

// A Mismatch says that a signature is not valid: it is not by a trusted signer, or the model is not what was signed.
type Mismatch struct{ What []string }

func (e *Mismatch) Error() string {
	const most = 20
	var errs []error
	for i, w := range e.What {
		if i == most {
			errs = append(errs, fmt.Errorf("and %d more", len(e.What)-most))
			break
		}
		errs = append(errs, errors.New(w))
	}
	return errors.Join(errs...).Error()
}

// What the format's layers are called.
const (
	mediaType       = "application/vnd.dev.sigstore.bundle.v0.3+json"
	payloadType     = "application/vnd.in-toto+json"
	statementType   = "https://in-toto.io/Statement/v1"
	predicateType   = "https://model_signing/signature/v1.0"
	predicateBefore = "https://model_signing/Digests/v0.1" // of version 0.2 of the reference implementation
)

// Sign makes the signature of the model at path, to be stored as model.sig in its folder, or anywhere else.
func Sign(ctx context.Context, path string, k *Key, o Options) ([]byte, error) {
	m, err := openModel(path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	ignore := slices.Clone(alwaysIgnored)
	for _, name := range o.Ignore {
		if !clean(name) {
			return nil, fmt.Errorf("cannot ignore %s: want a path from the model's folder on, with slashes, without . and .. in it", quote.Name(name))
		}
		ignore = append(ignore, name)
	}
	slices.Sort(ignore)
	ignore = slices.Compact(ignore)
	names, err := m.list(ctx, ignore, false)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no file to sign", quote.Name(path))
	}
	s := statement{Type: statementType, PredicateType: predicateType, Predicate: &predicate{
		Serialization: &serialization{Method: "files", HashType: "sha256", IgnorePaths: ignore},
	}}
	for _, name := range names {
		sum, err := m.digest(ctx, name, span{0, -1}, false)
		if err != nil {
			return nil, err
		}
		s.Predicate.Resources = append(s.Predicate.Resources, resource{Name: name, Digest: hex.EncodeToString(sum), Algorithm: "sha256"})
	}
	root, err := rootDigest(s.Predicate.Resources)
	if err != nil {
		return nil, err
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	s.Subject = []subject{{Name: filepath.Base(full), Digest: map[string]string{"sha256": root}}}
	payload, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	sig, err := k.sign(preAuthentication(payload))
	if err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(bundle{
		MediaType:            mediaType,
		VerificationMaterial: k.material(),
		Envelope: &envelope{
			Payload: base64.StdEncoding.EncodeToString(payload), PayloadType: payloadType,
			Signatures: []signature{{Sig: base64.StdEncoding.EncodeToString(sig)}},
		},
	}, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// rootDigest is the SHA-256 over the digests of all files, in the order of their names.
func rootDigest(list []resource) (string, error) {
	h := sha256.New()
	for _, r := range list {
		sum, err := hex.DecodeString(r.Digest)
		if err != nil {
			return "", err
		}
		h.Write(sum)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
