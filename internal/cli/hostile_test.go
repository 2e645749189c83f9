package cli

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// hostile are names made to act on whoever shows them.
func hostile() []string {
	var names []string
	for c := rune(1); c < 0x20; c++ {
		names = append(names, fmt.Sprintf("a%cb", c))
	}
	for _, r := range []rune{
		0x7f, 0x80, 0x85, 0x8d, 0x90, 0x9b, 0x9d, // delete and the one-byte C1
		0x2028, 0x2029, // ends of lines
		0x061c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069, // direction
		0x00ad, 0x034f, 0x115f, 0x180e, 0x200b, 0x200c, 0x200d, 0x2060, 0x2800, 0x3164, 0xfe0f, 0xfeff, 0xffa0, 0xe0001, 0xe0041, // unseen
		0x00a0, 0x2003, 0x3000, // blanks
		0xe000, 0xfffe, 0x10ffff, // private, and no characters
	} {
		names = append(names, fmt.Sprintf("a%cb", r))
	}
	return append(names,
		"a\xffb", "a\xc3", "\xed\xa0\x80", "\xc0\xaf", "donn\xe9es", // not UTF-8
		"::error file=app.go,line=1::pwned", "  ::warning::pwned", "\t::notice::pwned", "a\n::error::pwned", "a\r::error::pwned", "a\r\n::stop-commands::x",
		"a\u0085::error::pwned", "a\u2028::error::pwned", "a\v::error::pwned", "::add-mask::a", "::set-output name=a::b", "\u00a0::error::pwned", "\ufeff::error::pwned",
		"##[error]pwned", "a##[group]", "##vso[task.setvariable variable=A]b", "a ##VSO[task.complete]", "##\u00advso[task.complete]", "###[error]", "#\u200b#[error]",
		"\x1b[31mred", "\x1b]0;title\x07", "\x1b]8;;http://example.com\x1b\\link", "\x1b[2J\x1b[H", "\x1b[8mha:", "\r\x1b[Kpetrify: done",
		"\u2066a\u2069\u202eb\u2028::error::c",
		"a](http://example.com)[b", "e"+strings.Repeat("\u0301", 40),
	)
}

var (
	acting = regexp.MustCompile(`(?i)(?m)^\s*::|##[a-z]*\[`)
	// what no text of ours has: control characters, other blanks, marks of direction, unseen, private, and no characters
	unseen = regexp.MustCompile(`[^\P{C}\n\t]|[^\P{Z} ]|[\x{34f}\x{115f}\x{1160}\x{2800}\x{3164}\x{fe00}-\x{fe0f}\x{ffa0}\x{e0100}-\x{e01ef}]|\p{Mn}{4}`)
)

// acts says what in a text would act, "" where nothing does.
func acts(text string) string {
	if !utf8.ValidString(text) {
		return "bytes that are not UTF-8"
	}
	if found := acting.FindString(text); found != "" {
		return fmt.Sprintf("a command to a CI system, %q", found)
	}
	if found := unseen.FindString(text); found != "" {
		return fmt.Sprintf("%q", found)
	}
	return ""
}

// Nothing that a file, a folder or an argument is called acts on a terminal or in a log, whichever command shows it.
func TestHostileNamesDoNotAct(t *testing.T) {
	names := hostile()
	if testing.Short() {
		names = append(names[8:11], names[len(names)-20:]...)
	}
	for i, name := range names {
		dir := t.TempDir()
		t.Chdir(dir)
		file := strings.ReplaceAll(name, "/", "_")
		commands := hostileCommands(t, dir, name, file)
		if runtime.GOOS != "windows" { // whose files cannot have such names
			commands = append(commands, hostileFiles(t, unknownOperator(t, dir, name), file)...)
			if i%12 == 0 || i > len(names)-20 && i%2 == 0 { // training takes longest, and is the same for names of a kind
				commands = append(commands, hostileRuns(t, file)...)
			}
		}
		for _, command := range commands {
			_, out, errs := cli(t, "", command...)
			if out+errs == "" {
				t.Errorf("%q: petrify %q says nothing", name, command)
			}
			if strings.ContainsAny(name, "\n\t") && strings.Contains(out+errs, name) {
				t.Errorf("%q: petrify %q shows the name as it is:\n%s%s", name, command, out, errs)
			}
			if why := acts(out); why != "" {
				t.Errorf("%q: petrify %q writes %s to stdout:\n%s", name, command, why, out)
			}
			if why := acts(errs); why != "" {
				t.Errorf("%q: petrify %q writes %s to stderr:\n%s", name, command, why, errs)
			}
		}
		if why := acts(fit([]string{name, name}, 1000)); why != "" {
			t.Errorf("%q: the bar has %s", name, why)
		}
	}
}

