package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/internal/count"
	"github.com/petrify-ml/petrify/internal/latent"
	"github.com/petrify-ml/petrify/internal/picture"
	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/internal/sampler"
	"github.com/petrify-ml/petrify/onnx/raster"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
)

type sampleOptions struct {
	streams     *Streams
	model       string
	encoder     string
	n           int
	counted     bool // -n was given
	seed        uint64
	truncation  float64
	truncated   bool // --truncation was given
	interpolate string
	fromImage   []string
	walk        string
	frames      int
	fps         int
	out         string
	runtime     string
	places      runtimeOptions
	columns     int
	scale       int
	classes     []string // names, or sampler.AllClasses alone; nil where none were given
}

func newSampleCmd(s *Streams, run func(context.Context, sampleOptions) error) *cobra.Command {
	o := sampleOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "sample MODEL",
		Short: "Make pictures with an ONNX generator",
		Long: `sample feeds standard normal noise to a generator and writes the pictures that it makes as one grid:
PNG, JPEG or GIF, by the file name's extension. MODEL is a run folder, or an ONNX file with an input
(N,K), possibly one of classes (N), and an output of images with 1 or 3 channels, in any form that
petrify export writes. The same seed gives the same pictures in every form, here, in package load
and on the page of petrify web.

--interpolate shows the transition from one picture to another, --walk an animation that passes
several and ends where it began. Both follow arcs, which suit normal noise; between the codes of a
plain autoencoder they follow straight lines. --from-image encodes pictures and decodes them again,
in two rows: the inputs above the reconstructions. A picture is a PNG, JPEG, GIF, BMP, TIFF or WebP
file, cropped and scaled like those of a data set; it needs a run folder of an autoencoder, or
--encoder, or an ONNX file from images to images.

A model that learnt classes shows all of them, or those of --class: one row per class, all from the
same noise. The animation of a walk goes through them one after the other.`,
		Example: `  petrify sample runs/gan -o grid.png
  petrify sample runs/gan/onnx/generator/generator.onnx -n 64 --seed 7 -o grid.png
  petrify sample runs/dcgan --truncation 0.7 --walk walk.gif
  petrify sample runs/dcgan --interpolate 3,8 -o way.png
  petrify sample runs/cgan --class 7 -o sevens.png
  petrify sample runs/cgan --class all -n 10 -o digits.png
  petrify sample runs/vae --interpolate two.png,seven.png --walk there-and-back.gif
  petrify sample runs/vae --from-image two.png --from-image seven.png -o what-is-left.png
  petrify sample decoder.onnx --encoder encoder.onnx --from-image two.png -o what-is-left.png
  petrify sample generator.onnx --runtime ort-node -o - > grid.png`,
		Args: arguments(1, 1, "one ONNX file or run folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.model = args[0]
			o.counted, o.truncated = cmd.Flags().Changed("count"), cmd.Flags().Changed("truncation")
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	quantityVarP(f, &o.n, "count", "n", 0, "pictures to make, per class (default: 16; 8 for each of several classes; 8 for an interpolation, ends included; a walk passes 6)")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the noise")
	f.Float64Var(&o.truncation, "truncation", 0, "draw noise between minus and plus this, at least 1/64: less than 1 gives more typical pictures (default: no limit)")
	f.StringArrayVar(&o.classes, "class", nil, "make pictures of this class, by its name, or \"all\"; may be repeated")
	f.StringVar(&o.interpolate, "interpolate", "", "show the transition from one picture to another: A,B, each a seed or a picture file")
	f.StringArrayVar(&o.fromImage, "from-image", nil, "encode and decode this picture file; may be repeated")
	f.StringVar(&o.encoder, "encoder", "", "ONNX file that turns pictures into inputs of MODEL (default: the run folder's)")
	f.StringVar(&o.walk, "walk", "", "write an animation of a closed walk through the latent space to this .gif file; - for the standard output")
	f.IntVar(&o.frames, "frames", 120, "frames of the animation")
	f.IntVar(&o.fps, "fps", 20, "frames per second of the animation, 1 to 50; a GIF rounds their duration to hundredths of a second")
	f.StringVarP(&o.out, "out", "o", "samples.png", "file to write, .png, .jpg or .gif; - writes PNG to the standard output")
	f.StringVarP(&o.runtime, "runtime", "r", "load", "runtime for the model: "+strings.Join(runtimeNames(), ", "))
	f.IntVar(&o.columns, "columns", 0, "pictures per row (default: about square; one row for an interpolation)")
	f.IntVar(&o.scale, "scale", 0, "factor by which to enlarge each pixel (default: pictures of about 112 pixels)")
	o.places.placeFlags(f)
	for _, other := range []string{"count", "seed", "truncation", "interpolate", "walk", "columns", "class"} {
		exclusive(cmd, "from-image", other)
	}
	exclusive(cmd, "interpolate", "seed")
	exclusive(cmd, "walk", "out")
	exclusive(cmd, "walk", "columns")
	mustComplete(cmd, "runtime", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return runtimeNames(), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// Bounds of a picture, and of a film, to what a viewer opens.
const (
	mostSamples = 4096
	mostFrames  = 5000
)

func runSample(ctx context.Context, o sampleOptions) error {
	encode, err := o.check()
	if err != nil {
		return err
	}
	found := []witness.Runtime{reference.Runtime{}}
	if o.runtime != judge {
		if found, err = findRuntimes([]string{o.runtime}, o.places); err != nil {
			return err
		}
	}
	points := o.interpolate != "" || o.walk != "" || len(o.fromImage) > 0
	s, err := sampler.Open(ctx, o.note, found[0], o.model, o.encoder, points)
	if err != nil {
		return err
	}
	defer s.Close()
	images, err := o.make(ctx, s)
	if err != nil {
		return withFlag(err)
	}
	scale := o.scale
	if scale == 0 {
		scale = picture.Visible(images.W)
	}
	var b bytes.Buffer
	to, what := o.out, fmt.Sprintf("%s of %dx%d", count.Of(images.N, "picture"), images.W, images.H)
	if o.walk != "" {
		to, what = o.walk, "an animation of "+what
		err = picture.Film(&b, images, picture.FilmOptions{Scale: scale, Delay: int(math.Round(100 / float64(o.fps)))})
	} else {
		err = picture.Grid(&b, images, picture.GridOptions{Columns: o.columns, Scale: scale})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", quote.Name(s.Path), err)
	}
	if encode != nil {
		if err := encode(&b); err != nil {
			return fmt.Errorf("%s: %w", quote.Name(to), err)
		}
	}
	if to == "-" {
		_, err := o.streams.plainOut.Write(b.Bytes())
		return err
	}
	if err := writeFile(ctx, to, b.Bytes()); err != nil {
		return err
	}
	fmt.Fprintf(o.streams.Err, "%s in %s\n", what, quote.Name(to))
	return nil
}

// withFlag says which flag gives what is lacking.
func withFlag(err error) error {
	for _, l := range []struct {
		lack error
		flag string
	}{
		{sampler.ErrNamelessClasses, "--class tells which, by a number, 0 for the first"},
		{sampler.ErrWantsPictures, "--from-image names them"},
		{sampler.ErrNoEncoder, "--encoder names the file that does, where there is one"},
	} {
		if errors.Is(err, l.lack) {
			return fmt.Errorf("%w: %s", err, l.flag)
		}
	}
	return err
}

// note is called with messages for the user.
func (o *sampleOptions) note(text string) { fmt.Fprintf(o.streams.Err, "note: %s\n", text) }

// check settles what was not given, and finds what encodes the picture: see encoderFor.
func (o *sampleOptions) check() (encode func(*bytes.Buffer) error, err error) {
	var problems []error
	if !o.counted {
		switch {
		case o.interpolate != "" && o.walk != "":
			o.n = 2
		case o.interpolate != "":
			o.n = 8
		case o.walk != "":
			o.n = 6
		default:
			o.n = 16
		}
	}
	switch {
	case o.interpolate != "" && o.walk != "" && o.n != 2:
		problems = append(problems, fmt.Errorf("-n is %d: a walk there and back passes 2 pictures, those of --interpolate", o.n))
	case o.n < 1 || o.n > mostSamples:
		problems = append(problems, fmt.Errorf("-n is %d, want 1 to %d", o.n, mostSamples))
	case o.interpolate != "" && o.n < 2:
		problems = append(problems, fmt.Errorf("-n is %d: an interpolation has at least its 2 ends", o.n))
	}
	if o.truncated && !(o.truncation >= 1.0/64 && o.truncation <= math.MaxFloat32) {
		problems = append(problems, fmt.Errorf("--truncation is %v, want at least 1/64", o.truncation))
	}
	if o.columns < 0 || o.columns > mostSamples {
		problems = append(problems, fmt.Errorf("--columns is %d, want 1 to %d, or 0", o.columns, mostSamples))
	}
	if o.scale < 0 || o.scale > 64 {
		problems = append(problems, fmt.Errorf("--scale is %d, want 1 to 64, or 0", o.scale))
	}
	if o.frames < 2 || o.frames > mostFrames {
		problems = append(problems, fmt.Errorf("--frames is %d, want 2 to %d", o.frames, mostFrames))
	}
	if o.fps < 1 || o.fps > 50 {
		problems = append(problems, fmt.Errorf("--fps is %d, want 1 to 50", o.fps))
	}
	if suffix := strings.ToLower(filepath.Ext(o.walk)); o.walk != "" && o.walk != "-" && suffix != ".gif" && !isDevice(o.walk) {
		problems = append(problems, fmt.Errorf("--walk %s: animations are written as GIF, want .gif", quote.Name(o.walk)))
	}
	if o.walk == "" {
		if encode, err = encoderFor(o.out); err != nil {
			problems = append(problems, err)
		}
	}
	return encode, errors.Join(problems...)
}

// make makes the pictures that the flags ask for.
func (o *sampleOptions) make(ctx context.Context, s *sampler.Sampler) (picture.Images, error) {
	var none picture.Images
	if len(o.fromImage) > 0 {
		o.columns = len(o.fromImage)
		return s.Reconstruct(ctx, o.fromImage)
	}
	if err := s.Pick(o.classes); err != nil {
		if o.classes != nil {
			err = fmt.Errorf("--class: %w", err)
		}
		return none, err
	}
	if err := o.perClass(len(s.Classes)); err != nil {
		return none, err
	}
	var stops []float32
	if o.interpolate == "" {
		if err := s.TakesNoise(); err != nil {
			return none, err
		}
		if s.Is.Kind == raster.Pair {
			return none, s.Fail(errors.New("it goes from one picture to another; --interpolate A,B names the files"))
		}
		if o.walk == "" {
			return s.OfSeed(ctx, o.seed, o.truncation, o.n)
		}
		stops = s.Noise(o.seed, o.truncation, o.n)
	} else {
		ends := strings.Split(o.interpolate, ",")
		if len(ends) != 2 || ends[0] == "" || ends[1] == "" {
			return none, fmt.Errorf("--interpolate %s: want A,B, each a seed or a picture file", quote.Name(o.interpolate))
		}
		var err error
		if stops, err = o.ends(ctx, s, ends); err != nil {
			return none, err
		}
	}
	width := s.Is.Input.Size
	if o.walk != "" {
		return s.Decode(ctx, latent.Walk(s.Way(), stops, width, o.frames), s.Along(o.frames))
	}
	if o.columns == 0 {
		o.columns = o.n
	}
	return s.Rows(func(class []int64) (picture.Images, error) {
		return s.Decode(ctx, latent.Between(s.Way(), stops[:width], stops[width:], o.n), class)
	})
}

// perClass settles how many pictures there are of each of so many classes, and in a row.
func (o *sampleOptions) perClass(classes int) error {
	if classes < 2 || o.walk != "" {
		return nil
	}
	if !o.counted {
		o.n = 8
	}
	if o.n*classes > mostSamples {
		return fmt.Errorf("-n is %d, and with %d classes there are %d pictures, want at most %d", o.n, classes, o.n*classes, mostSamples)
	}
	if o.columns == 0 {
		o.columns = o.n
	}
	return nil
}

// ends are the points that an interpolation goes between.
func (o *sampleOptions) ends(ctx context.Context, s *sampler.Sampler, ends []string) (points []float32, err error) {
	if s.Is.Kind == raster.Pair {
		return []float32{0, 1}, s.Between(ends)
	}
	for _, end := range ends {
		p, err := o.point(ctx, s, end)
		if err != nil {
			return nil, err
		}
		points = append(points, p...)
	}
	return points, nil
}

// point is the one that a seed stands for, its first picture, or the code of a picture file.
func (o *sampleOptions) point(ctx context.Context, s *sampler.Sampler, end string) ([]float32, error) {
	seed, err := strconv.ParseUint(end, 10, 64)
	if err != nil {
		if _, statErr := os.Stat(end); statErr != nil {
			return nil, fmt.Errorf("--interpolate: %s is neither a seed nor a picture file: %w", quote.Name(end), statErr)
		}
		return s.EncodeFiles(ctx, []string{end})
	}
	if err := s.TakesNoise(); err != nil {
		return nil, fmt.Errorf("--interpolate: no picture is made of seed %d: %w", seed, err)
	}
	return s.Noise(seed, o.truncation, 1), nil
}

// encoderFor finds what makes of a PNG a picture as the name of a file asks for it; it is nil where PNG is asked for.
func encoderFor(name string) (func(*bytes.Buffer) error, error) {
	anew := func(encode func(w io.Writer, img image.Image) error) func(*bytes.Buffer) error {
		return func(b *bytes.Buffer) error {
			img, err := png.Decode(b)
			if err != nil {
				return err
			}
			b.Reset()
			return encode(b, img)
		}
	}
	switch suffix := strings.ToLower(filepath.Ext(name)); suffix {
	case ".png", "":
		return nil, nil
	case ".jpg", ".jpeg":
		return anew(func(w io.Writer, img image.Image) error { return jpeg.Encode(w, img, &jpeg.Options{Quality: 95}) }), nil
	case ".gif":
		return anew(func(w io.Writer, img image.Image) error {
			return gif.Encode(w, picture.Paletted(img), nil)
		}), nil
	default:
		return nil, fmt.Errorf("--out %s: unknown picture format %s, want .png, .jpg or .gif", quote.Name(name), suffix)
	}
}
