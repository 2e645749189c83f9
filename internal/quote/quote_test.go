package quote

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestQuoting(t *testing.T) {
	for _, c := range []struct{ what, in, name, text string }{
		{"a plain path", "runs/gan-2/x.onnx", "runs/gan-2/x.onnx", "runs/gan-2/x.onnx"},
		{"other scripts and a blank within", "données été/кот 猫🐈.png", "données été/кот 猫🐈.png", "données été/кот 猫🐈.png"},
		{"a Windows path", `C:\models\x.onnx`, `C:\models\x.onnx`, `C:\models\x.onnx`},
		{"nothing", "", `""`, ""},
		{"a blank at the end", "a ", `"a "`, "a "},
		{"a quote at the start", `"a`, `"\"a"`, `"a`},
		{"an escape sequence", "a\x1b[31m", `"a\x1b[31m"`, `a\x1b[31m`},
		{"the one-byte CSI", "a\u009b31m", `"a\u009b31m"`, `a\u009b31m`},
		{"line feed, return, tab", "a\nb\rc\td", `"a\nb\rc\td"`, `a\nb\rc\td`},
		{"other ends of lines", "a\u2028b\u2029c\u0085d\ve\f", `"a\u2028b\u2029c\u0085d\ve\f"`, `a\u2028b\u2029c\u0085d\ve\f`},
		{"direction of writing", "a\u202etxt.exe\u2066", `"a\u202etxt.exe\u2066"`, `a\u202etxt.exe\u2066`},
		{"no width", "a\u200bb\u2060c\ufeffd\u00ade", `"a\u200bb\u2060c\ufeffd\u00ade"`, `a\u200bb\u2060c\ufeffd\u00ade`},
		{"letters that show nothing", "a\u3164b\u115fc\u2800d\ufe0f", `"a\u3164b\u115fc\u2800d\ufe0f"`, `a\u3164b\u115fc\u2800d\ufe0f`},
		{"blanks that are none", "a\u00a0b\u3000c", `"a\u00a0b\u3000c"`, `a\u00a0b\u3000c`},
		{"tags and selectors beyond 16 bits", "a\U000e0041b\U000e0100", `"a\U000e0041b\U000e0100"`, `a\U000e0041b\U000e0100`},
		{"not UTF-8", "donn\xe9es\xff", `"donn\xe9es\xff"`, `donn\xe9es\xff`},
		{"the character for what is not UTF-8", "a\ufffdb", "a\ufffdb", "a\ufffdb"},
		{"a workflow command", "::error file=a::b", `"::error file=a::b"`, `:\x3aerror file=a::b`},
		{"and after blanks", "  ::error::b", `"  ::error::b"`, `  :\x3aerror::b`},
		{"a name of C++", "at::native::add", "at::native::add", "at::native::add"},
		{"a command of Azure", "a##vso[task.setvariable]", `"a##vso\x5btask.setvariable]"`, `a##vso\x5btask.setvariable]`},
		{"and its short form", "##[error]a", `"##\x5berror]a"`, `##\x5berror]a`},
		{"with more of them", "####VSO[a", `"####VSO\x5ba"`, `####VSO\x5ba`},
		{"no command", "#1[a] ##2[a] ## [a]", "#1[a] ##2[a] ## [a]", "#1[a] ##2[a] ## [a]"},
		{"a pile of marks", "e\u0301\u0302\u0303\u0304", `"e` + "\u0301\u0302\u0303" + `\u0304"`, "e\u0301\u0302\u0303" + `\u0304`},
	} {
		if got := Name(c.in); got != c.name {
			t.Errorf("%s: Name gives %s, want %s", c.what, got, c.name)
		}
		if got := Text(c.in); got != c.text {
			t.Errorf("%s: Text gives %s, want %s", c.what, got, c.text)
		}
	}
	if got := Lines("a\n ::b\n\tc\r\n"); got != "a\n :\\x3ab\n\tc\\r\n" {
		t.Errorf("Lines gives %q", got)
	}
	if got := Quote(strings.Repeat("é", 61)); got != `"`+strings.Repeat("é", 60)+`"...` {
		t.Errorf("Quote of a long name gives %s", got)
	}
}

func TestJSONStandsForTheSame(t *testing.T) {
	for _, s := range []string{"a\x1b\x7f\u009b\u2028\u202e\u200b", "##vso[a] ##[b]", "\U000e0041 \U0001f408 é", `##["\`, "::error::a"} {
		document, err := json.MarshalIndent(map[string]string{s: s}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		shown := JSON(document)
		var back map[string]string
		if err := json.Unmarshal(shown, &back); err != nil || back[s] != s {
			t.Errorf("%q: %v, came back as %q", s, err, back)
		}
		dangerous(t, shown)
	}
}

func TestShellReadsThePathBack(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash to read the paths back")
	}
	for _, path := range []string{"runs/gan", "my runs/it's", "-rf", "a$(b)`c`", "a\nb", "::a", "##vso[a", "donn\xe9es", "~a", "été 猫", "", "a*?"} {
		q := Shell(path)
		out, err := exec.Command(shell, "-c", "printf %s "+q).Output()
		want := path
		if strings.HasPrefix(path, "-") {
			want = "./" + path
		}
		if err != nil || string(out) != want {
			t.Errorf("%q: bash reads %s as %q (%v)", path, q, out, err)
		}
		dangerous(t, []byte(q))
	}
}

// dangerous fails where text would act.
func dangerous(t *testing.T, text []byte) {
	t.Helper()
	if !utf8.Valid(text) {
		t.Errorf("not UTF-8: %q", text)
	}
	for _, r := range string(text) {
		if r != '\n' && r != '\t' && acts(r) {
			t.Errorf("%q has %q", text, r)
		}
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(strings.TrimSpace(line), "::") {
			t.Errorf("a line that GitHub obeys: %q", line)
		}
		if l := strings.ToLower(line); strings.Contains(l, "##[") || strings.Contains(l, "##vso[") {
			t.Errorf("a line that Azure obeys: %q", line)
		}
	}
}

// What a Writer passes on never acts, however the text is cut into pieces, and is what Lines gives of the whole.
func FuzzWriter(f *testing.F) {
	f.Add("a\n ::error::\x1b\u202e##vso[x", 3)
	f.Add("\xe9\xc3", 1)
	f.Add(":: ##a[", 1)
	f.Fuzz(func(t *testing.T, text string, piece int) {
		var b bytes.Buffer
		w := NewWriter(&b)
		for rest := text; rest != ""; {
			n := min(max(piece, 1), len(rest))
			if k, err := w.Write([]byte(rest[:n])); k != n || err != nil {
				t.Fatalf("Write gives %d, %v", k, err)
			}
			rest = rest[n:]
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		dangerous(t, b.Bytes())
		if want := Lines(text); b.String() != want {
			t.Errorf("%q in pieces of %d gives %q, want %q", text, piece, &b, want)
		}
		if again := Lines(b.String()); again != b.String() {
			t.Errorf("%q is escaped again, to %q", &b, again)
		}
		dangerous(t, []byte(Name(text)))
		dangerous(t, []byte(Text(text)))
		dangerous(t, []byte(Quote(text)))
		dangerous(t, []byte(Shell(text)))
	})
}
