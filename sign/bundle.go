package sign

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/petrify-ml/petrify/internal/quote"
)

// largestBundle bounds a signature, in bytes: a file of a model takes about 150 of them.
const largestBundle = 64 << 20

// A FormatError says that a signature is not one in the format of OpenSSF Model Signing.
type FormatError struct{ Where, What string }

func (e *FormatError) Error() string {
	if e.Where == "" {
		return "signature: " + e.What
	}
	return "signature: " + e.Where + ": " + e.What
}

// An UnsupportedError says that a signature may be valid, but that this package cannot check it.
type UnsupportedError struct{ What string }

func (e *UnsupportedError) Error() string { return "unsupported: " + e.What }

func malformed(where, format string, args ...any) error {
	return &FormatError{Where: where, What: fmt.Sprintf(format, args...)}
}

type bundle struct {
	MediaType            string    `json:"mediaType"`
	VerificationMaterial *material `json:"verificationMaterial"`
	Envelope             *envelope `json:"dsseEnvelope"`
}

// material is by what a signature can be checked: one of the three.
type material struct {
	PublicKey   *publicKey   `json:"publicKey,omitempty"`
	Chain       *chain       `json:"x509CertificateChain,omitempty"`
	Certificate *certificate `json:"certificate,omitempty"` // of Sigstore's keyless signing
}

type publicKey struct {
	Hint string `json:"hint,omitempty"` // SHA-256 of the key in PEM, hexadecimal
	Raw  string `json:"rawBytes,omitempty"`
}

type chain struct {
	Certificates []certificate `json:"certificates"`
}

type certificate struct {
	Raw string `json:"rawBytes"`
}

type envelope struct {
	Payload     string      `json:"payload"`
	PayloadType string      `json:"payloadType"`
	Signatures  []signature `json:"signatures"`
}

type signature struct {
	Sig   string `json:"sig"`
	KeyID string `json:"keyid"`
}

type statement struct {
	Type          string     `json:"_type"`
	Subject       []subject  `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     *predicate `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

type predicate struct {
	Resources     []resource     `json:"resources"`
	Serialization *serialization `json:"serialization"`
}

type resource struct {
	Name      string `json:"name"`
	Digest    string `json:"digest"`
	Algorithm string `json:"algorithm"`
}

type serialization struct {
	Method        string   `json:"method"`
	HashType      string   `json:"hash_type"`
	AllowSymlinks bool     `json:"allow_symlinks"`
	ShardSize     *int64   `json:"shard_size,omitempty"`
	IgnorePaths   []string `json:"ignore_paths,omitempty"`
}

// A signed is a bundle taken apart, nothing of which is trusted yet.
type signed struct {
	material *material
	payload  []byte
	sig      []byte
}

// parseBundle reads the outer layers of a signature.
func parseBundle(b []byte) (*signed, error) {
	if len(b) > largestBundle {
		return nil, malformed("", "%d bytes, want %d at most", len(b), largestBundle)
	}
	var f bundle
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, malformed("", "invalid JSON: %s", quote.Text(err.Error()))
	}
	v := f.VerificationMaterial
	switch {
	case f.MediaType != mediaType:
		return nil, malformed("mediaType", "%s, want %s", quote.Text(f.MediaType), mediaType)
	case v == nil:
		return nil, malformed("verificationMaterial", "missing")
	case f.Envelope == nil:
		return nil, malformed("dsseEnvelope", "missing")
	case f.Envelope.PayloadType != payloadType:
		return nil, malformed("payloadType", "%s, want %s", quote.Text(f.Envelope.PayloadType), payloadType)
	case len(f.Envelope.Signatures) != 1:
		return nil, malformed("signatures", "%d of them, want 1", len(f.Envelope.Signatures))
	}
	kinds := 0
	for _, there := range []bool{v.PublicKey != nil, v.Chain != nil, v.Certificate != nil} {
		if there {
			kinds++
		}
	}
	if kinds != 1 {
		return nil, malformed("verificationMaterial", "%d of publicKey, x509CertificateChain and certificate, want one", kinds)
	}
	s := &signed{material: v}
	var err error
	if s.payload, err = base64.StdEncoding.DecodeString(f.Envelope.Payload); err != nil {
		return nil, malformed("payload", "invalid base64: %v", err)
	}
	if s.sig, err = base64.StdEncoding.DecodeString(f.Envelope.Signatures[0].Sig); err != nil {
		return nil, malformed("sig", "invalid base64: %v", err)
	}
	return s, nil
}

// preAuthentication is what is signed of a payload: DSSE's PAE.
func preAuthentication(payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}

// preAuthenticationBefore is what the reference implementation signed before its version 1.0: the payload as Python writes bytes down.
func preAuthenticationBefore(payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEV1 %d %s %d %s", len(payloadType), payloadType, len(payload), reprOfBytes(payload))
}

// reprOfBytes is Python's repr of bytes.
func reprOfBytes(b []byte) string {
	q := byte('\'')
	if s := string(b); strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	var t strings.Builder
	t.WriteByte('b')
	t.WriteByte(q)
	for _, c := range b {
		switch {
		case c == q || c == '\\':
			t.WriteByte('\\')
			t.WriteByte(c)
		case c == '\n':
			t.WriteString(`\n`)
		case c == '\r':
			t.WriteString(`\r`)
		case c == '\t':
			t.WriteString(`\t`)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&t, `\x%02x`, c)
		default:
			t.WriteByte(c)
		}
	}
	t.WriteByte(q)
	return t.String()
}

