package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/petrify-ml/petrify/internal/quote"
)

// A Key signs models.
type Key struct {
	private *ecdsa.PrivateKey
	chain   []*x509.Certificate // of the key first, then of who issued it; none is a key alone
}

// A Trust says which signers are trusted: the owner of a key, or anyone with a certificate of an authority.
type Trust struct {
	key         *ecdsa.PublicKey
	authorities *x509.CertPool
}

// ParseKey reads a private key in PEM: on P-256, P-384 or P-521, as PKCS #8 or as SEC 1 ("EC PRIVATE KEY"), not encrypted.
func ParseKey(b []byte) (*Key, error) {
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		var parsed any
		var err error
		switch {
		case strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "":
			return nil, &UnsupportedError{What: "the private key is encrypted: openssl pkey -in KEY -out PLAIN takes the password off"}
		case block.Type == "EC PRIVATE KEY":
			parsed, err = x509.ParseECPrivateKey(block.Bytes)
		case block.Type == "PRIVATE KEY":
			parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		default:
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("private key: %w", err)
		}
		private, ok := parsed.(*ecdsa.PrivateKey)
		if !ok {
			return nil, &UnsupportedError{What: fmt.Sprintf("a private key of type %T, want one on an elliptic curve", parsed)}
		}
		if _, err := hashFor(&private.PublicKey); err != nil {
			return nil, err
		}
		return &Key{private: private}, nil
	}
	return nil, without("private key", b)
}

// WithCertificates returns the key with certificates in PEM: its own first, then the intermediate ones, without the root, which the
// verifier trusts already. Signatures then contain them, and are checked against an authority.
func (k *Key) WithCertificates(b []byte) (*Key, error) {
	chain, err := parseCertificates(b)
	if err != nil {
		return nil, err
	}
	if own, ok := chain[0].PublicKey.(*ecdsa.PublicKey); !ok || !own.Equal(&k.private.PublicKey) {
		return nil, errors.New("the first certificate is not that of the private key")
	}
	return &Key{private: k.private, chain: chain}, nil
}

// TrustKey trusts the owner of a public key, in PEM.
func TrustKey(b []byte) (*Trust, error) {
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "PUBLIC KEY" {
			continue
		}
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("public key: %w", err)
		}
		key, ok := parsed.(*ecdsa.PublicKey)
		if !ok {
			return nil, &UnsupportedError{What: fmt.Sprintf("a public key of type %T, want one on an elliptic curve", parsed)}
		}
		if _, err := hashFor(key); err != nil {
			return nil, err
		}
		return &Trust{key: key}, nil
	}
	return nil, without("public key", b)
}

// TrustAuthorities trusts anyone whom the given authorities, as certificates in PEM, or authorities below them have
// certified for signing.
func TrustAuthorities(b []byte) (*Trust, error) {
	list, err := parseCertificates(b)
	if err != nil {
		return nil, err
	}
	t := &Trust{authorities: x509.NewCertPool()}
	for _, c := range list {
		t.authorities.AddCert(c)
	}
	return t, nil
}

func parseCertificates(b []byte) (list []*x509.Certificate, err error) {
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(list)+1, err)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, without("certificate", b)
	}
	return list, nil
}

// without says that text in PEM has nothing of the kind that is wanted, and what it has in its place.
func without(want string, b []byte) error {
	var kinds []string
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if kind := quote.Text(block.Type); !slices.Contains(kinds, kind) && len(kinds) < 4 {
			kinds = append(kinds, kind)
		}
	}
	if kinds == nil {
		return fmt.Errorf("no %s: this is not PEM", want)
	}
	return fmt.Errorf("no %s in PEM, but %s", want, strings.Join(kinds, ", "))
}

// hashFor is the hash that goes with a key's curve.
func hashFor(k *ecdsa.PublicKey) (crypto.Hash, error) {
	switch k.Curve {
	case elliptic.P256():
		return crypto.SHA256, nil
	case elliptic.P384():
		return crypto.SHA384, nil
	case elliptic.P521():
		return crypto.SHA512, nil
	}
	return 0, &UnsupportedError{What: "a key on the curve " + k.Params().Name + ", want P-256, P-384 or P-521"}
}

func digestOf(h crypto.Hash, message []byte) []byte {
	d := h.New()
	d.Write(message)
	return d.Sum(nil)
}

func (k *Key) sign(message []byte) ([]byte, error) {
	h, err := hashFor(&k.private.PublicKey)
	if err != nil {
		return nil, err
	}
	return k.private.Sign(nil, digestOf(h, message), h) // without random numbers, as RFC 6979 says
}

