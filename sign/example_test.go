package sign_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/petrify-ml/petrify/sign"
)

// A model is signed by whoever made it, and checked by whoever gets it.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	model := filepath.Join(dir, "generator.onnx")
	if err := os.WriteFile(model, []byte("weights"), 0o666); err != nil {
		log.Fatal(err)
	}
	private, public := newKeys()

	key, err := sign.ParseKey(private)
	if err != nil {
		log.Fatal(err)
	}
	signature, err := sign.Sign(context.Background(), model, key, sign.Options{})
	if err != nil {
		log.Fatal(err)
	}

	trust, err := sign.TrustKey(public)
	if err != nil {
		log.Fatal(err)
	}
	m, err := sign.Verify(context.Background(), model, signature, trust, sign.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Files[0].Name, m.Files[0].SHA256[:8])

	if err := os.WriteFile(model, []byte("other weights"), 0o666); err != nil {
		log.Fatal(err)
	}
	_, err = sign.Verify(context.Background(), model, signature, trust, sign.Options{})
	fmt.Println(err)
	// Output:
	// generator.onnx 9a129038
	// generator.onnx: changed since it was signed
}

// newKeys makes a pair, as "openssl ecparam -name prime256v1 -genkey" does.
func newKeys() (private, public []byte) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		log.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		log.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})
}
