package dataset

import (
	"fmt"
	"os"

	"github.com/petrify-ml/petrify/internal/quote"
)

// ReadPicture reads one picture file in the same way as a folder of pictures: rotated according to its EXIF orientation,
// cropped to its central square and scaled. It returns (channels, size, size), 0 black and 255 white; channels is 1 for grey or
// 3 for colour. A file that is not a picture is a *FormatError.
func ReadPicture(path string, size, channels int) ([]uint8, error) {
	if size < 1 || size > maxSize || channels != 1 && channels != 3 {
		return nil, fmt.Errorf("%d channels of %dx%d pixels, want 1 or 3 of at most %dx%[4]d", channels, size, size, maxSize)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder, want a picture", quote.Name(path))
	}
	p, err := readPicture(path, f, info.Size())
	if err != nil {
		return nil, err
	}
	defer p.release()
	return p.fit(size, channels), nil
}