// material is what the bundle says of the key.
func (k *Key) material() *material {
	if k.chain == nil {
		return &material{PublicKey: &publicKey{Hint: fingerprint(&k.private.PublicKey)}}
	}
	c := &chain{}
	for _, x := range k.chain {
		c.Certificates = append(c.Certificates, certificate{Raw: base64.StdEncoding.EncodeToString(x.Raw)})
	}
	return &material{Chain: c}
}

// inPEM is a public key in PEM, nil for one that has no such form.
func inPEM(k *ecdsa.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// fingerprint is the SHA-256 of a public key in PEM, hexadecimal.
func fingerprint(k *ecdsa.PublicKey) string {
	sum := sha256.Sum256(inPEM(k))
	return hex.EncodeToString(sum[:])
}

// check tells whose signature s is, or why it does not hold.
func (t *Trust) check(s *signed, at time.Time) (signer string, err error) {
	m := s.material
	key := t.key
	switch {
	case m.Certificate != nil:
		return "", &UnsupportedError{What: "the signature is by a certificate of Sigstore's keyless signing, which takes its servers to check"}
	case key != nil && m.PublicKey == nil:
		return "", &Mismatch{[]string{"the signature is by a certificate, not by the public key: check it against an authority"}}
	case key == nil && m.Chain == nil:
		return "", &Mismatch{[]string{"the signature was made with a key that has no certificate: check it with the public key"}}
	case key != nil:
		if err := hinted(m.PublicKey, key); err != nil {
			return "", err
		}
		signer = "key " + fingerprint(key)
	default:
		leaf, err := t.leaf(m.Chain, at)
		if err != nil {
			return "", err
		}
		key = leaf.PublicKey.(*ecdsa.PublicKey)
		signer = "certificate of " + quote.Text(leaf.Subject.String())
	}
	h, err := hashFor(key)
	if err != nil {
		return "", err
	}
	old := preAuthenticationBefore(s.payload)
	switch {
	case ecdsa.VerifyASN1(key, digestOf(h, preAuthentication(s.payload)), s.sig),
		ecdsa.VerifyASN1(key, digestOf(h, old), s.sig),
		m.Chain != nil && ecdsa.VerifyASN1(key, digestOf(crypto.SHA256, old), s.sig): // version 0.2, for every curve
		return signer, nil
	}
	return "", &Mismatch{[]string{"the signature is not by " + signer}}
}

// hinted compares the key with what the bundle says of it, in either form.
func hinted(p *publicKey, key *ecdsa.PublicKey) error {
	raw, err := base64.StdEncoding.DecodeString(p.Raw)
	if err != nil {
		return malformed("publicKey", "invalid base64: %v", err)
	}
	if p.Hint != "" && !strings.EqualFold(p.Hint, fingerprint(key)) || p.Raw != "" && !bytes.Equal(bytes.TrimSpace(raw), bytes.TrimSpace(inPEM(key))) {
		return &Mismatch{[]string{"the signature is by another key than the public key"}}
	}
	return nil
}

// leaf is the certificate of the signer, once a trusted authority is found to have issued it.
func (t *Trust) leaf(c *chain, at time.Time) (*x509.Certificate, error) {
	const most = 16
	if n := len(c.Certificates); n == 0 || n > most {
		return nil, malformed("x509CertificateChain", "%d certificates, want 1 to %d", n, most)
	}
	between := x509.NewCertPool()
	var leaf *x509.Certificate
	for i, raw := range c.Certificates {
		der, err := base64.StdEncoding.DecodeString(raw.Raw)
		if err != nil {
			return nil, malformed("x509CertificateChain", "certificate %d: invalid base64: %v", i, err)
		}
		x, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, malformed("x509CertificateChain", "certificate %d: %s", i, quote.Text(err.Error()))
		}
		if i == 0 {
			leaf = x
		} else {
			between.AddCert(x)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: t.authorities, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return nil, &Mismatch{[]string{"no trusted authority has issued the certificate: " + quote.Text(err.Error())}}
	}
	signs := leaf.KeyUsage&x509.KeyUsageDigitalSignature != 0
	for _, u := range leaf.ExtKeyUsage {
		signs = signs || u == x509.ExtKeyUsageCodeSigning
	}
	if !signs {
		return nil, &Mismatch{[]string{"the certificate is not meant for signing"}}
	}
	if _, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok {
		return nil, &UnsupportedError{What: fmt.Sprintf("a certificate of a key of type %T, want one on an elliptic curve", leaf.PublicKey)}
	}
	return leaf, nil
}
