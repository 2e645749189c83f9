package petrify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// noticeHead is what NOTICE says of petrify itself and of the data inside it.
const noticeHead = `petrify
Copyright 2026 The petrify authors

Licensed under the Apache License, Version 2.0 (see LICENSE).

The program embeds the MNIST database of handwritten digits by Yann LeCun,
Corinna Cortes and Christopher J.C. Burges (http://yann.lecun.com/exdb/mnist/),
which is under the Creative Commons Attribution-ShareAlike 3.0 licence.
See dataset/mnist/NOTICE.

The program links the modules below. Their licences stand in
THIRD_PARTY_LICENSES. Both lists are made by: go test . -update
`

// A licence is what a module is under, known by a sentence that it has and those before it in the list have not.
type licence struct {
	id       string
	sentence *regexp.Regexp
}

var licences = []licence{
	{"Apache-2.0", phrase(`Apache License Version 2\.0`)},
	{"MPL-2.0", phrase(`Mozilla Public License Version 2\.0`)},
	{"CC-BY-4.0", phrase(`Creative Commons Attribution 4\.0`)},
	{"FTL", phrase(`The FreeType Project LICENSE`)},
	{"BSD-3-Clause", phrase(`Neither the name[s]? .{0,200} endorse or promote products`)},
	{"BSD-2-Clause", phrase(`Redistributions in binary form must reproduce the above copyright notice`)},
	{"ISC", phrase(`Permission to use, copy, modify, and(/or)? distribute this software for any purpose with or without fee`)},
	{"MIT", phrase(`Permission is hereby granted, free of charge, to any person obtaining a copy`)},
}

// phrase matches words whatever the white space and the commas between them.
func phrase(words string) *regexp.Regexp {
	return regexp.MustCompile(`(?is)` + strings.ReplaceAll(words, " ", `[\s,#*]+`))
}

// A linked is a module that the program links on at least one system.
type linked struct{ Path, Version, Dir string }

// linkedModules lists the modules behind cmd/petrify on the systems that it is built for.
func linkedModules() ([]linked, error) {
	all := map[string]linked{}
	for _, system := range []string{"linux", "windows", "darwin"} {
		cmd := exec.Command("go", "list", "-deps", "-json=Module", "./cmd/petrify")
		cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list for %s: %w", system, err)
		}
		for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
			var p struct{ Module *linked }
			if err := dec.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			if p.Module != nil && p.Module.Version != "" {
				all[p.Module.Path] = *p.Module
			}
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b linked) int { return strings.Compare(a.Path, b.Path) }), nil
}

// licenceOf reads the licence files of a module, and names the licences that they hold. Of FreeType's choice, the FTL
// or the GPL, the first is taken.
func licenceOf(m linked) (text, id string, err error) {
	files, err := filepath.Glob(filepath.Join(m.Dir, "*"))
	if err != nil {
		return "", "", err
	}
	inside, err := filepath.Glob(filepath.Join(m.Dir, "[Ll]icen[sc]es", "*"))
	if err != nil {
		return "", "", err
	}
	var texts, ids []string
	for _, f := range slices.Concat(files, inside) {
		name := strings.ToUpper(filepath.Base(f))
		known := slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "FTL"}, func(p string) bool { return strings.HasPrefix(name, p) })
		if info, err := os.Stat(f); err != nil || info.IsDir() || !known {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			return "", "", err
		}
		texts = append(texts, strings.TrimSpace(strings.ReplaceAll(string(b), "\r\n", "\n")))
		if i := slices.IndexFunc(licences, func(l licence) bool { return l.sentence.Match(b) }); i >= 0 && !slices.Contains(ids, licences[i].id) {
			ids = append(ids, licences[i].id)
		}
	}
	if len(ids) == 0 {
		return "", "", fmt.Errorf("%s %s: no licence that this test knows among %d files in %s", m.Path, m.Version, len(texts), m.Dir)
	}
	return strings.Join(texts, "\n\n"), strings.Join(ids, " and "), nil
}

// notice writes NOTICE, and thirdParty the texts that it refers to.
func notice(b *strings.Builder) error {
	b.WriteString(noticeHead + "\n")
	return eachLicence(func(m linked, _, id string) { fmt.Fprintf(b, "%-50s %s\n", m.Path, id) })
}

func thirdParty(b *strings.Builder) error {
	users := map[string][]string{}
	err := eachLicence(func(m linked, text, _ string) { users[text] = append(users[text], m.Path) })
	for _, text := range slices.SortedFunc(maps.Keys(users), func(a, b string) int { return strings.Compare(users[a][0], users[b][0]) }) {
		fmt.Fprintf(b, "%s\n%s\n\n%s\n\n\n", strings.Join(users[text], "\n"), strings.Repeat("=", 80), text)
	}
	return err
}

func eachLicence(f func(m linked, text, id string)) error {
	modules, err := linkedModules()
	if err != nil {
		return err
	}
	for _, m := range modules {
		text, id, err := licenceOf(m)
		if err != nil {
			return err
		}
		f(m, text, id)
	}
	return nil
}

func TestALicenceIsKnownByItsSentence(t *testing.T) {
	for text, want := range map[string]string{
		"Apache License\n   Version 2.0, January 2004":                                                                  "Apache-2.0",
		"Permission is hereby granted, free of charge, to any\nperson obtaining a copy of this":                         "MIT",
		"* Redistributions in binary form must reproduce the\nabove copyright notice, this list":                        "BSD-2-Clause",
		"Neither the name of Google Inc. nor the names of its\ncontributors may be used to endorse or promote products": "BSD-3-Clause",
		"All rights reserved.": "",
	} {
		got := ""
		for _, l := range licences {
			if l.sentence.MatchString(text) {
				got = l.id
				break
			}
		}
		if got != want {
			t.Errorf("%.40q is taken for %q, want %q", text, got, want)
		}
	}
}
