package target

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var tensorRT = flag.String("target.tensorrt", "", "clone of github.com/onnx/onnx-tensorrt, to make TensorRT's table of")

// trtTypes are the page's names of types.
var trtTypes = map[string]string{
	"FP32": "float", "FP16": "float16", "BF16": "bfloat16", "INT32": "int32", "INT64": "int64", "INF64": "int64", "INT8": "int8",
	"UINT8": "uint8", "INT4": "int4", "FP8": "float8e4m3fn", "BOOL": "bool",
}

// TensorRT's table is made of the page docs/operators.md of its parser, at each release. With -target.tensorrt the test writes it:
//
//	go test ./gate/target -run MakeTensorRT -target.tensorrt ../onnx-tensorrt
func TestMakeTensorRT(t *testing.T) {
	if *tensorRT == "" {
		t.Skip("writes a table: see -target.tensorrt")
	}
	var head strings.Builder
	lines, last := map[string][]string{}, map[string]string{}
	date := ""
	for _, release := range []struct{ name, branch string }{{"8.6", "8.6-GA"}, {"9.3", "9.3"}, {"10.0", "10.0-GA"}, {"10.1", "10.1-GA"}} {
		git := func(args ...string) string {
			out, err := exec.Command("git", append([]string{"-C", *tensorRT}, args...)...).Output()
			if err != nil {
				t.Fatalf("%s: %v", release.branch, err)
			}
			return string(out)
		}
		page := git("show", release.branch+":docs/operators.md")
		date = strings.TrimSpace(git("log", "-1", "--format=%cs", release.branch, "--", "docs/operators.md"))
		most := regexp.MustCompile(`(?i)to opset (\d+)`).FindStringSubmatch(page)
		if most == nil {
			t.Fatalf("%s: the page does not say which opset is the newest", release.branch)
		}
		fmt.Fprintf(&head, "release %s ai.onnx=%s\n", release.name, most[1])
		for line := range strings.Lines(page) {
			cells := strings.Split(line, "|")
			if !strings.HasPrefix(line, "| ") || len(cells) < 3 || strings.TrimSpace(cells[1]) == "Operator" {
				continue
			}
			name, text := strings.TrimSpace(cells[1]), "none"
			if yes := strings.TrimSpace(cells[2]); strings.HasPrefix(yes, "Y") {
				text = "any"
				var types []string
				for _, typ := range strings.Split(cells[3], ",") {
					if known := trtTypes[strings.TrimSpace(typ)]; known != "" && !slices.Contains(types, known) {
						types = append(types, known)
					}
				}
				if len(types) > 0 {
					text = "first=" + strings.Join(types, ",")
				}
				if len(cells) > 4 && strings.TrimSpace(cells[4]) != "" {
					text += " partial: the source restricts it"
				}
				if slices.Contains(types, "float") {
					text += "\nfirst=double partial: it computes in float32"
				}
			}
			if text != last[name] {
				last[name] = text
				for _, l := range strings.Split(text, "\n") {
					lines[name] = append(lines[name], "\t"+release.name+" "+l+"\n")
				}
			}
		}
	}
	var body strings.Builder
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(&body, "op %s 0\n%s", name, strings.Join(lines[name], ""))
	}
	text := fmt.Sprintf("# Made by go test ./gate/target -run MakeTensorRT -target.tensorrt ...\ntarget tensorrt\nsource https://github.com/onnx/onnx-tensorrt/blob/10.1-GA/docs/operators.md and the same page of earlier releases\ndate %s\n%s%s", date, head.String(), body.String())
	if err := os.WriteFile("tensorrt.txt", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