func hostileCommands(t *testing.T, dir, name, file string) [][]string {
	text := strings.ToValidUTF8(name, "") // protobuf takes no other
	everywhere := modelFile(t, dir, "model.onnx", func(m *pb.ModelProto) {
		m.ProducerName, m.ProducerVersion, m.DocString, m.Graph.Name, m.Graph.Node[0].Name = &text, &text, &text, &text, &text
		m.MetadataProps = []*pb.StringStringEntryProto{{Key: &text, Value: &text}}
		m.Graph.Input[0].Name, m.Graph.Node[0].Input[0] = &text, text
		m.Graph.Node[0].Output[0], m.Graph.Node[1].Input[0] = "s"+text, "s"+text
		m.Graph.Output[0].Name, m.Graph.Node[1].Output[0] = proto.String("\n"+text), "\n"+text
		m.Graph.Initializer[0].Name, m.Graph.Node[0].Input[1] = proto.String(text+"w"), text+"w"
	})
	unknown := unknownOperator(t, dir, name)
	return [][]string{
		{name}, {"help", name}, {"completion", name}, {"__complete", name, ""}, {"__complete", "train", "--" + name, ""}, {"__complete", "train", "--resume=" + name + "/", "g"},
		{"models", name}, {"models", "--" + name}, {"train", name}, {"train", "gan", "--data", name}, {"train", "gan", "--steps", name}, {"train", "--resume", name},
		{"export", name}, {"verify", name}, {"check", name}, {"inspect", name}, {"sample", name}, {"check", everywhere, "--severity", name}, {"verify", everywhere, "--runtime", name},
		{"verify", everywhere, "--limit", name}, {"verify", everywhere, "--against", name},
		{"check", "--severity", "info", everywhere, unknown}, {"check", "--json", unknown, name}, {"check", "--sarif", unknown, name},
		{"inspect", everywhere, "--weights"}, {"inspect", everywhere, "--json"}, {"inspect", everywhere, "--text"}, {"inspect", unknown, "--text"}, {"inspect", unknown},
		{"sample", everywhere}, {"sample", unknown, "--runtime", "load"},
		{"verify", everywhere, "--runtime", "load"}, {"verify", unknown, "--runtime", "load"}, {"verify", everywhere, unknown, "--runtime", "load", "--json"},
	}
}

// unknownOperator writes a model with an operator and an attribute of that name.
func unknownOperator(t *testing.T, dir, name string) string {
	text := strings.ToValidUTF8(name, "")
	return modelFile(t, dir, "unknown.onnx", func(m *pb.ModelProto) {
		m.Graph.Node[1].OpType, m.Graph.Node[1].Domain = &text, &text
		m.OpsetImport = append(m.OpsetImport, &pb.OperatorSetIdProto{Domain: &text, Version: proto.Int64(1)})
		m.Graph.Node[0].Attribute = []*pb.AttributeProto{{Name: &text, Type: pb.AttributeProto_STRING.Enum(), S: []byte(name)}}
	})
}

// small are the flags of a run that takes no time.
var small = []string{"--image-size", "4", "--width", "2", "--latent", "2", "--depth", "1", "--steps", "1", "--batch", "2", "--threads", "1"}

// hostileFiles are commands on files and folders of that name: a model of an unknown kind, no model at all, no pictures.
func hostileFiles(t *testing.T, unknown, file string) (commands [][]string) {
	for folder, with := range map[string][]byte{"models": read(t, unknown), "garbage": []byte("no model")} {
		makeFile(t, filepath.Join(folder, file+".onnx"), with)
		commands = append(commands, []string{"check", folder}, []string{"check", folder, "--json"}, []string{"verify", folder, "--runtime", "load"},
			[]string{"inspect", filepath.Join(folder, file+".onnx")}, []string{"inspect", filepath.Join(folder, file+".onnx"), "--json"}, []string{"sample", filepath.Join(folder, file+".onnx")})
	}
	makeFile(t, filepath.Join("broken", file, "a.png"), []byte("no picture"))
	makeFile(t, filepath.Join("wrong", file+".png"), []byte("no picture"))
	return append(commands, append([]string{"train", "gan", "--data", "broken"}, small...), append([]string{"train", "gan", "--data", "wrong"}, small...))
}

// hostileRuns are commands on a data set and a run folder of that name.
func hostileRuns(t *testing.T, file string) [][]string {
	makeFile(t, filepath.Join("images", file, "a.png"), smallPNG(t))
	makeFile(t, filepath.Join("images", file, "b.png"), smallPNG(t))
	makeFile(t, filepath.Join("images", file, file+".txt"), nil)
	run := filepath.Join("run", file)
	return [][]string{
		append([]string{"train", "gan", "--no-verify", "--data", filepath.Join("images", file), "--out", run}, small...),
		append([]string{"train", "gan", "--no-verify", "--data", filepath.Join("images", file), "--out", run}, small...), // there already
		{"export", run}, {"sample", run, "-o", file + ".png"}, {"verify", run, "--runtime", "load", "--against", run},
		{"train", "--no-verify", "--resume", run, "--steps", "2"}, {"train", "--resume", run, "--steps", "1"},
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func makeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func smallPNG(t *testing.T) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 4, 4))
	img.Set(1, 1, color.White)
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The check of the test above finds each of its names: none of them is harmless.
func TestHostileNamesAreHostile(t *testing.T) {
	for _, name := range hostile() {
		if name == "a\tb" || name == "a\nb" || strings.Contains(name, "](") {
			continue // forge columns and lines, or links in formats of reports, and no more
		}
		if acts(name+"\n") == "" {
			t.Errorf("%q would do nothing", name)
		}
		if why := acts(quote.Name(name)); why != "" {
			t.Errorf("%q is quoted as %s, which has %s", name, quote.Name(name), why)
		}
	}
}
