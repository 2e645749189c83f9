package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/petrify-ml/petrify/internal/count"
	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/sign"
)

// signatureFile is what a signature is called, by the custom of OpenSSF Model Signing.
const signatureFile = "model.sig"

type signOptions struct {
	streams *Streams
	path    string

	key         string
	certificate string
	chain       []string
	out         string
	ignore      []string
}

func newSignCmd(s *Streams, do func(context.Context, signOptions) error) *cobra.Command {
	o := signOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "sign PATH",
		Short: "Sign a model, or a folder of them, with a key",
		Long: `sign writes the signature of a model in the format of OpenSSF Model Signing 1.0 (a Sigstore bundle),
which "petrify verify --signature" and other programs for that format can check. PATH is a model
file, or a folder, in which all files are signed, at any depth, except the signature itself and
git's own files at the top. To sign a model with external data, sign its folder.

The key is in PEM, on the curve P-256, P-384 or P-521. "openssl ecparam -name prime256v1 -genkey
-noout -out key.pem" makes one, and "openssl ec -in key.pem -pubout -out key.pub" its public half.
With --certificate the signature contains the key's certificate, and is checked against the
authority that issued it. The same model and key give the same bytes.

The path of the signature is written to stdout. Exit codes: 0 signed, 2 something could not be read or written.`,
		Example: `  petrify sign generator.onnx --key key.pem
  petrify sign runs/gan/onnx --key key.pem
  petrify sign dist --key key.pem --ignore drafts -o dist.sig
  petrify sign dist --key key.pem --certificate cert.pem --chain between.pem
  petrify verify runs/gan/onnx --signature runs/gan/onnx/model.sig --public-key key.pub`,
		Args: arguments(1, 1, "a model file or a folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.path = args[0]
			return do(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.key, "key", "", "private key, in PEM")
	f.StringVar(&o.certificate, "certificate", "", "certificate of the key, in PEM, to include in the signature")
	f.StringSliceVar(&o.chain, "chain", nil, "intermediate certificates between that one and the authority, in PEM")
	f.StringVarP(&o.out, "out", "o", "", "file to write (default: "+signatureFile+" in the folder, or beside the model)")
	ignoreFlag(f, &o.ignore)
	return cmd
}

func ignoreFlag(f *pflag.FlagSet, list *[]string) {
	f.StringSliceVar(list, "ignore", nil, "files and folders that the signature does not cover: relative to PATH or to the working directory")
}

func runSign(ctx context.Context, o signOptions) error {
	if o.key == "" {
		return errors.New("--key is missing: want the file of a private key")
	}
	if o.certificate == "" && len(o.chain) > 0 {
		return errors.New("--chain needs --certificate, which is missing")
	}
	key, err := o.readKey()
	if err != nil {
		return err
	}
	if err := withoutElementsElsewhere(o.path); err != nil {
		return err
	}
	if o.out == "" {
		o.out = defaultSignature(o.path)
	}
	s := sign.Options{}
	if s.Ignore, err = ignored(o.path, o.ignore, o.out); err != nil {
		return err
	}
	b, err := sign.Sign(ctx, o.path, key, s)
	if err != nil {
		return err
	}
	if err := writeFile(ctx, o.out, b); err != nil {
		return err
	}
	_, err = fmt.Fprintln(o.streams.Out, quote.Name(o.out))
	return err
}

// defaultSignature is where the signature of a model is put.
func defaultSignature(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, signatureFile)
	}
	return filepath.Join(filepath.Dir(path), signatureFile)
}

func (o *signOptions) readKey() (*sign.Key, error) {
	b, err := readPEM("--key", o.key)
	if err != nil {
		return nil, err
	}
	key, err := sign.ParseKey(b)
	if err != nil {
		return nil, fmt.Errorf("--key %s: %w", quote.Name(o.key), err)
	}
	if o.certificate == "" {
		return key, nil
	}
	list, err := readPEM("--certificate", o.certificate)
	if err != nil {
		return nil, err
	}
	for _, name := range o.chain {
		more, err := readPEM("--chain", name)
		if err != nil {
			return nil, err
		}
		list = slices.Concat(list, []byte("\n"), more)
	}
	if key, err = key.WithCertificates(list); err != nil {
		return nil, fmt.Errorf("--certificate %s: %w", quote.Name(o.certificate), err)
	}
	return key, nil
}

