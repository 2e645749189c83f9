package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/internal/sampler"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/raster"
	"github.com/petrify-ml/petrify/web"
	"github.com/petrify-ml/petrify/witness/child"
)

type webOptions struct {
	streams *Streams
	model   string
	encoder string
	engine  engineOptions
	out     string
	force   bool
}

// engineOptions say what runs the model of a page.
type engineOptions struct {
	name   string
	cdn    bool
	places runtimeOptions
}

func (o *engineOptions) flags(cmd *cobra.Command) {
	var names []string
	for _, e := range web.Engines() {
		names = append(names, string(e))
	}
	f := cmd.Flags()
	f.StringVar(&o.name, "engine", string(web.Own), "what runs the model in the browser, "+strings.Join(names, " or "))
	f.BoolVar(&o.cdn, "cdn", false, "with --engine "+string(web.ORT)+", let browsers fetch it from "+cdnWords())
	f.StringSliceVar(&o.places.nodePath, "node-path", nil, "node_modules folder with the package onnxruntime-web, before those in NODE_PATH")
	mustComplete(cmd, "engine", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return names, cobra.ShellCompDirectiveNoFileComp
	})
}

// cdnWords name the host and the version of a CDN's files.
func cdnWords() string {
	c := web.PinnedCDN()
	return fmt.Sprintf("%s (%s), and not copy it", c.Host(), c.Version)
}

func newWebCmd(s *Streams, run func(context.Context, webOptions) error) *cobra.Command {
	o := webOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "web MODEL",
		Short: "Write a page that plays a generator",
		Long: `web writes a folder with index.html, a page that makes pictures in the browser, and the ONNX files
that it contains. The page is self-contained: it works as a local file, from any server and without
a network, and requests nothing. It has a seed, with the same pictures as petrify sample, classes if
the model takes them, truncation, sliders for the directions to which the first layer responds most,
the transition between two pictures, a walk, and pictures to save; for an autoencoder, it also has a
field to draw on. MODEL is a run folder, or an ONNX file of petrify's operators with an input (N,K)
and an output of images, in any form that petrify export writes. petrify serve shows the same page
at once.

With --engine onnxruntime-web the model runs in ONNX Runtime Web, of which three files (14 MB) are
copied beside the page. It is faster on large models, and also runs models with other operators, but
needs a server: browsers do not let a page read local files. With --cdn nothing is copied, and the
page works as a local file: browsers fetch the three files over the network, and use them only if
they have the digests that the page names.`,
		Example: `  petrify web runs/dcgan -o site
  petrify web decoder.onnx --encoder encoder.onnx -o site
  petrify web runs/dcgan --engine onnxruntime-web -o site
  petrify web runs/dcgan --engine onnxruntime-web --cdn -o site`,
		Args: arguments(1, 1, "one ONNX file or run folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.model = args[0]
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.out, "out", "o", "site", "folder to write to")
	f.StringVar(&o.encoder, "encoder", "", "ONNX file that turns pictures into inputs of MODEL (default: the run folder's)")
	f.BoolVar(&o.force, "force", false, "replace an index.html that petrify did not write")
	o.engine.flags(cmd)
	return cmd
}

func runWeb(ctx context.Context, o webOptions) error {
	files, err := siteOf(ctx, o.model, o.encoder, o.engine)
	if err != nil {
		return err
	}
	index := filepath.Join(o.out, "index.html")
	old, err := os.ReadFile(index)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !web.Marked(old) && !o.force:
		return fmt.Errorf("%s exists, and petrify did not write it: choose another folder, or use --force", quote.Name(index))
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return err
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(o.out, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := writeFile(ctx, path, f.body); err != nil {
			return err
		}
		fmt.Fprintf(o.streams.Err, "%s (%d bytes)\n", quote.Name(path), len(f.body))
	}
	return nil
}

// A siteFile is a file of a page's folder.
type siteFile struct {
	name, kind string // the name with slashes; kind is its media type
	body       []byte
}

// siteOf makes the files of a page.
func siteOf(ctx context.Context, model, encoder string, engine engineOptions) ([]siteFile, error) {
	if engine.cdn && engine.name != string(web.ORT) {
		return nil, fmt.Errorf("--cdn is for --engine %s, but the engine is %s, whose page fetches nothing", web.ORT, quote.Name(engine.name))
	}
	path, own, err := sampler.Find(model)
	if err != nil {
		return nil, err
	}
	if encoder == "" {
		encoder = own
	}
	generator, err := sampler.Read(path)
	if err != nil {
		return nil, err
	}
	if err := generator.WithoutNoise(ctx); err != nil {
		return nil, err
	}
	o := generator.Page("petrify " + version())
	o.Engine, o.CDN = web.Engine(engine.name), engine.cdn
	nets := []*sampler.Net{generator}
	if encoder != "" {
		e, err := sampler.Read(encoder)
		if err != nil {
			return nil, err
		}
		o.Encoder, nets = e.File, append(nets, e)
	} else if generator.Is.Kind == raster.Images {
		return nil, generator.Fail(errors.New("it takes images, but the page is for a generator, or a decoder with its --encoder"))
	}
	page, err := web.Page(o)
	if err != nil {
		return nil, generator.Fail(err)
	}
	files := []siteFile{{"index.html", "text/html; charset=utf-8", page}}
	for i, n := range nets {
		b, err := onnx.Marshal(n.File.Proto)
		if err != nil {
			return nil, n.Fail(err)
		}
		files = append(files, siteFile{[]string{"generator.onnx", "encoder.onnx"}[i], "application/octet-stream", b})
	}
	if o.Engine != web.ORT || o.CDN {
		return files, nil
	}
	beside, err := ortFiles(engine.places.nodePath)
	return append(files, beside...), err
}

// ortFiles are those of ONNX Runtime Web that a page needs, out of the first folder that has the package: of those given, and of
// NODE_PATH. As for ort-web, NODE_PATH counts only where it names whole paths that are not the working folder.
func ortFiles(given []string) (files []siteFile, err error) {
	places, refused := child.Places(os.Getenv("NODE_PATH"))
	for _, place := range append(slices.Clone(given), places...) {
		dist := filepath.Join(place, "onnxruntime-web", "dist")
		if _, err := os.Stat(dist); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		for _, name := range web.ORTFiles() {
			b, err := os.ReadFile(filepath.Join(dist, name))
			if err != nil {
				return nil, err
			}
			kind := "text/javascript; charset=utf-8"
			if strings.HasSuffix(name, ".wasm") {
				kind = "application/wasm"
			}
			files = append(files, siteFile{"ort/" + name, kind, b})
		}
		return files, nil
	}
	why := ""
	if len(refused) > 0 {
		why = fmt.Sprintf(" (passed over in NODE_PATH: %s)", strings.Join(refused, ", "))
	}
	return nil, fmt.Errorf("--engine %s: no folder has the package onnxruntime-web%s: npm install onnxruntime-web, and name the node_modules folder by --node-path or NODE_PATH", web.ORT, why)
}
