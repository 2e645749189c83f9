// Package mnist embeds the MNIST database of handwritten digits in the program, so that a first
// training run needs no network.
//
// The four files are the authors' own, gzipped IDX, byte for byte: 60,000
// training and 10,000 test images of 28x28 grey pixels with their labels. They
// are under CC BY-SA 3.0, see Notice. Package dataset decodes them.
package mnist

import (
	"embed"
	"io/fs"
)

//go:embed *.gz
var files embed.FS

// Notice names the authors, the source and the licence of the database.
//
//go:embed NOTICE
var Notice string

// Files is the folder of the four IDX files under their original names.
func Files() fs.FS { return files }