// readPEM reads a key or certificates.
func readPEM(flag, path string) ([]byte, error) {
	const largest = 1 << 20
	b, err := readAtMost(path, largest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return b, nil
}

// withoutElementsElsewhere refuses a model file part of which is in other files: a signature of the one would not cover the others.
func withoutElementsElsewhere(path string) error {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || !strings.EqualFold(filepath.Ext(path), ".onnx") {
		return err
	}
	m, err := wire.Read(path, wire.Limits{})
	if err != nil {
		return nil //nolint:nilerror // what is not a model has no elements in other files
	}
	if m.External() {
		return fmt.Errorf("%s has external data, which a signature of this file does not cover: sign the folder", quote.Name(path))
	}
	return nil
}

// ignored turns names that a person gives into paths from the model's folder on, and adds that of the signature, where it lies inside.
func ignored(model string, names []string, signature string) (list []string, err error) {
	root, err := filepath.Abs(model)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return nil, err // a file alone has nothing to ignore
	}
	for _, name := range names {
		inside := filepath.ToSlash(filepath.Clean(name))
		if _, err := os.Lstat(filepath.Join(root, name)); err != nil || !filepath.IsLocal(name) {
			switch elsewhere, ok := within(root, name); {
			case ok:
				inside = elsewhere
			case !filepath.IsLocal(name):
				return nil, fmt.Errorf("--ignore %s: not in %s", quote.Name(name), quote.Name(model))
			}
		}
		list = append(list, inside)
	}
	if inside, ok := within(root, signature); ok {
		list = append(list, inside)
	}
	return list, nil
}

// within is the path of a file from a folder on, if it is inside.
func within(root, path string) (string, bool) {
	full, err := filepath.Abs(path)
	if err != nil {
		return "", false
	}
	rel, err := filepath.Rel(root, full)
	return filepath.ToSlash(rel), err == nil && filepath.IsLocal(rel) && rel != "."
}

// signatureOptions are what `petrify verify` checks a signature by.
type signatureOptions struct {
	path      string
	publicKey string
	authority []string
	ignore    []string
	unsigned  bool
}

func (o *signatureOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.path, "signature", "", "only check this signature of PATH, a model or a folder")
	f.StringVar(&o.publicKey, "public-key", "", "public key of the signer, in PEM")
	f.StringSliceVar(&o.authority, "authority", nil, "certificates of trusted authorities, in PEM")
	ignoreFlag(f, &o.ignore)
	f.BoolVar(&o.unsigned, "ignore-unsigned", false, "allow files that the signature does not cover")
}

// validate wants the flags of signatures together, or none of them.
func (o *signatureOptions) validate(paths []string) error {
	trusts := 0
	if o.publicKey != "" {
		trusts++
	}
	if len(o.authority) > 0 {
		trusts++
	}
	switch {
	case o.path == "" && (trusts > 0 || len(o.ignore) > 0 || o.unsigned):
		return errors.New("--public-key, --authority, --ignore and --ignore-unsigned need --signature, which is missing")
	case o.path == "":
		return nil
	case trusts != 1:
		return errors.New("--signature needs one of --public-key and --authority, to know whose signature it must be")
	case len(paths) != 1:
		return fmt.Errorf("--signature is for one model or folder, but %d paths are given", len(paths))
	}
	return nil
}

// check verifies the signature of a model. Nothing of the model is read before the signature holds, and nothing is run.
func (o *signatureOptions) check(ctx context.Context, s *Streams, model string) error {
	trust, err := o.trust()
	if err != nil {
		return err
	}
	const largest = 64 << 20
	b, err := readAtMost(o.path, largest)
	if err != nil {
		return fmt.Errorf("--signature: %w", err)
	}
	options := sign.Options{AllowUnsigned: o.unsigned, At: time.Now()}
	if options.Ignore, err = ignored(model, o.ignore, o.path); err != nil {
		return err
	}
	m, err := sign.Verify(ctx, model, b, trust, options)
	if wrong, ok := errors.AsType[*sign.Mismatch](err); ok {
		fmt.Fprintf(s.Out, "%s  WRONG SIGNATURE\n", quote.Name(model))
		for _, w := range strings.Split(wrong.Error(), "\n") {
			fmt.Fprintf(s.Out, "  %s\n", quote.Text(w))
		}
		return exit(exitFinding)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", quote.Name(o.path), err)
	}
	if err := withoutElementsElsewhere(model); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "%s  signed  %s by %s\n", quote.Name(model), count.Of(len(m.Files), "file"), m.Signer)
	return err
}

func (o *signatureOptions) trust() (*sign.Trust, error) {
	if o.publicKey != "" {
		b, err := readPEM("--public-key", o.publicKey)
		if err != nil {
			return nil, err
		}
		t, err := sign.TrustKey(b)
		if err != nil {
			return nil, fmt.Errorf("--public-key %s: %w", quote.Name(o.publicKey), err)
		}
		return t, nil
	}
	var list []byte
	for _, name := range o.authority {
		b, err := readPEM("--authority", name)
		if err != nil {
			return nil, err
		}
		list = slices.Concat(list, []byte("\n"), b)
	}
	t, err := sign.TrustAuthorities(list)
	if err != nil {
		return nil, fmt.Errorf("--authority: %w", err)
	}
	return t, nil
}
