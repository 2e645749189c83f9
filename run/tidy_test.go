package run

import "testing"

// TestUnfinishedFilesOfAnExportAreOurs has all that an export writes, cards and bills of materials among them, and files of others.
func TestUnfinishedFilesOfAnExportAreOurs(t *testing.T) {
	for name, want := range map[string]bool{
		".tmp-ModelCard.md-2x5vstkvr1vxh":      true,
		".tmp-decoder.cdx.json-2er9mk1a7lbhu":  true,
		".tmp-decoder.onnx-2er9mk1a7lbhu":      true,
		".tmp-output_0.pb-2er9mk1a7lbhu":       true,
		".tmp-certificate.json-2er9mk1a7lbhu":  true,
		".tmp-README.md-2er9mk1a7lbhu":         false,
		".tmp-decoder.json-2er9mk1a7lbhu":      false,
		"ModelCard.md":                         false,
		".tmp-ModelCard.md-a name of somebody": false,
	} {
		if got := ours(onnxFolder, name); got != want {
			t.Errorf("%s: %t, want %t", name, got, want)
		}
	}
}