// content is a statement as it is compared with a model.
type content struct {
	Manifest
	shards int64 // bytes, 0 for whole files
	follow bool  // symbolic links inside the folder
}

// parseStatement reads and validates what was signed.
func parseStatement(payload []byte) (*content, error) {
	var s statement
	if err := json.Unmarshal(payload, &s); err != nil {
		return nil, malformed("statement", "invalid JSON: %s", quote.Text(err.Error()))
	}
	if s.Type != statementType {
		return nil, malformed("_type", "%s, want %s", quote.Text(s.Type), statementType)
	}
	switch s.PredicateType {
	case predicateType:
	case predicateBefore:
		return before(s.Subject)
	default:
		return nil, malformed("predicateType", "%s, want %s", quote.Text(s.PredicateType), predicateType)
	}
	switch {
	case len(s.Subject) != 1:
		return nil, malformed("subject", "%d of them, want 1", len(s.Subject))
	case s.Subject[0].Name == "":
		return nil, malformed("subject", "without a name")
	case s.Predicate == nil:
		return nil, malformed("predicate", "missing")
	case s.Predicate.Serialization == nil:
		return nil, malformed("serialization", "missing")
	}
	z := s.Predicate.Serialization
	c := &content{Manifest: Manifest{Name: s.Subject[0].Name, Digest: s.Subject[0].Digest["sha256"]}, follow: z.AllowSymlinks}
	switch {
	case z.HashType != "sha256":
		return nil, &UnsupportedError{What: "digests of type " + quote.Text(z.HashType) + ", want sha256"}
	case z.Method == "files" && z.ShardSize == nil:
	case z.Method == "shards" && z.ShardSize != nil && *z.ShardSize > 0:
		c.shards = *z.ShardSize
	case z.Method == "files", z.Method == "shards":
		return nil, malformed("serialization", "shard_size does not go with the method %s", z.Method)
	default:
		return nil, &UnsupportedError{What: "serialization by the method " + quote.Text(z.Method) + ", want files or shards"}
	}
	for _, name := range z.IgnorePaths {
		if clean(name) { // what is not, is not a file of the model
			c.Ignored = append(c.Ignored, name)
		}
	}
	for i, r := range s.Predicate.Resources {
		if r.Algorithm != "sha256" && r.Algorithm != fmt.Sprintf("sha256-sharded-%d", c.shards) {
			return nil, &UnsupportedError{What: fmt.Sprintf("resource %d by the algorithm %s, want sha256", i, quote.Text(r.Algorithm))}
		}
		if err := c.add(i, r.Name, r.Digest); err != nil {
			return nil, err
		}
	}
	if len(c.Files) == 0 {
		return nil, malformed("resources", "none, want at least one")
	}
	root, err := rootDigest(s.Predicate.Resources)
	if err != nil {
		return nil, err
	}
	if root != c.Digest {
		return nil, malformed("subject", "its digest is not that of the resources")
	}
	return c, nil
}

// before reads the statement of the reference implementation's version 0.2, whose subjects are the files.
func before(list []subject) (*content, error) {
	c := &content{}
	for i, s := range list {
		if err := c.add(i, s.Name, s.Digest["sha256"]); err != nil {
			return nil, err
		}
	}
	if len(c.Files) == 0 {
		return nil, malformed("subject", "none, want at least one")
	}
	return c, nil
}

// add takes a file into the manifest, in the order of names.
func (c *content) add(i int, name, digest string) error {
	where := fmt.Sprintf("resource %d", i)
	if sum, err := hex.DecodeString(digest); err != nil || len(sum) != 32 || digest != strings.ToLower(digest) {
		return malformed(where, "digest %s, want 64 lower-case hexadecimal digits", quote.Text(digest))
	}
	file := name
	if c.shards > 0 {
		var err error
		if file, _, _, err = shard(name); err != nil {
			return malformed(where, "%v", err)
		}
	}
	if !clean(file) && file != "." { // "." is the model itself, where it is a file, in early versions
		return malformed(where, "%s is not a path inside a model", quote.Name(name))
	}
	c.Files = append(c.Files, File{Name: name, SHA256: digest})
	return nil
}

// shard takes the name of a range of bytes apart, PATH:START:END.
func shard(name string) (file string, start, end int64, err error) {
	rest, last, ok := cutLast(name)
	file, first, both := cutLast(rest)
	if !ok || !both {
		return "", 0, 0, fmt.Errorf("%s is not a range, want PATH:START:END", quote.Name(name))
	}
	start, err1 := strconv.ParseInt(first, 10, 64)
	end, err2 := strconv.ParseInt(last, 10, 64)
	if err1 != nil || err2 != nil || start < 0 || end <= start || fmt.Sprintf(":%d:%d", start, end) != name[len(file):] {
		return "", 0, 0, fmt.Errorf("%s is not a range, want PATH:START:END", quote.Name(name))
	}
	return file, start, end, nil
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// clean reports whether a name is a path from a folder on to something inside it, written in the one right way.
func clean(name string) bool {
	return name != "" && name != "." && utf8.ValidString(name) && !strings.ContainsAny(name, "\x00") && path.Clean(name) == name &&
		!path.IsAbs(name) && name != ".." && !strings.HasPrefix(name, "../")
}
