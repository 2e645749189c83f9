package dataset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/petrify-ml/petrify/internal/count"
	"github.com/petrify-ml/petrify/internal/quote"
)

// pictureFormat is that of folders of picture files.
type pictureFormat struct{}

const (
	defaultSize, defaultChannels = 64, 3
	maxSize                      = 1024
)

// A pictureSet is a folder of pictures whose splits were found.
type pictureSet struct {
	folder
	splits  map[split]*pictures
	ignored string // what was left out, in words; may be empty
}

// pictures are those of one split.
type pictures struct {
	where   []string // the folders that they were found in, as shown
	classes []string // in the order of their labels; one without a name where there are no classes
	files   []pictureFile
}

type pictureFile struct {
	path  string // below the folder, with forward slashes
	class int
}

// isPicture tells by the extension whether a file is read.
func isPicture(name string) bool {
	return slices.Contains([]string{".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".tif", ".tiff", ".webp"}, extension(name))
}

// otherPictures are kinds of pictures that are not read.
var otherPictures = []string{
	".heic", ".heif", ".hif", ".avif", ".jxl", ".jp2", ".j2k", ".svg", ".psd", ".ico", ".pdf", ".exr", ".tga", ".ppm", ".pgm", ".pbm", ".pnm", ".eps",
	".dcm", ".dds", ".hdr", ".pcx", ".xcf", ".jpx", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf",
}

func isOtherPicture(name string) bool { return slices.Contains(otherPictures, extension(name)) }

// belongs tells whether a file is one that lies beside images everywhere, so that nobody need be told of it.
func belongs(name string) bool {
	lower := strings.ToLower(name)
	for _, start := range []string{"readme", "license", "licence", "copying", "notice"} {
		if strings.HasPrefix(lower, start) {
			return true
		}
	}
	return slices.Contains([]string{"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "metadata.jsonl"}, lower) || extension(name) == ".csv"
}

func extension(name string) string { return strings.ToLower(path.Ext(name)) }

func (n *node) pictures() int { return n.count(isPicture) }

// find looks for pictures in splits and classes.
func (pictureFormat) find(t *tree) (found, error) {
	top := t.root
	if top.pictures() == 0 {
		return nil, t.unread()
	}
	top = top.unwrapped()
	s := &pictureSet{folder: t.folder, splits: map[split]*pictures{}}
	parts, unused := top.parts()
	for part, nodes := range parts {
		list, err := t.classes(nodes)
		if err != nil {
			return nil, err
		}
		s.splits[part] = list
	}
	train := s.splits[trainSplit]
	if train == nil {
		held, _ := s.held()
		return nil, fmt.Errorf("images to test with alone, in %s: those to train on would be in a folder %q beside it", strings.Join(held.where, ", "), "train")
	}
	for _, part := range []split{testSplit, validationSplit} {
		s.splits[part].labelAs(train)
	}
	s.ignored = t.leftOut(unused)
	return s, nil
}

// unread says which pictures there are that nobody can read, nil where there are none.
func (t *tree) unread() error {
	var names []string
	for _, n := range t.root.all() {
		for _, f := range n.files {
			if isOtherPicture(f) {
				names = append(names, f)
			}
		}
	}
	if len(names) == 0 {
		if len(t.runs) > 0 {
			return fmt.Errorf("no images in it, but training runs (%s)", shownNames(t.runs))
		}
		return nil
	}
	return fmt.Errorf("%s, which petrify does not read: convert them to PNG or JPEG", kinds(names))
}

// unwrapped goes down while there is one folder and nothing else to choose from.
func (n *node) unwrapped() *node {
	for {
		inner := n.wrapped()
		if inner == nil || inner.direct() > 0 && len(inner.withPictures()) > 0 {
			return n // that is a class with folders of its own
		}
		if part, sure := splitOf(inner.name()); part != noSplit && (sure || part == trainSplit) {
			return n
		}
		n = inner
	}
}

// plainNames are those of folders that say nothing but that there are pictures in them, beside one of labels.
var plainNames = []string{"image", "images", "img", "imgs", "jpegimages", "pictures", "photos"}

// unwrappedSplit is unwrapped for a folder of a split, where a folder of pictures is a class.
func (n *node) unwrappedSplit() *node {
	for {
		inner := n.wrapped()
		if inner == nil || inner.direct() > 0 && inner.name() != n.name() && !slices.Contains(plainNames, strings.ToLower(inner.name())) {
			return n
		}
		n = inner
	}
}

// wrapped is the only folder with pictures, nil where there are others, or pictures beside it.
func (n *node) wrapped() *node {
	inner := n.withPictures()
	if len(inner) != 1 || n.direct() > 0 {
		return nil
	}
	return inner[0]
}

// withPictures are the folders in a node with pictures in or below them. Without any, a folder is no class.
func (n *node) withPictures() []*node {
	return slices.DeleteFunc(slices.Clone(n.dirs), func(d *node) bool { return d.pictures() == 0 })
}

// direct counts the pictures in the folder itself.
func (n *node) direct() int {
	c := 0
	for _, f := range n.files {
		if isPicture(f) {
			c++
		}
	}
	return c
}

// parts tells the folders of splits from those of classes. unused are those that are neither.
func (n *node) parts() (parts map[split][]*node, unused []*node) {
	if parts := n.partsOfClasses(); parts != nil {
		return parts, nil
	}
	parts = map[split][]*node{}
	var rest []*node
	sure := map[split][]*node{}
	for _, d := range n.withPictures() {
		part, certain := splitOf(d.name())
		if part == noSplit {
			rest = append(rest, d)
			continue
		}
		parts[part] = append(parts[part], d)
		if certain {
			sure[part] = append(sure[part], d)
		}
	}
	whole := map[split][]*node{trainSplit: {n}}
	held := len(parts[testSplit]) + len(parts[validationSplit])
	switch {
	case len(parts[trainSplit]) > 0 && n.direct() == 0:
		// A class may be called "train", too: a folder that has classes itself, or one to test with beside it, is none.
		classes := slices.ContainsFunc(parts[trainSplit], func(d *node) bool { return d.direct() == 0 })
		if held > 0 || len(rest) == 0 || classes {
			return parts, rest
		}
	case len(parts[trainSplit]) == 0 && len(sure[testSplit])+len(sure[validationSplit]) > 0:
		// What is called nothing but "test" is kept apart from the classes, or images, beside it.
		delete(sure, trainSplit)
		kept := &node{path: n.path, files: n.files, dirs: slices.DeleteFunc(n.withPictures(), func(d *node) bool {
			return slices.Contains(sure[testSplit], d) || slices.Contains(sure[validationSplit], d)
		})}
		if kept.pictures() > 0 {
			sure[trainSplit] = []*node{kept}
		}
		return sure, nil
	case held > 0 && len(rest) == 0 && n.direct() == 0:
		return parts, nil
	}
	return whole, nil
}

// partsOfClasses are the splits where each class has its own, as in cats/train, cats/test, dogs/train and dogs/test; nil where
// that is not so.
func (n *node) partsOfClasses() map[split][]*node {
	parts := map[split][]*node{}
	classes := n.withPictures()
	if n.direct() > 0 {
		return nil
	}
	for _, class := range classes {
		if part, _ := splitOf(class.name()); part != noSplit || class.direct() > 0 {
			return nil
		}
		for _, d := range class.withPictures() {
			part, _ := splitOf(d.name())
			if part == noSplit {
				return nil
			}
			if parts[part] == nil {
				parts[part] = []*node{{path: n.path}}
			}
			own := &node{path: class.path}
			for _, below := range d.all() {
				for _, f := range below.files {
					own.files = append(own.files, strings.TrimPrefix(path.Join(below.path, f), class.path+"/"))
				}
			}
			parts[part][0].dirs = append(parts[part][0].dirs, own)
		}
	}
	if parts[trainSplit] == nil || len(parts) < 2 {
		return nil
	}
	return parts
}

// classes lists the pictures below nodes, those of a split. Folders in them are classes, in the order of their names, with all that is below them.
func (t *tree) classes(nodes []*node) (*pictures, error) {
	p := &pictures{}
	byClass := map[string][]string{}
	for _, n := range nodes {
		p.where = append(p.where, quote.Name(n.path))
		n = n.unwrappedSplit()
		inner := n.withPictures()
		if len(inner) > 0 && n.direct() > 0 {
			return nil, fmt.Errorf("%s holds images and folders of images (%s), want one or the other", quote.Name(t.path(n.path)), shownNames(namesOf(inner)))
		}
		byClass[""] = append(byClass[""], n.own()...)
		for _, d := range inner {
			for _, below := range d.all() {
				byClass[d.name()] = append(byClass[d.name()], below.own()...)
			}
		}
	}
	for class, files := range byClass {
		if len(files) > 0 {
			p.classes = append(p.classes, class)
		}
	}
	slices.Sort(p.classes)
	for label, class := range p.classes {
		for _, f := range byClass[class] {
			p.files = append(p.files, pictureFile{f, label})
		}
	}
	return p, nil
}

// own are the paths of the pictures in the folder itself.
func (n *node) own() []string {
	var list []string
	for _, f := range n.files {
		if isPicture(f) {
			list = append(list, path.Join(n.path, f))
		}
	}
	return list
}

func namesOf(nodes []*node) []string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.name()
	}
	return names
}

// labelAs gives classes the labels that they have in another split; what is not there comes after them.
func (p *pictures) labelAs(other *pictures) {
	if p == nil {
		return
	}
	classes := slices.Clone(other.classes)
	labels := make([]int, len(p.classes))
	for i, c := range p.classes {
		labels[i] = slices.Index(classes, c)
		if labels[i] < 0 {
			labels[i] = len(classes)
			classes = append(classes, c)
		}
	}
	for i := range p.files {
		p.files[i].class = labels[p.files[i].class]
	}
}

// leftOut says which files of a folder are not looked at.
func (t *tree) leftOut(unused []*node) string {
	var parts, pictures, others []string
	for _, n := range unused {
		parts = append(parts, fmt.Sprintf("%s of folder %s", count.Of(n.pictures(), "image"), quote.Name(n.path)))
	}
	for _, n := range t.root.all() {
		for _, f := range n.files {
			switch {
			case isPicture(f) || belongs(f):
			case isOtherPicture(f):
				pictures = append(pictures, f)
			default:
				others = append(others, path.Join(n.path, f))
			}
		}
	}
	if len(pictures) > 0 {
		parts = append(parts, kinds(pictures)+" (convert them to PNG or JPEG)")
	}
	if len(others) > 0 {
		parts = append(parts, fmt.Sprintf("%s (%s)", count.Of(len(others), "other file"), shownNames(others)))
	}
	if len(t.runs) > 0 {
		parts = append(parts, fmt.Sprintf("%s (%s)", count.Of(len(t.runs), "training run"), shownNames(t.runs)))
	}
	return strings.Join(parts, ", ")
}

// kinds counts files by their extension.
func kinds(names []string) string {
	many := map[string]int{}
	var order []string
	for _, n := range names {
		e := extension(n)
		if many[e] == 0 {
			order = append(order, e)
		}
		many[e]++
	}
	slices.Sort(order)
	for i, e := range order {
		order[i] = count.Of(many[e], e+" file")
	}
	return strings.Join(order, ", ")
}

// shownNames lists the first few names.
func shownNames(names []string) string {
	const few = 3
	var shown []string
	for _, n := range names[:min(few, len(names))] {
		shown = append(shown, quote.Name(n))
	}
	if len(names) > few {
		shown = append(shown, "...")
	}
	return strings.Join(shown, ", ")
}

func (s *pictureSet) about() string {
	test, of := s.held()
	text := "train: " + s.splits[trainSplit].about() + "; test: none"
	if test != nil {
		text = "train: " + s.splits[trainSplit].about() + "; test: " + test.about()
	}
	if of == testSplit && s.splits[validationSplit] != nil {
		text += "; not used: " + s.splits[validationSplit].about()
	}
	if s.ignored != "" {
		text += "; ignored: " + s.ignored
	}
	return text
}

func (s *pictureSet) labelled() bool { return s.splits[trainSplit].inClasses() }

// inClasses tells whether pictures lie in a folder for each class.
func (p *pictures) inClasses() bool { return len(p.classes) > 1 || p.classes[0] != "" }

// held is what there is to test with, and which split it is.
func (s *pictureSet) held() (*pictures, split) {
	for _, part := range []split{testSplit, validationSplit} {
		if p := s.splits[part]; p != nil {
			return p, part
		}
	}
	return nil, noSplit
}

func (p *pictures) about() string {
	text := count.Of(len(p.files), "image")
	if p.inClasses() {
		text += fmt.Sprintf(" in %s (%s)", count.Of(len(p.classes), "class"), shownNames(p.classes))
	}
	if p.where[0] != "." {
		text += " of folder " + strings.Join(p.where, ", ")
	}
	return text
}

// read decodes the pictures of a split, several at a time.
func (s *pictureSet) read(ctx context.Context, part split, o Options) (*Set, error) {
	list := s.splits[part]
	if part == testSplit {
		list, _ = s.held()
	}
	if list == nil {
		return nil, fmt.Errorf(`%w: they would be in a folder "test" beside "train"`, ErrNoTest)
	}
	size, channels := cmp.Or(o.Size, defaultSize), cmp.Or(o.Channels, defaultChannels)
	each := channels * size * size
	total, ok := product(len(list.files), each)
	if !ok || uint64(total) > maxBytes {
		return nil, fmt.Errorf("data set %q: %d images of %dx%dx%d take more than %d bytes", s.where, len(list.files), channels, size, size, uint64(maxBytes))
	}
	pixels, labels := make([]uint8, total), make([]uint32, len(list.files))
	var several atomic.Int64
	err := parallel(ctx, len(list.files), o.Progress, func(i int) error {
		p, err := s.picture(list.files[i].path)
		if err != nil {
			return err
		}
		defer p.release()
		if p.several {
			several.Add(1)
		}
		copy(pixels[i*each:], p.fit(size, channels))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if n := several.Load(); n > 0 && o.Note != nil {
		o.Note(fmt.Sprintf("of %s of the %s split with more than one picture, the first one is taken", count.Of(int(n), "file"), part))
	}
	for i, f := range list.files {
		labels[i] = uint32(f.class)
	}
	set, err := New("", len(list.files), channels, size, size, pixels, labels)
	if err == nil && part == trainSplit && list.inClasses() {
		set.Names = slices.Clone(list.classes)
	}
	return set, err
}

// picture reads a file.
func (s *pictureSet) picture(name string) (*picture, error) {
	f, size, err := s.open(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w (a link to nowhere?)", err)
		}
		return nil, err
	}
	defer f.Close()
	return readPicture(s.path(name), f, size)
}
