package mnist

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"strings"
	"testing"
)

func TestFilesAreTheAuthorsOwn(t *testing.T) {
	want := map[string]string{
		"train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
		"train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
		"t10k-images-idx3-ubyte.gz":  "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
		"t10k-labels-idx1-ubyte.gz":  "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
	}
	entries, err := fs.ReadDir(Files(), ".")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(want) {
		t.Errorf("%d files embedded, want %d", len(entries), len(want))
	}
	for name, sum := range want {
		b, err := fs.ReadFile(Files(), name)
		if err != nil {
			t.Error(err)
			continue
		}
		got := sha256.Sum256(b)
		if hex.EncodeToString(got[:]) != sum {
			t.Errorf("%s: sha256 %x, want %s", name, got, sum)
		}
		if !strings.Contains(Notice, sum+"  "+name) {
			t.Errorf("the notice does not list %s with its sum", name)
		}
	}
}

func TestNoticeNamesAuthorsAndLicence(t *testing.T) {
	for _, want := range []string{"LeCun", "Cortes", "Burges", "CC BY-SA 3.0", "http://yann.lecun.com/exdb/mnist/"} {
		if !strings.Contains(Notice, want) {
			t.Errorf("the notice does not mention %s", want)
		}
	}
}
